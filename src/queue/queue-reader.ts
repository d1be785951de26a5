import type { Store } from '#src/store/sqlite.ts'
import { Damage, MESSAGE_COLUMNS, RECIPIENT_COLUMNS, readMessage, readRecipient } from './rows.ts'
import type { StoredMessage, StoredRecipient } from './rows.ts'

/** A place in the order in which recipients fall due. */
export interface DueKey {
  readonly dueMs: number
  readonly seq: number
  readonly n: number
}

/** A place in the order of ages. */
export interface AgeKey {
  readonly arrivedMs: number
  readonly seq: number
}

export const AGE_START: AgeKey = { arrivedMs: -1, seq: 0 }

/**
 * The one predicate of expiry, for messages of the null sender and of all others: who arrived at such a time or before,
 * whatever state its recipients are in; and whether any of them would still be tried.
 */
export const OVERDUE_SQL = `
  SELECT seq, arrived_ms, EXISTS (
    SELECT 1 FROM recipient WHERE recipient.seq = message.seq AND state IN ('incoming', 'deferred')
  ) AS waits
  FROM message INDEXED BY message_age
  WHERE (sender = '') = ? AND (arrived_ms, seq) > (?, ?) AND arrived_ms <= ?
  ORDER BY arrived_ms, seq LIMIT ?`

/** Before everything. */
export const DUE_START: DueKey = { dueMs: -1, seq: 0, n: 0 }

/** A message with those of its recipients that were asked for. */
export interface Loaded {
  readonly message: StoredMessage
  readonly recipients: readonly StoredRecipient[]
}

/** Looks into queue.db over a connection of its own that cannot write. */
export class QueueReader implements Disposable {
  readonly #store: Store
  readonly #statements: ReturnType<typeof prepare>

  constructor(store: Store) {
    this.#store = store
    this.#statements = prepare(store)
  }

  /** Keys of recipients that are due at `nowMs` and come after `after`, in order, at most `limit`. */
  due(after: DueKey, nowMs: number, limit: number): DueKey[] {
    return this.#statements.due
      .all(after.dueMs, after.seq, after.n, nowMs, limit)
      .map((row) => ({ dueMs: row.due_ms, seq: row.seq, n: row.n }))
  }

  /** The same, of mail with a priority above the usual. */
  urgent(after: DueKey, nowMs: number, limit: number): DueKey[] {
    return this.#statements.urgent
      .all(after.dueMs, after.seq, after.n, nowMs, limit)
      .map((row) => ({ dueMs: row.due_ms, seq: row.seq, n: row.n }))
  }

  /** When the next recipient after `nowMs` falls due; undefined if none does. */
  nextDueMs(nowMs: number): number | undefined {
    return this.#statements.nextDue.get(nowMs)?.due_ms
  }

  /** Messages that arrived at `beforeMs` or before and come after `after`, oldest first, at most `limit`. */
  overdue(
    nullSender: boolean,
    after: AgeKey,
    beforeMs: number,
    limit: number,
  ): { readonly key: AgeKey; readonly seq: number; readonly waits: boolean }[] {
    return this.#statements.overdue
      .all(nullSender ? 1 : 0, after.arrivedMs, after.seq, beforeMs, limit)
      .map(({ seq, arrived_ms: arrivedMs, waits }) => ({ key: { arrivedMs, seq }, seq, waits: waits === 1 }))
  }

  /** A message with all its recipients. undefined: it has left the queue, and its recipients with it. */
  load(seq: number): Loaded | Damage | undefined {
    const row = this.#statements.message.get(seq)
    if (row === undefined) {
      return this.#statements.recipients.get(seq) === undefined
        ? undefined
        : new Damage('the message row is gone')
    }
    const message = readMessage(row)
    if (message instanceof Damage) return message
    const recipients: StoredRecipient[] = []
    for (const recipientRow of this.#statements.recipients.all(seq)) {
      const recipient = readRecipient(recipientRow)
      if (recipient instanceof Damage) return recipient
      recipients.push(recipient)
    }
    return { message, recipients }
  }

  /** The body that lies in the row; undefined if it is gone. */
  body(seq: number): Buffer | undefined {
    return this.#statements.body.get(seq)?.bytes
  }

  /** Row numbers above `after`, in order of arrival, at most `limit`. */
  seqsAfter(after: number, limit: number): number[] {
    return this.#statements.seqsAfter.all(after, limit).map((row) => row.seq)
  }

  /** The id of a message whose row may be damaged otherwise; '' if that cannot be read either. */
  idOf(seq: number): string {
    const id = this.#statements.id.get(seq)?.id
    return typeof id === 'string' ? id : ''
  }

  /** A damaged message's recipients as far as they are text, for a listing. */
  rawAddresses(seq: number): string[] {
    return this.#statements.recipients.all(seq).map((row) => (typeof row[2] === 'string' ? row[2] : '?'))
  }

  /** For the tools' own statements (list-*.ts, trace-*.ts). */
  get store(): Store {
    return this.#store
  }

  /** The row number of a message; undefined if it is not in the queue. */
  seqOf(id: string): number | undefined {
    return this.#statements.seq.get(id)?.seq
  }

  /** The trace of a message, oldest first. */
  trace(id: string): { readonly atMs: number; readonly event: string; readonly facts: string }[] {
    return this.#statements.trace
      .all(id)
      .map((row) => ({ atMs: row.at_ms, event: row.event, facts: row.facts }))
  }

  [Symbol.dispose](): void {
    this.#store.close()
  }
}

function prepare(store: Store) {
  return {
    due: store.prepare<[number, number, number, number, number], { due_ms: number; seq: number; n: number }>(
      `SELECT due_ms, seq, n FROM recipient INDEXED BY recipient_due
       WHERE state IN ('incoming', 'deferred') AND (due_ms, seq, n) > (?, ?, ?) AND due_ms <= ?
       ORDER BY due_ms, seq, n LIMIT ?`,
    ),
    urgent: store.prepare<
      [number, number, number, number, number],
      { due_ms: number; seq: number; n: number }
    >(
      `SELECT due_ms, seq, n FROM recipient INDEXED BY recipient_urgent
       WHERE priority > 0 AND state IN ('incoming', 'deferred') AND (due_ms, seq, n) > (?, ?, ?) AND due_ms <= ?
       ORDER BY due_ms, seq, n LIMIT ?`,
    ),
    nextDue: store.prepare<[number], { due_ms: number }>(
      `SELECT due_ms FROM recipient INDEXED BY recipient_due
       WHERE state IN ('incoming', 'deferred') AND due_ms > ? ORDER BY due_ms LIMIT 1`,
    ),
    overdue: store.prepare<
      [number, number, number, number, number],
      { seq: number; arrived_ms: number; waits: number }
    >(OVERDUE_SQL),
    message: store
      .prepare<[number], unknown[]>(`SELECT ${MESSAGE_COLUMNS}, expire FROM message WHERE seq = ?`)
      .raw(),
    recipients: store
      .prepare<[number], unknown[]>(
        `SELECT ${RECIPIENT_COLUMNS}, delay_told_ms FROM recipient WHERE seq = ? ORDER BY n`,
      )
      .raw(),
    body: store.prepare<[number], { bytes: Buffer }>('SELECT bytes FROM body WHERE seq = ?'),
    seqsAfter: store.prepare<[number, number], { seq: number }>(
      'SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT ?',
    ),
    seq: store.prepare<[string], { seq: number }>('SELECT seq FROM message WHERE id = ?'),
    id: store.prepare<[number], { id: unknown }>('SELECT id FROM message WHERE seq = ?'),
    trace: store.prepare<[string], { at_ms: number; event: string; facts: string }>(
      'SELECT at_ms, event, facts FROM trace WHERE id = ? ORDER BY n',
    ),
  }
}
