import { Buffer } from 'node:buffer'
import { Pattern } from '#src/match/pattern.ts'
import type { PatternSyntax } from '#src/match/pattern.ts'

/** `if` within `if`. A table that somebody wrote has two or three. */
const NESTING_MAX = 20
/** Lines that mean something. The largest known published header checks have some 3,000. */
const RULES_MAX = 20_000

export interface TableProblem {
  readonly line: number
  readonly reason: string
}

/** What a table says of a subject. */
export type TableResult =
  | { readonly kind: 'found'; readonly line: number; readonly value: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'given-up'; readonly line: number; readonly reason: string }

interface Rule {
  readonly line: number
  readonly negated: boolean
  readonly pattern: Pattern
  /** The text with its substitutions; of `if` the place behind its `endif`. */
  readonly result: readonly (string | number)[] | { end: number }
}

/** A line of a table, its continuations joined (postconf(5), "multi-line text"). */
interface LogicalLine {
  readonly line: number
  readonly text: string
}

/**
 * A table of regular expressions as pcre_table(5) and regexp_table(5) describe it: `/pattern/flags text`, `!/pattern/`,
 * `if`…`endif`, `$1` in the text. A line that cannot be used is told and left out, as Postfix leaves it out.
 */
export class PatternTable {
  readonly problems: readonly TableProblem[]
  readonly #rules: readonly Rule[]

  /** `type`: 'pcre' or 'regexp'. */
  constructor(text: string, type: 'pcre' | 'regexp') {
    const reader = new TableReader(type)
    for (const line of logicalLines(text)) reader.take(line)
    this.#rules = reader.end()
    this.problems = reader.problems
  }

  /** The texts of its rules, with `$1` for what is put in. */
  get texts(): readonly { readonly line: number; readonly text: string }[] {
    return this.#rules.flatMap(({ line, result }) =>
      'end' in result
        ? []
        : [{ line, text: result.map((part) => (typeof part === 'string' ? part : `$${part}`)).join('') }],
    )
  }

  /** The first line whose pattern matches. */
  lookUp(subject: Uint8Array): TableResult {
    for (let at = 0; at < this.#rules.length; at += 1) {
      const rule = this.#rules[at]
      if (rule === undefined) break
      const found = rule.pattern.match(subject)
      if (found.kind === 'given-up') return { kind: 'given-up', line: rule.line, reason: found.reason }
      const applies = (found.kind === 'match') !== rule.negated
      if ('end' in rule.result) {
        if (!applies) at = rule.result.end - 1
        continue
      }
      if (!applies) continue
      const offsets = found.kind === 'match' ? found.offsets : []
      return { kind: 'found', line: rule.line, value: substituted(rule.result, subject, offsets) }
    }
    return { kind: 'none' }
  }
}

function substituted(
  parts: readonly (string | number)[],
  subject: Uint8Array,
  offsets: readonly number[],
): string {
  if (parts.every((part) => typeof part === 'string')) return parts.join('')
  // Octets, as they came: a header may hold any.
  const text = Buffer.from(subject.buffer, subject.byteOffset, subject.byteLength)
  return parts
    .map((part) => {
      if (typeof part === 'string') return part
      const from = offsets[part * 2] ?? -1
      return from < 0 ? '' : text.toString('utf8', from, offsets[part * 2 + 1])
    })
    .join('')
}

function* logicalLines(text: string): Generator<LogicalLine> {
  let line = 0
  let joined: { line: number; text: string } | undefined
  for (const raw of text.split('\n')) {
    line += 1
    const one = raw.replace(/\r$/, '')
    if (/^\s*(?:#|$)/.test(one)) continue
    if (/^\s/.test(one) && joined !== undefined) {
      joined.text += one
      continue
    }
    if (joined !== undefined) yield joined
    joined = { line, text: one }
  }
  if (joined !== undefined) yield joined
}

/** What is in force unless a flag turns it round. */
const DEFAULTS = { pcre: 'is', regexp: 'ix' } as const
const KNOWN = { pcre: 'imsxAEUX', regexp: 'imx' } as const

interface OpenIf {
  readonly result: { end: number }
  /** Where its rules begin. */
  readonly from: number
  /** Its own pattern is none: nobody knows when its rules would hold, so they do not. */
  readonly isBroken: boolean
}

class TableReader {
  readonly problems: TableProblem[] = []
  readonly #type: 'pcre' | 'regexp'
  readonly #rules: Rule[] = []
  readonly #open: OpenIf[] = []
  #isFull = false

  constructor(type: 'pcre' | 'regexp') {
    this.#type = type
  }

  take({ line, text }: LogicalLine): void {
    if (this.#rules.length >= RULES_MAX) {
      if (!this.#isFull) this.#bad(line, `more than ${RULES_MAX} rules`)
      this.#isFull = true
      return
    }
    const condition = /^if\s+(.*)$/is.exec(text)
    if (condition !== null) this.#if(line, condition[1] ?? '')
    else if (/^endif\s*$/i.test(text)) this.#endif(line)
    else this.#rule(line, text)
  }

  end(): readonly Rule[] {
    if (this.#open.length > 0) this.#bad(0, `${this.#open.length} "if" without "endif"`)
    while (this.#open.length > 0) this.#close()
    return this.#rules
  }

  #bad(line: number, reason: string): undefined {
    this.problems.push({ line, reason })
    return undefined
  }

  #if(line: number, text: string): void {
    const result = { end: 0 }
    const read = this.#read(line, text)
    this.#open.push({ result, from: this.#rules.length, isBroken: read === undefined })
    if (this.#open.length > NESTING_MAX) this.#bad(line, `more than ${NESTING_MAX} "if" inside of each other`)
    if (read === undefined) return
    if (read.rest !== '') this.#bad(line, `text behind the pattern of "if" is ignored: ${read.rest}`)
    this.#rules.push({ line, negated: read.negated, pattern: read.pattern, result })
  }

  #endif(line: number): void {
    if (this.#open.length === 0) this.#bad(line, '"endif" without "if"')
    else this.#close()
  }

  #close(): void {
    const open = this.#open.pop()
    if (open === undefined) return
    if (open.isBroken) this.#rules.length = open.from
    open.result.end = this.#rules.length
  }

  #rule(line: number, text: string): void {
    const read = this.#read(line, text)
    if (read === undefined) return
    const result = partsOf(read.rest)
    if (result === undefined) return this.#bad(line, `a "$" that names no group: ${read.rest}`)
    if (read.negated && result.some((part) => typeof part === 'number'))
      return this.#bad(line, 'what did not match has no groups: take "$" out of the text')
    this.#rules.push({ line, negated: read.negated, pattern: read.pattern, result })
    return undefined
  }

  #read(
    line: number,
    text: string,
  ): { readonly negated: boolean; readonly pattern: Pattern; readonly rest: string } | undefined {
    const found = split(text, KNOWN[this.#type])
    if (typeof found === 'string') return this.#bad(line, found)
    const pattern = this.#compile(found.source, found.flags)
    if (typeof pattern === 'string') return this.#bad(line, pattern)
    return { negated: found.negated, pattern, rest: found.rest }
  }

  #compile(source: string, flags: string): Pattern | string {
    const on = new Set<string>(DEFAULTS[this.#type])
    for (const flag of flags) if (!on.delete(flag)) on.add(flag)
    if (this.#type === 'pcre') return Pattern.compile(source, [...on].join(''), 'pcre')
    const syntax: PatternSyntax = on.has('x') ? 'extended' : 'basic'
    // regcomp(3): without REG_NEWLINE a dot matches a newline, and $ only the very end.
    const letters = `${on.has('i') ? 'i' : ''}${on.has('m') ? 'm' : 'sE'}`
    return Pattern.compile(source, letters, syntax)
  }
}

interface Split {
  readonly negated: boolean
  readonly source: string
  readonly flags: string
  readonly rest: string
}

/** `!/pattern/flags rest`; any character that is no letter or digit may stand for the slashes. A text says what is wrong. */
function split(text: string, known: string): Split | string {
  const start = /^(!*)\s*/.exec(text)
  const from = start?.[0].length ?? 0
  const delimiter = text[from] ?? ''
  if (delimiter === '' || /[A-Za-z0-9\s\\]/.test(delimiter))
    return 'no pattern: it stands between two slashes'
  let at = from + 1
  while (at < text.length && text[at] !== delimiter) at += text[at] === '\\' ? 2 : 1
  if (at >= text.length) return `the pattern has no second ${delimiter}`
  const behind = behindPattern(text.slice(at + 1), known)
  if (typeof behind === 'string') return behind
  const negated = (start?.[1] ?? '').length % 2 === 1
  return { negated, source: text.slice(from + 1, at), ...behind }
}

function behindPattern(
  text: string,
  known: string,
): { readonly flags: string; readonly rest: string } | string {
  const flags = /^[A-Za-z]*/.exec(text)?.[0] ?? ''
  const unknown = flags.split('').find((flag) => !known.includes(flag))
  if (unknown !== undefined) return `no flag "${unknown}"; there are ${known}`
  const rest = text.slice(flags.length)
  if (rest !== '' && !/^\s/.test(rest)) return `a blank is missing before "${rest}"`
  return { flags, rest: rest.trim() }
}

/** `$1`, `${1}`, `$(1)` become numbers, `$$` one `$`; undefined where a `$` is none of these. */
function partsOf(text: string): readonly (string | number)[] | undefined {
  const out: (string | number)[] = []
  let at = 0
  for (const found of text.matchAll(/\$(?:(\d{1,2})|\{(\d{1,2})\}|\((\d{1,2})\)|(\$))?/g)) {
    out.push(text.slice(at, found.index))
    const group = found[1] ?? found[2] ?? found[3]
    if (group !== undefined) out.push(Number(group))
    else if (found[4] !== undefined) out.push('$')
    else return undefined
    at = found.index + found[0].length
  }
  out.push(text.slice(at))
  return out.filter((part) => part !== '')
}
