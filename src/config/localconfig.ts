import { readFileSync, statSync } from 'node:fs'
import { errorCode, errorText } from '#src/base/fault.ts'
import { LOCALCONFIG_BYTES_MAX, parseLocalconfig } from '#src/base/localconfig-xml.ts'
import type { Localconfig, ParsedLocalconfig } from '#src/base/localconfig-xml.ts'
import { LOCALCONFIG_KEYS } from './localconfig-keys.ts'
import { defaultLookup } from './defaults.ts'
import { expandTexts } from './expand.ts'
import { SETTING_LIST } from './settings.ts'
import type { Setting } from './setting.ts'
import { parseSetting } from './values.ts'

/**
 * Reads the file; one that is not there says nothing, which is not wrong. `line` is 0 for what is wrong with the file
 * and not with a line of it.
 */
export function readLocalconfig(file: string): ParsedLocalconfig {
  try {
    if (statSync(file).size > LOCALCONFIG_BYTES_MAX)
      return { kind: 'wrong', line: 0, reason: `is larger than ${LOCALCONFIG_BYTES_MAX} bytes` }
    return parseLocalconfig(readFileSync(file, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'keys', keys: new Map() }
    return { kind: 'wrong', line: 0, reason: `cannot be read: ${errorText(error)}` }
  }
}

/**
 * What localconfig.xml has for a setting, under the key of its attribute or a key of its own; undefined where it has
 * nothing. The keys have other words for some values than the attributes: a switch is `yes` or `no`.
 */
export function localconfigTexts(
  setting: Setting,
  keys: Localconfig | undefined,
): { readonly name: string; readonly texts: readonly string[] } | undefined {
  if (keys === undefined || keys.size === 0) return undefined
  for (const name of keysOf(setting)) {
    const value = keys.get(name)
    // Zimbra empties a key to unset it. An empty list, and an empty text, are values all the same.
    if (value === '' && setting.type !== 'list' && setting.type !== 'text') continue
    if (value !== undefined) return { name, texts: [value] }
  }
  return undefined
}

const KEYS_BY_ATTRIBUTE: ReadonlyMap<string, string> = new Map(
  Object.entries(LOCALCONFIG_KEYS).flatMap(([key, { attribute }]) =>
    attribute === undefined ? [] : [[attribute.toLowerCase(), key] as const],
  ),
)

/** The keys that stand for a setting. */
export function keysOf(setting: Setting): readonly string[] {
  const byAttribute = KEYS_BY_ATTRIBUTE.get(setting.zimbra.toLowerCase())
  return [...(byAttribute === undefined ? [] : [byAttribute]), ...(setting.localconfig ?? [])]
}

/** localconfig.xml as Zimbra writes it. */
export function formatLocalconfig(keys: Localconfig): string {
  const lines = [...keys].map(
    ([name, value]) => `  <key name="${escaped(name)}">\n    <value>${escaped(value)}</value>\n  </key>\n`,
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n<localconfig>\n${lines.join('')}</localconfig>\n`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** A value with `${key}` filled in from the file and the defaults, as `zmlocalconfig -x` shows it. */
export function expandedValue(value: string, keys: Localconfig, depth = 0): string {
  // Zimbra's own defaults refer to each other two deep.
  if (depth > 8) return value
  return value.replaceAll(/\$\{([A-Za-z0-9_]+)\}/g, (whole, name: string) => {
    const next =
      keys.get(name) ?? (Object.hasOwn(LOCALCONFIG_KEYS, name) ? LOCALCONFIG_KEYS[name]?.default : undefined)
    return next === undefined ? whole : expandedValue(next, keys, depth + 1)
  })
}

/** Why a value may not stand under a key, as half a sentence; '' if it may. A key that is not known may hold anything. */
export function keyProblem(key: string, value: string): string {
  const known = Object.hasOwn(LOCALCONFIG_KEYS, key) ? LOCALCONFIG_KEYS[key] : undefined
  const setting = SETTING_LIST.find(([, one]) => keysOf(one).includes(key))?.[1]
  if (known === undefined || setting === undefined || value === '') return ''
  const texts = expandTexts(setting, [value], defaultLookup)
  const parsed = texts.kind === 'wrong' ? texts : parseSetting(setting, texts.values)
  return parsed.kind === 'wrong' ? parsed.reason : ''
}

/** Whether a value is a password and shown only on request. */
export function isSecret(key: string): boolean {
  if (Object.hasOwn(LOCALCONFIG_KEYS, key) && LOCALCONFIG_KEYS[key]?.secret === true) return true
  return /password|passwd|secret/i.test(key)
}
