import { join } from 'node:path'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { KeptStore } from '#src/store/kept-store.ts'
import { openStore } from '#src/store/sqlite.ts'
import type { Store } from '#src/store/sqlite.ts'
import type { PolicySource, TlsFailureType } from './tls-outcome.ts'

/** What delivery remembers of other people's domains over a restart: MTA-STS policies, and sessions to report. */

/** Only a help: without it policies are fetched again, and a day's counts begin anew. */
export function peerMemoryPath(queueDir: string): string {
  return join(queueDir, 'peers.db')
}

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE sts_policy (
    domain TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sts_expires ON sts_policy (expires_ms);

  CREATE TABLE tls_session (
    day TEXT NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    failure TEXT NOT NULL,
    mx_host TEXT NOT NULL,
    address TEXT NOT NULL,
    sender TEXT NOT NULL,
    reason TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, failure, mx_host, address, sender)
  ) STRICT, WITHOUT ROWID;
  `,
]

/** A policy is a kilobyte: ten thousand are ten megabytes. The next to expire go first. */
const POLICIES_MAX = 10_000
/** Rows of one day: a domain with a broken policy has one for each of its hosts' addresses. */
const ROWS_OF_DAY_MAX = 50_000
/** RFC 8460 section 4.1 wants reports within a day or two; who reads them by hand may look back for a week. */
const DAYS_KEPT = 8
const DAY_MS = 86_400_000

export interface KeptPolicy {
  readonly domain: string
  readonly id: string
  /** As StsPolicy reads it. */
  readonly text: string
  /** Wall clock. */
  readonly expiresMs: number
}

/** Equal sessions of one UTC day. */
export interface TlsCount {
  /** `2026-11-22`. */
  readonly day: string
  readonly domain: string
  readonly source: PolicySource
  /** '' for sessions that were as they had to be; those have no hosts either. */
  readonly failure: TlsFailureType | ''
  readonly mxHost: string
  readonly address: string
  /** Our own address. */
  readonly sender: string
  /** Of the first of them. */
  readonly reason: string
  readonly sessions: number
}

/** The file of delivery's memory. Nothing of it ever throws, and nothing of it is worth a flush of the disk. */
export class PeerMemory implements Disposable {
  readonly #log: Log
  readonly #store: KeptStore
  #rowsOf = { day: '', rows: 0 }

  /** A file that is damaged is made anew; where there can be none, memory serves until the next start. */
  constructor(path: string, log: Log) {
    this.#log = log
    this.#store = new KeptStore({ path, migrations: MIGRATIONS, tell: (error) => this.#tell(error) })
  }

  /** Policies that have not expired. */
  policies(nowMs: number): readonly KeptPolicy[] {
    return this.#store.try([], (store) =>
      store
        .prepare<[number], KeptPolicy>(
          'SELECT domain, id, text, expires_ms AS expiresMs FROM sts_policy WHERE expires_ms > ?',
        )
        .all(nowMs),
    )
  }

  keepPolicy({ domain, id, text, expiresMs }: KeptPolicy, nowMs: number): void {
    this.#store.try(undefined, (store) => {
      store.prepare('DELETE FROM sts_policy WHERE expires_ms <= ?').run(nowMs)
      store
        .prepare('INSERT OR REPLACE INTO sts_policy (domain, id, text, expires_ms) VALUES (?, ?, ?, ?)')
        .run(domain, id, text, Math.floor(expiresMs))
      store
        .prepare(
          `DELETE FROM sts_policy WHERE domain IN
            (SELECT domain FROM sts_policy ORDER BY expires_ms LIMIT max(0, (SELECT count(*) FROM sts_policy) - ?))`,
        )
        .run(POLICIES_MAX)
    })
  }

  /** Adds sessions to their days, in one transaction; beyond ROWS_OF_DAY_MAX only to rows that are there. */
  addTls(counts: readonly TlsCount[], nowMs: number): void {
    this.#store.try(undefined, (store) => {
      store.transaction(() => this.#addAll(store, counts, nowMs))()
    })
  }

  #addAll(store: Store, counts: readonly TlsCount[], nowMs: number): void {
    store.prepare('DELETE FROM tls_session WHERE day < ?').run(dayOf(nowMs - DAYS_KEPT * DAY_MS))
    const add = store.prepare(
      `UPDATE tls_session SET sessions = sessions + ? WHERE day = ? AND domain = ? AND policy = ? AND failure = ?
        AND mx_host = ? AND address = ? AND sender = ?`,
    )
    const insert = store.prepare('INSERT INTO tls_session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
    for (const { day, domain, source, failure, mxHost, address, sender, reason, sessions } of counts) {
      const key = [day, domain, JSON.stringify(source), failure, mxHost, address, sender] as const
      if (add.run(sessions, ...key).changes > 0 || this.#isFull(store, day)) continue
      insert.run(...key, reason, sessions)
      this.#rowsOf.rows += 1
    }
  }

  #isFull(store: Store, day: string): boolean {
    if (this.#rowsOf.day !== day) {
      const rows = store.prepare<[string], number>('SELECT count(*) FROM tls_session WHERE day = ?').pluck()
      this.#rowsOf = { day, rows: rows.get(day) ?? 0 }
    }
    return this.#rowsOf.rows >= ROWS_OF_DAY_MAX
  }

  #tell(error: unknown): void {
    const reason = `what is known of other domains is not kept over a restart: ${errorText(error)}`
    this.#log.write('warn', 'delivery.alarm', { reason })
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]()
  }
}

/** The UTC day of a time: `2026-11-22`. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

interface Row extends Omit<TlsCount, 'source'> {
  readonly policy: string
}

/** The sessions of one day, as far as they are on the disk. Throws what SQLite throws, for a tool to tell. */
export function readTlsDay(path: string, day: string): readonly TlsCount[] {
  const store = openStore(path, { readonly: true })
  try {
    const rows = store
      .prepare<[string], Row>(
        `SELECT day, domain, policy, failure, mx_host AS mxHost, address, sender, reason, sessions
          FROM tls_session WHERE day = ? ORDER BY domain, policy, failure, mx_host, address, sender`,
      )
      .all(day)
    return rows.map((row) => Object.assign(row, { source: readSource(row.policy) }))
  } finally {
    store.close()
  }
}

function readSource(text: string): PolicySource {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this class wrote it
  return JSON.parse(text) as PolicySource
}
