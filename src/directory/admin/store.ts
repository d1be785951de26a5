import type { LdifAttribute, LdifModification } from '#src/directory/ldif.ts'

/** One entry as it stands in the directory. */
export interface AdminEntry {
  readonly dn: string
  readonly attributes: readonly LdifAttribute[]
}

/** What entries are looked for by, as values and never as text of a filter: RFC 4511 section 4.5.1.7. */
export type Match =
  | { readonly kind: 'equals'; readonly name: string; readonly value: string }
  | { readonly kind: 'present'; readonly name: string }
  | { readonly kind: 'atLeast' | 'atMost'; readonly name: string; readonly value: string }
  /** Parts of a value in their order: what it begins with, what stands in it, what it ends with; '' for neither. */
  | {
      readonly kind: 'parts'
      readonly name: string
      readonly first: string
      readonly inner: readonly string[]
      readonly last: string
    }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Match[] }
  | { readonly kind: 'not'; readonly of: Match }

/** What became of a write; anything else that goes wrong is thrown as a StoreRefusal or as it came. */
export type Written = 'done' | 'missing' | 'exists' | 'not empty'

/** The directory said no, for the reason in the message: rights, schema, a value that it does not take. */
export class StoreRefusal extends Error {
  readonly about: 'name' | 'value' | 'rights' | 'unreachable' | 'other'
  constructor(about: StoreRefusal['about'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.about = about
  }
}

/**
 * Entries to be looked at and changed, the same over the embedded directory and over LDAP. Names of entries are
 * distinguished names; who builds them escapes them (dn.ts).
 */
export interface AdminStore extends AsyncDisposable {
  readonly kind: 'embedded' | 'ldap'
  entry(dn: string): Promise<AdminEntry | undefined>
  /** Entries at or below `base` ('' is everything), in no order that means anything. */
  find(base: string, match: Match): AsyncIterable<AdminEntry>
  add(entry: AdminEntry): Promise<Written>
  /** Each change is one that the entry can take: no value is added twice, none is deleted that is not there. */
  modify(dn: string, changes: readonly LdifModification[]): Promise<Written>
  remove(dn: string): Promise<Written>
  /** Moves an entry, with those below it; the attribute of its new name replaces that of the old one. */
  rename(dn: string, newDn: string): Promise<Written>
  /** Runs work that changes several entries: all of it or none, where the directory has transactions (LDAP has none). */
  together<T>(work: () => Promise<T>): Promise<T>
}

export const equals = (name: string, value: string): Match => ({ kind: 'equals', name, value })
export const all = (...of: readonly Match[]): Match => ({ kind: 'all', of })
export const any = (...of: readonly Match[]): Match => ({ kind: 'any', of })

/** The values of one attribute, text only; upper and lower case of its name do not count. */
export function valuesOf(entry: AdminEntry, name: string): readonly string[] {
  const key = name.toLowerCase()
  return entry.attributes
    .filter((one) => one.name.toLowerCase() === key && !one.value.binary)
    .map((one) => one.value.text)
}

/** The first value of one attribute. */
export function valueOf(entry: AdminEntry, name: string): string | undefined {
  return valuesOf(entry, name)[0]
}

export async function firstOf<T>(found: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of found) return one
  return undefined
}
