import type { Attribute, AttributeRow, AttributeTable, AttributeUse } from './attribute.ts'
import { AMAVIS_ATTRIBUTES } from './attributes/amavis.ts'
import { CLIENT_ATTRIBUTES } from './attributes/clients.ts'
import { CONTENT_ATTRIBUTES } from './attributes/content.ts'
import { MTA_ATTRIBUTES } from './attributes/mta.ts'
import { PEER_ATTRIBUTES } from './attributes/peers.ts'
import { POLICYD_ATTRIBUTES } from './attributes/policyd.ts'
import { POSTSCREEN_ATTRIBUTES } from './attributes/postscreen.ts'
import { RECIPIENT_ATTRIBUTES } from './attributes/recipients.ts'
import { SMTPD_ATTRIBUTES } from './attributes/smtpd.ts'
import { BY_ZIMBRA, SETTINGS } from './settings.ts'
import type { Setting } from './setting.ts'
import { suggest } from './suggest.ts'

/**
 * Every attribute of Zimbra's directory that has to do with mail on its way, whether Postern goes by it or not: what
 * it may hold (Zimbra's schema) and what becomes of it. What is honoured has an entry in SETTINGS besides, under the
 * same name.
 */
export const TABLES: readonly (readonly [string, AttributeTable])[] = [
  ['Mail in general', MTA_ATTRIBUTES],
  ['SMTP server', SMTPD_ATTRIBUTES],
  ['Delivery', CLIENT_ATTRIBUTES],
  ['postscreen', POSTSCREEN_ATTRIBUTES],
  ['Spam, viruses, disclaimers', CONTENT_ATTRIBUTES],
  ['Policy daemon', POLICYD_ATTRIBUTES],
  ['Mailbox servers, milter, archive, resolver', PEER_ATTRIBUTES],
  ['Accounts, lists and domains', RECIPIENT_ATTRIBUTES],
  ['Content policy of a recipient (amavis)', AMAVIS_ATTRIBUTES],
]

/** All of them, in the order of their groups. */
export const ATTRIBUTES: readonly Attribute[] = TABLES.flatMap(([group, table]) =>
  Object.entries(table).map(([name, row]) => attributeOf(name, row, group)),
)

/** By their names in lower case, since attribute names have no case (RFC 4512 section 2.5). */
const BY_NAME: ReadonlyMap<string, Attribute> = new Map(
  ATTRIBUTES.map((one) => [one.name.toLowerCase(), one]),
)

const BY_PARAMETER: ReadonlyMap<string, Attribute> = new Map(
  // A deprecated attribute has the parameter of the one that replaces it.
  ATTRIBUTES.filter((one) => one.postfix !== '' && one.deprecatedSince === '').map((one) => [
    one.postfix,
    one,
  ]),
)

/** Every attribute, in lower case, that may stand in globalConfig or in the entry of a server. */
export const SETTING_ATTRIBUTES: readonly string[] = [
  ...new Set([
    ...BY_ZIMBRA.keys(),
    ...ATTRIBUTES.filter(({ scope }) => scope.includes('globalConfig') || scope.includes('server')).map(
      (one) => one.name.toLowerCase(),
    ),
  ]),
]

/** An attribute by its name, in any case; undefined for one that is not about mail on its way, or not Zimbra's. */
export function findAttribute(name: string): Attribute | undefined {
  return BY_NAME.get(name.toLowerCase())
}

/** The attribute that stands for a parameter of Postfix. */
export function attributeOfParameter(parameter: string): Attribute | undefined {
  return BY_PARAMETER.get(parameter)
}

/** The attribute that an unknown name was most likely meant to be. */
export function suggestAttribute(name: string): string | undefined {
  const known = SUGGESTED.get(name)
  if (known !== undefined) return known === '' ? undefined : known
  const found = suggest(
    name,
    ATTRIBUTES.map((one) => one.name),
  )
  if (SUGGESTED.size < SUGGESTED_MAX) SUGGESTED.set(name, found ?? '')
  return found
}

/** A slip stays in the directory, and is met at each look at it; to compare it with every name takes milliseconds. */
const SUGGESTED = new Map<string, string>()
const SUGGESTED_MAX = 1000

function attributeOf(name: string, row: AttributeRow, group: string): Attribute {
  const key = BY_ZIMBRA.get(name.toLowerCase())
  const setting: Setting | undefined = key === undefined ? undefined : SETTINGS[key]
  const use: AttributeUse = setting === undefined ? (row.use ?? { kind: 'setting' }) : { kind: 'setting' }
  return {
    name,
    type: row.type,
    values: row.values ?? [],
    pattern: row.pattern,
    multi: row.multi === true,
    scope: row.scope,
    default: typeof row.default === 'string' ? [row.default] : (row.default ?? []),
    postfix: row.postfix ?? '',
    deprecatedSince: row.deprecatedSince ?? '',
    group,
    text: setting?.text ?? row.text ?? '',
    use,
  }
}
