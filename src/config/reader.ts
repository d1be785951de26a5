import { suggest } from './suggest.ts'
import type { KeyLines } from './toml-lines.ts'

/** Something in postern.toml that cannot be used. `key` is the whole path, '' for a mistake of syntax. */
export interface ConfigProblem {
  readonly file: string
  readonly line: number
  readonly key: string
  readonly reason: string
}

/** One problem as an editor takes it: `postern.toml:12: limits.smtpd_timeout: must be a time …`. */
export function problemText(problem: ConfigProblem): string {
  return `${problem.file}:${problem.line}: ${problem.key === '' ? '' : `${problem.key}: `}${problem.reason}`
}

/** Collects every problem of one document, so that all are told at once. */
export class Problems {
  readonly list: ConfigProblem[] = []
  readonly #file: string
  readonly #lines: KeyLines

  constructor(file: string, lines: KeyLines) {
    this.#file = file
    this.#lines = lines
  }

  /** In the order of their lines. */
  get sorted(): readonly ConfigProblem[] {
    return this.list.toSorted((a, b) => a.line - b.line)
  }

  add(key: string, reason: string): void {
    this.list.push({ file: this.#file, line: this.#line(key), key, reason })
  }

  /** The line of the key, or of the nearest table around it. */
  #line(key: string): number {
    const parts = key.split('.')
    while (parts.length > 0) {
      const line = this.#lines.get(parts.join('.'))
      if (line !== undefined) return line
      parts.pop()
    }
    return 1
  }
}

/** A table of the document, read key by key; keys that nobody asks for are told by `rest`. */
export class Table {
  readonly #path: string
  readonly #values: Readonly<Record<string, unknown>>
  readonly #problems: Problems

  constructor(path: string, values: Readonly<Record<string, unknown>>, problems: Problems) {
    this.#path = path
    this.#values = values
    this.#problems = problems
  }

  get keys(): string[] {
    return Object.keys(this.#values)
  }

  /** The value as the document has it; undefined where the key is absent. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined
  }

  wrong(key: string, reason: string): void {
    this.#problems.add(this.pathOf(key), reason)
  }

  pathOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }

  /** Tells every key that is not one of `known`, with the name that was most likely meant. */
  only(known: readonly string[]): void {
    for (const key of this.keys) {
      if (known.includes(key)) continue
      const meant = suggest(key, known)
      this.wrong(
        key,
        meant === undefined
          ? `is not known here; known are ${known.join(', ')}`
          : `is not known; did you mean ${meant}?`,
      )
    }
  }

  text(key: string, fallback: string): string {
    const value = this.raw(key)
    if (value === undefined) return fallback
    if (typeof value === 'string' && value !== '') return value
    this.wrong(key, 'must be a text in quotes')
    return fallback
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key)
    if (value === undefined) return fallback
    if (typeof value === 'boolean') return value
    this.wrong(key, 'must be true or false')
    return fallback
  }

  integer(key: string, fallback: number, bounds: { readonly least: number; readonly most: number }): number {
    const value = this.raw(key)
    if (value === undefined) return fallback
    if (typeof value !== 'number' || !Number.isInteger(value)) this.wrong(key, 'must be a whole number')
    else if (value < bounds.least || value > bounds.most)
      this.wrong(key, `must be between ${bounds.least} and ${bounds.most}`)
    else return value
    return fallback
  }

  oneOf<V extends string>(key: string, fallback: V, allowed: readonly V[]): V {
    const value = this.raw(key)
    if (value === undefined) return fallback
    const found = allowed.find((one) => one === value)
    if (found === undefined)
      this.wrong(key, `must be one of ${allowed.map((one) => JSON.stringify(one)).join(', ')}`)
    return found ?? fallback
  }

  /** A table inside this one; empty where it is absent. */
  table(key: string): Table {
    const value = this.raw(key)
    if (value !== undefined && !isTable(value)) this.wrong(key, `must be a table: [${this.pathOf(key)}]`)
    return new Table(this.pathOf(key), isTable(value) ? value : {}, this.#problems)
  }

  /** The tables of `[[key]]`; undefined where the key is absent. */
  tables(key: string): readonly Table[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (!Array.isArray(value) || !value.every(isTable)) {
      this.wrong(key, `must be written as [[${this.pathOf(key)}]]`)
      return undefined
    }
    return value.map((one, i) => new Table(`${this.pathOf(key)}.${i}`, one, this.#problems))
  }
}

/** Whether a value of a document is a table. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  // TOML dates are objects too, with a prototype of their own.
  return (
    typeof value === 'object' &&
    value !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(value))
  )
}
