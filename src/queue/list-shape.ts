import type { QueueFilter } from './list-filter.ts'
import { domainPart, matches } from './list-filter.ts'
import { findPages, incomingRows } from './list-find.ts'
import { queueOfStates } from './listing.ts'
import type { IsActive } from './listing.ts'
import type { QueueReader } from './queue-reader.ts'
import type { RecipientState } from './types.ts'

/** How qshape divides the queue by age. */
export interface ShapeOptions {
  readonly filter: QueueFilter
  /** By the domain of the sender (a message counts once) instead of each recipient's. */
  readonly bySender: boolean
  /** The last one has no age limit. */
  readonly buckets: number
  readonly bucketMinutes: number
  /** Each bucket is as wide as the first, not twice as wide as the one before. */
  readonly linear: boolean
  readonly nowMs: number
}

export const SHAPE_BUCKETS_MAX = 100

/** Domain, or 'TOTAL': all of them, then by bucket. */
export type Shape = ReadonlyMap<string, readonly number[]>

/** qshape's own name for the sum, and for the null sender. */
export const TOTAL = 'TOTAL'
export const NULL_SENDER = 'MAILER-DAEMON'

/**
 * Counts the queue by domain and age, a page at a time (each `undefined` is a turn for others); the last value is the
 * result. A recipient counts where it is, not where its message is listed.
 */
export function* shape(
  reader: QueueReader,
  options: ShapeOptions,
  isActive: IsActive,
): Generator<Shape | undefined> {
  const counts = new Map<string, number[]>([[TOTAL, Array<number>(options.buckets + 1).fill(0)]])
  const { queues, ...rest } = options.filter
  const count = (domain: string, bucket: number): void => {
    for (const name of [TOTAL, domain]) {
      const row = counts.get(name) ?? Array<number>(options.buckets + 1).fill(0)
      row[0] = (row[0] ?? 0) + 1
      row[bucket] = (row[bucket] ?? 0) + 1
      counts.set(name, row)
    }
  }
  for (const page of findPages(reader, options.filter, isActive, rest)) {
    for (const message of page) {
      const bucket = bucketOf(options.nowMs - message.arrivedMs, options)
      if (options.bySender) {
        if (queues === undefined || queues.includes(message.queue))
          count(senderDomain(message.sender), bucket)
        continue
      }
      for (const each of message.recipients) {
        if (queues !== undefined && !queues.includes(each.state)) continue
        if (matches(rest, { ...message, recipients: [each] })) count(domainPart(each.address), bucket)
      }
    }
    yield undefined
  }
  yield counts
}

function senderDomain(sender: string): string {
  return sender === '' ? NULL_SENDER : domainPart(sender)
}

/** 1 for the youngest; qshape(1): [0,1), [1,2), [2,4), [4,8), … times the width of the first. */
function bucketOf(ageMs: number, { buckets, bucketMinutes, linear }: ShapeOptions): number {
  const ticks = ageMs / (60_000 * bucketMinutes)
  if (ticks < 1) return 1
  const bucket = linear ? Math.floor(ticks + 1) : 2 + Math.floor(Math.log2(ticks))
  return Math.min(bucket, buckets)
}

/** Recipients that wait, by domain and state: kept as they come and go, so a million cost what 500 domains do. */
export interface DomainCount {
  readonly domain: string
  readonly state: RecipientState
  readonly recipients: number
}

/** As `shape`: `undefined` is a turn for others, the last value the result. New mail is counted by looking at it. */
export function* countDomains(reader: QueueReader): Generator<readonly DomainCount[] | undefined> {
  const rows = reader.store
    .prepare<[], DomainCount>('SELECT domain, state, recipients FROM backlog ORDER BY recipients DESC')
    .all()
  const incoming = new Map<string, number>()
  for (const page of incomingRows(reader.store)) {
    for (const { domain } of page) incoming.set(domain, (incoming.get(domain) ?? 0) + 1)
    yield undefined
  }
  yield [
    ...rows,
    ...[...incoming].map(([domain, recipients]) => ({ domain, state: 'incoming' as const, recipients })),
  ]
}

/** Messages in each of Postfix's queues, counted by looking at all recipients; `undefined` is a turn for others. */
export function* countQueues(
  reader: QueueReader,
  isActive: IsActive,
): Generator<Readonly<Record<RecipientState, number>> | undefined> {
  const counts = { incoming: 0, active: 0, deferred: 0, hold: 0, corrupt: 0 }
  const select = reader.store.prepare<[number, number], { seq: number; states: string }>(
    `SELECT message.seq AS seq, group_concat(DISTINCT recipient.state) AS states FROM
       (SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT ?) AS message
     JOIN recipient ON recipient.seq = message.seq GROUP BY message.seq`,
  )
  for (let after = 0; ;) {
    const rows = select.all(after, COUNT_ROWS)
    const end = rows.at(-1)
    if (end === undefined) break
    for (const { seq, states } of rows) counts[queueOfStates(new Set(states.split(',')), isActive(seq))]++
    after = end.seq
    yield undefined
  }
  yield counts
}

/** About 4 ms. */
const COUNT_ROWS = 2000
