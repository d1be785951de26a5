import { statSync } from 'node:fs'
import { WAL_CHECKPOINT_BYTES, WAL_KEEP_BYTES, WAL_QUIET_MS } from './limits.ts'
import type { QueueDb } from './queue-db.ts'

/**
 * When the write-ahead log is copied back into the database. SQLite's own way (at the commit that passes a page
 * count) would put two flushes between a message and its 250; here it is done between two groups, after the
 * answers, once per WAL_CHECKPOINT_BYTES, and when nothing else is to do.
 */
export class Checkpoints {
  readonly #db: QueueDb
  readonly #onDone: () => void
  readonly #onError: (error: unknown) => void
  #bytes = 0
  #due = false
  #timer: NodeJS.Timeout | undefined

  /** `onDone`: everything written before has reached the disk. */
  constructor(db: QueueDb, onDone: () => void, onError: (error: unknown) => void) {
    this.#db = db
    this.#onDone = onDone
    this.#onError = onError
  }

  /** A group was committed. */
  wrote(bytes: number): void {
    this.#bytes += bytes
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#quiet(), WAL_QUIET_MS).unref()
    else this.#timer.refresh()
    if (this.#bytes < WAL_CHECKPOINT_BYTES || this.#due) return
    this.#due = true
    setImmediate(() => {
      this.#due = false
      this.#run('passive')
    })
  }

  #quiet(): void {
    this.#timer = undefined
    if (this.#bytes > 0) this.#run(this.#logBytes() > WAL_KEEP_BYTES ? 'truncate' : 'passive')
  }

  #logBytes(): number {
    return statSync(`${this.#db.store.name}-wal`, { throwIfNoEntry: false })?.size ?? 0
  }

  #run(mode: 'passive' | 'truncate'): void {
    try {
      // A reader that is in the middle of a page of its own holds a part of the log; the next time gets it.
      const rest = this.#db.checkpoint(mode)
      this.#bytes = 0
      if (rest === 0) this.#onDone()
    } catch (error) {
      this.#onError(error)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}
