import { AndFilter, EqualityFilter, OrFilter } from 'ldapts'
import type { Filter } from 'ldapts'
import type { Clock } from '#src/base/clock.ts'
import type { Directory, DomainKind, RecipientLookup } from '#src/directory/directory.ts'
import { lookupKeys } from '#src/directory/keys.ts'
import type { LdapConnection } from './connection.ts'
import { failureOf, LdapFailure } from './connection.ts'
import type { Mirror, MirrorEntry } from './mirror.ts'
import { mirrorEntry, readByName } from './reading.ts'
import type { ServerChoice } from './servers.ts'
import type { Kind } from './wanted.ts'
import { OPERATIONAL } from './wanted.ts'

export interface LiveOptions {
  readonly mirror: Mirror
  /** Reads the mirror. */
  readonly directory: () => Directory
  readonly choice: ServerChoice
  /** Entries of mail: wantedKinds() has them. */
  readonly kind: Kind
  readonly base: string
  readonly recipientDelimiter: string
  readonly clock: Clock
  /** The server that the mirror is kept up with; undefined while none can be spoken to. */
  readonly url: () => string | undefined
  /** A server did not answer. */
  readonly onTrouble: () => void
}

/** One question; smtpd waits five seconds for the answer to all that one recipient needs. */
const SEARCH_MS = 4000
/** An answer is believed for so long: a flood of mail to one unknown address costs one question. */
const BELIEVED_MS = 2000
const BELIEVED_MAX = 10_000
/** Questions under way; a server that is slower than what comes in would pile them up without end. */
const UNDER_WAY_MAX = 256
/** Rounds in which members of members are asked for. */
const ROUNDS_MAX = 20
/** Addresses of one round, and in one filter. */
const KEYS_MAX = 200
/** Entries that may have one address: more than a few are a mistake of the directory. */
const MATCHES_MAX = 1000

/** Any of the attributes by which ldap-vam.cf of Zimbra finds an entry. */
const FOUND_BY = [
  'zimbraMailDeliveryAddress',
  'zimbraMailAlias',
  'zimbraOldMailAddress',
  'zimbraMailCatchAllAddress',
] as const

/** Asks the directory server itself about what the mirror does not know, and puts what it finds into the mirror. */
export class Live {
  readonly #options: LiveOptions
  #connection: Promise<LdapConnection> | undefined
  readonly #answers = new Map<string, { readonly untilMs: number; readonly answer: Promise<unknown> }>()
  #underWay = 0
  readonly #stop = new AbortController()

  constructor(options: LiveOptions) {
    this.#options = options
  }

  /** Never throws: 'unavailable' where no server answers in time. */
  recipient(address: string): Promise<RecipientLookup> {
    const key = `r ${address}`
    return this.#once(key, async () => {
      try {
        await this.#fetchAll(address)
        return this.#options.directory().recipient(address)
      } catch (error) {
        return { kind: 'unavailable', reason: this.#trouble(key, error) }
      }
    })
  }

  domain(name: string): Promise<DomainKind> {
    const key = `d ${name}`
    return this.#once(key, async () => {
      try {
        await this.#fetch([new EqualityFilter({ attribute: 'zimbraDomainName', value: name })])
        return this.#options.directory().domain(name)
      } catch (error) {
        this.#trouble(key, error)
        return 'unavailable'
      }
    })
  }

  close(): void {
    this.#stop.abort()
    void this.#connection?.then(
      (connection) => connection.close(),
      // It did not come about: there is nothing to close.
      () => undefined,
    )
  }

  #once<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const nowMs = this.#options.clock.monotonicMs()
    const held = this.#answers.get(key)
    // oxlint-disable-next-line no-unsafe-type-assertion -- the key begins with the kind of question
    if (held !== undefined && held.untilMs > nowMs) return held.answer as Promise<T>
    this.#answers.delete(key)
    if (this.#answers.size >= BELIEVED_MAX) {
      const [oldest] = this.#answers.keys()
      if (oldest !== undefined) this.#answers.delete(oldest)
    }
    const answer = ask()
    this.#answers.set(key, { untilMs: nowMs + BELIEVED_MS, answer })
    return answer
  }

  /** The address, and what it leads to, until everything is in the mirror that there is. */
  async #fetchAll(address: string): Promise<void> {
    const asked = new Set<string>()
    let wanted: readonly string[] = [address]
    for (let round = 0; round < ROUNDS_MAX && wanted.length > 0; round += 1) {
      for (const one of wanted) asked.add(one)
      const names = wanted.filter((one) => one.startsWith('dn:'))
      const addresses = wanted.filter((one) => !one.startsWith('dn:'))
      await this.#fetch(addresses.flatMap((one) => this.#filtersFor(one)))
      for (const name of names.slice(0, KEYS_MAX)) await this.#fetchNamed(name.slice('dn:'.length))
      wanted = this.#options
        .directory()
        .missingOf(address)
        .filter((one) => !asked.has(one))
    }
  }

  #filtersFor(address: string): readonly Filter[] {
    const keys = lookupKeys(address, this.#options.recipientDelimiter)
    return keys.flatMap((value) => FOUND_BY.map((attribute) => new EqualityFilter({ attribute, value })))
  }

  async #fetch(filters: readonly Filter[]): Promise<void> {
    for (let at = 0; at < filters.length; at += KEYS_MAX) {
      const any = new OrFilter({ filters: filters.slice(at, at + KEYS_MAX) })
      const { kind, base } = this.#options
      const found = await this.#ask(async (connection) => {
        const entries = await connection.search(base, {
          scope: 'sub',
          filter: new AndFilter({ filters: [kind.filter, any] }),
          attributes: [...kind.attributes, ...OPERATIONAL],
          sizeLimit: MATCHES_MAX,
          timeoutMs: SEARCH_MS,
        })
        return entries.map(mirrorEntry)
      })
      this.#take(found)
    }
  }

  async #fetchNamed(dn: string): Promise<void> {
    const found = await this.#ask((connection) => readByName(connection, dn, this.#options.kind, SEARCH_MS))
    if (found !== undefined) this.#take([found])
  }

  #take(entries: readonly MirrorEntry[]): void {
    if (entries.length > 0) this.#options.mirror.write(entries)
  }

  async #ask<T>(question: (connection: LdapConnection) => Promise<T>): Promise<T> {
    if (this.#underWay >= UNDER_WAY_MAX) throw new LdapFailure('unreachable', 'too many questions at once')
    this.#underWay += 1
    try {
      return await question(await this.#connected())
    } finally {
      this.#underWay -= 1
    }
  }

  async #connected(): Promise<LdapConnection> {
    const url = this.#options.url()
    if (url === undefined) throw new LdapFailure('unreachable', 'no directory server can be used')
    const held = this.#connection
    if (held !== undefined) {
      const connection = await held
      if (connection.isOpen && connection.url === url) return connection
      connection.close()
      // Somebody else may have made a new one meanwhile.
      if (this.#connection !== held && this.#connection !== undefined) return await this.#connection
    }
    const made = this.#options.choice.connect(url, this.#stop.signal)
    this.#connection = made
    made.catch(() => {
      if (this.#connection === made) this.#connection = undefined
    })
    return await made
  }

  /** That nobody answered is not believed for longer than it is so. */
  #trouble(key: string, error: unknown): string {
    this.#answers.delete(key)
    this.#options.onTrouble()
    return failureOf(error).message
  }
}
