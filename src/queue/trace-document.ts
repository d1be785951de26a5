import { isRecord } from '#src/net/frames.ts'
import { isCount, isText } from './rows.ts'

/** One row of the trace. */
export interface TraceRow {
  readonly atMs: number
  readonly event: string
  readonly facts: Readonly<Record<string, unknown>>
}

/**
 * Which messages are looked for; all that is given must hold. Words of an address, a name or a text must stand there
 * next to each other, in this order and whole: `example.org` finds `a@example.org` and `b@mail.example.org`.
 */
export interface TraceFilter {
  /** This very message, or session of a client, and nothing else is asked. */
  readonly id?: string
  /** '<>' is the null sender. */
  readonly sender?: string
  readonly recipient?: string
  readonly client?: string
  readonly subject?: string
  readonly verdict?: string
  readonly reply?: string
  /** Queued at or after, before: wall clock. */
  readonly sinceMs?: number
  readonly untilMs?: number
}

/** What is searched of one message. */
export interface TraceDocument extends Readonly<Record<Word, string>> {
  readonly atMs: number
  /** Whether it was ever in the queue. */
  readonly queued: boolean
}

const WORDS = ['sender', 'recipient', 'client', 'subject', 'verdict', 'reply'] as const
type Word = (typeof WORDS)[number]

const TEXT_CHARS_MAX = 1000
/** Of one column of one message: thousands of recipients are searched, hundreds of thousands of octets are not. */
const COLUMN_CHARS_MAX = 200_000
const NULL_SENDER = 'MAILER-DAEMON'

/** Checks a filter that came as JSON; throws a TypeError that says what is wrong with it. */
export function readTraceFilter(value: unknown): TraceFilter {
  if (!isRecord(value)) throw new TypeError('a filter is an object')
  const filter: Record<string, unknown> = {}
  for (const [key, given] of Object.entries(value)) {
    const word =
      (key === 'id' || WORDS.some((name) => name === key)) && isText(given) && given.length <= TEXT_CHARS_MAX
    const time = (key === 'sinceMs' || key === 'untilMs') && isCount(given)
    if (!word && !time) throw new TypeError(`the filter "${key}" is none, or has no such value`)
    filter[key] = given
  }
  return filter
}

/** The query in FTS5's language: for each column a phrase. */
export function matchText(filter: TraceFilter): string {
  return WORDS.flatMap((word) => {
    const value = wanted(filter, word)
    return value === undefined ? [] : [`${word} : "${value.replaceAll('"', ' ')}"`]
  }).join(' AND ')
}

function wanted(filter: TraceFilter, word: Word): string | undefined {
  const value = filter[word]
  return word === 'sender' && (value === '<>' || value === '') ? NULL_SENDER : value
}

/** The index knows words only; whether `a.b@c.d` or `a-b@c.d` was asked for is seen here. */
export function holds(filter: TraceFilter, document: TraceDocument): boolean {
  return (['sender', 'recipient', 'client'] as const).every((word) => {
    const value = wanted(filter, word)
    return value === undefined || document[word].toLowerCase().includes(value.toLowerCase())
  })
}

/** What the rows of one message say together; undefined where there are none. */
export function documentOf(rows: readonly TraceRow[]): TraceDocument | undefined {
  const [first] = rows
  if (first === undefined) return undefined
  const columns = { sender: '', recipient: '', client: '', subject: '', verdict: '', reply: '' }
  const seen = new Set<string>()
  const add = (word: Word, value: unknown): void => {
    if (!isText(value) || seen.has(`${word} ${value}`) || columns[word].length > COLUMN_CHARS_MAX) return
    seen.add(`${word} ${value}`)
    columns[word] += columns[word] === '' ? value : `\n${value}`
  }
  for (const { event, facts } of rows) {
    add('verdict', event)
    add('reply', facts['reply'])
    add('reply', facts['reason'])
    for (const to of Array.isArray(facts['to']) ? facts['to'] : [facts['to']]) add('recipient', to)
    if (BEGINNINGS.has(event)) addQueued(facts, add)
  }
  return { atMs: first.atMs, queued: rows.some(({ event }) => !REFUSED.has(event)), ...columns }
}

/** Events of what did not come into the queue (refusals.ts). */
const REFUSED: ReadonlySet<string> = new Set(['rejected', 'refused', 'discarded'])
/** Events that tell who, for whom and what. */
const BEGINNINGS: ReadonlySet<string> = new Set(['queued', ...REFUSED])

function addQueued(facts: TraceRow['facts'], add: (word: Word, value: unknown) => void): void {
  add('sender', facts['from'] === '' ? NULL_SENDER : facts['from'])
  add('client', facts['client'])
  add('client', facts['name'])
  add('client', facts['helo'])
  const verdict = facts['verdict']
  if (!isRecord(verdict)) return
  add('subject', verdict['subject'])
  add('verdict', verdict['verdict'])
  for (const key of ['defects', 'signatures', 'limits', 'file', 'extension']) {
    const found = verdict[key]
    for (const each of Array.isArray(found) ? found : [found]) add('verdict', each)
  }
}
