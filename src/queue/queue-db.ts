import type { Store } from '#src/store/sqlite.ts'
import { migrate } from '#src/store/migrate.ts'
import type { Action, MessageChange } from './changes.ts'
import { MESSAGE_COLUMNS, RECIPIENT_COLUMNS, messageParams, notifyText, recipientCrc } from './rows.ts'
import type { MessageParams } from './rows.ts'
import { MIGRATIONS } from './schema.ts'
import type { NewMessage } from './types.ts'

/** A message that a change took out of the queue. */
export interface Removed {
  readonly seq: number
  readonly id: string
  /** Its file in spool/, free after the next flush; null where the body lay in the row. */
  readonly spool: string | null
  readonly bodyBytes: number
}

export interface Applied {
  readonly removed: Removed | undefined
  /** Row numbers of the reports that came with the change, in their order; undefined where one was not wanted. */
  readonly reportSeqs: readonly (number | undefined)[]
}

export type Inserted =
  | { readonly kind: 'inserted' | 'known'; readonly seq: number }
  | { readonly kind: 'clash' }

/** Recipients that the first row of a trace names; each has a row of its own when something becomes of it. */
const TRACE_RECIPIENTS_MAX = 100

/** On top of the priority in the index of what is urgent, which is -9 to 9 (RFC 6710), while somebody waits for it. */
const HURRIED = 100
/** Where what is hurried begins. */
const HURRIED_LEAST = HURRIED - 9

/** Every statement that writes to queue.db, prepared once. One object exists: the writer's. */
export class QueueDb implements Disposable {
  readonly #store: Store
  readonly #statements: ReturnType<typeof prepare>
  #nextSeq: number
  /** What synchronous is set to: a switch costs 10 µs, so it is made only where needed. */
  #durable = true

  /** Opens and migrates. Takes `store` over: it is closed with this. */
  constructor(store: Store) {
    migrate(store, MIGRATIONS)
    this.#store = store
    this.#statements = prepare(store)
    this.#nextSeq = Number(store.prepare('SELECT coalesce(max(seq), 0) + 1 FROM message').pluck().get())
  }

  get store(): Store {
    return this.#store
  }

  /** Messages in the queue, counted one by one: some tens of milliseconds for a million. */
  countMessages(): number {
    return this.#store.prepare<[], number>('SELECT count(*) FROM message').pluck().get() ?? 0
  }

  /** The newest row number given out; 0 if none. */
  get lastSeq(): number {
    return this.#nextSeq - 1
  }

  /**
   * Runs `work` as one transaction. `durable`: it has reached the disk on return (synchronous=FULL); otherwise it
   * is visible to others and survives kill -9, and a power cut may undo it (NORMAL).
   */
  transact<T>(durable: boolean, work: () => T): T {
    if (durable !== this.#durable) {
      this.#store.pragma(durable ? 'synchronous = full' : 'synchronous = normal')
      this.#durable = durable
    }
    const nextSeq = this.#nextSeq
    this.#statements.begin.run()
    try {
      const result = work()
      this.#statements.commit.run()
      return result
    } catch (error) {
      this.#nextSeq = nextSeq
      if (this.#store.inTransaction) this.#statements.rollback.run()
      throw error
    }
  }

  /**
   * Adds a message and the first row of its trace. 'known': this very message is there already (a submission sent
   * twice). 'clash': another one has its id.
   */
  insert(message: NewMessage, dueMs: number): Inserted {
    const s = this.#statements
    const seq = this.#nextSeq
    const params = messageParams(seq, message)
    if (s.insertMessage.run(...params).changes === 0) return this.#existing(message.id, params)
    this.#nextSeq = seq + 1
    if (message.body.kind === 'inline') s.insertBody.run(seq, message.body.bytes)
    for (const [n, recipient] of message.recipients.entries()) {
      const notify = notifyText(recipient.notify)
      const crc = recipientCrc(seq, n, recipient, notify)
      s.insertRecipient.run(
        seq,
        n,
        recipient.address,
        recipient.original,
        recipient.orcpt,
        notify,
        dueMs,
        crc,
      )
    }
    if (message.priority !== undefined) s.setPriority.run(message.priority, seq)
    const facts = {
      client: message.origin.clientAddress,
      name: message.origin.clientName,
      helo: message.origin.helo,
      protocol: message.origin.protocol,
      from: message.sender,
      to: message.recipients.slice(0, TRACE_RECIPIENTS_MAX).map((each) => each.address),
      nrcpt: message.recipients.length,
      size: params[9],
      messageId: message.messageId,
      generation: message.generation,
      verdict: message.verdict,
    }
    s.insertTrace.run(message.id, dueMs, 'queued', JSON.stringify(facts))
    if (message.hold !== undefined) {
      s.hold.run(seq)
      s.insertTrace.run(
        message.id,
        dueMs,
        'held',
        JSON.stringify({ by: 'header_checks', note: message.hold || undefined }),
      )
    }
    return { kind: 'inserted', seq }
  }

  #existing(id: string, params: MessageParams): Inserted {
    const row = this.#statements.identity.get(id)
    const same =
      row !== undefined &&
      row.body_crc === params[10] &&
      row.arrived_ms === params[2] &&
      row.sender === params[3]
    return same ? { kind: 'known', seq: row.seq } : { kind: 'clash' }
  }

  /** Writes what attempts have made of a message that may meanwhile have been deleted or held. */
  apply(change: MessageChange, reportDueMs: number): Applied {
    const s = this.#statements
    const { seq } = change
    /** Recipients that this change, and none before it, has removed or marked as told. */
    const news = new Set<number>()
    for (const done of change.done) {
      if (s.deleteRecipient.run(seq, done.n).changes > 0) news.add(done.n)
      const facts = { to: done.address, relay: done.relay, dsn: done.dsn, reply: done.reply }
      s.insertTrace.run(change.id, change.atMs, done.event, JSON.stringify(facts))
    }
    for (const d of change.deferred) {
      // A reason is told once, not at each of a hundred attempts with the same one.
      const facts = JSON.stringify({ to: d.address, dsn: d.dsn, reply: d.reply, attempt: d.attempts })
      s.insertTraceOfReason.run(change.id, change.atMs, facts, seq, d.n, d.reply)
      s.deferRecipient.run(d.dueMs, d.attempts, d.reply, d.dsn, seq, d.n)
    }
    if (change.corrupt !== '') {
      const aside = s.corruptRecipients.run(change.corrupt, seq).changes > 0
      const facts = JSON.stringify({ reason: change.corrupt })
      if (aside) s.insertTrace.run(change.id, change.atMs, 'corrupt', facts)
    }
    const reportSeqs = this.#insertReports(change, news, reportDueMs)
    return { removed: change.done.length === 0 ? undefined : this.#removeIfEmpty(seq), reportSeqs }
  }

  /** No report for what an operator deleted while it was being tried, and no second one about the same. */
  #insertReports(change: MessageChange, news: Set<number>, dueMs: number): (number | undefined)[] {
    const s = this.#statements
    const { seq, id, atMs, reports } = change
    for (const { kind, about } of reports) {
      if (kind !== 'delayed') continue
      for (const n of about) if (s.markDelayTold.run(atMs, seq, n).changes > 0) news.add(n)
    }
    return reports.map(({ kind, audience, about, message }) => {
      if (!about.some((n) => news.has(n))) return undefined
      const inserted = this.insert(message, dueMs)
      if (inserted.kind !== 'inserted') return undefined
      s.insertTrace.run(id, atMs, 'reported', JSON.stringify({ kind, audience, report: message.id }))
      return inserted.seq
    })
  }

  #removeIfEmpty(seq: number): Removed | undefined {
    const row = this.#statements.deleteEmptyMessage.get(seq, seq)
    if (row === undefined) return undefined
    if (row.spool === null) this.#statements.deleteBody.run(seq)
    return { seq, id: row.id, spool: row.spool, bodyBytes: row.body_bytes }
  }

  seqOf(id: string): number | undefined {
    return this.#statements.identity.get(id)?.seq
  }

  /** Row numbers above `after`, at most `limit`. */
  seqsAfter(after: number, limit: number): number[] {
    return this.#statements.seqsAfter.all(after, limit).map((row) => row.seq)
  }

  /**
   * Does a tool's action to one message; undefined if that changed nothing, else what it removed. `facts` is JSON
   * for the trace.
   */
  act(
    action: Action,
    seq: number,
    nowMs: number,
    facts = '{}',
  ): { readonly removed: Removed | undefined } | undefined {
    const s = this.#statements
    switch (action) {
      case 'delete': {
        s.deleteRecipients.run(seq)
        const removed = this.#removeIfEmpty(seq)
        if (removed === undefined) return undefined
        s.insertTrace.run(removed.id, nowMs, 'deleted', facts)
        return { removed }
      }
      case 'hold':
        return this.#changed(s.hold.run(seq).changes, 'held', [seq, nowMs, facts])
      case 'release':
        return this.#changed(s.release.run(nowMs, seq).changes, 'released', [seq, nowMs, facts])
      case 'requeue':
        return this.#changed(s.requeue.run(nowMs, seq).changes, 'requeued', [seq, nowMs, facts])
      case 'flush':
        // Everybody flushes all the time: that is no event in the life of a message.
        return s.flush.run(nowMs, seq).changes === 0 ? undefined : { removed: undefined }
      case 'expire': {
        const { changes } = s.expire.run(seq)
        if (changes > 0) s.flush.run(nowMs, seq)
        return this.#changed(changes, 'force-expired', [seq, nowMs, facts])
      }
    }
  }

  /**
   * An operator wants just this message tried now: it is due, and goes before what has long been, as urgent mail does,
   * until it was tried. One statement, because a row that is written twice costs twice. Whether there was anything to try.
   */
  hurry(seq: number, nowMs: number): boolean {
    return this.#statements.hurry.run(nowMs, seq).changes > 0
  }

  #changed(
    changes: number,
    event: string,
    [seq, nowMs, facts]: readonly [number, number, string],
  ): { readonly removed: undefined } | undefined {
    if (changes === 0) return undefined
    this.#statements.insertTraceBySeq.run(nowMs, event, facts, seq)
    return { removed: undefined }
  }

  /** The files of spool/ that rows name. */
  spoolFiles(): Set<string> {
    return new Set(this.#statements.spoolFiles.all().map((row) => row.spool))
  }

  /** Due times farther ahead than `limitMs` become `nowMs`: damage, or a clock that was wrong. Returns how many. */
  pullBackDue(limitMs: number, nowMs: number): number {
    return this.#statements.pullBackDue.run(nowMs, limitMs).changes
  }

  /** Deletes at most `step` trace rows that are too old or too many; returns how many. */
  pruneTrace(beforeMs: number, rowsMax: number, step: number): number {
    return this.#statements.pruneTrace.run(step, beforeMs, rowsMax).changes
  }

  /** Gives up to `step` free pages back to the file system while more than `keep` are free; whether any were. */
  giveBackPages(keep: number, step: number): boolean {
    const free = Number(this.#store.pragma('freelist_count', { simple: true }))
    if (free <= keep) return false
    this.#store.pragma(`incremental_vacuum(${Math.min(step, free - keep)})`)
    return true
  }

  recordGeneration(number: number, atMs: number, hash: string): void {
    this.#statements.insertGeneration.run(number, atMs, hash)
  }

  /**
   * Copies the log back. Returns pages still to copy because a reader was in the way (Infinity: not known).
   * With 0, everything committed before is on the disk.
   */
  checkpoint(mode: 'passive' | 'truncate'): number {
    const statement =
      mode === 'passive' ? this.#statements.checkpointPassive : this.#statements.checkpointTruncate
    const row = statement.get()
    if (row === undefined || row.busy !== 0) return Infinity
    return Math.max(0, row.log - row.checkpointed)
  }

  [Symbol.dispose](): void {
    this.#store.close()
  }
}

interface IdentityRow {
  seq: number
  body_crc: number
  arrived_ms: number
  sender: string
}
interface CheckpointRow {
  busy: number
  log: number
  checkpointed: number
}

function prepare(store: Store) {
  return {
    begin: store.prepare('BEGIN IMMEDIATE'),
    commit: store.prepare('COMMIT'),
    rollback: store.prepare('ROLLBACK'),
    insertMessage: store.prepare(
      `INSERT INTO message (${MESSAGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
    ),
    insertBody: store.prepare('INSERT INTO body (seq, bytes) VALUES (?, ?)'),
    insertRecipient: store.prepare(
      `INSERT INTO recipient (${RECIPIENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 'incoming', ?, 0, '', '', ?)`,
    ),
    setPriority: store.prepare('UPDATE recipient SET priority = ? WHERE seq = ?'),
    insertTrace: store.prepare('INSERT INTO trace (id, at_ms, event, facts) VALUES (?, ?, ?, ?)'),
    insertTraceBySeq: store.prepare(
      `INSERT INTO trace (id, at_ms, event, facts) SELECT id, ?, ?, ? FROM message WHERE seq = ?`,
    ),
    insertTraceOfReason: store.prepare(
      `INSERT INTO trace (id, at_ms, event, facts) SELECT ?, ?, 'deferred', ?
       FROM recipient WHERE seq = ? AND n = ? AND last_reply <> ?`,
    ),
    insertGeneration: store.prepare(
      'INSERT OR REPLACE INTO generation (number, at_ms, hash) VALUES (?, ?, ?)',
    ),
    identity: store.prepare<[string], IdentityRow>(
      'SELECT seq, body_crc, arrived_ms, sender FROM message WHERE id = ?',
    ),
    deleteRecipient: store.prepare('DELETE FROM recipient WHERE seq = ? AND n = ?'),
    deleteRecipients: store.prepare('DELETE FROM recipient WHERE seq = ?'),
    deleteEmptyMessage: store.prepare<
      [number, number],
      { id: string; spool: string | null; body_bytes: number }
    >(
      `DELETE FROM message WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM recipient WHERE seq = ?)
       RETURNING id, spool, body_bytes`,
    ),
    deleteBody: store.prepare('DELETE FROM body WHERE seq = ?'),
    // A recipient that was put on hold while it was tried stays there, with the attempt noted.
    deferRecipient: store.prepare(
      `UPDATE recipient SET state = CASE state WHEN 'incoming' THEN 'deferred' ELSE state END,
       due_ms = ?, attempts = ?, last_reply = ?, last_dsn = ?,
       priority = priority - iif(priority >= ${HURRIED_LEAST}, ${HURRIED}, 0) WHERE seq = ? AND n = ?`,
    ),
    markDelayTold: store.prepare(
      'UPDATE recipient SET delay_told_ms = ? WHERE seq = ? AND n = ? AND delay_told_ms = 0',
    ),
    // Why it is there is what an operator wants to see of it; the last reply is in the trace.
    ...prepareStates(store),
    seqsAfter: store.prepare<[number, number], { seq: number }>(
      'SELECT seq FROM message WHERE seq > ? ORDER BY seq LIMIT ?',
    ),
    spoolFiles: store.prepare<[], { spool: string }>('SELECT spool FROM message WHERE spool IS NOT NULL'),
    pullBackDue: store.prepare(
      `UPDATE recipient SET due_ms = ? WHERE state IN ('incoming', 'deferred') AND due_ms > ?`,
    ),
    pruneTrace: store.prepare(
      `DELETE FROM trace WHERE n IN (SELECT n FROM trace ORDER BY n LIMIT ?)
       AND (at_ms < ? OR n <= (SELECT max(n) FROM trace) - ?)`,
    ),
    checkpointPassive: store.prepare<[], CheckpointRow>('PRAGMA wal_checkpoint(PASSIVE)'),
    checkpointTruncate: store.prepare<[], CheckpointRow>('PRAGMA wal_checkpoint(TRUNCATE)'),
  }
}

/** What moves recipients from one state to another. */
function prepareStates(store: Store) {
  return {
    corruptRecipients: store.prepare(
      `UPDATE recipient SET state = 'corrupt', last_reply = ?, last_dsn = '' WHERE seq = ?`,
    ),
    hold: store.prepare(
      `UPDATE recipient SET state = 'hold' WHERE seq = ? AND state IN ('incoming', 'deferred')`,
    ),
    // What was set aside as damaged is checked again when it is tried.
    release: store.prepare(
      `UPDATE recipient SET state = 'deferred', due_ms = ? WHERE seq = ? AND state IN ('hold', 'corrupt')`,
    ),
    requeue: store.prepare(`UPDATE recipient SET state = 'deferred', due_ms = ?, attempts = 0 WHERE seq = ?`),
    flush: store.prepare(
      `UPDATE recipient SET due_ms = ? WHERE seq = ? AND state IN ('incoming', 'deferred')`,
    ),
    hurry: store.prepare(
      `UPDATE recipient SET due_ms = ?, priority = priority + iif(priority < ${HURRIED_LEAST}, ${HURRIED}, 0)
       WHERE seq = ? AND state IN ('incoming', 'deferred')`,
    ),
    expire: store.prepare('UPDATE message SET expire = 1 WHERE seq = ? AND expire = 0'),
  }
}
