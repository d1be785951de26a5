import { typedMs } from '#src/admin/durations.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import type { TraceFilter } from '#src/queue/trace-document.ts'
import { UsageError } from './usage.ts'

/** Options of `postern queue` that say which messages are meant. */
export const QUEUE_OPTIONS = [
  'queue',
  'sender',
  'sender-domain',
  'recipient',
  'recipient-domain',
  'client',
  'subject',
  'verdict',
  'reason',
  'reply',
  'older-than',
  'newer-than',
] as const

/** Options of `postern trace`. */
export const TRACE_OPTIONS = [
  'sender',
  'recipient',
  'client',
  'subject',
  'verdict',
  'reply',
  'since',
  'until',
] as const

/** The filter that the options ask for; an empty one asks for everything. */
export function queueFilter(values: ReadonlyMap<string, string>, nowMs: number): QueueFilter {
  const filter: { -readonly [K in keyof QueueFilter]: QueueFilter[K] } = {}
  const queues = values.get('queue')
  if (queues !== undefined) filter.queues = queues.split(',').map(queueNamed)
  const sender = values.get('sender')
  if (sender !== undefined) filter.sender = sender === '<>' ? '' : sender
  const texts = [
    ['sender-domain', 'senderDomain'],
    ['recipient', 'recipient'],
    ['recipient-domain', 'recipientDomain'],
    ['client', 'client'],
    ['subject', 'subject'],
    ['verdict', 'verdict'],
    ['reason', 'reason'],
    // As `postern trace` calls it.
    ['reply', 'reason'],
  ] as const
  for (const [option, key] of texts) {
    const value = values.get(option)
    if (value !== undefined) filter[key] = value
  }
  const older = values.get('older-than')
  if (older !== undefined) filter.beforeMs = nowMs - ago(older, 'older-than')
  const newer = values.get('newer-than')
  if (newer !== undefined) filter.afterMs = nowMs - ago(newer, 'newer-than')
  return filter
}

function queueNamed(name: string) {
  const queue = QUEUES.find((each) => each === name)
  if (queue === undefined) throw new UsageError(`there is no queue "${name}": ${QUEUES.join(', ')}`)
  return queue
}

export function traceFilter(values: ReadonlyMap<string, string>, nowMs: number): TraceFilter {
  const filter: { -readonly [K in keyof TraceFilter]: TraceFilter[K] } = {}
  for (const key of ['sender', 'recipient', 'client', 'subject', 'verdict', 'reply'] as const) {
    const value = values.get(key)
    if (value !== undefined) filter[key] = value
  }
  const since = values.get('since')
  if (since !== undefined) filter.sinceMs = instant(since, 'since', nowMs)
  const until = values.get('until')
  if (until !== undefined) filter.untilMs = instant(until, 'until', nowMs)
  return filter
}

/** How long ago, in milliseconds. */
function ago(text: string, option: string): number {
  const ms = typedMs(text)
  if (ms === undefined) throw new UsageError(`--${option} is a time such as 90s, 15m, 2h, 3d or 1w`)
  return ms
}

/** So long ago, or a date with or without time of day, local: 2026-11-22, 2026-11-22T10:50. */
function instant(text: string, option: string, nowMs: number): number {
  const agoMs = typedMs(text)
  if (agoMs !== undefined) return Math.max(0, nowMs - agoMs)
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const ms = Date.parse(day ? `${text}T00:00` : text.replace(' ', 'T'))
  if (Number.isNaN(ms) || ms < 0) {
    throw new UsageError(`--${option} is a date (2026-11-22, 2026-11-22T10:50) or how long ago (2h, 3d)`)
  }
  return ms
}
