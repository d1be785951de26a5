import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { DUE_SLACK_MS, TRACE_KEEP_MS, TRACE_PRUNE_STEP, TRACE_ROWS_MAX } from './limits.ts'
import type { QueueDb } from './queue-db.ts'

const STEP_MS = 1000
const IDLE_STEPS = 60
/** Longest backoff that a setting may ask for, a day: a due time beyond it and some slack is not one of ours. */
const BACKOFF_MAX_MS = 86_400_000

/** Free pages that stay with the file for the next burst; more is given back to the file system. */
const KEEP_FREE_PAGES = 8192
const VACUUM_PAGES = 256

/** The slow chores of queue.db, each in steps of a few milliseconds, none with a flush of its own. */
export class Maintenance {
  readonly #db: QueueDb
  readonly #clock: Clock
  readonly #log: Log
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #idle = IDLE_STEPS

  constructor(db: QueueDb, clock: Clock, log: Log, onError: (error: unknown) => void) {
    this.#db = db
    this.#clock = clock
    this.#log = log
    this.#onError = onError
  }

  start(): void {
    this.#timer = setInterval(() => this.#step(), STEP_MS).unref()
  }

  #step(): void {
    try {
      // After a step that found nothing to do, a minute of rest.
      if (this.#idle > 0 && ++this.#idle < IDLE_STEPS) return
      this.#idle = this.step() ? 0 : 1
    } catch (error) {
      this.#onError(error)
    }
  }

  /** One step of each chore; whether there is more to do. */
  step(): boolean {
    const nowMs = this.#clock.nowMs()
    return this.#db.transact(false, () => {
      const pruned = this.#db.pruneTrace(nowMs - TRACE_KEEP_MS, TRACE_ROWS_MAX, TRACE_PRUNE_STEP)
      const pulled = this.#db.pullBackDue(nowMs + BACKOFF_MAX_MS + DUE_SLACK_MS, nowMs)
      if (pulled > 0) {
        this.#log.write('warn', 'qmgr.action', {
          action: 'due',
          recipients: pulled,
          reason: 'due time too far ahead',
        })
      }
      return pruned + pulled > 0 || this.#db.giveBackPages(KEEP_FREE_PAGES, VACUUM_PAGES)
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
