import type { Setting, ValueOf } from './setting.ts'
import { DELIVERY_SETTINGS, QUEUE_SETTINGS } from './settings-queue.ts'
import { NOTICE_SETTINGS } from './settings-notices.ts'
import { ACCESS_SETTINGS } from './settings-access.ts'
import { LISTENER_SETTINGS } from './settings-listener.ts'
import { OUTBOUND_SETTINGS, PEER_SETTINGS, ROUTING_SETTINGS } from './settings-outbound.ts'
import { SMTP_SETTINGS } from './settings-smtp.ts'

/**
 * Every setting that has a name in Postfix or Zimbra: the one table. postern.toml, the directory, the checks
 * and docs/settings.md come from it.
 */
export const SETTINGS = {
  ...SMTP_SETTINGS,
  ...ACCESS_SETTINGS,
  ...LISTENER_SETTINGS,
  ...QUEUE_SETTINGS,
  ...NOTICE_SETTINGS,
  ...DELIVERY_SETTINGS,
  ...ROUTING_SETTINGS,
  ...OUTBOUND_SETTINGS,
  ...PEER_SETTINGS,
} as const

export type SettingKey = keyof typeof SETTINGS

/** The values that count, all of them; plain data, so that it can go to a child process. */
export type Settings = { readonly [K in SettingKey]: ValueOf<(typeof SETTINGS)[K]> }

/** The table as a list, in its own order. */
// oxlint-disable-next-line no-unsafe-type-assertion -- Object.entries forgets which keys an object literal has
export const SETTING_LIST = Object.entries(SETTINGS) as readonly (readonly [SettingKey, Setting])[]

/** The headings of docs/settings.md; what is under none of them stands at its end. */
export const SETTING_GROUPS: readonly (readonly [string, Readonly<Record<string, Setting>>])[] = [
  ['SMTP server', SMTP_SETTINGS],
  ['AUTH and senders', ACCESS_SETTINGS],
  ['Queue', QUEUE_SETTINGS],
  ['Notices', NOTICE_SETTINGS],
  ['Delivery to mailbox servers', DELIVERY_SETTINGS],
  ['Routing', ROUTING_SETTINGS],
  ['Delivery over SMTP', OUTBOUND_SETTINGS],
  ['TLS and AUTH towards next hops', PEER_SETTINGS],
]

/** By the name that `[limits]` takes: Postfix's. */
export const BY_POSTFIX: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_LIST.filter(([, setting]) => setting.postfix !== '').map(([key, setting]) => [
    setting.postfix,
    key,
  ]),
)

/** By the name that `[settings]` and the directory take: Zimbra's, in lower case, since attribute names have none. */
export const BY_ZIMBRA: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_LIST.flatMap(([key, setting]) =>
    [setting.zimbra, ...(setting.zimbraAliases ?? [])]
      .filter((name) => name !== '')
      .map((name) => [name.toLowerCase(), key] as const),
  ),
)
