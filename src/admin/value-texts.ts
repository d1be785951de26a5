import type { Attribute } from '#src/config/attribute.ts'
import { findAttribute } from '#src/config/catalogue.ts'
import { defaultLookup, defaultOf } from '#src/config/defaults.ts'
import { shownValue } from '#src/config/document.ts'
import { expandTexts } from '#src/config/expand.ts'
import type { Setting, SettingValue } from '#src/config/setting.ts'
import { BY_ZIMBRA, SETTINGS } from '#src/config/settings.ts'
import { parseSetting } from '#src/config/values.ts'

/** Zimbra's default, where Postern's means the same; else Postern's, because that is what counts. */
export function defaultTexts(one: Attribute): readonly string[] {
  const key = BY_ZIMBRA.get(one.name.toLowerCase())
  const zimbras = one.default.filter((value) => value !== '')
  if (key === undefined) return zimbras
  const setting: Setting = SETTINGS[key]
  const value = defaultOf(setting)
  const expanded = expandTexts(setting, one.default, defaultLookup)
  const parsed = expanded.kind === 'wrong' ? expanded : parseSetting(setting, expanded.values)
  const isSame = parsed.kind === 'value' && JSON.stringify(parsed.value) === JSON.stringify(value)
  return isSame ? zimbras : valueTexts(setting, value)
}

/** A value that is in force as the directory would hold it. */
export function valueTexts(setting: Setting, value: SettingValue): readonly string[] {
  const { type, multi } = findAttribute(setting.zimbra) ?? { type: 'string', multi: true }
  if (typeof value === 'boolean' && type === 'boolean') return [value ? 'TRUE' : 'FALSE']
  const texts = typeof value === 'object' && multi ? value : [shownValue(setting, value)]
  return texts.filter((text) => text !== '')
}
