import { useText } from './attribute.ts'
import { attributeOfParameter, findAttribute } from './catalogue.ts'
import { translated } from './check.ts'
import { defaultLookup } from './defaults.ts'
import { expandTexts } from './expand.ts'
import type { Table } from './reader.ts'
import type { Overrides } from './resolve.ts'
import type { SettingKey } from './settings.ts'
import { BY_POSTFIX, BY_ZIMBRA, SETTINGS } from './settings.ts'
import type { Setting, SettingValue } from './setting.ts'
import { suggest } from './suggest.ts'
import { parseSetting } from './values.ts'

/** `[limits]`: Postfix's parameter names. */
export function readLimits(table: Table): Overrides {
  const values: Partial<Record<SettingKey, SettingValue>> = {}
  for (const name of table.keys) {
    const key = BY_POSTFIX.get(name)
    if (key === undefined)
      unknown(table, name, {
        known: BY_POSTFIX.keys(),
        other: BY_ZIMBRA.has(name.toLowerCase()) ? 'settings' : '',
      })
    else read(table, name, key, values)
  }
  return values
}

/** `[settings]`: Zimbra's attribute names, which stand above the directory's globalConfig like a server entry. */
export function readZimbraSettings(table: Table, limits: Overrides): Overrides {
  const values: Partial<Record<SettingKey, SettingValue>> = {}
  for (const name of table.keys) {
    const key = BY_ZIMBRA.get(name.toLowerCase())
    if (key === undefined) {
      unknown(table, name, { known: zimbraNames(), other: BY_POSTFIX.has(name) ? 'limits' : '' })
    } else if (limits[key] !== undefined) {
      table.wrong(name, `is set twice: [limits] has it as ${SETTINGS[key].postfix}`)
    } else if (values[key] !== undefined) {
      table.wrong(name, `is set twice: it is another spelling of ${SETTINGS[key].zimbra}`)
    } else {
      read(table, name, key, values)
    }
  }
  return values
}

function zimbraNames(): string[] {
  return Object.values(SETTINGS)
    .map((setting) => setting.zimbra)
    .filter((name) => name !== '')
}

function unknown(
  table: Table,
  name: string,
  hint: { readonly known: Iterable<string>; readonly other: string },
): void {
  const idle = findAttribute(name) ?? attributeOfParameter(name)
  // The directory of a Zimbra has them all; who writes one here wants it to do something.
  if (idle !== undefined && idle.use.kind !== 'setting') {
    const readsEntries = idle.use.kind === 'read'
    table.wrong(
      name,
      readsEntries ? 'belongs into the entries of the directory' : `cannot be set: ${useText(idle)}`,
    )
    return
  }
  const meant = suggest(name, hint.known)
  if (hint.other !== '') table.wrong(name, `belongs into [${hint.other}]`)
  else if (meant !== undefined) table.wrong(name, `is not a known setting; did you mean ${meant}?`)
  else table.wrong(name, 'is not a known setting; docs/settings.md lists all')
}

function read(
  table: Table,
  name: string,
  key: SettingKey,
  into: Partial<Record<SettingKey, SettingValue>>,
): void {
  const setting: Setting = SETTINGS[key]
  const texts = textsOf(table.raw(name))
  if (texts === undefined) {
    table.wrong(
      name,
      setting.type === 'list'
        ? 'must be a list of texts, ["a", "b"]'
        : 'must be a text, a number or true or false',
    )
    return
  }
  const own = typeof table.raw(name) === 'boolean' ? [String(table.raw(name)).toUpperCase()] : texts
  // An attribute may have words of its own, TRUE and FALSE among them.
  const words = translated(setting, name, own)
  const expanded = expandTexts(setting, words === own ? texts : words, defaultLookup)
  const parsed = expanded.kind === 'wrong' ? expanded : parseSetting(setting, expanded.values)
  if (parsed.kind === 'wrong') table.wrong(name, parsed.reason)
  else into[key] = parsed.value
}

/** A TOML value as the texts that a directory would hold for it. */
function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (typeof value === 'boolean') return [value ? 'yes' : 'no']
  if (typeof value === 'number') return [String(value)]
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  return undefined
}
