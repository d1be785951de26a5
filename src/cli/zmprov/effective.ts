import type { Attribute } from '#src/config/attribute.ts'
import { ATTRIBUTES, findAttribute } from '#src/config/catalogue.ts'
import { defaultLookup, defaultOf } from '#src/config/defaults.ts'
import { shownValue } from '#src/config/document.ts'
import { expandTexts } from '#src/config/expand.ts'
import type { Setting, SettingValue } from '#src/config/setting.ts'
import { BY_ZIMBRA, SETTINGS } from '#src/config/settings.ts'
import { parseSetting } from '#src/config/values.ts'
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

/** Zimbra's default, where Postern's means the same; else Postern's, because that is what counts. */
function defaultsOf(one: Attribute): readonly LdifAttribute[] {
  const key = BY_ZIMBRA.get(one.name.toLowerCase())
  const zimbras = one.default.filter((value) => value !== '')
  if (key === undefined) return attribute(one.name, ...zimbras)
  const setting: Setting = SETTINGS[key]
  const value = defaultOf(setting)
  const expanded = expandTexts(setting, one.default, defaultLookup)
  const parsed = expanded.kind === 'wrong' ? expanded : parseSetting(setting, expanded.values)
  const isSame = parsed.kind === 'value' && JSON.stringify(parsed.value) === JSON.stringify(value)
  return attribute(one.name, ...(isSame ? zimbras : valueTexts(setting, value)))
}

/** A value that is in force as the directory would hold it. */
export function valueTexts(setting: Setting, value: SettingValue): readonly string[] {
  const { type, multi } = findAttribute(setting.zimbra) ?? { type: 'string', multi: true }
  if (typeof value === 'boolean' && type === 'boolean') return [value ? 'TRUE' : 'FALSE']
  const texts = typeof value === 'object' && multi ? value : [shownValue(setting, value)]
  return texts.filter((text) => text !== '')
}
