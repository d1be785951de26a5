/** What localconfig.xml says, by its keys, in its own order. */
export type Localconfig = ReadonlyMap<string, string>

export type ParsedLocalconfig =
  | { readonly kind: 'keys'; readonly keys: Localconfig }
  | { readonly kind: 'wrong'; readonly line: number; readonly reason: string }

/** A larger file is none of Zimbra's. */
export const LOCALCONFIG_BYTES_MAX = 1_048_576
/** Zimbra knows some 600 keys. */
const KEYS_MAX = 10_000

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
