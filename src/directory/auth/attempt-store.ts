import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { KeptStore } from '#src/store/kept-store.ts'
import type { Statement } from '#src/store/sqlite.ts'
import { RATE_UNIT_MS } from './limits.ts'
import type { CountKeeper, CountScope, KeptCount } from './limits.ts'

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE attempt (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    failures INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    -- NULL: not locked; FOREVER_MS: without an end
    locked_until_ms INTEGER,
    written_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  `,
]

const FOREVER_MS = Number.MAX_SAFE_INTEGER
/**
 * What was counted is written so long after it at the latest, all of it in one transaction: well before the client hears of
 * its failure, so that nobody who brings the process down after an answer is forgiven what led to it.
 */
const BATCH_MS = 200
/** zimbraPasswordLockoutFailureLifetime is hours; what is a month old counts nowhere. */
const KEPT_MS = 31 * 86_400_000

interface Row {
  readonly key: string
  readonly failures: number
  readonly sinceMs: number
  readonly untilMs: number | null
  readonly writtenMs: number
}

/** A count to be written, or undefined for one to be deleted. */
interface Change {
  readonly scope: CountScope
  readonly key: string
  readonly count: KeptCount | undefined
}

/**
 * The file in which failed attempts outlive the process that counts them (Zimbra keeps zimbraPasswordLockoutFailureTime in
 * the account). It is only a help: nothing of it ever throws, a file that is damaged is made anew, and where there can be
 * none counts are in memory. It survives the end of the process by kill -9; a power cut may take the last seconds.
 */
export class AttemptStore implements CountKeeper, Disposable {
  readonly #clock: Clock
  readonly #log: Log
  readonly #stop = new AbortController()
  readonly #changes = new Map<string, Change>()
  readonly #store: KeptStore
  #isWaiting = false
  #hasFailed = false

  constructor(path: string, clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
    this.#store = new KeptStore({
      path,
      migrations: MIGRATIONS,
      // Who has tried to come in is nobody else's business.
      mode: 0o600,
      tell: (error) => this.#tell(error),
    })
  }

  load(scope: CountScope): readonly KeptCount[] {
    const nowMs = this.#clock.nowMs()
    const isRate = scope.endsWith('-rate')
    return this.#store.try([], (store) => {
      const rows = store
        .prepare<[string], Row>(
          `SELECT key, failures, since_ms AS sinceMs, locked_until_ms AS untilMs, written_ms AS writtenMs
            FROM attempt WHERE scope = ? ORDER BY written_ms`,
        )
        .all(scope)
      const kept = rows.flatMap((row) => countOf(row, nowMs, isRate ? RATE_UNIT_MS : KEPT_MS) ?? [])
      const keys = new Set(kept.map(({ key }) => key))
      for (const { key } of rows) if (!keys.has(key)) this.forget(scope, key)
      return kept
    })
  }

  keep(scope: CountScope, count: KeptCount): void {
    this.#note({ scope, key: count.key, count })
  }

  forget(scope: CountScope, key: string): void {
    this.#note({ scope, key, count: undefined })
  }

  #note(change: Change): void {
    if (!this.#store.isOpen) return
    this.#changes.set(`${change.scope} ${change.key}`, change)
    if (this.#isWaiting) return
    this.#isWaiting = true
    void elapsed(this.#clock, BATCH_MS, this.#stop.signal).then(() => {
      this.#isWaiting = false
      this.flush()
      return undefined
    })
  }

  /** Writes what waits to be written. */
  flush(): void {
    const changes = [...this.#changes.values()]
    this.#changes.clear()
    if (changes.length === 0) return
    const nowMs = Math.floor(this.#clock.nowMs())
    this.#store.try(undefined, (store) => {
      const put = store.prepare('INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?, ?)')
      const remove = store.prepare('DELETE FROM attempt WHERE scope = ? AND key = ?')
      store.transaction(() => writeAll(changes, { put, remove, nowMs })).immediate()
      this.#hasFailed = false
    })
  }

  /** Once for as long as it is so: a full disk fails five times a second. */
  #tell(error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    const reason = `failed attempts are not kept over a restart: ${errorText(error)}`
    this.#log.write('warn', 'directory.attempts', { reason })
  }

  [Symbol.dispose](): void {
    this.flush()
    this.#stop.abort()
    this.#store[Symbol.dispose]()
  }
}

interface Writing {
  readonly put: Statement
  readonly remove: Statement
  readonly nowMs: number
}

function writeAll(changes: readonly Change[], { put, remove, nowMs }: Writing): void {
  for (const { scope, key, count } of changes) {
    if (count === undefined) {
      remove.run(scope, key)
      continue
    }
    const { failures, sinceMs, lockedUntilMs } = count
    const until = lockedUntilMs === undefined ? null : Math.min(Math.floor(lockedUntilMs), FOREVER_MS)
    put.run(scope, key, failures, Math.floor(sinceMs), until, nowMs)
  }
}

/** undefined: over. A clock that was set back since has made nothing older: times are moved with it. */
function countOf(
  { key, failures, sinceMs, untilMs, writtenMs }: Row,
  nowMs: number,
  lifetimeMs: number,
): KeptCount | undefined {
  const backMs = Math.max(0, writtenMs - nowMs)
  const moved = (ms: number): number => (ms === FOREVER_MS ? Infinity : ms - backMs)
  const lockedUntilMs = untilMs === null ? undefined : moved(untilMs)
  if (lockedUntilMs === undefined ? moved(sinceMs) + lifetimeMs < nowMs : lockedUntilMs <= nowMs)
    return undefined
  return { key, failures, sinceMs: moved(sinceMs), lockedUntilMs }
}
