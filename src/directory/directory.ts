import { errorText } from '#src/base/fault.ts'
import { Cache } from './cache.ts'
import { canonicalOf } from './canonical.ts'
import type { DomainKind, Expanded, ExpansionOptions } from './expansion.ts'
import { domainKind, Expansion } from './expansion.ts'
import { ATTR, fold } from './names.ts'
import type { Queries } from './queries.ts'
import { prepareQueries } from './queries.ts'
import type { Store } from '#src/store/sqlite.ts'
import { openStore } from '#src/store/sqlite.ts'

export type { DomainKind } from './expansion.ts'

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

/** 'unknown': the directory cannot be read. */
export type CanonicalLookup =
  | { readonly kind: 'found'; readonly address: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }

export interface DirectoryOptions extends ExpansionOptions {
  readonly path: string
  /** Whether recipients are looked up by their canonical address (canonical_maps); they are if not given. */
  readonly canonical?: boolean
  /** How old an answer may be, in ms: so long nobody asks whether another process has changed the file. 0 if not given. */
  readonly staleMs?: number
}

/** Where Zimbra's mailbox servers listen for LMTP (zimbraLmtpBindPort). */
const LMTP_PORT = 7025
/** Recipients and domains that are kept in memory; one takes some 300 bytes. */
const CACHE_ENTRIES_MAX = 20_000

function lookupOf({ deliverTo, trouble }: Expanded): RecipientLookup {
  if (trouble !== '') return { kind: 'unusable', reason: trouble }
  return deliverTo.length === 0 ? { kind: 'unknown' } : { kind: 'found', deliverTo }
}

/**
 * The directory as smtpd and qmgr see it, embedded or the mirror of one that is reached over LDAP: opened for reading, looked up in microseconds. A change made by
 * another process is seen by the next lookup (SQLite's `data_version` moves, and the cache is dropped).
 */
export class Directory implements Disposable {
  readonly #options: DirectoryOptions
  #open: { readonly store: Store; readonly queries: Queries; content: string | undefined } | undefined
  #version = -1
  #freshUntilMs = 0
  readonly #recipients = new Cache<Expanded>(CACHE_ENTRIES_MAX)
  readonly #domains = new Cache<DomainKind>(CACHE_ENTRIES_MAX)
  readonly #transports = new Cache<TransportLookup>(CACHE_ENTRIES_MAX)
  readonly #canonicals = new Cache<CanonicalLookup>(CACHE_ENTRIES_MAX)
  #epoch = 0

  constructor(options: DirectoryOptions) {
    this.#options = options
  }

  /** `name`: lower-case A-labels. */
  domain(name: string): DomainKind {
    try {
      const queries = this.#fresh()
      return this.#domainOf(queries, name)
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
      return lookupOf(this.#expanded(address))
    } catch (error) {
      return { kind: 'unavailable', reason: this.#drop(error) }
    }
  }

  /**
   * Addresses of ours that the address leads to, and names of members (`dn:…`), which this file does not know: in a
   * mirror they may be newer than it. [] where nothing is missing, or the file cannot be read.
   */
  missingOf(address: string): readonly string[] {
    try {
      return this.#expanded(address).missing
    } catch (error) {
      this.#drop(error)
      return []
    }
  }

  #expanded(address: string): Expanded {
    const queries = this.#fresh()
    return this.#recipients.get(address, () => {
      const canonical = this.#options.canonical === false ? undefined : this.canonical(address)
      const start = canonical?.kind === 'found' ? canonical.address : address
      return new Expansion(queries, (name) => this.#domainOf(queries, name), this.#options).of(start)
    })
  }

  #domainOf(queries: Queries, name: string): DomainKind {
    return this.#domains.get(name, () => domainKind(queries, name))
  }

  /** Whether any address has another as its canonical one. */
  get hasCanonical(): boolean {
    try {
      const queries = this.#fresh()
      this.#hasCanonical ??= queries.hasCanonical()
      return this.#hasCanonical
    } catch (error) {
      this.#drop(error)
      return false
    }
  }

  #hasCanonical: boolean | undefined

  /** What canonical_maps of Zimbra (ldap-canonical.cf) make of an address; its extension goes along (canonical(5)). */
  canonical(address: string): CanonicalLookup {
    try {
      const queries = this.#fresh()
      if (!this.hasCanonical) return { kind: 'none' }
      return this.#canonicals.get(address, () =>
        canonicalOf(queries, address, this.#options.recipientDelimiter),
      )
    } catch (error) {
      this.#drop(error)
      return { kind: 'unknown' }
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
      this.#open = { store, queries: prepareQueries(store), content: undefined }
      this.#version = -1
    }
    const { queries } = this.#open
    const nowMs = performance.now()
    if (nowMs < this.#freshUntilMs && this.#version !== -1) return queries
    this.#freshUntilMs = nowMs + (this.#options.staleMs ?? 0)
    const version = queries.version.get() ?? 0
    if (version !== this.#version) {
      const content = queries.content()
      if (content === undefined) throw new Error('the directory has not been read from its server yet')
      // A mirror also changes in ways that no lookup can see: it notes how far it has come.
      if (content === '' || content !== this.#open.content) this.#forget()
      this.#open.content = content
      this.#version = version
    }
    this.#trouble = ''
    return queries
  }

  #forget(): void {
    this.#recipients.clear()
    this.#domains.clear()
    this.#transports.clear()
    this.#canonicals.clear()
    this.#hasCanonical = undefined
    this.#epoch += 1
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

function transportOf({ byValue, attribute }: Queries, key: string): TransportLookup {
  const name = key.includes('@') ? ATTR.deliveryAddress : ATTR.domainName
  for (const entry of byValue.all(key, name)) {
    const value = attribute.get(entry, ATTR.transport)?.trim() ?? ''
    if (value !== '') return { kind: 'found', value }
    // Zimbra writes both; an entry that only says where its mailbox is means this.
    const host = attribute.get(entry, ATTR.mailHost)?.trim() ?? ''
    if (host !== '') return { kind: 'found', value: `lmtp:${host}:${LMTP_PORT}` }
  }
  return { kind: 'none' }
}
