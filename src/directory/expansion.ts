import { addressText, parseAddress } from '#src/mail/address.ts'
import { mailboxKeys } from './keys.ts'
import { ATTR, addressKey, dnKey, fold, splitAddresses } from './names.ts'
import type { Queries, Row } from './queries.ts'
import { enabledEntries, valueOf } from './queries.ts'

/** Whether mail for a domain is ours; 'unavailable': the directory cannot be read, so nobody knows. */
export type DomainKind = 'local' | 'alias' | 'foreign' | 'unavailable'

export interface ExpansionOptions {
  /** recipient_delimiter: each of its characters parts user from extension. */
  readonly recipientDelimiter: string
  /** virtual_alias_expansion_limit. */
  readonly expansionLimit: number
}

/** What one recipient leads to. */
export interface Expanded {
  /** Addresses of mailboxes of ours, and those outside that an account or list forwards to. */
  readonly deliverTo: readonly string[]
  /** Addresses of ours, and names of members (`dn:…`), that lead nowhere as far as this file knows. */
  readonly missing: readonly string[]
  /** '' if nothing is wrong. */
  readonly trouble: string
}

/** Postfix virtual_alias_recursion_limit is 1000; nobody nests lists half as deep. */
const ALIAS_DEPTH_MAX = 100
/** The form `@domain` of a result keeps the user (virtual(5)). */
const SAME_USER = '@'

/** zimbraDomainType of the domain of that name; a domain without one is local. */
export function domainKind(queries: Queries, name: string): DomainKind {
  for (const rows of enabledEntries(queries, ATTR.domainName, name)) {
    if (fold(valueOf(rows, ATTR.domainType) ?? 'local') === 'alias') return 'alias'
    return 'local'
  }
  return 'foreign'
}

/** Follows one recipient to its mailboxes, as Postfix does with Zimbra's ldap-vam.cf. */
export class Expansion {
  readonly #queries: Queries
  readonly #domainOf: (name: string) => DomainKind
  readonly #options: ExpansionOptions
  /** In the order found; the key is what tells addresses apart. */
  readonly #mailboxes = new Map<string, string>()
  readonly #seen = new Set<string>()
  readonly #missing: string[] = []
  #trouble = ''

  /** `domainOf`: domainKind(), most likely from a cache. */
  constructor(queries: Queries, domainOf: (name: string) => DomainKind, options: ExpansionOptions) {
    this.#queries = queries
    this.#domainOf = domainOf
    this.#options = options
  }

  of(address: string): Expanded {
    this.#follow(address, 0)
    if (this.#mailboxes.size + this.#missing.length > this.#options.expansionLimit)
      this.#trouble = 'its aliases grow into too many addresses'
    return { deliverTo: [...this.#mailboxes.values()], missing: this.#missing, trouble: this.#trouble }
  }

  #follow(address: string, depth: number): void {
    const parsed = parseAddress(address)
    if (parsed === undefined || parsed.domain === '' || this.#trouble !== '') return
    const key = fold(parsed.text)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    // Postfix counts the addresses that came of it, known or not; the lists on the way are bounded like them.
    const grown = this.#mailboxes.size + this.#missing.length
    const { expansionLimit } = this.#options
    if (depth > ALIAS_DEPTH_MAX || grown > expansionLimit || this.#seen.size > 2 * expansionLimit) {
      this.#trouble = 'its aliases grow into too many addresses'
      return
    }
    if (this.#domainOf(parsed.domain) === 'foreign') {
      // zimbraMailForwardingAddress: a list or an account may send its mail on to anywhere.
      this.#mailboxes.set(key, parsed.text)
      return
    }
    const steps = this.#steps(parsed.local, parsed.domain)
    if (steps.length === 0) this.#missing.push(key)
    for (const { address: next, isAsIs } of steps) {
      const nextKey = addressKey(next)
      // A mailbox leads to itself. A list that holds itself does so too and is none.
      if (nextKey !== key) this.#follow(next, depth + 1)
      else if (isAsIs) this.#mailboxes.set(key, next)
    }
  }

  /** The addresses that one address stands for, by the first key that is known. */
  #steps(local: string, domain: string): readonly Step[] {
    for (const { key } of mailboxKeys(local, domain, this.#options.recipientDelimiter)) {
      const found = this.#byAddress(key)
      if (found.length > 0) return found
    }
    return this.#byDomain(local, domain)
  }

  #byAddress(key: string): readonly Step[] {
    const results: Step[] = []
    for (const rows of entriesOf(this.#queries.byAddress.all(key))) {
      results.push(...targets(rows))
      for (const member of this.#members(rows)) results.push(...targets(member))
    }
    return results
  }

  /**
   * The members of a dynamic group, by their names, as special_result_attribute of ldap_table(5) does: of a member
   * itself nothing is asked. Where the server shows no `member`, those that say zimbraMemberOf.
   */
  #members(rows: readonly Row[]): readonly (readonly Row[])[] {
    const found: (readonly Row[])[] = []
    const names = rows.filter((row) => row.name_key === ATTR.member)
    for (const { value } of names) {
      const entry = this.#queries.byName.get(dnKey(value))
      if (entry === undefined) this.#missing.push(`dn:${value}`)
      else found.push(this.#queries.attributes.all(entry))
      if (found.length > this.#options.expansionLimit) {
        this.#trouble = 'its members are too many'
        return []
      }
    }
    const id = valueOf(rows, ATTR.id)
    const isByMembership = rows.some(
      (row) =>
        row.name_key === ATTR.memberUrl && fold(row.value).includes(`zimbramemberof=${fold(id ?? '')}`),
    )
    if (names.length > 0 || id === undefined || !isByMembership) return found
    return this.#queries.byValue
      .all(fold(id), ATTR.memberOf)
      .map((entry) => this.#queries.attributes.all(entry))
  }

  /** The catch-all of the domain, then the target that a domain alias names. */
  #byDomain(local: string, domain: string): readonly Step[] {
    const results: Step[] = []
    for (const rows of enabledEntries(this.#queries, ATTR.catchAll, `@${domain}`)) {
      results.push(...targets(rows))
      for (const row of rows) {
        if (row.name_key !== ATTR.catchAllForwarding || !row.value.startsWith(SAME_USER)) continue
        // A split domain: who is not known here is known to the server that the domain's transport names.
        results.push({ address: addressText(local, row.value.slice(1)), isAsIs: true })
      }
    }
    if (results.length > 0) return results
    const target = this.#aliasTarget(domain)
    return target === undefined ? [] : [{ address: addressText(local, target), isAsIs: false }]
  }

  #aliasTarget(domain: string): string | undefined {
    for (const rows of enabledEntries(this.#queries, ATTR.domainName, domain)) {
      const id = valueOf(rows, ATTR.domainAliasTarget)
      if (id === undefined) continue
      for (const target of enabledEntries(this.#queries, ATTR.id, fold(id))) {
        const name = valueOf(target, ATTR.domainName)
        if (name !== undefined) return name
      }
    }
    return undefined
  }
}

interface Step {
  readonly address: string
  /** Where it leads to itself it is right as it stands: a mailbox, or an address of the other half of a split domain. */
  readonly isAsIs: boolean
}

/** Rows by their entries, in which order they are. */
function entriesOf(rows: readonly Row[]): readonly (readonly Row[])[] {
  const entries: Row[][] = []
  for (const row of rows) {
    const last = entries.at(-1)
    if (last?.[0]?.entry === row.entry) last.push(row)
    else entries.push([row])
  }
  return entries
}

/** Zimbra's ldap-vam.cf returns these three of an entry. A list that holds itself is no mailbox for that. */
function targets(rows: readonly Row[]): readonly Step[] {
  return rows.flatMap((row): readonly Step[] => {
    if (row.name_key === ATTR.deliveryAddress) return [{ address: row.value, isAsIs: true }]
    const forwards =
      row.name_key === ATTR.forwarding
        ? [row.value]
        : row.name_key === ATTR.prefForwarding
          ? (splitAddresses(row.value) ?? [])
          : []
    return forwards.map((address) => ({ address, isAsIs: false }))
  })
}
