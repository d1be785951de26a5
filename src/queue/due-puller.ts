import type { Clock } from '#src/base/clock.ts'
import { DUE_PAGE, RESCAN_MS } from './limits.ts'
import { DUE_START } from './queue-reader.ts'
import type { DueKey, QueueReader } from './queue-reader.ts'

export interface DuePullerOptions {
  readonly reader: QueueReader
  readonly clock: Clock
  /** Whether one more message may be read into memory. */
  readonly hasRoom: () => boolean
  /** A recipient is due. Called once per key and round; several keys of a message come one after the other. */
  readonly take: (key: DueKey) => void
  /** After each look. */
  readonly onRound: () => void
  readonly onError: (error: unknown) => void
}

/** Between two looks for what fell due by itself: so many recipients share one. */
const LOOK_MS = 1000

/**
 * Reads what is due from the index, in its order, in small pages, as far as there is room. It remembers how far it
 * has come, so a million deferred recipients cost neither memory nor a scan: what is behind the mark is in memory
 * or was written anew with a later time, what is new comes after it (the writer's due times never go back). The
 * mark returns to the beginning when a tool has moved messages, when the clock was set back, and every five
 * minutes, should anything have been missed. Urgent mail (MT-PRIORITY) is read first, a page of it for each of the rest:
 * however much there is of it, the rest goes on.
 */
export class DuePuller {
  readonly #o: DuePullerOptions
  readonly #stop = new AbortController()
  #wake = new AbortController()
  #mark: DueKey = DUE_START
  /** The same among what is urgent. */
  #urgentMark: DueKey = DUE_START
  #lastNowMs = 0
  #rescanAtMs = 0
  /** Wall clock of the next recipient that falls due, as far as known. */
  #nextDueMs = 0
  /** Monotonic time until which the loop sleeps. */
  #wakeAtMs = 0

  constructor(options: DuePullerOptions) {
    this.#o = options
  }

  start(): void {
    void this.#run()
  }

  stop(): void {
    this.#stop.abort()
    this.#wake.abort()
  }

  /** There is something to read now, or room for it again. */
  wake(): void {
    this.#nextDueMs = 0
    this.#wakeAtMs = 0
    this.#wake.abort()
  }

  /** Messages were moved: the index is looked over from its beginning. */
  restart(): void {
    this.#toStart()
    this.wake()
  }

  /** A recipient will be due then. */
  expect(dueMs: number): void {
    if (dueMs >= this.#nextDueMs) return
    this.#nextDueMs = dueMs
    if (this.#sleepMs() + this.#o.clock.monotonicMs() < this.#wakeAtMs) this.#wake.abort()
  }

  #toStart(): void {
    this.#mark = DUE_START
    this.#urgentMark = DUE_START
  }

  #sleepMs(): number {
    const untilDueMs = this.#nextDueMs - this.#o.clock.nowMs()
    return Math.min(Math.max(untilDueMs, LOOK_MS), RESCAN_MS)
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      try {
        this.#look()
        this.#o.onRound()
      } catch (error) {
        this.#o.onError(error)
        return
      }
      const sleepMs = this.#sleepMs()
      this.#wakeAtMs = this.#o.clock.monotonicMs() + sleepMs
      try {
        await this.#o.clock.sleep(sleepMs, this.#wake.signal)
      } catch {
        // Woken early.
      }
    }
  }

  #look(): void {
    const { reader, clock } = this.#o
    const nowMs = clock.nowMs()
    if (nowMs < this.#lastNowMs || clock.monotonicMs() >= this.#rescanAtMs) {
      this.#toStart()
      this.#rescanAtMs = clock.monotonicMs() + RESCAN_MS
    }
    this.#lastNowMs = nowMs
    for (;;) {
      if (!this.#o.hasRoom()) {
        // Whoever makes room wakes this.
        this.#nextDueMs = Infinity
        return
      }
      for (const key of reader.urgent(this.#urgentMark, nowMs, DUE_PAGE)) {
        if (!this.#o.hasRoom()) break
        this.#urgentMark = key
        this.#o.take(key)
      }
      const page = reader.due(this.#mark, nowMs, DUE_PAGE)
      for (const key of page) {
        if (!this.#o.hasRoom()) break
        this.#mark = key
        this.#o.take(key)
      }
      if (page.length === 0) {
        this.#nextDueMs = reader.nextDueMs(nowMs) ?? Infinity
        return
      }
    }
  }
}
