import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '#src/net/frames.ts'
import { openStore, storeErrorKind } from '#src/store/sqlite.ts'
import type { Store } from '#src/store/sqlite.ts'
import { databasePath } from './paths.ts'
import type { TraceDocument, TraceFilter, TraceRow } from './trace-document.ts'
import { documentOf, holds, matchText } from './trace-document.ts'

/**
 * Finds messages by what their trace says of them, in milliseconds among millions. The index is a file of its own
 * beside queue.db, filled from the trace behind the mail's back: a commit of mail never waits for it, and whatever
 * happens to it, it is made again from the trace.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS reached (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO reached (one, n) VALUES (1, 0);
  CREATE TABLE IF NOT EXISTS mail (m INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS mail_at ON mail (at_ms);
  CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    sender, recipient, client, subject, verdict, reply,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
  );
`

export function traceIndexPath(queueDir: string): string {
  return join(queueDir, 'trace.db')
}

/** Candidates that are looked at for one search; a filter that is so common and so rarely true is told so. */
const CANDIDATES_MAX = 20_000
/** Trace rows of one message that are read: what a message to thousands brings beyond them is not searched. */
const ROWS_PER_MESSAGE_MAX = 5000
const PRUNE_STEP = 500

export interface Found {
  readonly ids: readonly string[]
  /** Whether all candidates were looked at, or enough was found. */
  readonly complete: boolean
}

export class TraceIndex implements Disposable {
  readonly #path: string
  readonly #trace: Store
  #index: Store
  #statements: ReturnType<typeof prepare>
  readonly #rows: ReturnType<typeof prepareTrace>

  /** Opens or makes the index; `queueDir` has a queue.db. */
  constructor(queueDir: string) {
    this.#path = traceIndexPath(queueDir)
    this.#trace = openStore(databasePath(queueDir), { readonly: true })
    this.#rows = prepareTrace(this.#trace)
    this.#index = openIndex(this.#path)
    this.#statements = prepare(this.#index)
    const newest = this.#rows.newest.get()?.n ?? 0
    // Another queue.db than the one that this was made from.
    if (this.reached > newest) this.rebuild()
  }

  /** Number of the last trace row that can be found. */
  get reached(): number {
    return this.#statements.reached.get()?.n ?? 0
  }

  /** Takes in at most `limit` further trace rows; returns how many there were. */
  catchUp(limit: number): number {
    const rows = this.#rows.after.all(this.reached, limit)
    const end = rows.at(-1)
    if (end === undefined) return this.#prune()
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
    const m = known?.m ?? Number(s.insert.run(id, document.atMs).lastInsertRowid)
    const { sender, recipient, client, subject, verdict, reply } = document
    s.words.run(m, sender, recipient, client, subject, verdict, reply)
  }

  /** What the trace says of a message, as it is searched; undefined if it says nothing any more. */
  document(id: string): TraceDocument | undefined {
    return documentOf(this.rows(id))
  }

  /** The trace of a message, oldest first. */
  rows(id: string): TraceRow[] {
    return this.#rows.ofId.all(id, ROWS_PER_MESSAGE_MAX).map(({ at_ms: atMs, event, facts }) => {
      const parsed: unknown = JSON.parse(facts)
      return { atMs, event, facts: isRecord(parsed) ? parsed : {} }
    })
  }

  /** Messages whose trace is gone are forgotten, some at a time; 0: nothing is left to do. */
  #prune(): number {
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

  /** Ids of messages that the filter means, the newest first. */
  search(filter: TraceFilter, limit: number): Found {
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
      store.exec(SCHEMA)
      return store
    } catch (error) {
      store?.close()
      if (tries > 0 || storeErrorKind(error) !== 'damaged') throw error
      removeIndex(path)
    }
  }
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
    insert: store.prepare('INSERT INTO mail (id, at_ms) VALUES (?, ?)'),
    words: store.prepare(
      `INSERT INTO words (rowid, sender, recipient, client, subject, verdict, reply) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    forget: store.prepare('DELETE FROM words WHERE rowid = ?'),
    remove: store.prepare('DELETE FROM mail WHERE m = ?'),
    older: store.prepare<[number, number], { m: number }>(
      'SELECT m FROM mail WHERE at_ms < ? ORDER BY at_ms LIMIT ?',
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
