import { currentSettings } from '#src/admin/current-settings.ts'
import { openAdminStore } from '#src/admin/open-store.ts'
import { attributeNote, RULES } from '#src/admin/rules.ts'
import { findAttribute } from '#src/config/catalogue.ts'
import type { Config } from '#src/config/config.ts'
import { shownValue } from '#src/config/document.ts'
import { settingName } from '#src/config/generations.ts'
import type { Setting } from '#src/config/setting.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import type { SettingKey } from '#src/config/settings.ts'
import { serverNameOf } from '#src/config/sources.ts'
import type { AttributePair } from '#src/directory/admin/attributes.ts'
import { modifyConfig, modifyServer } from '#src/directory/admin/servers.ts'

/** One setting as the page shows it. */
export interface SettingRow {
  readonly key: SettingKey
  readonly setting: Setting
  /** Postfix's name, or Zimbra's where Postfix has none. */
  readonly name: string
  readonly value: string
  /** Where its value is from: `default`, `globalConfig`, `server`, `postern.toml`, … */
  readonly source: string
}

/** Those that operators change first; the others are there too. */
const MAIN: ReadonlySet<string> = new Set([
  'myhostname',
  'zimbraDefaultDomainName',
  'mynetworks',
  'message_size_limit',
  'smtpd_recipient_limit',
  'smtpd_client_connection_count_limit',
  'smtpd_tls_security_level',
  'smtpd_sasl_auth_enable',
  'smtpd_tls_auth_only',
  'zimbraMtaBlockedExtension',
  'relayhost',
  'smtp_fallback_relay',
  'smtp_tls_security_level',
  'inet_protocols',
  'maximal_queue_lifetime',
  'bounce_queue_lifetime',
  'minimal_backoff_time',
  'maximal_backoff_time',
  'delay_warning_time',
  'notify_classes',
  'trace_lifetime',
])

export function isMain(row: SettingRow): boolean {
  return MAIN.has(row.name)
}

/** All settings, as they are or would be at a start. Throws a CommandError where they cannot be read. */
export function settingRows(config: Config): readonly SettingRow[] {
  const { resolved, settings } = currentSettings(config)
  return SETTING_LIST.map(([key, setting]) => {
    const origin = resolved.origins[key]
    return {
      key,
      setting,
      name: settingName(setting),
      value: shownValue(setting, settings[key]),
      source: `${origin.source}${origin.kept ? ' (kept: the newest is not allowed)' : ''}`,
    }
  })
}

/** Why the page cannot change it, a sentence; '' where it can. */
export function unchangeable({ setting, source }: SettingRow): string {
  if (source.startsWith('postern.toml'))
    return 'It stands in postern.toml, above the directory: change it there, then reload.'
  if (setting.zimbra === '')
    return 'No attribute of the directory stands for it: set it in [limits] of postern.toml.'
  return ''
}

/** In which entry of the directory a value is set. */
export type SettingScope = 'globalConfig' | 'server'

/** The entries that a setting may stand in. */
export function scopesOf({ setting }: SettingRow): readonly SettingScope[] {
  const scope = findAttribute(setting.zimbra)?.scope ?? []
  return (['globalConfig', 'server'] as const).filter((one) => scope.includes(one))
}

/**
 * Changes a setting in the directory, as `zmprov mcf` and `zmprov ms` do; '' takes the value away. Throws what they
 * say. Gives what is worth saying besides.
 */
export async function changeSetting(
  config: Config,
  { setting }: SettingRow,
  change: { readonly scope: SettingScope; readonly text: string },
  signal: AbortSignal,
): Promise<string> {
  await using store = await openAdminStore(config, signal)
  const p = { store, rules: RULES, now: () => new Date() }
  const pairs = pairsOf(setting, change.text)
  if (change.scope === 'globalConfig') await modifyConfig(p, pairs)
  else await modifyServer(p, serverNameOf(config), pairs)
  return attributeNote(setting.zimbra) ?? ''
}

/** The values of a text as the attribute has them: several where it may have several. */
export function pairsOf(setting: Setting, text: string): readonly AttributePair[] {
  const { type, multi } = findAttribute(setting.zimbra) ?? { type: 'string', multi: false }
  const trimmed = text.trim()
  const plain = type === 'boolean' ? booleanOf(trimmed) : trimmed
  const values = multi ? plain.split(/[,\s]+/).filter((one) => one !== '') : [plain]
  const all = values.length === 0 ? [''] : values
  return all.map((value) => ({ op: 'set', name: setting.zimbra, value }))
}

function booleanOf(text: string): string {
  if (/^(?:yes|true|on)$/i.test(text)) return 'TRUE'
  return /^(?:no|false|off)$/i.test(text) ? 'FALSE' : text
}
