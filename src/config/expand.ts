import type { Setting } from './setting.ts'

/** The text of a Postfix parameter by its name; undefined for one that there is not. */
export type ParameterLookup = (name: string) => string | undefined

export type Expanded =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'wrong'; readonly reason: string }

/** Parameters that refer to parameters: Postfix's own defaults go three deep; more is a circle. */
const DEPTH_MAX = 16
/** A value doubles with each parameter that holds another twice. */
const CHARS_MAX = 65_536

/**
 * Parameters of Postfix that values refer to and that have no entry of their own. `stress` is empty while there is
 * none; an overloaded Postern has limits of its own.
 */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['stress', ''],
  ['mail_name', 'Postern'],
  ['default_transport_rate_delay', '0s'],
  ['default_destination_rate_delay', '0s'],
  ['default_destination_concurrency_limit', '20'],
  ['default_destination_recipient_limit', '50'],
])

/**
 * A value with what its `$name`, `${name}`, `${name?text}`, `${name:text}` and `${name?{text}:{text}}` stand for, as
 * postconf(5) has them; `$$` is one dollar. `lookup` is asked before the parameters that are built in.
 */
export function expand(text: string, lookup: ParameterLookup = () => undefined): Expanded {
  if (!text.includes('$')) return { kind: 'text', text }
  const known = (name: string) => lookup(name) ?? BUILT_IN.get(name)
  try {
    return { kind: 'text', text: new Expander(known).text(text, 0) }
  } catch (error) {
    if (error instanceof Unexpandable) return { kind: 'wrong', reason: error.message }
    throw error
  }
}

/** Each text of a setting expanded. What is itself a text keeps its macros: whoever uses it knows which there are. */
export function expandTexts(
  setting: Setting,
  texts: readonly string[],
  lookup?: ParameterLookup,
):
  | { readonly kind: 'texts'; readonly values: readonly string[] }
  | { readonly kind: 'wrong'; readonly reason: string } {
  if (setting.type === 'text') return { kind: 'texts', values: texts }
  const values: string[] = []
  for (const text of texts) {
    const expanded = expand(text, lookup)
    if (expanded.kind === 'wrong') return expanded
    values.push(expanded.text)
  }
  return { kind: 'texts', values }
}

/** Never leaves this file. */
class Unexpandable extends Error {}

const NAME = /[A-Za-z0-9_]+/y

class Expander {
  readonly #lookup: ParameterLookup

  constructor(lookup: ParameterLookup) {
    this.#lookup = lookup
  }

  text(source: string, depth: number): string {
    if (depth > DEPTH_MAX) throw new Unexpandable('refers to itself')
    let out = ''
    let at = 0
    while (at < source.length) {
      const dollar = source.indexOf('$', at)
      if (dollar < 0) break
      out += source.slice(at, dollar)
      const [value, next] = this.#macro(source, dollar + 1, depth)
      out += value
      at = next
      if (out.length > CHARS_MAX) throw new Unexpandable('grows too long')
    }
    return out + source.slice(at)
  }

  /** What stands behind a dollar: its value, and where the rest begins. */
  #macro(source: string, at: number, depth: number): readonly [string, number] {
    const first = source.charAt(at)
    if (first === '$') return ['$', at + 1]
    if (first === '{' || first === '(') {
      const end = closing(source, at)
      return [this.#braced(source.slice(at + 1, end), depth), end + 1]
    }
    const name = nameAt(source, at)
    return [this.#value(name, depth), at + name.length]
  }

  #braced(inside: string, depth: number): string {
    const body = inside.trim()
    const name = nameAt(body, 0)
    const rest = body.slice(name.length).trimStart()
    if (rest === '') return this.#value(name, depth)
    const operator = rest.charAt(0)
    if (operator !== '?' && operator !== ':')
      throw new Unexpandable(`has ${JSON.stringify(inside)} in braces`)
    const isSet = (this.#lookup(name) ?? '') !== ''
    const [first, second] = branches(rest.slice(1))
    const chosen = isSet === (operator === '?') ? first : second
    return this.text(chosen, depth + 1)
  }

  #value(name: string, depth: number): string {
    const value = this.#lookup(name)
    if (value === undefined) throw new Unexpandable(`refers to $${name}, which is not known`)
    return this.text(value, depth + 1)
  }
}

function nameAt(source: string, at: number): string {
  NAME.lastIndex = at
  const found = NAME.exec(source)
  if (found === null) throw new Unexpandable('has a $ without a name behind it; a dollar is written $$')
  return found[0]
}

/** The index of the brace that closes the one at `open`. */
function closing(source: string, open: number): number {
  const [left, right] = source.charAt(open) === '{' ? ['{', '}'] : ['(', ')']
  let depth = 0
  for (let i = open; i < source.length; i += 1) {
    const char = source.charAt(i)
    if (char === left) depth += 1
    else if (char === right) depth -= 1
    if (depth === 0) return i
  }
  throw new Unexpandable('has a brace that is not closed')
}

/** `{a}:{b}` as a and b; `{a}` alone, or a text without braces, as a and nothing. */
function branches(given: string): readonly [string, string] {
  const text = given.trimStart()
  if (!text.startsWith('{')) return [given, '']
  const end = closing(text, 0)
  const rest = text.slice(end + 1).trim()
  if (rest === '') return [text.slice(1, end), '']
  if (!rest.startsWith(':')) throw new Unexpandable(`has ${JSON.stringify(rest)} behind braces`)
  const other = rest.slice(1).trim()
  return [text.slice(1, end), other.startsWith('{') ? other.slice(1, closing(other, 0)) : other]
}
