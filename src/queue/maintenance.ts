import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { DUE_SLACK_MS, TRACE_PRUNE_STEP } from './limits.ts'
import type { QueueDb } from './queue-db.ts'
import type { TraceLimits } from './trace-index.ts'

const STEP_MS = 1000
const IDLE_STEPS = 60
/** So soon again while the trace grows faster than a step a second can prune it: 10,000 rows a second. */
const BEHIND_MS = 50
/** Longest backoff that a setting may ask for: a due time beyond it and some slack is not one of ours. */
const BACKOFF_MAX_MS = 7 * 86_400_000

/** Free pages that stay with the file for the next burst; more is given back to the file system. */
const KEEP_FREE_PAGES = 8192
const VACUUM_PAGES = 256

export interface MaintenanceOptions {
  readonly db: QueueDb
  readonly trace: TraceLimits
  readonly clock: Clock
  readonly log: Log
  /** While the disk is full every page that the file does not need is given back. */
  readonly spaceOpen: () => boolean
  readonly onError: (error: unknown) => void
}

/** 'behind': what there is to do grows faster than a step a second can do it. */
type Progress = 'idle' | 'busy' | 'behind'

/** The slow chores of queue.db, each in steps of a few milliseconds, none with a flush of its own. */
export class Maintenance {
  readonly #db: QueueDb
  readonly #trace: TraceLimits
  readonly #clock: Clock
  readonly #log: Log
  readonly #spaceOpen: () => boolean
  readonly #onError: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #idle = IDLE_STEPS

  constructor(options: MaintenanceOptions) {
    this.#db = options.db
    this.#trace = options.trace
    this.#clock = options.clock
    this.#log = options.log
    this.#spaceOpen = options.spaceOpen
    this.#onError = options.onError
  }

  start(): void {
    this.#next(STEP_MS)
  }

  #next(ms: number): void {
    this.#timer = setTimeout(() => this.#step(), ms).unref()
  }

  #step(): void {
    this.#next(this.#tryStep() === 'behind' ? BEHIND_MS : STEP_MS)
  }

  #tryStep(): Progress {
    try {
      // After a step that found nothing to do, a minute of rest.
      if (this.#spaceOpen() && this.#idle > 0 && ++this.#idle < IDLE_STEPS) return 'idle'
      const progress = this.step()
      this.#idle = progress === 'idle' ? 1 : 0
      // The file gets shorter only when the log, which has the last word on its length, is copied back.
      if (!this.#spaceOpen()) this.#db.checkpoint('truncate')
      return progress
    } catch (error) {
      this.#onError(error)
      return 'idle'
    }
  }

  /** One step of each chore, and whether there is more to do. */
  step(): Progress {
    const nowMs = this.#clock.nowMs()
    const keepPages = this.#spaceOpen() ? KEEP_FREE_PAGES : 0
    return this.#db.transact(false, () => {
      const pruned = this.#db.pruneTrace(nowMs - this.#trace.keepMs, this.#trace.rowsMax, TRACE_PRUNE_STEP)
      const pulled = this.#db.pullBackDue(nowMs + BACKOFF_MAX_MS + DUE_SLACK_MS, nowMs)
      if (pulled > 0) {
        this.#log.write('warn', 'qmgr.action', {
          action: 'due',
          recipients: pulled,
          reason: 'due time too far ahead',
        })
      }
      if (pruned === TRACE_PRUNE_STEP) return 'behind'
      return pruned + pulled > 0 || this.#db.giveBackPages(keepPages, VACUUM_PAGES) ? 'busy' : 'idle'
    })
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
