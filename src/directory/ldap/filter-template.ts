import { AndFilter, ApproximateFilter, EqualityFilter, ExtensibleFilter } from 'ldapts'
import { GreaterThanEqualsFilter, LessThanEqualsFilter, NotFilter, OrFilter } from 'ldapts'
import { PresenceFilter, SubstringFilter } from 'ldapts'
import type { Filter } from 'ldapts'

/** Puts a key into a template: `%s` and the like become text; see map-template.ts. */
export type Substitute = (template: string) => string

/** Makes the filter of one key. */
export type FilterMaker = (substitute: Substitute) => Filter

/** The template is no search filter (RFC 4515), or has a key where none may stand. */
export class FilterRefused extends Error {}

/** Filters inside filters: Zimbra's have three levels. */
const DEPTH_MAX = 32
const TEMPLATE_CHARS_MAX = 16_384

/**
 * Reads a search filter with `%s` in it (RFC 4515, ldap_table(5) query_filter) once, into filters with holes. A key is
 * put into a hole when the shape of the filter is long fixed, as octets of a value: whatever it holds, it is never
 * syntax. Throws FilterRefused.
 */
export function compileFilter(template: string): FilterMaker {
  if (template.length > TEMPLATE_CHARS_MAX) throw new FilterRefused('the filter is too long')
  const reader = new Reader(template)
  const made = template.trimStart().startsWith('(') ? reader.filter(0) : reader.item(template.length)
  reader.blanks()
  if (!reader.isAtEnd) throw new FilterRefused(`the filter goes on behind its end: ${template}`)
  return made
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length
  }

  blanks(): void {
    while (this.#text.charAt(this.#at) === ' ') this.#at += 1
  }

  filter(depth: number): FilterMaker {
    if (depth > DEPTH_MAX) throw new FilterRefused('the filter is nested too deeply')
    this.blanks()
    this.#expect('(')
    this.blanks()
    const made = this.#inside(depth)
    this.blanks()
    this.#expect(')')
    return made
  }

  #inside(depth: number): FilterMaker {
    switch (this.#text.charAt(this.#at)) {
      case '&':
        return this.#list(depth, (filters) => new AndFilter({ filters }))
      case '|':
        return this.#list(depth, (filters) => new OrFilter({ filters }))
      case '!': {
        this.#at += 1
        const inner = this.filter(depth + 1)
        return (substitute) => new NotFilter({ filter: inner(substitute) })
      }
      default:
        return this.item(this.#endOfItem())
    }
  }

  #list(depth: number, join: (filters: Filter[]) => Filter): FilterMaker {
    this.#at += 1
    const makers: FilterMaker[] = []
    this.blanks()
    while (this.#text.charAt(this.#at) === '(') {
      makers.push(this.filter(depth + 1))
      this.blanks()
    }
    return (substitute) => join(makers.map((make) => make(substitute)))
  }

  #expect(char: string): void {
    if (this.#text.charAt(this.#at) !== char)
      throw new FilterRefused(`the filter has no "${char}" at character ${this.#at + 1}: ${this.#text}`)
    this.#at += 1
  }

  /** A bracket inside a value is written \28 or \29 (RFC 4515 section 3). */
  #endOfItem(): number {
    const end = this.#text.indexOf(')', this.#at)
    return end < 0 ? this.#text.length : end
  }

  item(end: number): FilterMaker {
    const text = this.#text.slice(this.#at, end)
    this.#at = end
    const match = /^\s*([A-Za-z0-9][A-Za-z0-9.;-]*)?((?::dn)?(?::[A-Za-z0-9.-]+)?:|[~<>])?=(.*)$/is.exec(text)
    if (match === null) throw new FilterRefused(`${JSON.stringify(text)} is no filter`)
    const [, attribute = '', kind = '', value = ''] = match
    if (attribute === '' && !kind.startsWith(':'))
      throw new FilterRefused(`${JSON.stringify(text)} names no attribute`)
    return itemOf(attribute, kind, value)
  }
}

function itemOf(attribute: string, kind: string, value: string): FilterMaker {
  const octets = (substitute: Substitute) =>
    Buffer.concat(pieces(value).map((piece) => octetsOf(piece, substitute)))
  const text = (substitute: Substitute) => octets(substitute).toString('utf8')
  switch (kind) {
    case '':
      return equality(attribute, value)
    case '~':
      return (substitute) => new ApproximateFilter({ attribute, value: text(substitute) })
    case '>':
      return (substitute) => new GreaterThanEqualsFilter({ attribute, value: text(substitute) })
    case '<':
      return (substitute) => new LessThanEqualsFilter({ attribute, value: text(substitute) })
    default: {
      const parts = kind.split(':').filter((part) => part !== '')
      const dnAttributes = parts[0]?.toLowerCase() === 'dn'
      const rule = dnAttributes ? parts[1] : parts[0]
      return (substitute) =>
        new ExtensibleFilter({
          matchType: attribute,
          dnAttributes,
          ...(rule === undefined ? {} : { rule }),
          value: text(substitute),
        })
    }
  }
}

/** `attr=value`, `attr=*`, `attr=a*b`: the stars are those of the template, never those of a key. */
function equality(attribute: string, value: string): FilterMaker {
  if (value === '*') return () => new PresenceFilter({ attribute })
  const stars: Piece[][] = [[]]
  for (const piece of pieces(value)) {
    if (piece.kind === 'star') stars.push([])
    else stars.at(-1)?.push(piece)
  }
  const octets = (some: readonly Piece[], substitute: Substitute) =>
    Buffer.concat(some.map((piece) => octetsOf(piece, substitute)))
  const [initial = [], ...rest] = stars
  const final = rest.pop()
  if (final === undefined)
    return (substitute) => new EqualityFilter({ attribute, value: octets(initial, substitute) })
  return (substitute) =>
    new SubstringFilter({
      attribute,
      initial: octets(initial, substitute).toString('utf8'),
      any: rest.map((some) => octets(some, substitute).toString('utf8')).filter((some) => some !== ''),
      final: octets(final, substitute).toString('utf8'),
    })
}

type Piece =
  | { readonly kind: 'octets'; readonly octets: Buffer }
  | { readonly kind: 'star' }
  /** `%s` and its like, which are the map's to know. */
  | { readonly kind: 'hole'; readonly template: string }

function octetsOf(piece: Piece, substitute: Substitute): Buffer {
  switch (piece.kind) {
    case 'octets':
      return piece.octets
    case 'hole':
      return Buffer.from(substitute(piece.template), 'utf8')
    case 'star':
      return Buffer.from('*')
  }
}

const PIECE = /\\([0-9A-Fa-f]{2})|\\(.)|(\*)|(%.)|([^\\*%]+)|(%)/gsu

/** What a value of the template consists of. A backslash before what is no pair of digits is LDAPv2's (RFC 1960). */
function pieces(value: string): readonly Piece[] {
  return [...value.matchAll(PIECE)].map(([, hex, quoted, star, hole, text, percent]): Piece => {
    if (star !== undefined) return { kind: 'star' }
    if (hole !== undefined) return { kind: 'hole', template: hole }
    const octets = hex === undefined ? Buffer.from(quoted ?? text ?? percent ?? '') : Buffer.from(hex, 'hex')
    return { kind: 'octets', octets }
  })
}
