import type { Clock } from '#src/base/clock.ts'
import { every } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { DUE_PAGE, PROGRESS_LOOK_MS, PROGRESS_PAGES_MAX, PROGRESS_STALLED_MS } from './limits.ts'
import { DUE_START } from './queue-reader.ts'
import type { DueKey, QueueReader } from './queue-reader.ts'
import { Damage } from './rows.ts'

export interface ProgressOptions {
  readonly reader: QueueReader
  readonly clock: Clock
  readonly log: Log
  /** Whether a message is being delivered now, or its outcome written. */
  readonly isTried: (seq: number) => boolean
  /** Reading queue.db failed: the process must end. */
  readonly onError: (error: unknown) => void
}

/** How far behind its schedule the queue is. */
export interface ProgressReport {
  /** How long the oldest recipient that is due and not being tried has been due, milliseconds; 0 where none waits. */
  readonly oldestDueMs: number
  /** The message that it belongs to; '' for none. */
  readonly oldestDueId: string
  /** Whether that is longer than it should be. */
  readonly stalled: boolean
}

/**
 * Watches that what is due is tried. A queue may be long and well; one whose oldest due recipient grows older and older
 * is not: a destination that takes mail too slowly, or a fault of ours. The log says it once when it begins, with the
 * way out, and once when it is over.
 */
export class Progress {
  readonly #o: ProgressOptions
  readonly #stop = new AbortController()
  #stalled = false

  constructor(options: ProgressOptions) {
    this.#o = options
  }

  start(): void {
    const { clock, onError } = this.#o
    void every(clock, PROGRESS_LOOK_MS, this.#stop.signal, () => this.#look()).catch(onError)
  }

  stop(): void {
    this.#stop.abort()
  }

  /** As it is at this moment. Throws what SQLite throws. */
  report(): ProgressReport {
    const { reader, clock } = this.#o
    const key = this.#oldest()
    if (key === undefined) return { oldestDueMs: 0, oldestDueId: '', stalled: this.#stalled }
    const oldestDueMs = Math.max(0, clock.nowMs() - key.dueMs)
    return { oldestDueMs, oldestDueId: reader.idOf(key.seq), stalled: this.#stalled }
  }

  #look(): void {
    const { clock, log } = this.#o
    const key = this.#oldest()
    const ageMs = key === undefined ? 0 : clock.nowMs() - key.dueMs
    const stalled = ageMs > PROGRESS_STALLED_MS
    if (stalled === this.#stalled) return
    this.#stalled = stalled
    const ageSeconds = Math.max(0, Math.round(ageMs / 1000))
    if (!stalled || key === undefined) {
      log.write('info', 'qmgr.progress', { state: 'moving', age: ageSeconds })
      return
    }
    const { id, to } = this.#about(key)
    const reason =
      'mail has been due for long and is not tried: look at "postern queue domains" and, for this message, "postern trace"; a destination that is slow needs more deliveries at once or less mail, else restart the appliance'
    log.write('error', 'qmgr.progress', { state: 'stalled', id, to, age: ageSeconds, reason })
  }

  /** The first that is due and not in work; what runs is not more than a few pages. */
  #oldest(): DueKey | undefined {
    const { reader, clock, isTried } = this.#o
    const nowMs = clock.nowMs()
    let after = DUE_START
    for (let page = 0; page < PROGRESS_PAGES_MAX; page += 1) {
      const keys = reader.due(after, nowMs, DUE_PAGE)
      const found = keys.find(({ seq }) => !isTried(seq))
      if (found !== undefined) return found
      const last = keys.at(-1)
      if (last === undefined) return undefined
      after = last
    }
    return undefined
  }

  #about({ seq, n }: DueKey): { readonly id: string; readonly to: string } {
    const loaded = this.#o.reader.load(seq)
    if (loaded === undefined || loaded instanceof Damage) return { id: this.#o.reader.idOf(seq), to: '' }
    const to = loaded.recipients.find((recipient) => recipient.n === n)?.address ?? ''
    return { id: loaded.message.id, to }
  }
}
