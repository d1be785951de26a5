import { Buffer } from 'node:buffer'
import { reply, type Reply } from '#src/base/reply.ts'
import type { HeaderDecision, HeaderKind } from '#src/mail/header-action.ts'
import type { PatternTable } from './pattern-table.ts'

const KEEP: HeaderDecision = { action: { kind: 'keep' }, told: '', text: '' }
/** A field name and a colon (RFC 5322 section 2.2), as header_checks(5) wants it of REPLACE and PREPEND. */
const LABEL = /^[!-9;-~]+[ \t]*:/
/** A reply's text line: 510 octets, less the codes. */
const REPLY_CHARS_MAX = 400
/** RFC 5322 section 2.1.1, without CRLF. */
const LINE_OCTETS_MAX = 998
/** What an operator's addresses are made of; anything else would be a mistake of a table. */
const ADDRESS = /^[^\s@<>"(),:;\\[\]]{1,64}@[A-Za-z0-9.-]{1,253}$/

const UNCERTAIN: Reply = reply(451, '4.3.0', 'Message could not be examined, try again later')

/** The tables of each kind of header, and what they say of a field. */
export interface HeaderTables {
  readonly header: readonly PatternTable[]
  readonly mime: readonly PatternTable[]
  readonly nested: readonly PatternTable[]
  /** A table cannot be read: no message can be examined, and all are asked to come again. */
  readonly unreadable: boolean
}

/** header_checks, mime_header_checks and nested_header_checks of Postfix. */
export class HeaderChecks {
  readonly #tables: HeaderTables

  constructor(tables: HeaderTables) {
    this.#tables = tables
  }

  /** Whether headers of parts are wanted as well. */
  get wantsParts(): boolean {
    const { mime, nested } = this.#tables
    return mime.length + nested.length > 0
  }

  /** `field`: the whole field, its folds with LF alone and no line end behind it. */
  check(kind: HeaderKind, field: Uint8Array): HeaderDecision {
    if (this.#tables.unreadable) return uncertain('a table of header_checks cannot be read')
    for (const table of this.#tables[kind]) {
      const found = table.lookUp(field)
      if (found.kind === 'given-up') return uncertain(`line ${found.line}: ${found.reason}`)
      if (found.kind === 'found') return decide(found.value)
    }
    return KEEP
  }
}

function uncertain(text: string): HeaderDecision {
  return { action: { kind: 'refuse', reply: UNCERTAIN, text }, told: 'error', text }
}

/** What a text of a table means; what is no action changes nothing and is told. */
export function decide(value: string): HeaderDecision {
  const match = /^(\S+)\s*(.*)$/s.exec(value.trim())
  const word = (match?.[1] ?? '').toUpperCase()
  const text = oneLine(match?.[2] ?? '')
  const problem = problemOf(word, text, false)
  if (problem !== undefined) return { action: { kind: 'keep' }, told: 'error', text: problem }
  return ACTIONS.get(word)?.(text) ?? KEEP
}

/** Why a text of a table is no action; undefined where it is one. Groups may stand in it still. */
export function actionProblem(value: string): string | undefined {
  const match = /^(\S+)\s*(.*)$/s.exec(value.trim())
  return problemOf((match?.[1] ?? '').toUpperCase(), match?.[2] ?? '', true)
}

const ACTIONS: ReadonlyMap<string, (text: string) => HeaderDecision> = new Map([
  ['DUNNO', () => KEEP],
  ['OK', () => KEEP],
  ['IGNORE', () => ({ action: { kind: 'drop' }, told: '', text: '' })],
  ['STRIP', (text: string) => ({ action: { kind: 'drop' }, told: 'strip', text })],
  ['INFO', (text: string) => ({ action: { kind: 'keep' }, told: 'info', text })],
  ['WARN', (text: string) => ({ action: { kind: 'keep' }, told: 'warning', text })],
  ['PASS', (text: string) => ({ action: { kind: 'pass', text }, told: 'pass', text })],
  ['PREPEND', (text: string) => ({ action: { kind: 'prepend', text }, told: 'prepend', text })],
  ['REPLACE', (text: string) => ({ action: { kind: 'replace', text }, told: 'replace', text })],
  ['HOLD', (text: string) => ({ action: { kind: 'hold', text }, told: 'hold', text })],
  ['DISCARD', (text: string) => ({ action: { kind: 'discard', text }, told: 'discard', text })],
  ['BCC', (text: string) => ({ action: { kind: 'bcc', address: text }, told: 'bcc', text })],
  ['REDIRECT', (text: string) => ({ action: { kind: 'redirect', address: text }, told: 'redirect', text })],
  ['REJECT', rejection],
] as const)

/** `REJECT [D.S.N] text`: 550 5.7.1, or the code that the text begins with (access(5)). */
function rejection(text: string): HeaderDecision {
  const match = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(text)
  const enhanced = match?.[1] ?? '5.7.1'
  const words = (match === null ? text : (match[2] ?? ''))
    .replaceAll(/[^ -~]/gu, '?')
    .slice(0, REPLY_CHARS_MAX)
  const answer = reply(enhanced.startsWith('4') ? 451 : 550, enhanced, words || 'message content rejected')
  return { action: { kind: 'refuse', reply: answer, text: words }, told: 'reject', text: words }
}

/** `open`: groups are not put in yet, and what they will be nobody knows. */
function problemOf(word: string, text: string, open: boolean): string | undefined {
  if (open && text.includes('$')) return ACTIONS.has(word) ? undefined : `no action "${word}"`
  switch (word) {
    case 'PREPEND':
    case 'REPLACE':
      if (!LABEL.test(text)) return `${word} wants a header field such as "X-Name: text"`
      if (Buffer.byteLength(text) > LINE_OCTETS_MAX)
        return `${word}: a line has ${LINE_OCTETS_MAX} octets at most`
      return undefined
    case 'BCC':
    case 'REDIRECT':
      return ADDRESS.test(text) ? undefined : `${word} wants an address: ${text}`
    case 'FILTER':
      return 'FILTER has no effect: mail is scanned as it comes in, and there is no content filter behind it'
    default:
      return ACTIONS.has(word) ? undefined : `no action "${word}"`
  }
}

function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').trim()
}
