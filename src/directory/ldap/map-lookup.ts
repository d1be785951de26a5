import { PresenceFilter } from 'ldapts'
import { escapeDnValue } from '#src/directory/dn.ts'
import type { LdapConnection, LdapEntry } from './connection.ts'
import { LdapFailure, NO_SUCH_OBJECT, resultCode } from './connection.ts'
import { compileFilter } from './filter-template.ts'
import type { LdapMap } from './map-file.ts'
import { parseLdapUrl } from './map-url.ts'
import { KeyTemplates } from './map-template.ts'

/** What a map says to a key: three-valued, because an error is not an absence. */
export type MapAnswer =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'none' }
  /** `reason` is a sentence; the key may be there. */
  | { readonly kind: 'error'; readonly reason: string }

/** A limit of the map was met; its text is for the operator. */
class LimitMet extends Error {}

const ANY = new PresenceFilter({ attribute: 'objectClass' })

/** Looks keys up in one of Postfix's LDAP maps, with its meaning and in its order (ldap_table(5)). */
export class MapLookup {
  readonly #map: LdapMap
  readonly #connection: LdapConnection
  readonly #warn: (text: string) => void

  constructor(map: LdapMap, connection: LdapConnection, warn: (text: string) => void) {
    this.#map = map
    this.#connection = connection
    this.#warn = warn
  }

  async lookup(given: string): Promise<MapAnswer> {
    const map = this.#map
    // postmap folds keys of maps that ask for whole keys; what is not UTF-8 was not asked for by any mail.
    const key = given.toLowerCase()
    if (!key.isWellFormed() || !isOfDomains(key, map.domains)) return { kind: 'none' }
    const templates = KeyTemplates.of(key, map.needs)
    if (templates === undefined) return { kind: 'none' }
    const results = new Results(map, templates)
    try {
      const base = templates.query(map.searchBase, escapeDnValue)
      const filter = map.filter((template) => templates.query(template))
      const found = await this.#connection.search(base, {
        scope: map.scope,
        filter,
        attributes: map.attributes,
        // One more shows that there are more.
        sizeLimit: map.sizeLimit === 0 ? 0 : map.sizeLimit + 1,
      })
      await this.#collect(found, results, 1)
    } catch (error) {
      if (resultCode(error) === NO_SUCH_OBJECT && map.hasDynamicBase) return { kind: 'none' }
      if (error instanceof LdapFailure || error instanceof LimitMet)
        return { kind: 'error', reason: error.message }
      throw error
    }
    return results.isEmpty ? { kind: 'none' } : { kind: 'found', value: results.joined }
  }

  async #collect(entries: readonly LdapEntry[], results: Results, depth: number): Promise<void> {
    const { sizeLimit } = this.#map
    if (sizeLimit > 0 && entries.length > sizeLimit)
      throw new LimitMet(`more than ${sizeLimit} entries were found`)
    // Postfix keeps these from one entry of an answer to the next.
    let isTerminal = false
    let isLeaf = true
    for (const entry of entries) {
      isTerminal = this.#hasTerminal(entry) ?? isTerminal
      if (!isTerminal) isLeaf = this.#isLeaf(entry) ?? isLeaf
      for (const [name, values] of entry.attributes) {
        const at = this.#map.attributes.findIndex((wanted) => isSubtype(name, wanted))
        const index = at < 0 ? this.#map.attributes.length : at
        if (index < this.#map.ordinaryCount || isTerminal) {
          if (!this.#isSkipped(index, { isTerminal, isLeaf })) results.add(values)
        } else if (at >= 0) {
          for (const value of values) await this.#follow(value, results, depth)
        }
      }
    }
  }

  /** Terminal attributes keep everything else of their entry out; undefined where the entry has none of them. */
  #hasTerminal(entry: LdapEntry): true | undefined {
    const names = this.#map.attributes.slice(0, this.#map.terminalCount)
    return names.some((name) => valuesOf(entry, name).length > 0) ? true : undefined
  }

  /** Leaf-only attributes count where an entry leads to no other; undefined where it says nothing of that. */
  #isLeaf(entry: LdapEntry): false | undefined {
    if (this.#map.leafCount === 0) return undefined
    const names = this.#map.attributes.slice(this.#map.ordinaryCount)
    return names.some((name) => valuesOf(entry, name).length > 0) ? false : undefined
  }

  #isSkipped(index: number, entry: { readonly isTerminal: boolean; readonly isLeaf: boolean }): boolean {
    const { terminalCount, leafCount } = this.#map
    return (
      (entry.isTerminal && index >= terminalCount) || (!entry.isLeaf && index < terminalCount + leafCount)
    )
  }

  /** A special attribute: the name of an entry, or a search. */
  async #follow(value: string, results: Results, depth: number): Promise<void> {
    if (depth >= this.#map.recursionLimit) throw new LimitMet(`Recursion limit exceeded at ${value}`)
    try {
      const found = /^ldap[si]?:\/\//i.test(value) ? await this.#byUrl(value) : await this.#byName(value)
      await this.#collect(found, results, depth + 1)
    } catch (error) {
      if (resultCode(error) !== NO_SUCH_OBJECT) throw error
      this.#warn(`DN ${value} not found, skipping`)
    }
  }

  #byName(dn: string): Promise<readonly LdapEntry[]> {
    return this.#connection.search(dn, { scope: 'base', filter: ANY, attributes: this.#map.attributes })
  }

  async #byUrl(text: string): Promise<readonly LdapEntry[]> {
    const url = parseLdapUrl(text)
    if (url === undefined) throw new LimitMet(`malformed URL ${text}`)
    const wanted = this.#map.attributes.filter(
      (name) =>
        url.attributes.length === 0 || url.attributes.some((one) => one.toLowerCase() === name.toLowerCase()),
    )
    if (wanted.length === 0) return []
    // A filter of the directory's own, with no key in it.
    const filter = compileFilter(url.filter)((template) => template)
    return await this.#connection.search(url.dn, { scope: url.scope, filter, attributes: wanted })
  }
}

/** Results in the order in which they came, joined by commas. */
class Results {
  readonly #map: LdapMap
  readonly #templates: KeyTemplates
  readonly #values: string[] = []

  constructor(map: LdapMap, templates: KeyTemplates) {
    this.#map = map
    this.#templates = templates
  }

  get isEmpty(): boolean {
    return this.joined === ''
  }

  get joined(): string {
    return this.#values.join(',')
  }

  add(values: readonly string[]): void {
    const { expansionLimit, resultFormat } = this.#map
    for (const value of values) {
      const result = this.#templates.result(resultFormat, value)
      if (result === undefined) continue
      this.#values.push(result)
      if (expansionLimit > 0 && this.#values.length > expansionLimit)
        throw new LimitMet(`Expansion limit exceeded: more than ${expansionLimit} results`)
    }
  }
}

/** `mail;lang-en` is of the type `mail` (RFC 4512 section 2.5.2). */
function isSubtype(name: string, wanted: string): boolean {
  const [a, b] = [name.toLowerCase(), wanted.toLowerCase()]
  return a === b || a.startsWith(`${b};`)
}

function valuesOf(entry: LdapEntry, wanted: string): readonly string[] {
  for (const [name, values] of entry.attributes)
    if (name.toLowerCase() === wanted.toLowerCase()) return values
  return []
}

/** `domain` of ldap_table(5): keys without a user and those of other domains are not looked up. */
function isOfDomains(key: string, domains: readonly string[]): boolean {
  if (domains.length === 0) return true
  const at = key.lastIndexOf('@')
  if (at < 1) return false
  const domain = key.slice(at + 1)
  const pattern = domains.find((one) => one === domain || one === `!${domain}`)
  return pattern !== undefined && !pattern.startsWith('!')
}
