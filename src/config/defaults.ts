import type { ParameterLookup } from './expand.ts'
import { BY_POSTFIX, SETTING_LIST, SETTINGS } from './settings.ts'
import type { Settings } from './settings.ts'
import type { Setting, SettingValue } from './setting.ts'
import { parseDurationMs } from './setting.ts'

/** The value of a setting that nobody has set. */
export function defaultOf(setting: Setting): SettingValue {
  if (setting.type !== 'duration') return setting.default
  return parseDurationMs(setting.default, setting.unit) ?? 0
}

/** All defaults. */
export function defaultSettings(): Settings {
  // oxlint-disable-next-line no-unsafe-type-assertion -- the table that makes the type is the one that is mapped
  return Object.fromEntries(SETTING_LIST.map(([key, setting]) => [key, defaultOf(setting)])) as Settings
}

/** What `$name` means where nothing is known but the defaults. */
export const defaultLookup: ParameterLookup = (name) => {
  const key = BY_POSTFIX.get(name)
  if (key === undefined) return undefined
  const fallback: Setting['default'] = SETTINGS[key].default
  return typeof fallback === 'object' ? fallback.join(', ') : String(fallback)
}
