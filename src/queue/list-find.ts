import { systemClock } from '#src/base/clock.ts'
import type { Store } from '#src/store/sqlite.ts'
import type { QueueFilter } from './list-filter.ts'
import { isEmptyFilter, matches } from './list-filter.ts'
import { LIST_PAGE } from './limits.ts'
import type { ActiveSeqs, ListedMessage } from './listing.ts'
import { listSeqs, portions } from './listing.ts'
import type { QueueReader } from './queue-reader.ts'
import { isText } from './rows.ts'
import { domainOf } from './schema.ts'

/** Rows that are looked through between two pages, so that a search leaves turns for mail: about 5 ms. */
const SCAN_ROWS = 2000

/**
 * The messages that a filter means, in pages of LIST_PAGE at most; between two pages the caller lets others have
 * their turn. A recipient domain is found by its index; everything else by looking through the queue in order of
 * arrival. Of what arrives meanwhile nothing is meant. `verify` is what a message must fulfil in the end, where that is
 * less than what it is searched by.
 */
export function* findPages(
  reader: QueueReader,
  filter: QueueFilter,
  active: ActiveSeqs,
  verify: QueueFilter = filter,
): Generator<readonly ListedMessage[]> {
  for (const seqs of seqPages(reader.store, filter)) {
    for (const some of portions(reader, seqs))
      yield listSeqs(reader, some, active).filter((message) => matches(verify, message))
  }
}

/**
 * The ids of those messages. A recipient domain alone is known exactly by its index, so of such messages nothing else is
 * read: that is half of what it takes to flush a domain.
 */
export function* findIds(
  reader: QueueReader,
  filter: QueueFilter,
  active: ActiveSeqs,
): Generator<readonly string[]> {
  const { recipientDomain, ...others } = filter
  if (recipientDomain === undefined || !isEmptyFilter(others)) {
    for (const page of findPages(reader, filter, active)) yield page.map(({ id }) => id)
    return
  }
  const idsOf = reader.store
    .prepare<[string]>(
      'SELECT message.id FROM json_each(?) AS wanted CROSS JOIN message ON seq = wanted.value',
    )
    .pluck()
  for (const seqs of byDomain(reader.store, recipientDomain.toLowerCase()))
    yield idsOf.all(JSON.stringify(seqs)).filter(isText)
}

function* seqPages(store: Store, filter: QueueFilter): Generator<readonly number[]> {
  if (filter.recipientDomain === undefined) yield* byArrival(store, filter, 0)
  else yield* byDomain(store, filter.recipientDomain.toLowerCase())
}

/** Row numbers above `from` in which the cheap parts of the filter hold; the rest is looked at when the message is read. */
export function* byArrival(store: Store, filter: QueueFilter, from: number): Generator<readonly number[]> {
  const last =
    store.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM message').get()?.seq ?? 0
  const conditions: string[] = []
  const values: (string | number)[] = []
  if (filter.sender !== undefined) {
    conditions.push('sender = ? COLLATE NOCASE')
    values.push(filter.sender)
  }
  if (filter.afterMs !== undefined) {
    conditions.push('arrived_ms >= ?')
    values.push(filter.afterMs)
  }
  if (filter.beforeMs !== undefined) {
    conditions.push('arrived_ms < ?')
    values.push(filter.beforeMs)
  }
  const states = statesOf(filter)
  if (states !== undefined) {
    const marks = states.map(() => '?').join(', ')
    conditions.push(
      `EXISTS (SELECT 1 FROM recipient WHERE recipient.seq = message.seq AND state IN (${marks}))`,
    )
    values.push(...states)
  }
  const bounds = store.prepare<[number, number], { seq: number }>(
    'SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?',
  )
  const select = store.prepare<(string | number)[], { seq: number }>(
    `SELECT seq FROM message WHERE seq > ? AND seq <= ? ${conditions.map((each) => `AND ${each}`).join(' ')} ORDER BY seq`,
  )
  for (let after = from; after < last;) {
    const upto = Math.min(bounds.get(after, SCAN_ROWS - 1)?.seq ?? last, last)
    yield* slices(select.all(after, upto, ...values).map((row) => row.seq))
    after = upto
  }
}

/** What is listed as 'active' is incoming or deferred on the disk, and so may be what is not. */
function statesOf({ queues }: QueueFilter): readonly string[] | undefined {
  if (queues === undefined || queues.includes('corrupt')) return undefined
  const states = new Set<string>(queues)
  if (states.delete('active')) for (const state of ['incoming', 'deferred']) states.add(state)
  return [...states]
}

/** An empty slice stands for rows that were looked through in vain: it is a turn too. */
function* slices(seqs: readonly number[]): Generator<readonly number[]> {
  for (let i = 0; i === 0 || i < seqs.length; i += LIST_PAGE) yield seqs.slice(i, i + LIST_PAGE)
}

const WAITING = ['deferred', 'hold', 'corrupt'] as const

/** By the index for what waits; new mail by its due time, which for it always is the time it came. */
function* byDomain(store: Store, domain: string): Generator<readonly number[]> {
  const select = store.prepare<[string, string, number, number], { seq: number }>(
    `SELECT DISTINCT seq FROM recipient INDEXED BY recipient_domain
     WHERE state IN ('deferred', 'hold', 'corrupt') AND ${domainOf('address')} = ? AND state = ? AND seq > ?
     ORDER BY seq LIMIT ?`,
  )
  // What an action moves from one state to another is met once.
  const seen = new Set<number>()
  const fresh = (seqs: readonly number[]): number[] => {
    // New mail has a row for each of its recipients.
    const unseen = new Set(seqs.filter((seq) => !seen.has(seq)))
    for (const seq of unseen) seen.add(seq)
    return [...unseen]
  }
  for (const state of WAITING) {
    for (let after = 0; ;) {
      const seqs = select.all(domain, state, after, LIST_PAGE).map((row) => row.seq)
      const end = seqs.at(-1)
      if (end === undefined) break
      yield fresh(seqs)
      after = end
    }
  }
  for (const rows of incomingRows(store)) {
    yield fresh(rows.filter((row) => row.domain === domain).map((row) => row.seq))
  }
}

export interface IncomingRow {
  readonly seq: number
  readonly domain: string
}

/** Recipients that were never tried, in pages: they are in the due index, and due. */
export function* incomingRows(store: Store): Generator<readonly IncomingRow[]> {
  const select = store.prepare<
    [number, number, number, number, number],
    { due_ms: number; seq: number; n: number; state: string; domain: string }
  >(
    `SELECT due_ms, seq, n, state, ${domainOf('address')} AS domain FROM recipient INDEXED BY recipient_due
     WHERE state IN ('incoming', 'deferred') AND (due_ms, seq, n) > (?, ?, ?) AND due_ms <= ?
     ORDER BY due_ms, seq, n LIMIT ?`,
  )
  const nowMs = systemClock.nowMs()
  let at = { due_ms: -1, seq: 0, n: 0 }
  for (;;) {
    const rows = select.all(at.due_ms, at.seq, at.n, nowMs, SCAN_ROWS)
    const end = rows.at(-1)
    if (end === undefined) return
    yield rows.filter((row) => row.state === 'incoming')
    at = end
  }
}
