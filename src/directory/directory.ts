import { errorText } from '#src/base/fault.ts'
import { Cache } from './cache.ts'
import { ATTR, addressKey, fold, splitAddresses } from './names.ts'
import { addressText, parseAddress } from '#src/mail/address.ts'
import type { Statement, Store } from '#src/store/sqlite.ts'
import { openStore } from '#src/store/sqlite.ts'

/** Whether mail for a domain is ours; 'unavailable': the directory cannot be read, so nobody knows. */
export type DomainKind = 'local' | 'alias' | 'foreign' | 'unavailable'

/** What the directory knows of a recipient. 'unavailable' is not 'unknown': it is answered 451, never 550. */
export type RecipientLookup =
  /** Addresses of mailboxes of ours, and those outside that an account or list forwards to; never empty. */
  | { readonly kind: 'found'; readonly deliverTo: readonly string[] }
  | { readonly kind: 'unknown' }
  /** The recipient exists, but its aliases grow beyond a limit. */
  | { readonly kind: 'unusable'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string }

/** 'unknown': the directory cannot be read. */
export type TransportLookup =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

export interface DirectoryOptions {
  readonly path: string
  /** recipient_delimiter: each of its characters parts user from extension. */
  readonly recipientDelimiter: string
  /** virtual_alias_expansion_limit. */
  readonly expansionLimit: number
  /** How old an answer may be, in ms: so long nobody asks whether another process has changed the file. 0 if not given. */
  readonly staleMs?: number
}

/** Postfix virtual_alias_recursion_limit is 1000; nobody nests lists half as deep. */
const ALIAS_DEPTH_MAX = 100
/** Recipients and domains that are kept in memory; one takes some 300 bytes. */
const CACHE_ENTRIES_MAX = 20_000

interface Row {
  readonly entry: number
  readonly name_key: string
  readonly value: string
}

/**
 * The embedded directory as smtpd and qmgr see it: opened for reading, looked up in microseconds. A change made by
 * another process is seen by the next lookup (SQLite's `data_version` moves, and the cache is dropped).
 */
export class Directory implements Disposable {
  readonly #options: DirectoryOptions
  #open: { readonly store: Store; readonly queries: Queries } | undefined
  #version = -1
  #freshUntilMs = 0
  readonly #recipients = new Cache<RecipientLookup>(CACHE_ENTRIES_MAX)
  readonly #domains = new Cache<DomainKind>(CACHE_ENTRIES_MAX)
  readonly #transports = new Cache<TransportLookup>(CACHE_ENTRIES_MAX)
  #epoch = 0

  constructor(options: DirectoryOptions) {
    this.#options = options
  }

  /** `name`: lower-case A-labels. */
  domain(name: string): DomainKind {
    try {
      const queries = this.#fresh()
      return this.#domains.get(name, () => domainKind(queries, name))
    } catch (error) {
      this.#drop(error)
      return 'unavailable'
    }
  }

  /**
   * Where mail for an address of one of our domains goes. Looked up as Zimbra's maps do: the whole address, then
   * without its extension, then `@domain`; aliases and forwards are followed until they end in mailboxes.
   */
  recipient(address: string): RecipientLookup {
    try {
      const queries = this.#fresh()
      return this.#recipients.get(address, () => new Expansion(queries, this.#options).of(address))
    } catch (error) {
      return { kind: 'unavailable', reason: this.#drop(error) }
    }
  }

  /** The zimbraMailTransport that a delivery address or a domain of ours names, as it is written there. */
  transport(key: string): TransportLookup {
    try {
      const queries = this.#fresh()
      return this.#transports.get(key, () => transportOf(queries, fold(key)))
    } catch (error) {
      this.#drop(error)
      return { kind: 'unknown' }
    }
  }

  /** Counts the changes that this process has seen: what was made of earlier answers is stale at another count. */
  get epoch(): number {
    try {
      this.#fresh()
    } catch (error) {
      this.#drop(error)
    }
    return this.#epoch
  }

  /**
   * The attributes of globalConfig, as they are spelt there; undefined where the directory cannot be read. Attributes
   * that are absent are absent.
   */
  globalConfig(): ReadonlyMap<string, readonly string[]> | undefined {
    return this.#entry('cn=config,cn=zimbra')
  }

  /**
   * The attributes of the entry of a server, likewise; none where there is no such entry. `name` as a host name is
   * written, in lower case: nothing in it has a meaning in a distinguished name.
   */
  serverConfig(name: string): ReadonlyMap<string, readonly string[]> | undefined {
    return this.#entry(`cn=${name},cn=servers,cn=zimbra`)
  }

  #entry(dnKey: string): ReadonlyMap<string, readonly string[]> | undefined {
    try {
      const { entry } = this.#fresh()
      const found = new Map<string, string[]>()
      for (const row of entry.all(dnKey)) {
        const values = found.get(row.name)
        if (values === undefined) found.set(row.name, [row.value])
        else values.push(row.value)
      }
      return found
    } catch (error) {
      this.#drop(error)
      return undefined
    }
  }

  /** What the last lookup that failed said; '' after one that worked. */
  get trouble(): string {
    return this.#trouble
  }

  #trouble = ''

  #fresh(): Queries {
    if (this.#open === undefined) {
      const store = openStore(this.#options.path, { readonly: true })
      this.#open = { store, queries: prepare(store) }
      this.#version = -1
    }
    const { queries } = this.#open
    const nowMs = performance.now()
    if (nowMs < this.#freshUntilMs && this.#version !== -1) return queries
    this.#freshUntilMs = nowMs + (this.#options.staleMs ?? 0)
    const version = queries.version.get() ?? 0
    if (version !== this.#version) {
      this.#recipients.clear()
      this.#domains.clear()
      this.#transports.clear()
      this.#epoch += 1
      this.#version = version
    }
    this.#trouble = ''
    return queries
  }

  /** After any error the file is opened afresh by the next lookup: it may have been replaced or mended. */
  #drop(error: unknown): string {
    this.#trouble = errorText(error)
    this.#open?.store.close()
    this.#open = undefined
    this.#epoch += 1
    return this.#trouble
  }

  [Symbol.dispose](): void {
    this.#open?.store.close()
    this.#open = undefined
  }
}

interface Queries {
  readonly version: Statement<[], number>
  /** Entries (their numbers) that have this value in this attribute. */
  readonly byValue: Statement<[string, string], number>
  /** The first value of one attribute of an entry. */
  readonly attribute: Statement<[number, string], string>
  readonly attributes: Statement<[number], Row>
  readonly entry: Statement<[string], { name: string; value: string }>
}

function prepare(store: Store): Queries {
  return {
    version: store.prepare<[], number>('PRAGMA data_version').pluck(),
    byValue: store
      .prepare<[string, string], number>(
        'SELECT entry FROM attribute WHERE value_key = ? AND name_key = ? ORDER BY entry, n',
      )
      .pluck(),
    attribute: store
      .prepare<[number, string], string>(
        'SELECT value FROM attribute WHERE entry = ? AND name_key = ? ORDER BY n',
      )
      .pluck(),
    attributes: store.prepare<[number], Row>(
      'SELECT entry, name_key, value FROM attribute WHERE entry = ? ORDER BY n',
    ),
    entry: store.prepare<[string], { name: string; value: string }>(
      'SELECT a.name, a.value FROM attribute a JOIN entry e ON e.id = a.entry WHERE e.dn_key = ? ORDER BY a.n',
    ),
  }
}

/** The entries with that value which are in use: every map of Zimbra's asks for zimbraMailStatus=enabled. */
function enabledEntries(queries: Queries, name: string, value: string): Row[][] {
  return queries.byValue
    .all(value, name)
    .map((entry) => queries.attributes.all(entry))
    .filter((rows) => rows.some((row) => row.name_key === ATTR.status && fold(row.value) === 'enabled'))
}

function domainKind(queries: Queries, name: string): DomainKind {
  for (const rows of enabledEntries(queries, ATTR.domainName, name)) {
    const type = rows.find((row) => row.name_key === ATTR.domainType)
    if (fold(type?.value ?? 'local') === 'alias') return 'alias'
    return 'local'
  }
  return 'foreign'
}

function transportOf({ byValue, attribute }: Queries, key: string): TransportLookup {
  const name = key.includes('@') ? ATTR.deliveryAddress : ATTR.domainName
  for (const entry of byValue.all(key, name)) {
    const value = attribute.get(entry, ATTR.transport)?.trim() ?? ''
    if (value !== '') return { kind: 'found', value }
  }
  return { kind: 'none' }
}

/** Follows one recipient to its mailboxes. */
class Expansion {
  readonly #queries: Queries
  readonly #options: DirectoryOptions
  /** In the order found; the key is what tells addresses apart. */
  readonly #mailboxes = new Map<string, string>()
  readonly #seen = new Set<string>()
  #trouble = ''

  constructor(queries: Queries, options: DirectoryOptions) {
    this.#queries = queries
    this.#options = options
  }

  of(address: string): RecipientLookup {
    this.#follow(address, 0)
    if (this.#trouble !== '') return { kind: 'unusable', reason: this.#trouble }
    return this.#mailboxes.size === 0
      ? { kind: 'unknown' }
      : { kind: 'found', deliverTo: [...this.#mailboxes.values()] }
  }

  #follow(address: string, depth: number): void {
    const parsed = parseAddress(address)
    if (parsed === undefined || parsed.domain === '' || this.#trouble !== '') return
    const key = fold(parsed.text)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    if (depth > ALIAS_DEPTH_MAX || this.#seen.size > this.#options.expansionLimit) {
      this.#trouble = 'its aliases grow into too many addresses'
      return
    }
    if (domainKind(this.#queries, parsed.domain) === 'foreign') {
      // zimbraMailForwardingAddress: a list or an account may send its mail on to anywhere.
      this.#mailboxes.set(key, parsed.text)
      return
    }
    for (const next of this.#steps(parsed.local, parsed.domain)) {
      const nextKey = addressKey(next)
      // A mailbox leads to itself. A list that holds itself does so too and is none.
      if (nextKey !== key) this.#follow(next, depth + 1)
      else if (enabledEntries(this.#queries, ATTR.deliveryAddress, key).length > 0)
        this.#mailboxes.set(key, next)
    }
  }

  /** The addresses that one address stands for, by the first key that is known. */
  #steps(local: string, domain: string): readonly string[] {
    for (const user of withoutExtension(local, this.#options.recipientDelimiter)) {
      const key = addressKey(addressText(user, domain))
      const found = key === undefined ? [] : this.#byAddress(key)
      if (found.length > 0) return found
    }
    return this.#byDomain(local, domain)
  }

  #byAddress(key: string): readonly string[] {
    const results: string[] = []
    for (const name of [ATTR.deliveryAddress, ATTR.alias, ATTR.oldAddress]) {
      for (const rows of enabledEntries(this.#queries, name, key)) results.push(...targets(rows))
    }
    return results
  }

  /** The catch-all of the domain, then the target that a domain alias names. */
  #byDomain(local: string, domain: string): readonly string[] {
    const results: string[] = []
    for (const rows of enabledEntries(this.#queries, ATTR.catchAll, `@${domain}`)) {
      const forwards = rows.filter((row) => row.name_key === ATTR.catchAllForwarding)
      if (forwards.length > 0) results.push(...forwards.map((row) => addressText(local, row.value.slice(1))))
      else results.push(...targets(rows))
    }
    if (results.length > 0) return results
    const target = this.#aliasTarget(domain)
    return target === undefined ? [] : [addressText(local, target)]
  }

  #aliasTarget(domain: string): string | undefined {
    for (const rows of enabledEntries(this.#queries, ATTR.domainName, domain)) {
      const id = rows.find((row) => row.name_key === ATTR.domainAliasTarget)
      if (id === undefined) continue
      for (const target of enabledEntries(this.#queries, ATTR.id, fold(id.value))) {
        const name = target.find((row) => row.name_key === ATTR.domainName)
        if (name !== undefined) return name.value
      }
    }
    return undefined
  }
}

/** Zimbra's ldap-vam.cf returns these three of an entry. */
function targets(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => {
    if (row.name_key === ATTR.deliveryAddress || row.name_key === ATTR.forwarding) return [row.value]
    return row.name_key === ATTR.prefForwarding ? [...(splitAddresses(row.value) ?? [])] : []
  })
}

/** The user as given, and what stands before the first delimiter in it. */
function withoutExtension(local: string, delimiters: string): readonly string[] {
  for (let i = 1; i < local.length; i += 1) {
    if (delimiters.includes(local.charAt(i))) return [local, local.slice(0, i)]
  }
  return [local]
}
