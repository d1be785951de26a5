import { statfsSync } from 'node:fs'
import type { Clock } from '#src/base/clock.ts'
import { beforeSnapshot, gauge } from '#src/base/metrics.ts'
import { incomingRows } from './list-find.ts'
import type { ActiveSeqs } from './listing.ts'
import type { ProgressReport } from './progress.ts'
import { AGE_START } from './queue-reader.ts'
import type { QueueReader } from './queue-reader.ts'

export interface QueueGaugesOptions {
  readonly reader: QueueReader
  readonly clock: Clock
  readonly queueDir: string
  readonly active: () => ActiveSeqs
  readonly progress: () => ProgressReport
  /** Reading queue.db failed. */
  readonly onError: (error: unknown) => void
}

/** Looking costs no more than one part in so many of the time: after a long look there is a long pause. */
const SHARE = 50
/** Nor is it worth while more often. */
const PAUSE_MIN_MS = 1000

/**
 * How the queue is, for the metrics: states from the counts that queue.db keeps by itself (backlog), the ages from the
 * ends of their indexes. What was never tried has no count and is looked through a page at a time, in the background.
 */
export class QueueGauges {
  readonly #o: QueueGaugesOptions
  #incoming = 0
  #counting = false
  #countAgainMs = 0

  constructor(options: QueueGaugesOptions) {
    this.#o = options
  }

  /** From now on each snapshot has them. */
  start(): void {
    const { reader, clock } = this.#o
    const { store } = reader
    const backlog = store.prepare<[], { state: string; recipients: number }>(
      'SELECT state, sum(recipients) AS recipients FROM backlog GROUP BY state',
    )
    const states = gauge('postern_queue_recipients')
    let lookAgainMs = 0
    beforeSnapshot(() => {
      const fromMs = clock.monotonicMs()
      if (fromMs < lookAgainMs) return
      const waiting = new Map(backlog.all().map(({ state, recipients }) => [state, recipients]))
      for (const state of ['deferred', 'hold', 'corrupt']) states.of(state).value = waiting.get(state) ?? 0
      this.#look()
      states.of('incoming').value = this.#incoming
      const nowMs = clock.monotonicMs()
      lookAgainMs = nowMs + (nowMs - fromMs) * SHARE
      void this.#countIncoming()
    })
  }

  #look(): void {
    const { reader, clock, queueDir, active, progress } = this.#o
    const { oldestDueMs, stalled } = progress()
    gauge('postern_queue_oldest_due_seconds').of().value = oldestDueMs / 1000
    gauge('postern_queue_stalled').of().value = stalled ? 1 : 0
    gauge('postern_queue_active_messages').of().value = active().size
    const nowMs = clock.nowMs()
    const oldest = [true, false].flatMap((isNull) =>
      reader.overdue(isNull, AGE_START, nowMs, 1).map(({ key }) => nowMs - key.arrivedMs),
    )
    gauge('postern_queue_oldest_message_seconds').of().value = Math.max(0, ...oldest) / 1000
    const { bavail, bsize, blocks } = statfsSync(queueDir)
    gauge('postern_queue_disk_free_bytes').of().value = bavail * bsize
    gauge('postern_queue_disk_size_bytes').of().value = blocks * bsize
  }

  async #countIncoming(): Promise<void> {
    const { reader, clock, onError } = this.#o
    if (this.#counting || clock.monotonicMs() < this.#countAgainMs) return
    this.#counting = true
    try {
      let count = 0
      let tookMs = 0
      const pages = incomingRows(reader.store)
      for (;;) {
        const fromMs = clock.monotonicMs()
        const page = pages.next()
        tookMs += clock.monotonicMs() - fromMs
        if (page.done === true) break
        count += page.value.length
        await turn()
      }
      this.#incoming = count
      this.#countAgainMs = clock.monotonicMs() + Math.max(PAUSE_MIN_MS, tookMs * SHARE)
    } catch (error) {
      onError(error)
    }
    this.#counting = false
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
