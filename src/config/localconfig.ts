import { readFileSync, statSync } from 'node:fs'
import { errorCode, errorText } from '#src/base/fault.ts'
import { LOCALCONFIG_KEYS } from './localconfig-keys.ts'
import { defaultLookup } from './defaults.ts'
import { expandTexts } from './expand.ts'
import { SETTING_LIST } from './settings.ts'
import type { Setting } from './setting.ts'
import { parseSetting } from './values.ts'

/** What localconfig.xml says, by its keys, in its own order. */
export type Localconfig = ReadonlyMap<string, string>

export type ParsedLocalconfig =
  | { readonly kind: 'keys'; readonly keys: Localconfig }
  | { readonly kind: 'wrong'; readonly line: number; readonly reason: string }

/** A larger file is none of Zimbra's. */
export const LOCALCONFIG_BYTES_MAX = 1_048_576
/** Zimbra knows some 600 keys. */
const KEYS_MAX = 10_000

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

/** What may stand in localconfig.xml, piece by piece: each is looked for where the one before it ended. */
const DECLARATION = /\s*(?:<\?xml[^>]{0,200}\?>)?/y
const SPACE = /(?:\s|<!--(?:[^-]|-(?!->)){0,65536}-->)*/y
const OPEN = /<localconfig\s*>/y
const EMPTY = /<localconfig\s*\/>/y
const CLOSE = /<\/localconfig\s*>/y
const KEY = /<key\s+name\s*=\s*(?:"([^"<]{1,256})"|'([^'<]{1,256})')\s*>/y
const KEY_CLOSE = /<\/key\s*>/y
const EMPTY_VALUE = /<value\s*\/>/y
const VALUE = /<value\s*>([^<]{0,65536})<\/value\s*>/y

/**
 * Reads localconfig.xml: `<localconfig>` with `<key name="…"><value>…</value></key>` and nothing else, which is all
 * that Zimbra writes. No document type, and so no entities but XML's five and characters by number.
 */
export function parseLocalconfig(text: string): ParsedLocalconfig {
  try {
    return { kind: 'keys', keys: new LocalconfigReader(text.replace(/^\uFEFF/, '')).read() }
  } catch (error) {
    if (error instanceof BadXml) return { kind: 'wrong', line: error.line, reason: error.message }
    throw error
  }
}

/** Never leaves this file. */
class BadXml extends Error {
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

class LocalconfigReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): Localconfig {
    const keys = new Map<string, string>()
    if (Buffer.byteLength(this.#text) > LOCALCONFIG_BYTES_MAX)
      this.#fail(`is larger than ${LOCALCONFIG_BYTES_MAX} bytes`)
    this.#take(DECLARATION)
    this.#take(SPACE)
    if (this.#take(EMPTY) === undefined) {
      this.#want(OPEN, '<localconfig>')
      this.#take(SPACE)
      while (this.#take(CLOSE) === undefined) {
        this.#key(keys)
        this.#take(SPACE)
      }
    }
    this.#take(SPACE)
    if (this.#at < this.#text.length) this.#fail('there is something behind </localconfig>')
    return keys
  }

  #key(keys: Map<string, string>): void {
    const key = this.#want(KEY, '<key name="…">')
    const name = this.#plain(key[1] ?? key[2] ?? '')
    if (keys.has(name)) this.#fail(`the key ${name} stands there twice`)
    if (keys.size >= KEYS_MAX) this.#fail(`there are more than ${KEYS_MAX} keys`)
    this.#take(SPACE)
    const isEmpty = this.#take(EMPTY_VALUE) !== undefined
    keys.set(name, isEmpty ? '' : this.#plain(this.#want(VALUE, '<value>…</value>')[1] ?? ''))
    this.#take(SPACE)
    this.#want(KEY_CLOSE, '</key>')
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at = pattern.lastIndex
    return found
  }

  #want(pattern: RegExp, what: string): RegExpExecArray {
    return this.#take(pattern) ?? this.#fail(`${what} is expected here`)
  }

  /** Characters by their names and numbers become themselves. */
  #plain(raw: string): string {
    const text = raw.replaceAll(/&([^;&]{0,10});?/g, (whole, name: string) => {
      const known = whole.endsWith(';') ? (ENTITIES.get(name) ?? byNumber(name)) : undefined
      return known ?? this.#fail(`${whole} means nothing`)
    })
    return text.trim()
  }

  #fail(reason: string): never {
    const line = this.#text.slice(0, this.#at).split('\n').length
    throw new BadXml(line, reason)
  }
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
])

function byNumber(name: string): string | undefined {
  const match = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name)
  if (match === null) return undefined
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16)
  const isCharacter =
    code <= 0x10_ff_ff && (code < 0xd8_00 || code > 0xdf_ff) && (code >= 0x20 || code === 9 || code === 10)
  return isCharacter ? String.fromCodePoint(code) : undefined
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
