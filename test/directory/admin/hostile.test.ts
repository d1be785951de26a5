import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import * as fc from 'fast-check'
import { RULES } from '#src/admin/rules.ts'
import { createAccount, deleteAccount, modifyAccount, renameAccount } from '#src/directory/admin/accounts.ts'
import { addAlias, removeAlias } from '#src/directory/admin/aliases.ts'
import { createDomain } from '#src/directory/admin/domains.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import { addMembers, createList, membersOf } from '#src/directory/admin/lists.ts'
import type { Provisioning } from '#src/directory/admin/lookup.ts'
import { account, everyAccount, findAccount, findDomain, list } from '#src/directory/admin/lookup.ts'
import { addressOf } from '#src/directory/admin/naming.ts'
import { ProvisionRefused } from '#src/directory/admin/refusal.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'
import { valueOf, valuesOf } from '#src/directory/admin/store.ts'
import { addressText, parseAddress } from '#src/mail/address.ts'
import { openStoreAt } from '#test/support/ldap-store.ts'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { tree } from '#test/support/zimbra-ldif.ts'

/** Made of what has a meaning in filters, in names of entries, in LDIF and in SQL. */
const SYNTAX = [
  '*',
  '(',
  ')',
  '\\',
  '\u0000',
  ',',
  '=',
  '+',
  '"',
  '<',
  '>',
  ';',
  '#',
  ' ',
  '/',
  "'",
  '%',
  '_',
  '|',
  '&',
  '!',
]
const WORDS = ['uid', 'objectClass', 'ann', 'x', '2a', '5c', '--', ':', '\n', 'ä', 'Ö', '😀', 'dn: ']
const HOSTILE = fc
  .array(fc.constantFrom(...SYNTAX, ...WORDS), { minLength: 1, maxLength: 12 })
  .map((parts) => parts.join(''))
/** What may stand in a local part in quotes (RFC 5321 section 4.1.2), beyond ASCII not: LDAP has IA5 there. */
const LOCAL = HOSTILE.map((text) => text.replaceAll(/[^ -~]/g, '').toLowerCase()).filter(
  (text) => parseAddress(addressText(text, 'one.test'))?.local === text && text !== '',
)

async function holds(t: ExecutionContext, store: AdminStore, runs: number): Promise<void> {
  const p: Provisioning = { store, rules: RULES, now: () => new Date() }
  await createDomain(p, 'one.test', [])
  const witness = await createAccount(p, 'witness@one.test', '', [])
  await fc.assert(
    fc.asyncProperty(LOCAL, LOCAL, HOSTILE, async (local, other, value) => {
      const address = addressText(local, 'one.test')
      const alias = addressText(`${other}.`, 'one.test')
      const asked = await findAccount(p, value)
      t.true(asked === undefined || addressOf(asked) === 'witness@one.test', value)
      t.is(await findDomain(p, value), undefined)
      if (address === 'witness@one.test' || address === alias) return
      const id = await createAccount(p, address, '', [])
      const made = await account(p, address)
      t.is(valueOf(made, 'zimbraId'), id)
      t.is(valueOf(made, 'uid'), local)
      t.is(addressOf(made), address)
      await addAlias(p, made, alias)
      t.is(addressOf(await account(p, alias)), address)
      // What a value may not hold is refused; what is taken is kept as it is.
      const text = value.trim()
      const isTaken = await modifyAccount(p, address, [{ op: 'set', name: 'description', value: text }]).then(
        () => true,
        (error: unknown) => {
          if (error instanceof ProvisionRefused) return false
          throw error
        },
      )
      const kept = await account(p, id)
      t.is(valueOf(kept, 'description'), isTaken && text !== '' ? text : undefined)
      await createList(p, 'list@one.test', [])
      await addMembers(p, 'list@one.test', [address])
      await renameAccount(p, address, 'renamed@one.test')
      t.deepEqual(membersOf(await list(p, 'list@one.test')), ['renamed@one.test'])
      await removeAlias(p, await account(p, 'renamed@one.test'), alias)
      t.deepEqual(valuesOf(await account(p, id), 'mail'), ['renamed@one.test'])
      await deleteAccount(p, 'renamed@one.test')
      const { dn } = await list(p, 'list@one.test')
      t.is(await store.remove(dn), 'done')
      const left = await Array.fromAsync(everyAccount(p, 'one.test'))
      t.deepEqual(
        left.map((entry) => valueOf(entry, 'zimbraId')),
        [witness],
      )
    }),
    { numRuns: runs },
  )
}

test('no name and no value becomes syntax in the embedded directory', async (t) => {
  using folder = tempFolder('hostile')
  await using store = EmbeddedStore.open(join(folder.path, 'directory.db'))
  await holds(t, store, 60)
})

const overLdap = slapdLacks() === undefined ? test : test.skip

overLdap('no name and no value becomes syntax over LDAP', async (t) => {
  using folder = tempFolder('hostile')
  await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
  await using store = await openStoreAt(slapd)
  await holds(t, store, 60)
})
