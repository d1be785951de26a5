import type { Attribute } from '#src/config/attribute.ts'
import { defaultTexts } from '#src/admin/value-texts.ts'
import { ATTRIBUTES, findAttribute } from '#src/config/catalogue.ts'
import type { LdifAttribute } from '#src/directory/ldif.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import { attribute } from '#src/directory/admin/writing.ts'

/** What the running settings say of an attribute: where its value is from, and which values that place has. */
export interface SourceNote {
  /** The attribute as it is spelt. */
  readonly name: string
  readonly source: string
  /** The values in force where they are not those of the entry. */
  readonly values: readonly string[] | undefined
}
/** By the attribute's name in lower case. */
export type SourceNotes = ReadonlyMap<string, SourceNote>

/**
 * The attributes of globalConfig with the defaults that count where it says nothing: a Zimbra writes its defaults into
 * the entry when it is installed, and scripts ask for them.
 */
export function effectiveConfig(entry: AdminEntry): readonly LdifAttribute[] {
  const held = namesOf(entry)
  const missing = ATTRIBUTES.filter(
    (one) => one.scope.includes('globalConfig') && !held.has(one.name.toLowerCase()),
  )
  return [...entry.attributes, ...missing.flatMap(defaultsOf)]
}

/** A server's or domain's attributes, with those of globalConfig that it inherits. */
export function inherited(
  entry: AdminEntry,
  config: AdminEntry,
  scope: 'server' | 'domain',
): readonly LdifAttribute[] {
  const held = namesOf(entry)
  const above = effectiveConfig(config).filter(
    ({ name }) => !held.has(name.toLowerCase()) && findAttribute(name)?.scope.includes(scope) === true,
  )
  return [...entry.attributes, ...above]
}

function namesOf(entry: AdminEntry): ReadonlySet<string> {
  return new Set(entry.attributes.map(({ name }) => name.toLowerCase()))
}

function defaultsOf(one: Attribute): readonly LdifAttribute[] {
  return attribute(one.name, ...defaultTexts(one))
}
