import { isUtf8 } from 'node:buffer'

/** A value as it is kept: text where it is UTF-8, else its base64 form. */
export interface LdifValue {
  readonly text: string
  readonly binary: boolean
}

export interface LdifAttribute {
  readonly name: string
  readonly value: LdifValue
}

/** One change to one attribute, RFC 2849 `mod-spec`. */
export interface LdifModification {
  readonly op: 'add' | 'delete' | 'replace'
  readonly name: string
  readonly values: readonly LdifValue[]
}

/** One record of a file. `line` is where it begins. */
export type LdifRecord =
  | {
      readonly kind: 'entry'
      readonly dn: string
      readonly line: number
      readonly attributes: readonly LdifAttribute[]
    }
  | { readonly kind: 'delete'; readonly dn: string; readonly line: number }
  | {
      readonly kind: 'modify'
      readonly dn: string
      readonly line: number
      readonly changes: readonly LdifModification[]
    }

export type ParsedLdif =
  | { readonly kind: 'records'; readonly records: readonly LdifRecord[] }
  | { readonly kind: 'wrong'; readonly line: number; readonly reason: string }

/** A directory of 100,000 accounts takes some 100 MB; what is larger comes over LDAP. */
export const LDIF_BYTES_MAX = 512 * 1024 * 1024
/** Characters of one value, a picture included. */
const VALUE_CHARS_MAX = 16 * 1024 * 1024

class LdifError extends Error {
  readonly at: number
  constructor(at: number, reason: string) {
    super(reason)
    this.at = at
  }
}

interface Line {
  readonly at: number
  readonly name: string
  readonly value: LdifValue
}

/** Reads LDIF (RFC 2849): content records, and change records of the types add, delete and modify. */
export function parseLdif(text: string): ParsedLdif {
  try {
    const reader = new LdifReader({ skipsRoot: false })
    return { kind: 'records', records: [...reader.read(text), ...reader.end()] }
  } catch (error) {
    if (!(error instanceof LdifError)) throw error
    return { kind: 'wrong', line: error.at, reason: error.message }
  }
}

/** Records as they come, of a file that is never held as a whole. Throws LdifWrong, which ends it. */
export async function* ldifRecords(chunks: AsyncIterable<string>): AsyncGenerator<LdifRecord> {
  const reader = new LdifReader({ skipsRoot: true })
  try {
    for await (const chunk of chunks) yield* reader.read(chunk)
    yield* reader.end()
  } catch (error) {
    throw error instanceof LdifError ? new LdifWrong(error.at, error.message) : error
  }
}

/** What is wrong with a file that is read record by record, and in which line. */
export class LdifWrong extends Error {
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

/** Characters of one record: a group of a hundred thousand members has some ten million. */
const RECORD_CHARS_MAX = 64 * 1024 * 1024

/**
 * Takes text in pieces of any size and gives records. Lines are unfolded (a line that begins with a blank goes on with
 * the one above, RFC 2849 note 2), comments fall away, `-` lines (which part modifications) have the name '-'.
 */
class LdifReader {
  readonly #skipsRoot: boolean
  #rest = ''
  #at = 0
  #held: { readonly at: number; readonly parts: string[] } | undefined
  #group: Line[] = []
  #chars = 0

  constructor(options: { readonly skipsRoot: boolean }) {
    this.#skipsRoot = options.skipsRoot
  }

  #count(chars: number): void {
    this.#chars += chars
    if (this.#chars > RECORD_CHARS_MAX)
      throw new LdifError(this.#at, `a record is longer than ${RECORD_CHARS_MAX} characters`)
  }

  *read(text: string): Generator<LdifRecord> {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = this.#rest + text.slice(from, end)
      this.#rest = ''
      from = end + 1
      yield* this.#line(line)
    }
    this.#rest += text.slice(from)
    this.#count(this.#rest.length)
    this.#chars -= this.#rest.length
  }

  *end(): Generator<LdifRecord> {
    if (this.#rest !== '') yield* this.#line(this.#rest)
    yield* this.#logical()
    yield* this.#record(this.#group)
  }

  *#line(raw: string): Generator<LdifRecord> {
    this.#at += 1
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    if (!line.startsWith(' ')) {
      yield* this.#logical()
      this.#held = { at: this.#at, parts: [line] }
      return
    }
    if (this.#held === undefined || this.#held.parts[0] === '')
      throw new LdifError(this.#at, 'a line that begins with a blank has nothing to go on from')
    this.#held.parts.push(line.slice(1))
    this.#count(line.length)
  }

  *#record(group: readonly Line[]): Generator<LdifRecord> {
    const [first] = group
    // slapcat of a database for the suffix "" begins with the root, which is no entry of anybody's.
    const isRoot = first?.name.toLowerCase() === 'dn' && first.value.text === ''
    if (first !== undefined && !(isRoot && this.#skipsRoot)) yield record(group)
  }

  /** What was held is whole now. */
  *#logical(): Generator<LdifRecord> {
    if (this.#held === undefined) return
    const { at, parts } = this.#held
    this.#held = undefined
    if (parts[0]?.startsWith('#') === true) return
    const text = parts.join('')
    if (text === '') {
      const group = this.#group
      this.#group = []
      this.#chars = 0
      yield* this.#record(group)
      return
    }
    this.#count(text.length)
    const line: Line =
      text === '-' ? { at, name: '-', value: { text: '', binary: false } } : parseLine(at, text)
    if (line.name.toLowerCase() !== 'version' || this.#group.length > 0) this.#group.push(line)
    else if (line.value.text !== '1') throw new LdifError(at, 'only version 1 of LDIF is known')
  }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

function parseLine(at: number, text: string): Line {
  const match = /^([A-Za-z][A-Za-z0-9.;-]{0,127}):(:|<)? *(.*)$/su.exec(text)
  if (match === null) throw new LdifError(at, `not "attribute: value": ${JSON.stringify(text.slice(0, 60))}`)
  const [, name = '', form, rest = ''] = match
  if (rest.length > VALUE_CHARS_MAX)
    throw new LdifError(at, `${name} is longer than ${VALUE_CHARS_MAX} characters`)
  // A file that is imported must not be able to name other files of this machine.
  if (form === '<') throw new LdifError(at, `${name} names a URL; values must be in the file itself`)
  if (form === undefined) return { at, name, value: { text: rest.trimEnd(), binary: false } }
  if (!BASE64.test(rest)) throw new LdifError(at, `${name} is not valid base64`)
  const bytes = Buffer.from(rest, 'base64')
  const value = isUtf8(bytes) ? { text: bytes.toString('utf8'), binary: false } : { text: rest, binary: true }
  return { at, name, value }
}

function record(lines: readonly Line[]): LdifRecord {
  const [first, ...rest] = lines
  if (first === undefined || first.name.toLowerCase() !== 'dn' || first.value.text === '') {
    throw new LdifError(first?.at ?? 1, 'a record begins with its dn')
  }
  const head = { dn: first.value.text, line: first.at }
  const [change, ...body] = rest
  if (change?.name.toLowerCase() !== 'changetype')
    return { kind: 'entry', ...head, attributes: rest.map(attribute) }
  switch (change.value.text.toLowerCase()) {
    case 'add':
      return { kind: 'entry', ...head, attributes: body.map(attribute) }
    case 'delete':
      if (body[0] !== undefined) throw new LdifError(body[0].at, 'a record that deletes has no attributes')
      return { kind: 'delete', ...head }
    case 'modify':
      return { kind: 'modify', ...head, changes: modifications(body) }
    default:
      throw new LdifError(
        change.at,
        `changetype ${change.value.text} is not known; known are add, delete, modify`,
      )
  }
}

function attribute(given: Line): LdifAttribute {
  if (given.name === '-') throw new LdifError(given.at, '"-" belongs into a record with changetype: modify')
  return { name: given.name, value: given.value }
}

function modifications(lines: readonly Line[]): LdifModification[] {
  const changes: LdifModification[] = []
  let open: { op: LdifModification['op']; name: string; values: LdifValue[] } | undefined
  for (const line of lines) {
    if (line.name === '-') {
      open = undefined
    } else if (open === undefined) {
      const op = line.name.toLowerCase()
      if (op !== 'add' && op !== 'delete' && op !== 'replace') {
        throw new LdifError(line.at, `expected add:, delete: or replace:, not ${line.name}:`)
      }
      open = { op, name: line.value.text, values: [] }
      changes.push(open)
    } else if (line.name.toLowerCase() === open.name.toLowerCase()) {
      open.values.push(line.value)
    } else {
      throw new LdifError(
        line.at,
        `${line.name} does not belong to the change of ${open.name}; is a "-" missing?`,
      )
    }
  }
  return changes
}

/** RFC 2849: what may stand as it is; anything else is written in base64. */
// oxlint-disable no-control-regex -- the characters that RFC 2849 excludes
const SAFE =
  /^(?:[\u0001-\u0009\u000b\u000c\u000e-\u001f\u0021-\u0039\u003b\u003d-\u007f][\u0001-\u0009\u000b\u000c\u000e-\u007f]*)?$/
// oxlint-enable no-control-regex
const FOLD_AT = 76

/** One entry as LDIF, its lines folded, with an empty line behind it. */
export function formatLdif(dn: string, attributes: readonly LdifAttribute[]): string {
  const lines = [
    folded('dn', { text: dn, binary: false }),
    ...attributes.map((one) => folded(one.name, one.value)),
  ]
  return `${lines.join('\n')}\n\n`
}

function folded(name: string, value: LdifValue): string {
  // White space at an end is lost on the way through editors, and to our own reader.
  const plain = !value.binary && SAFE.test(value.text) && value.text === value.text.trim()
  const base64 = value.binary ? value.text : Buffer.from(value.text, 'utf8').toString('base64')
  const whole = plain ? `${name}: ${value.text}` : `${name}:: ${base64}`
  const parts = [whole.slice(0, FOLD_AT)]
  for (let at = FOLD_AT; at < whole.length; at += FOLD_AT - 1) parts.push(whole.slice(at, at + FOLD_AT - 1))
  return parts.join('\n ')
}
