import type { LdifAttribute } from '#src/directory/ldif.ts'

/**
 * What an entry of Zimbra's is. 'tree': it only holds others. 'group': a dynamic group or one of its parts. 'other':
 * it has nothing to do with mail on its way (zimlets, identities, signatures, data sources).
 */
export type MovedKind =
  | 'globalConfig'
  | 'server'
  | 'domain'
  | 'account'
  | 'alias'
  | 'list'
  | 'group'
  | 'tree'
  | 'cos'
  | 'other'

/** The first class that an entry has decides. */
const BY_CLASS: readonly (readonly [string, MovedKind])[] = [
  ['zimbraglobalconfig', 'globalConfig'],
  ['zimbraserver', 'server'],
  ['zimbradomain', 'domain'],
  ['zimbraalias', 'alias'],
  ['zimbradistributionlist', 'list'],
  ['zimbragroup', 'group'],
  ['zimbragroupdynamicunit', 'group'],
  ['zimbragroupstaticunit', 'group'],
  ['zimbracos', 'cos'],
  // Parts of an account that lie below it are accounts by no class.
  ['zimbraaccount', 'account'],
  ['zimbracalendarresource', 'account'],
  ['dcobject', 'tree'],
  ['organizationalrole', 'tree'],
  ['organizationalunit', 'tree'],
]

export function kindOf(classes: ReadonlySet<string>): MovedKind {
  return BY_CLASS.find(([name]) => classes.has(name))?.[1] ?? 'other'
}

/** The classes of an entry, in lower case. */
export function classesOf(attributes: readonly LdifAttribute[]): ReadonlySet<string> {
  return new Set(
    attributes
      .filter(({ name }) => name.toLowerCase() === 'objectclass')
      .map(({ value }) => value.text.toLowerCase()),
  )
}
