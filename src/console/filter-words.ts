import { typedMs } from '#src/admin/durations.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import type { TraceFilter } from '#src/queue/trace-document.ts'

/** What somebody types to say which messages are meant. */
export type ReadWords<T> =
  | { readonly kind: 'filter'; readonly filter: T }
  | { readonly kind: 'wrong'; readonly reason: string }

/** As help shows them. */
export const QUEUE_WORDS =
  'from:ADDRESS|@DOMAIN to:ADDRESS|@DOMAIN client: subject: verdict: reply: older:2h newer:3d'
export const TRACE_WORDS = 'id: from: to: client: subject: verdict: reply: since:2h until:1h'

/** `word:value` with quotes where the value has blanks: `subject:"two words"`. */
function pairsOf(text: string): readonly (readonly [string, string])[] {
  return [...text.matchAll(/([a-z]+):(?:"([^"]*)"|(\S*))|(\S+)/gi)].map((match) =>
    match[4] === undefined
      ? [(match[1] ?? '').toLowerCase(), match[2] ?? match[3] ?? '']
      : // A word alone is whom it is for.
        ['to', match[4]],
  )
}

type Draft<T> = { -readonly [K in keyof T]: T[K] }

/** Reads which messages of the queue are meant; an empty text is all of them. */
export function queueWords(text: string, nowMs: number): ReadWords<QueueFilter> {
  const filter: Draft<QueueFilter> = {}
  for (const [word, value] of pairsOf(text)) {
    const problem = queueWord(filter, word, value, nowMs)
    if (problem !== '') return { kind: 'wrong', reason: problem }
  }
  return { kind: 'filter', filter }
}

function queueWord(filter: Draft<QueueFilter>, word: string, value: string, nowMs: number): string {
  switch (word) {
    case 'from':
      Object.assign(filter, senderOf(value))
      return ''
    case 'to':
      Object.assign(filter, recipientOf(value))
      return ''
    case 'client':
    case 'subject':
    case 'verdict':
      filter[word] = value
      return ''
    case 'reply':
      filter.reason = value
      return ''
    case 'queue': {
      const queue = QUEUES.find((each) => each === value)
      if (queue === undefined) return `there is no queue "${value}": ${QUEUES.join(', ')}`
      filter.queues = [queue]
      return ''
    }
    case 'older':
    case 'newer': {
      const ms = typedMs(value)
      if (ms === undefined) return `${word}: is followed by a time such as 15m, 2h or 3d`
      filter[word === 'older' ? 'beforeMs' : 'afterMs'] = Math.max(0, nowMs - ms)
      return ''
    }
    default:
      return `"${word}:" is none of ${QUEUE_WORDS}`
  }
}

function senderOf(value: string): QueueFilter {
  if (value.startsWith('@')) return { senderDomain: value.slice(1) }
  return { sender: value === '<>' ? '' : value }
}

function recipientOf(value: string): QueueFilter {
  return value.startsWith('@') ? { recipientDomain: value.slice(1) } : { recipient: value }
}

/** Reads which messages of past and present are meant; wrong where nothing is said. */
export function traceWords(text: string, nowMs: number): ReadWords<TraceFilter> {
  const filter: Draft<TraceFilter> = {}
  const pairs = pairsOf(text)
  if (pairs.length === 0) return { kind: 'wrong', reason: `say which: ${TRACE_WORDS}` }
  for (const [word, value] of pairs) {
    const key = TRACE_KEYS.get(word)
    if (key === undefined) return { kind: 'wrong', reason: `"${word}:" is none of ${TRACE_WORDS}` }
    if (key !== 'sinceMs' && key !== 'untilMs') {
      filter[key] = value
      continue
    }
    const ms = typedMs(value)
    if (ms === undefined)
      return { kind: 'wrong', reason: `${word}: is followed by a time such as 15m, 2h or 3d` }
    filter[key] = Math.max(0, nowMs - ms)
  }
  return { kind: 'filter', filter }
}

const TRACE_KEYS: ReadonlyMap<string, keyof TraceFilter> = new Map([
  ['id', 'id'],
  ['from', 'sender'],
  ['to', 'recipient'],
  ['client', 'client'],
  ['subject', 'subject'],
  ['verdict', 'verdict'],
  ['reply', 'reply'],
  ['since', 'sinceMs'],
  ['until', 'untilMs'],
])
