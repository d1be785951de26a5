import { isIP } from 'node:net'
import { parseNetwork } from '#src/net/addresses.ts'
import type { ListItems, Setting, SettingValue } from './setting.ts'
import { formatDuration, NOTIFY_CLASSES, parseDurationMs } from './setting.ts'

/** A value that was understood, or the reason why not, as half a sentence: "must be a whole number". */
export type Parsed =
  | { readonly kind: 'value'; readonly value: SettingValue }
  | { readonly kind: 'wrong'; readonly reason: string }

/** Words in one list: far above any real list, low enough that a broken import is noticed. */
const LIST_WORDS_MAX = 10_000
/** Characters of one text value. */
const TEXT_CHARS_MAX = 4096

/**
 * Reads a setting from the values that a directory or postern.toml holds for it: one text, or several for a
 * list. Each text of a list may itself hold several words, split at commas and blanks, as Postfix takes them.
 */
export function parseSetting(setting: Setting, texts: readonly string[]): Parsed {
  if (setting.type === 'list') return parseList(setting, texts)
  const [text] = texts
  if (text === undefined) return wrong('is empty')
  if (texts.length > 1) return wrong('may have one value only')
  switch (setting.type) {
    case 'integer':
    case 'bytes':
      return parseInteger(setting, text)
    case 'duration':
      return parseDuration(setting, text)
    case 'boolean':
      return parseBoolean(text)
    case 'enum':
      return parseEnum(setting, text)
    case 'text':
      return parseText(setting, text)
  }
}

function parseInteger(setting: Setting & { type: 'integer' | 'bytes' }, text: string): Parsed {
  if (!/^\d{1,15}$/.test(text.trim())) {
    return wrong(
      setting.type === 'bytes' ? 'must be a number of bytes, digits only' : 'must be a whole number',
    )
  }
  const value = Number(text)
  if (value < setting.least || value > setting.most) {
    return wrong(`must be between ${setting.least} and ${setting.most}`)
  }
  return { kind: 'value', value }
}

function parseDuration(setting: Setting & { type: 'duration' }, text: string): Parsed {
  const ms = parseDurationMs(text, setting.unit)
  if (ms === undefined) return wrong('must be a time as Postfix writes it: 30s, 5m, 1h, 5d')
  if (ms < setting.leastMs || ms > setting.mostMs) {
    return wrong(`must be between ${formatDuration(setting.leastMs)} and ${formatDuration(setting.mostMs)}`)
  }
  return { kind: 'value', value: ms }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['true', true],
  ['no', false],
  ['false', false],
])

function parseBoolean(text: string): Parsed {
  const value = BOOLEANS.get(text.trim().toLowerCase())
  return value === undefined ? wrong('must be yes or no') : { kind: 'value', value }
}

function parseEnum(setting: Setting & { type: 'enum' }, text: string): Parsed {
  const value = setting.values.find((allowed) => allowed === text.trim().toLowerCase())
  return value === undefined ? wrong(`must be one of ${setting.values.join(', ')}`) : { kind: 'value', value }
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

function parseText(setting: Setting & { type: 'text' }, text: string): Parsed {
  if (text.length > TEXT_CHARS_MAX) return wrong(`may have ${TEXT_CHARS_MAX} characters at most`)
  if (CONTROL.test(text)) return wrong('may not hold control characters')
  if (setting.pattern !== undefined && !setting.pattern.test(text))
    return wrong(`must be ${setting.means ?? 'well formed'}`)
  return { kind: 'value', value: text }
}

function parseList(setting: Setting & { type: 'list' }, texts: readonly string[]): Parsed {
  const words = texts.flatMap((text) => text.split(/[\s,]+/)).filter((word) => word !== '')
  if (words.length > LIST_WORDS_MAX) return wrong(`may have ${LIST_WORDS_MAX} words at most`)
  for (const word of words) {
    const reason = wrongWord(setting, word)
    if (reason !== undefined) return wrong(`${JSON.stringify(word)} ${reason}`)
  }
  return { kind: 'value', value: words }
}

function wrongWord(setting: Setting & { type: 'list' }, word: string): string | undefined {
  if (setting.allowed !== undefined && !setting.allowed.includes(word))
    return `is not one of ${setting.allowed.join(', ')}`
  return WORDS[setting.items](word)
}

/** Why a word may not stand in a list of its kind; undefined if it may. */
const WORDS: Readonly<Record<ListItems, (word: string) => string | undefined>> = {
  networks: (word) =>
    parseNetwork(word) === undefined
      ? 'is not an IP address or network such as 192.0.2.0/24 or [2001:db8::]/32'
      : undefined,
  extensions: (word) =>
    /^[^\s./\\]{1,64}$/u.test(word) ? undefined : 'is not a file extension: give it without its dot',
  lookups: (word) => (word === 'dns' || word === 'native' ? undefined : 'must be dns or native'),
  classes: (word) =>
    NOTIFY_CLASSES.includes(word) ? undefined : `must be one of ${NOTIFY_CLASSES.join(', ')}`,
  ciphers: (word) =>
    /^[A-Za-z0-9_+-]{1,64}$/.test(word) ? undefined : 'is no name of a cipher such as RC4 or 3DES',
  fingerprints: (word) =>
    /^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/.test(word)
      ? undefined
      : 'is no SHA-256 fingerprint: 64 hexadecimal digits, with or without colons',
  addresses: (word) =>
    isIP(word) === 0 ? 'is not an IP address such as 192.0.2.1 or 2001:db8::1' : undefined,
  environment: (word) => {
    if (/^[A-Za-z_]\w{0,63}$/.test(word)) return undefined
    return word.startsWith('TZ=') && isTimeZone(word.slice(3))
      ? undefined
      : 'is neither the name of a variable nor TZ=zone, such as TZ=Europe/Berlin'
  },
  words: () => undefined,
}

/** A name of the IANA database, as JavaScript knows it. */
function isTimeZone(zone: string): boolean {
  try {
    return /^[A-Za-z]/.test(zone) && Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    // RangeError: there is no such zone.
    return false
  }
}

function wrong(reason: string): Parsed {
  return { kind: 'wrong', reason }
}
