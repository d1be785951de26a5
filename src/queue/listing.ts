import { isRecord } from '#src/net/frames.ts'
import type { Store } from '#src/store/sqlite.ts'
import type { QueueReader } from './queue-reader.ts'
import { Damage, isCount, isText } from './rows.ts'
import type { RecipientState } from './types.ts'

/** A message as the tools show it. */
export interface ListedMessage {
  /** The queue that Postfix would have it in: the most telling state of its recipients. */
  readonly queue: RecipientState
  readonly id: string
  readonly arrivedMs: number
  readonly sizeBytes: number
  readonly sender: string
  /** Who brought it; '' where the row is too damaged to tell. */
  readonly clientAddress: string
  readonly clientName: string
  /** As the scanner has read it, in UTF-8; '' where there is none. */
  readonly subject: string
  /** What was found: 'clean', and defects that were let pass. */
  readonly verdict: readonly string[]
  /** An operator wants it returned to its sender (postsuper -e). */
  readonly forcedExpire: boolean
  readonly recipients: readonly ListedRecipient[]
}

export interface ListedRecipient {
  readonly address: string
  /** As the client named it, before aliases. */
  readonly original: string
  readonly state: RecipientState
  /** The last reply, '' before the first attempt; for a damaged message, what is wrong with it. */
  readonly reason: string
  /** It failed for good, and the bounce that says so could not be written yet. */
  readonly failed: boolean
}

/** Row numbers of the messages that are in memory right now; none where there is no daemon. */
export type ActiveSeqs = Pick<ReadonlySet<number>, 'has' | 'keys' | 'size'>

export const NONE_ACTIVE: ActiveSeqs = new Set()

export interface Page {
  readonly messages: readonly ListedMessage[]
  /** Row number to go on after; undefined at the end. */
  readonly next: number | undefined
}

/** One page of the queue in order of arrival, beginning after row `after`: `limit` messages at most, fewer where they are for many. */
export function listPage(reader: QueueReader, after: number, limit: number, active: ActiveSeqs): Page {
  const seqs = reader.seqsAfter(after, limit)
  const [some = []] = portions(reader, seqs)
  const isLast = seqs.length < limit && some.length === seqs.length
  return { messages: listSeqs(reader, some, active), next: isLast ? undefined : some.at(-1) }
}

/** Recipients in a page, unless one message has more: about 2 MiB. */
export const PAGE_RECIPIENTS_MAX = 5000

/** The same row numbers in portions that memory has room for, whatever they are for: a message may be for ten thousand. */
export function* portions(reader: QueueReader, seqs: readonly number[]): Generator<readonly number[]> {
  const { recipientsWithin, recipientCounts } = statementsOf(reader.store)
  const [least, most] = [Math.min(...seqs), Math.max(...seqs)]
  const within = seqs.length === 0 ? 0 : (recipientsWithin.get(least, most, PAGE_RECIPIENTS_MAX + 1) ?? 0)
  // So it nearly always is, and is found out at a fraction of what it costs to count each message's.
  if (within <= PAGE_RECIPIENTS_MAX) {
    yield seqs
    return
  }
  const counts = new Map(recipientCounts.all(JSON.stringify(seqs)))
  let from = 0
  let sum = 0
  for (const [at, seq] of seqs.entries()) {
    const count = counts.get(seq) ?? 0
    if (at > from && sum + count > PAGE_RECIPIENTS_MAX) {
      yield seqs.slice(from, at)
      from = at
      sum = 0
    }
    sum += count
  }
  // Also of nothing: it is a turn for others.
  yield seqs.slice(from)
}

type Row = readonly unknown[]

/**
 * The messages of these rows, in this order, without those that are gone. Rows are read as they lie there: checksums
 * are asked only of what is set aside as corrupt or is no sound row at first sight, for a listing of a million messages
 * is wanted in seconds. Everything else is checked when it is sent.
 */
export function listSeqs(
  reader: QueueReader,
  seqs: readonly number[],
  active: ActiveSeqs,
): readonly ListedMessage[] {
  return listRows(reader, seqs, active).map(({ message }) => message)
}

/** A message with the number of its row, which says where in the queue it stands. */
export interface ListedRow {
  readonly seq: number
  readonly message: ListedMessage
}

/** As `listSeqs`. */
export function listRows(
  reader: QueueReader,
  seqs: readonly number[],
  active: ActiveSeqs,
): readonly ListedRow[] {
  const { messageRows, recipientRows } = statementsOf(reader.store)
  const wanted = JSON.stringify(seqs)
  const recipients = new Map<number, Row[]>()
  for (const row of recipientRows.all(wanted)) {
    const seq = Number(row[0])
    const known = recipients.get(seq)
    if (known === undefined) recipients.set(seq, [row])
    else known.push(row)
  }
  const listed: ListedRow[] = []
  for (const row of messageRows.all(wanted)) {
    const seq = Number(row[0])
    const message =
      fromRows(row, recipients.get(seq) ?? [], active.has(seq)) ?? listOne(reader, seq, active.has(seq))
    if (message !== undefined) listed.push({ seq, message })
  }
  return listed
}

/** undefined where it is better looked at closely. */
function fromRows(row: Row, recipientRows: readonly Row[], active: boolean): ListedMessage | undefined {
  const [, id, arrivedMs, sender, envelope, sizeBytes, verdict, expire] = row
  if (!isText(id) || !isText(sender) || !isCount(arrivedMs) || !isCount(sizeBytes)) return undefined
  if (arrivedMs > TIME_MAX_MS) return undefined
  const origin = parsed(envelope)?.['origin']
  const facts = parsed(verdict)
  if (!isRecord(origin) || facts === undefined || recipientRows.length === 0) return undefined
  const states = new Set<string>()
  const recipients: ListedRecipient[] = []
  for (const each of recipientRows) {
    const recipient = recipientOf(each, active)
    // What is set aside may not even be what it says.
    if (recipient === undefined || recipient.state === 'corrupt') return undefined
    states.add(recipient.state)
    recipients.push(recipient)
  }
  return {
    queue: queueOfStates(states, active),
    id,
    arrivedMs,
    sizeBytes,
    sender,
    clientAddress: textOf(origin['clientAddress']),
    clientName: textOf(origin['clientName']),
    ...judged(facts),
    forcedExpire: expire === 1,
    recipients,
  }
}

function recipientOf([, address, original, state, reason, dsn]: Row, active: boolean) {
  if (!isText(address) || !isText(original) || !isText(reason)) return undefined
  const known = STATES.find((each) => each === state)
  if (known === undefined) return undefined
  const now = active && (known === 'incoming' || known === 'deferred') ? 'active' : known
  return { address, original, state: now, reason, failed: isText(dsn) && dsn.startsWith('5') }
}

const STATES: readonly RecipientState[] = ['incoming', 'deferred', 'hold', 'corrupt']

/** One message, its checksums asked; undefined if it is gone. */
export function listOne(reader: QueueReader, seq: number, active: boolean): ListedMessage | undefined {
  const loaded = reader.load(seq)
  // It left the queue between two reads.
  if (loaded === undefined) return undefined
  if (loaded instanceof Damage) return damaged(reader, seq, loaded.reason)
  const { id, arrivedMs, sizeBytes, sender, origin, forcedExpire } = loaded.message
  const verdict = statementsOf(reader.store).verdict.get(seq)
  return {
    queue: queueOfStates(new Set(loaded.recipients.map((each) => each.state)), active),
    id,
    arrivedMs,
    sizeBytes,
    sender,
    clientAddress: origin.clientAddress,
    clientName: origin.clientName,
    ...judged(parsed(verdict?.verdict) ?? {}),
    forcedExpire,
    recipients: loaded.recipients.map(({ address, original, state, lastReply, lastDsn }) => ({
      address,
      original,
      state: active && (state === 'incoming' || state === 'deferred') ? 'active' : state,
      reason: lastReply,
      failed: lastDsn.startsWith('5'),
    })),
  }
}

/** What can be read of it is shown as it is, and may be what is wrong. */
function damaged(reader: QueueReader, seq: number, reason: string): ListedMessage {
  const [row = []] = statementsOf(reader.store).messageRows.all(JSON.stringify([seq]))
  const [, , arrivedMs, sender, envelope, sizeBytes, verdict, expire] = row
  const origin = parsed(envelope)?.['origin']
  const recipients = reader
    .rawAddresses(seq)
    .map((address) => ({ address, original: address, state: 'corrupt' as const, reason, failed: false }))
  return {
    queue: 'corrupt',
    id: reader.idOf(seq),
    arrivedMs: isCount(arrivedMs) && arrivedMs <= TIME_MAX_MS ? arrivedMs : 0,
    sizeBytes: isCount(sizeBytes) ? sizeBytes : 0,
    sender: textOf(sender),
    clientAddress: isRecord(origin) ? textOf(origin['clientAddress']) : '',
    clientName: isRecord(origin) ? textOf(origin['clientName']) : '',
    ...judged(parsed(verdict) ?? {}),
    forcedExpire: expire === 1,
    recipients,
  }
}

/** The last instant that a date can be made of (ECMA-262, Time Values and Time Range). */
const TIME_MAX_MS = 8_640_000_000_000_000

/** Where the recipients of a message differ: what an operator has to look at comes first. */
export function queueOfStates(states: ReadonlySet<string>, active: boolean): RecipientState {
  if (states.has('corrupt')) return 'corrupt'
  if (states.has('hold')) return 'hold'
  if (active) return 'active'
  // With `active` said of each recipient already.
  if (states.has('active')) return 'active'
  return states.has('deferred') ? 'deferred' : 'incoming'
}

/** What the verdict of a message says for a search; it is written by scan/judge.ts. */
function judged(facts: Readonly<Record<string, unknown>>): Pick<ListedMessage, 'subject' | 'verdict'> {
  const { subject, verdict, defects } = facts
  const found = isText(verdict) ? [verdict] : []
  if (Array.isArray(defects)) for (const defect of defects) if (isText(defect)) found.push(defect)
  return { subject: textOf(subject), verdict: found }
}

function textOf(value: unknown): string {
  return isText(value) ? value : ''
}

function parsed(text: unknown): Record<string, unknown> | undefined {
  if (!isText(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    // No JSON: a damaged row, which whoever reads it checks more closely.
    return undefined
  }
}

const PREPARED = new WeakMap<Store, ReturnType<typeof prepare>>()

/** Prepared once for each connection. */
function statementsOf(store: Store): ReturnType<typeof prepare> {
  const known = PREPARED.get(store)
  if (known !== undefined) return known
  const fresh = prepare(store)
  PREPARED.set(store, fresh)
  return fresh
}

function prepare(store: Store) {
  return {
    messageRows: store
      .prepare<[string], Row>(
        `SELECT seq, message.id, arrived_ms, sender, envelope, octet_length(prefix) + body_bytes, verdict, expire
         FROM json_each(?) AS wanted CROSS JOIN message ON seq = wanted.value`,
      )
      .raw(),
    recipientRows: store
      .prepare<[string], Row>(
        `SELECT seq, address, original, state, last_reply, last_dsn
         FROM json_each(?) AS wanted CROSS JOIN recipient ON seq = wanted.value ORDER BY wanted.key, n`,
      )
      .raw(),
    recipientsWithin: store
      .prepare<[number, number, number], number>(
        'SELECT count(*) FROM (SELECT 1 FROM recipient WHERE seq BETWEEN ? AND ? LIMIT ?)',
      )
      .pluck(),
    recipientCounts: store
      .prepare<[string], [number, number]>(
        'SELECT seq, count(*) FROM json_each(?) AS wanted CROSS JOIN recipient ON seq = wanted.value GROUP BY seq',
      )
      .raw(),
    verdict: store.prepare<[number], { verdict: unknown }>('SELECT verdict FROM message WHERE seq = ?'),
  }
}
