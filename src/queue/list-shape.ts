import type { Store } from '#src/store/sqlite.ts'
import type { QueueFilter } from './list-filter.ts'
import { domainPart, matches } from './list-filter.ts'
import { findPages, incomingRows } from './list-find.ts'
import { queueOfStates } from './listing.ts'
import type { ActiveSeqs } from './listing.ts'
import type { QueueReader } from './queue-reader.ts'
import { domainOf } from './schema.ts'
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
  active: ActiveSeqs,
): Generator<Shape | undefined> {
  const table = new Table(options)
  const { queues, ...rest } = options.filter
  if (Object.keys(rest).length > 0) {
    yield* countFound(reader, options, active, table)
  } else {
    const wanted = (state: RecipientState): boolean => queues === undefined || queues.includes(state)
    for (const rows of options.bySender
      ? senderCounts(reader.store, options, active)
      : recipientCounts(reader.store, options, active)) {
      for (const { domain, queue, ticks, count } of rows) if (wanted(queue)) table.count(domain, ticks, count)
      yield undefined
    }
  }
  yield table.rows
}

/** With a filter each message is looked at. */
function* countFound(
  reader: QueueReader,
  { filter, bySender, bucketMinutes, nowMs }: ShapeOptions,
  active: ActiveSeqs,
  table: Table,
): Generator<undefined> {
  const { queues, ...rest } = filter
  for (const page of findPages(reader, filter, active, rest)) {
    for (const message of page) {
      const ticks = Math.floor((nowMs - message.arrivedMs) / (60_000 * bucketMinutes))
      if (bySender) {
        if (queues === undefined || queues.includes(message.queue))
          table.count(senderDomain(message.sender), ticks, 1)
        continue
      }
      for (const each of message.recipients) {
        if (queues !== undefined && !queues.includes(each.state)) continue
        if (matches(rest, { ...message, recipients: [each] })) table.count(domainPart(each.address), ticks, 1)
      }
    }
    yield undefined
  }
}

class Table {
  readonly #options: ShapeOptions
  readonly #rows = new Map<string, number[]>()

  constructor(options: ShapeOptions) {
    this.#options = options
    this.#rowOf(TOTAL)
  }

  get rows(): Shape {
    return this.#rows
  }

  count(domain: string, ticks: number, count: number): void {
    const bucket = this.#bucketOf(ticks)
    for (const name of [TOTAL, domain]) {
      const row = this.#rowOf(name)
      row[0] = (row[0] ?? 0) + count
      row[bucket] = (row[bucket] ?? 0) + count
    }
  }

  #rowOf(name: string): number[] {
    const known = this.#rows.get(name)
    if (known !== undefined) return known
    const row = Array<number>(this.#options.buckets + 1).fill(0)
    this.#rows.set(name, row)
    return row
  }

  /** 1 for the youngest; qshape(1): [0,1), [1,2), [2,4), [4,8), … times the width of the first. */
  #bucketOf(ticks: number): number {
    if (ticks < 1) return 1
    const bucket = this.#options.linear ? ticks + 1 : 2 + Math.floor(Math.log2(ticks))
    return Math.min(bucket, this.#options.buckets)
  }
}

function senderDomain(sender: string): string {
  return sender === '' ? NULL_SENDER : domainPart(sender)
}

interface ShapeRow {
  readonly domain: string
  readonly queue: RecipientState
  /** Age in widths of the first bucket. */
  readonly ticks: number
  readonly count: number
}

/** Recipients by domain, state and age: SQLite adds up, some thousand messages at a time. */
function* recipientCounts(
  store: Store,
  { nowMs, bucketMinutes }: ShapeOptions,
  active: ActiveSeqs,
): Generator<readonly ShapeRow[]> {
  const select = store.prepare<number[], Omit<ShapeRow, 'queue'> & { state: RecipientState }>(
    `SELECT ${domainOf('address')} AS domain, state, CAST((? - arrived_ms) / ? AS INTEGER) AS ticks, count(*) AS count
     FROM recipient CROSS JOIN message ON message.seq = recipient.seq
     WHERE recipient.seq > ? AND recipient.seq <= ? GROUP BY 1, 2, 3`,
  )
  for (const { after, upto, alone } of ranges(store, active)) {
    yield select.all(nowMs, 60_000 * bucketMinutes, after, upto).map(({ domain, state, ticks, count }) => ({
      domain: domain.toLowerCase(),
      ticks,
      count,
      queue: alone && (state === 'incoming' || state === 'deferred') ? 'active' : state,
    }))
  }
}

/** Messages by the domain of their sender, queue and age. */
function* senderCounts(
  store: Store,
  { nowMs, bucketMinutes }: ShapeOptions,
  active: ActiveSeqs,
): Generator<readonly ShapeRow[]> {
  const select = store.prepare<number[], { sender: string; states: string; ticks: number; count: number }>(
    `SELECT sender, states, ticks, count(*) AS count FROM (
       SELECT sender, CAST((? - arrived_ms) / ? AS INTEGER) AS ticks, group_concat(DISTINCT state) AS states
       FROM recipient CROSS JOIN message ON message.seq = recipient.seq
       WHERE recipient.seq > ? AND recipient.seq <= ? GROUP BY recipient.seq
     ) GROUP BY 1, 2, 3`,
  )
  for (const { after, upto, alone } of ranges(store, active)) {
    yield select.all(nowMs, 60_000 * bucketMinutes, after, upto).map(({ sender, states, ticks, count }) => ({
      domain: senderDomain(sender),
      queue: queueOfStates(new Set(states.split(',')), alone),
      ticks,
      count,
    }))
  }
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
  active: ActiveSeqs,
): Generator<Readonly<Record<RecipientState, number>> | undefined> {
  const counts = { incoming: 0, active: 0, deferred: 0, hold: 0, corrupt: 0 }
  const select = reader.store.prepare<[number, number], { states: string; count: number }>(
    `SELECT states, count(*) AS count FROM (
       SELECT group_concat(DISTINCT state) AS states FROM recipient WHERE seq > ? AND seq <= ? GROUP BY seq
     ) GROUP BY 1`,
  )
  for (const { after, upto, alone } of ranges(reader.store, active)) {
    for (const { states, count } of select.all(after, upto))
      counts[queueOfStates(new Set(states.split(',')), alone)] += count
    yield undefined
  }
  yield counts
}

/** Row numbers that are looked over between two turns: about 8 ms. */
const COUNT_SEQS = 4000

interface Range {
  /** Row numbers above it, up to `upto`. */
  readonly after: number
  readonly upto: number
  /** It is one message, which is in memory. */
  readonly alone: boolean
}

/** All row numbers up to the newest, each message that is in memory in a range of its own. */
function* ranges(store: Store, active: ActiveSeqs): Generator<Range> {
  const next = store.prepare<[number], number | null>('SELECT min(seq) FROM recipient WHERE seq > ?').pluck()
  const newest = store.prepare<[], number | null>('SELECT max(seq) FROM recipient').pluck().get() ?? 0
  const marked = [...active.keys()].toSorted((a, b) => a - b)
  let mark = 0
  for (let after = 0; ;) {
    // Deleted mail leaves gaps of millions.
    const first = next.get(after) ?? undefined
    if (first === undefined || first > newest) return
    while ((marked[mark] ?? Infinity) < first) mark++
    const soonest = marked[mark] ?? Infinity
    const upto = soonest === first ? first : Math.min(first + COUNT_SEQS - 1, newest, soonest - 1)
    yield { after: first - 1, upto, alone: soonest === first }
    after = upto
  }
}
