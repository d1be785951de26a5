import { join } from 'node:path'
import test from 'ava'
import { RULES } from '#src/admin/rules.ts'
import { createAccount, deleteAccount, modifyAccount, renameAccount } from '#src/directory/admin/accounts.ts'
import { addAlias, removeAlias } from '#src/directory/admin/aliases.ts'
import { createAliasDomain, createDomain, deleteDomain } from '#src/directory/admin/domains.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import { addMembers, createList, deleteList, renameList } from '#src/directory/admin/lists.ts'
import type { Provisioning } from '#src/directory/admin/lookup.ts'
import { account } from '#src/directory/admin/lookup.ts'
import { createServer, modifyConfig } from '#src/directory/admin/servers.ts'
import type { AdminEntry, AdminStore, Match, Written } from '#src/directory/admin/store.ts'
import type { LdifModification } from '#src/directory/ldif.ts'
import { tempFolder } from '#test/support/temp.ts'

class DiskFull extends Error {}

/** A directory whose disk is full after so many writes. */
class FailingStore implements AdminStore {
  readonly kind = 'embedded'
  readonly #store: EmbeddedStore
  readonly #hasTransactions: boolean
  #left: number

  constructor(store: EmbeddedStore, writes: number, options: { readonly hasTransactions: boolean }) {
    this.#store = store
    this.#left = writes
    this.#hasTransactions = options.hasTransactions
  }

  entry(dn: string): Promise<AdminEntry | undefined> {
    return this.#store.entry(dn)
  }

  find(base: string, match: Match): AsyncIterable<AdminEntry> {
    return this.#store.find(base, match)
  }

  async add(entry: AdminEntry): Promise<Written> {
    return await this.#counted(() => this.#store.add(entry))
  }

  async modify(dn: string, changes: readonly LdifModification[]): Promise<Written> {
    return await this.#counted(() => this.#store.modify(dn, changes))
  }

  async remove(dn: string): Promise<Written> {
    return await this.#counted(() => this.#store.remove(dn))
  }

  async rename(dn: string, newDn: string): Promise<Written> {
    return await this.#counted(() => this.#store.rename(dn, newDn))
  }

  async together<T>(work: () => Promise<T>): Promise<T> {
    return this.#hasTransactions ? await this.#store.together(work) : await work()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  async #counted(write: () => Promise<Written>): Promise<Written> {
    if (this.#left === 0) throw new DiskFull('the disk is full')
    this.#left -= 1
    return await write()
  }
}

async function contentOf(store: AdminStore): Promise<string> {
  const entries = await Array.fromAsync(store.find('', { kind: 'present', name: 'objectClass' }))
  return JSON.stringify(entries.toSorted((a, b) => (a.dn < b.dn ? -1 : 1)))
}

const set = (name: string, value: string) => [{ op: 'set' as const, name, value }]

const provisioning = (store: AdminStore): Provisioning => ({ store, rules: RULES, now: () => new Date(0) })

/** What is there before each. */
async function prepared(p: Provisioning): Promise<void> {
  await createDomain(p, 'one.test', [])
  await createDomain(p, 'empty.test', [])
  await createAliasDomain(p, 'alias.test', 'empty.test', [])
  await createAccount(p, 'ann@one.test', 'secret1', [])
  await addAlias(p, await account(p, 'ann@one.test'), 'a@one.test')
  await createList(p, 'all@one.test', [])
  await addMembers(p, 'all@one.test', ['ann@one.test', 'a@one.test'])
}

const COMMANDS: readonly (readonly [string, (p: Provisioning) => Promise<unknown>])[] = [
  ['createAccount', (p) => createAccount(p, 'bob@one.test', 'secret1', [])],
  ['createDomain', (p) => createDomain(p, 'sub.new.test', [])],
  ['createList', (p) => createList(p, 'new@one.test', [])],
  ['createServer', (p) => createServer(p, 'mx.test', [])],
  ['modifyConfig', (p) => modifyConfig(p, set('zimbraMtaMaxMessageSize', '1000000'))],
  ['addAlias', async (p) => addAlias(p, await account(p, 'ann@one.test'), 'b@one.test')],
  ['removeAlias', async (p) => removeAlias(p, await account(p, 'ann@one.test'), 'a@one.test')],
  ['modifyAccount', (p) => modifyAccount(p, 'ann@one.test', set('zimbraAccountStatus', 'closed'))],
  ['renameAccount', (p) => renameAccount(p, 'ann@one.test', 'eve@one.test')],
  ['deleteAccount', (p) => deleteAccount(p, 'ann@one.test')],
  ['renameList', (p) => renameList(p, 'all@one.test', 'every@one.test')],
  ['deleteList', (p) => deleteList(p, 'all@one.test')],
  ['deleteDomain', (p) => deleteDomain(p, 'empty.test')],
]

for (const [name, command] of COMMANDS) {
  test(`${name} is done as a whole or not at all, wherever it breaks off`, async (t) => {
    using folder = tempFolder('together')
    await using store = EmbeddedStore.open(join(folder.path, 'directory.db'))
    await prepared(provisioning(store))
    const before = await contentOf(store)
    let writes = 0
    for (; writes < 50; writes += 1) {
      const p = provisioning(new FailingStore(store, writes, { hasTransactions: true }))
      try {
        await command(p)
        break
      } catch (error) {
        if (!(error instanceof DiskFull)) throw error
        t.is(await contentOf(store), before, `after ${writes} writes`)
      }
    }
    t.true(writes > 0 && writes < 50)
    t.not(await contentOf(store), before)
  })
}

/** As over LDAP, which has no transactions. */
for (const [name, command] of COMMANDS) {
  test(`${name}, said again after it broke off without a transaction, does what is left to do`, async (t) => {
    using folder = tempFolder('together')
    let expected: string | undefined
    for (let writes = 0; writes < 50; writes += 1) {
      await using store = EmbeddedStore.open(join(folder.path, `${writes}.db`))
      await prepared(provisioning(store))
      const broken = await command(
        provisioning(new FailingStore(store, writes, { hasTransactions: false })),
      ).then(
        () => false,
        (error: unknown) => {
          if (error instanceof DiskFull) return true
          throw error
        },
      )
      if (broken) await command(provisioning(store))
      const content = withoutIds(await contentOf(store))
      expected ??= content
      t.true(content === expected, `after ${writes} writes`)
      if (!broken) return
    }
    t.fail('it never ended')
  })
}

function withoutIds(text: string): string {
  return text.replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\{SSHA512\}[A-Za-z0-9+/]+/g, '')
}
