import { BY_ZIMBRA, SETTING_LIST, SETTINGS } from './settings.ts'
import type { SettingKey, Settings } from './settings.ts'
import type { Setting, SettingValue } from './setting.ts'
import { parseDurationMs } from './setting.ts'
import { parseSetting } from './values.ts'

/** Values that stand above the directory's: what postern.toml says, already checked. */
export type Overrides = Readonly<Partial<Record<SettingKey, SettingValue>>>

/** A value of the directory that is not allowed; what was in force before stays in force. */
export interface SettingProblem {
  readonly attribute: string
  readonly value: string
  readonly reason: string
}

export interface Resolved {
  readonly settings: Settings
  readonly problems: readonly SettingProblem[]
}

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

/**
 * The settings in force: postern.toml above the directory's globalConfig above the default, as in Zimbra a server
 * entry stands above globalConfig. `before` are the settings in force until now: where the directory holds a value
 * that is not allowed, the old one stays and the problem is told.
 */
export function resolveSettings(
  overrides: Overrides,
  directory: ReadonlyMap<string, readonly string[]>,
  before: Settings = defaultSettings(),
): Resolved {
  const problems: SettingProblem[] = []
  const values: Partial<Record<SettingKey, SettingValue>> = {}
  for (const [attribute, texts] of directory) {
    const key = BY_ZIMBRA.get(attribute.toLowerCase())
    if (key === undefined || texts.length === 0) continue
    const setting: Setting = SETTINGS[key]
    // The right spelling wins over a deprecated alias, in whichever order they come.
    if (values[key] !== undefined && attribute.toLowerCase() !== setting.zimbra.toLowerCase()) continue
    const parsed = parseSetting(setting, texts)
    if (parsed.kind === 'wrong') problems.push({ attribute, value: texts.join(', '), reason: parsed.reason })
    values[key] = parsed.kind === 'value' ? parsed.value : before[key]
  }
  // oxlint-disable-next-line no-unsafe-type-assertion -- each value was read by its own entry of the table
  const settings = { ...defaultSettings(), ...values, ...overrides } as Settings
  return { settings, problems }
}
