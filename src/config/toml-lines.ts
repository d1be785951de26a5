/**
 * On which line each key of a TOML document stands. smol-toml gives values without their place; this walks the same
 * text again and only looks for keys. It is run on documents that smol-toml has accepted, so it need not judge:
 * on anything else its answer is merely of no use.
 */

/** Path of a key, `limits.smtpd_timeout` or `listener.0.port`, to its line, counted from 1. */
export type KeyLines = ReadonlyMap<string, number>

export function keyLines(text: string): KeyLines {
  const walker = new Walker(text)
  walker.document()
  return walker.lines
}

const BARE_KEY = /[A-Za-z0-9_-]/

class Walker {
  readonly lines = new Map<string, number>()
  readonly #text: string
  readonly #tables = new Map<string, number>()
  #at = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  document(): void {
    let table: readonly string[] = []
    for (;;) {
      this.#blank(true)
      if (this.#at >= this.#text.length) return
      if (this.#peek() === '[') table = this.#header()
      else this.#pair(table)
    }
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #next(): string {
    const char = this.#peek()
    if (char === '\n') this.#line += 1
    this.#at += 1
    return char
  }

  /** Skips blanks, and with `lines` also line ends and comments. */
  #blank(lines: boolean): void {
    for (;;) {
      const char = this.#peek()
      if (char === ' ' || char === '\t') this.#next()
      else if (lines && (char === '\n' || char === '\r')) this.#next()
      else if (lines && char === '#') while (this.#peek() !== '\n' && this.#peek() !== '') this.#next()
      else return
    }
  }

  #header(): readonly string[] {
    const line = this.#line
    this.#next()
    const array = this.#peek() === '['
    if (array) this.#next()
    const written = this.#key()
    while (this.#peek() === ']') this.#next()
    const path = this.#inArrays(written, array)
    this.#note(path, line)
    return path
  }

  /** `[[a]]` opens a.0, then a.1; `[a.b]` after them means the last one's b. */
  #inArrays(written: readonly string[], array: boolean): readonly string[] {
    const path: string[] = []
    for (const [i, part] of written.entries()) {
      path.push(part)
      const name = path.join('.')
      const last = i === written.length - 1
      if (array && last) this.#tables.set(name, (this.#tables.get(name) ?? -1) + 1)
      const index = this.#tables.get(name)
      if (index !== undefined) {
        if (array && last && index === 0) this.#note(path, this.#line)
        path.push(String(index))
      }
    }
    return path
  }

  #pair(table: readonly string[]): void {
    const line = this.#line
    const path = [...table, ...this.#key()]
    this.#note(path, line)
    if (this.#peek() === '=') this.#next()
    this.#value(path)
  }

  #note(path: readonly string[], line: number): void {
    const name = path.join('.')
    if (!this.lines.has(name)) this.lines.set(name, line)
  }

  #key(): string[] {
    const parts: string[] = []
    for (;;) {
      this.#blank(false)
      parts.push(this.#keyPart())
      this.#blank(false)
      if (this.#peek() !== '.') return parts
      this.#next()
    }
  }

  #keyPart(): string {
    const quote = this.#peek()
    if (quote === '"' || quote === "'") return this.#string()
    let part = ''
    while (BARE_KEY.test(this.#peek())) part += this.#next()
    // Whatever stands here is no key; take it, so that the walk goes on.
    if (part === '') this.#next()
    return part
  }

  #value(path: readonly string[]): void {
    this.#blank(false)
    const char = this.#peek()
    if (char === '"' || char === "'") this.#string()
    else if (char === '[') this.#array(path)
    else if (char === '{') this.#inlineTable(path)
    else while (!/[,\]}#\n]/.test(this.#peek()) && this.#peek() !== '') this.#next()
  }

  #array(path: readonly string[]): void {
    this.#next()
    for (let i = 0; ; i += 1) {
      this.#blank(true)
      if (this.#peek() === ']' || this.#peek() === '') break
      this.#note([...path, String(i)], this.#line)
      this.#value([...path, String(i)])
      this.#blank(true)
      if (this.#peek() === ',') this.#next()
      else if (this.#peek() !== ']') this.#next()
    }
    this.#next()
  }

  #inlineTable(path: readonly string[]): void {
    this.#next()
    for (;;) {
      this.#blank(true)
      if (this.#peek() === '}' || this.#peek() === '') break
      this.#pair(path)
      this.#blank(true)
      if (this.#peek() === ',') this.#next()
      else if (this.#peek() !== '}') this.#next()
    }
    this.#next()
  }

  /** A string of any of the four kinds; what it holds matters for keys only, which have no escapes worth reading. */
  #string(): string {
    const quote = this.#next()
    const triple = this.#text.startsWith(quote.repeat(2), this.#at)
    if (triple) this.#at += 2
    const end = triple ? quote.repeat(3) : quote
    let text = ''
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      const char = this.#next()
      text += char
      if (char === '\\' && quote === '"') text += this.#next()
    }
    this.#at += end.length
    // Up to two quotes may stand right before the closing three.
    if (triple) while (this.#peek() === quote) this.#next()
    return text
  }
}
