import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#src/base/clock.ts'
import { isRecord } from '#src/net/frames.ts'
import { openStore, storeErrorKind } from '#src/store/sqlite.ts'
import type { Store } from '#src/store/sqlite.ts'
import { TRACE_KEEP_MS, TRACE_ROWS_MAX } from './limits.ts'
import { databasePath } from './paths.ts'
import type { Refusal } from './refusals.ts'
import type { TraceDocument, TraceFilter, TraceRow } from './trace-document.ts'
import { documentOf, holds, matchText } from './trace-document.ts'

/**
 * Finds messages by what their trace says of them, in milliseconds among millions. The index is a file of its own
 * beside queue.db, filled from the trace behind the mail's back: a commit of mail never waits for it, and whatever
 * happens to it, it is made again from the trace. What was refused is kept here alone, and lost with the file.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO reached (one, n) VALUES (1, 0);
  CREATE TABLE IF NOT EXISTS mail (
    m INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, queued INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS mail_at ON mail (at_ms);
  CREATE INDEX IF NOT EXISTS mail_queued ON mail (at_ms) WHERE queued = 1;
  CREATE TABLE IF NOT EXISTS refusal (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL, facts TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS refusal_id ON refusal (id);
  CREATE TABLE IF NOT EXISTS lost (at_ms INTEGER NOT NULL, refusals INTEGER NOT NULL) STRICT;
  CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    sender, recipient, client, subject, verdict, reply,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
  );
`

/** Of the file: one of another form is made anew. */
const FORM = 2

export function traceIndexPath(queueDir: string): string {
  return join(queueDir, 'trace.db')
}

/** Candidates that are looked at for one search; a filter that is so common and so rarely true is told so. */
const CANDIDATES_MAX = 20_000
/** Trace rows of one message that are read: what a message to thousands brings beyond them is not searched. */
const ROWS_PER_MESSAGE_MAX = 5000
const PRUNE_STEP = 500
/** Refusals of one session that are kept: a client that tries ten thousand recipients is known by the first. */
const REFUSALS_PER_ID_MAX = 100
/** Entries of the table of losses: one for each batch in which there was one. */
const LOSSES_MAX = 1000

/** How much history is kept (docs/settings.md): `trace_lifetime`, `trace_row_limit`. */
export interface TraceLimits {
  readonly keepMs: number
  readonly rowsMax: number
}

/** The defaults of the two settings. */
export const TRACE_LIMITS: TraceLimits = { keepMs: TRACE_KEEP_MS, rowsMax: TRACE_ROWS_MAX }

export interface Found {
  readonly ids: readonly string[]
  /** Of those ids what was refused, which queue.db does not know. */
  readonly refusals: Readonly<Record<string, readonly StoredRefusal[]>>
  /** Refusals within the times of the filter that were too many to be kept. */
  readonly lost: number
  /** Whether all candidates were looked at, or enough was found. */
  readonly complete: boolean
}

/** As a row of queue.db's trace is told: `facts` is JSON. */
export interface StoredRefusal {
  readonly atMs: number
  readonly event: string
  readonly facts: string
}

export class TraceIndex implements Disposable {
  readonly #path: string
  readonly #limits: TraceLimits
  readonly #trace: Store
  #index: Store
  #statements: ReturnType<typeof prepare>
  readonly #rows: ReturnType<typeof prepareTrace>

  /** Opens or makes the index; `queueDir` has a queue.db. */
  constructor(queueDir: string, limits: TraceLimits = TRACE_LIMITS) {
    this.#limits = limits
    this.#path = traceIndexPath(queueDir)
    this.#trace = openStore(databasePath(queueDir), { readonly: true })
    this.#rows = prepareTrace(this.#trace)
    this.#index = openIndex(this.#path)
    this.#statements = prepare(this.#index)
    const newest = this.#rows.newest.get()?.n ?? 0
    // Another queue.db than the one that this was made from.
    if (this.reached > newest) this.#beginAnew()
  }

  /** Forgets what is in queue.db, and not what was refused. */
  #beginAnew(): void {
    this.#index
      .transaction(() => {
        for (const { m } of this.#statements.queued.all()) {
          this.#statements.forget.run(m)
          this.#statements.remove.run(m)
        }
        this.#statements.reach.run(0)
      })
      .immediate()
  }

  /** Number of the last trace row that can be found. */
  get reached(): number {
    return this.#statements.reached.get()?.n ?? 0
  }

  /** Takes in at most `limit` further trace rows, and forgets some that are gone; returns how many of both there were. */
  catchUp(limit: number): number {
    return this.#takeIn(limit) + this.#prune()
  }

  #takeIn(limit: number): number {
    const rows = this.#rows.after.all(this.reached, limit)
    const end = rows.at(-1)
    if (end === undefined) return 0
    const ids = new Set(rows.map((row) => row.id))
    this.#index
      .transaction(() => {
        for (const id of ids) this.#take(id)
        this.#statements.reach.run(end.n)
      })
      .immediate()
    this.#index.pragma('wal_checkpoint(PASSIVE)')
    return rows.length
  }

  #take(id: string): void {
    const s = this.#statements
    const document = this.document(id)
    if (document === undefined) return
    const known = s.find.get(id)
    if (known !== undefined) s.forget.run(known.m)
    const m = known?.m ?? Number(s.insert.run(id, document.atMs, document.queued ? 1 : 0).lastInsertRowid)
    if (known !== undefined) s.mark.run(document.queued ? 1 : 0, m)
    const { sender, recipient, client, subject, verdict, reply } = document
    s.words.run(m, sender, recipient, client, subject, verdict, reply)
  }

  /** What the trace says of a message, as it is searched; undefined if it says nothing any more. */
  document(id: string): TraceDocument | undefined {
    return documentOf(this.rows(id))
  }

  /** The trace of a message, oldest first. */
  rows(id: string): TraceRow[] {
    const rows = [...this.#refusals(id), ...this.#queueRows(id)]
    return rows.map(({ atMs, event, facts }) => {
      const parsed: unknown = JSON.parse(facts)
      return { atMs, event, facts: isRecord(parsed) ? parsed : {} }
    })
  }

  #queueRows(id: string): StoredRefusal[] {
    return this.#rows.ofId
      .all(id, ROWS_PER_MESSAGE_MAX)
      .map(({ at_ms: atMs, event, facts }) => ({ atMs, event, facts }))
  }

  #refusals(id: string): StoredRefusal[] {
    return this.#statements.refusals
      .all(id, REFUSALS_PER_ID_MAX)
      .map(({ at_ms: atMs, event, facts }) => ({ atMs, event, facts }))
  }

  /** Takes in what was refused; `lost` is how much more there was. */
  takeRefusals(refusals: readonly Refusal[], lost: number, nowMs: number): void {
    const s = this.#statements
    this.#index
      .transaction(() => {
        const ids = new Set<string>()
        for (const { id, atMs, event, facts } of refusals) {
          const kept = s.refuse.run(id, atMs, event, JSON.stringify(facts), id, REFUSALS_PER_ID_MAX)
          if (kept.changes > 0) ids.add(id)
          else lost++
        }
        for (const id of ids) this.#take(id)
        if (lost === 0) return
        s.lose.run(nowMs, lost)
        s.forgetLosses.run(LOSSES_MAX)
      })
      .immediate()
  }

  /** Messages whose trace is gone are forgotten, some at a time; 0: nothing is left to do. */
  #prune(): number {
    const refusals = this.#pruneRefusals()
    if (refusals > 0) return refusals
    const oldestMs = this.#rows.oldest.get()?.at_ms ?? Number.MAX_SAFE_INTEGER
    const old = this.#statements.older.all(oldestMs - PRUNE_SLACK_MS, PRUNE_STEP)
    if (old.length === 0) return 0
    this.#index
      .transaction(() => {
        for (const { m } of old) {
          this.#statements.forget.run(m)
          this.#statements.remove.run(m)
        }
      })
      .immediate()
    return old.length
  }

  /** What was refused too long ago, or is too much. */
  #pruneRefusals(): number {
    const s = this.#statements
    const { keepMs, rowsMax } = this.#limits
    const old = s.oldRefusals.all(PRUNE_STEP, systemClock.nowMs() - keepMs, rowsMax)
    if (old.length === 0) return 0
    this.#index
      .transaction(() => {
        for (const { n } of old) s.forgive.run(n)
        for (const id of new Set(old.map((row) => row.id))) {
          if (s.refusals.get(id, 1) !== undefined || this.#rows.ofId.get(id, 1) !== undefined) continue
          const known = s.find.get(id)
          if (known === undefined) continue
          s.forget.run(known.m)
          s.remove.run(known.m)
        }
      })
      .immediate()
    return old.length
  }

  /** Messages that the filter means, the newest first; with an id in it that one, whether it is known or not. */
  search(filter: TraceFilter, limit: number): Found {
    const { ids, complete } =
      filter.id === undefined ? this.#idsOf(filter, limit) : { ids: [filter.id], complete: true }
    const refusals: Record<string, StoredRefusal[]> = {}
    for (const id of ids) {
      const rows = this.#refusals(id)
      if (rows.length > 0) refusals[id] = rows
    }
    const lost = this.#statements.lost.get(filter.sinceMs ?? 0, filter.untilMs ?? Number.MAX_SAFE_INTEGER)
    return { ids, refusals, lost: filter.id === undefined ? (lost?.refusals ?? 0) : 0, complete }
  }

  #idsOf(filter: TraceFilter, limit: number): { ids: string[]; complete: boolean } {
    const since = filter.sinceMs ?? 0
    const until = filter.untilMs ?? Number.MAX_SAFE_INTEGER
    const match = matchText(filter)
    const candidates =
      match === ''
        ? this.#statements.byTime.iterate(since, until)
        : this.#statements.byWords.iterate(match, since, until)
    const ids: string[] = []
    let looked = 0
    for (const { id } of candidates) {
      if (looked++ >= CANDIDATES_MAX) return { ids, complete: false }
      const document = this.document(id)
      if (document === undefined || !holds(filter, document)) continue
      ids.push(id)
      if (ids.length >= limit) break
    }
    return { ids, complete: true }
  }

  /** Begins anew: the file was damaged, or belongs to another queue. */
  rebuild(): void {
    this.#index.close()
    removeIndex(this.#path)
    this.#index = openIndex(this.#path)
    this.#statements = prepare(this.#index)
  }

  [Symbol.dispose](): void {
    this.#index.close()
    this.#trace.close()
  }
}

/** Clocks that were set back make a trace that is not in the order of its times. */
const PRUNE_SLACK_MS = 86_400_000

function removeIndex(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

function openIndex(path: string): Store {
  for (let tries = 0; ; tries++) {
    let store: Store | undefined
    try {
      store = openStore(path)
      store.pragma('synchronous = normal')
      if (!isOfForm(store)) {
        store.close()
        removeIndex(path)
        continue
      }
      store.exec(SCHEMA)
      store.pragma(`user_version = ${FORM}`)
      return store
    } catch (error) {
      store?.close()
      if (tries > 0 || storeErrorKind(error) !== 'damaged') throw error
      removeIndex(path)
    }
  }
}

/** A file without tables is as good as none. */
function isOfForm(store: Store): boolean {
  return (
    Number(store.pragma('user_version', { simple: true })) === FORM ||
    store.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined
  )
}

function prepareTrace(store: Store) {
  return {
    after: store.prepare<[number, number], { n: number; id: string }>(
      'SELECT n, id FROM trace WHERE n > ? ORDER BY n LIMIT ?',
    ),
    ofId: store.prepare<[string, number], { at_ms: number; event: string; facts: string }>(
      'SELECT at_ms, event, facts FROM trace WHERE id = ? ORDER BY n LIMIT ?',
    ),
    newest: store.prepare<[], { n: number | null }>('SELECT max(n) AS n FROM trace'),
    oldest: store.prepare<[], { at_ms: number }>('SELECT at_ms FROM trace ORDER BY n LIMIT 1'),
  }
}

function prepare(store: Store) {
  return {
    reached: store.prepare<[], { n: number }>('SELECT n FROM reached'),
    reach: store.prepare('UPDATE reached SET n = ?'),
    find: store.prepare<[string], { m: number }>('SELECT m FROM mail WHERE id = ?'),
    insert: store.prepare('INSERT INTO mail (id, at_ms, queued) VALUES (?, ?, ?)'),
    mark: store.prepare('UPDATE mail SET queued = ? WHERE m = ?'),
    queued: store.prepare<[], { m: number }>('SELECT m FROM mail WHERE queued = 1'),
    refuse: store.prepare(
      `INSERT INTO refusal (id, at_ms, event, facts)
       SELECT ?, ?, ?, ? WHERE (SELECT count(*) FROM refusal WHERE id = ?) < ?`,
    ),
    refusals: store.prepare<[string, number], { at_ms: number; event: string; facts: string }>(
      'SELECT at_ms, event, facts FROM refusal WHERE id = ? ORDER BY n LIMIT ?',
    ),
    oldRefusals: store.prepare<[number, number, number], { n: number; id: string }>(
      `SELECT n, id FROM (SELECT n, id, at_ms FROM refusal ORDER BY n LIMIT ?)
       WHERE at_ms < ? OR n <= (SELECT max(n) FROM refusal) - ?`,
    ),
    forgive: store.prepare('DELETE FROM refusal WHERE n = ?'),
    lose: store.prepare('INSERT INTO lost (at_ms, refusals) VALUES (?, ?)'),
    forgetLosses: store.prepare('DELETE FROM lost WHERE rowid <= (SELECT max(rowid) FROM lost) - ?'),
    lost: store.prepare<[number, number], { refusals: number | null }>(
      'SELECT sum(refusals) AS refusals FROM lost WHERE at_ms >= ? AND at_ms < ?',
    ),
    words: store.prepare(
      `INSERT INTO words (rowid, sender, recipient, client, subject, verdict, reply) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    forget: store.prepare('DELETE FROM words WHERE rowid = ?'),
    remove: store.prepare('DELETE FROM mail WHERE m = ?'),
    older: store.prepare<[number, number], { m: number }>(
      'SELECT m FROM mail WHERE queued = 1 AND at_ms < ? ORDER BY at_ms LIMIT ?',
    ),
    byTime: store.prepare<[number, number], { id: string }>(
      'SELECT id FROM mail WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC',
    ),
    byWords: store.prepare<[string, number, number], { id: string }>(
      `SELECT mail.id AS id FROM words CROSS JOIN mail ON mail.m = words.rowid
       WHERE words MATCH ? AND mail.at_ms >= ? AND mail.at_ms < ? ORDER BY words.rowid DESC`,
    ),
  }
}
