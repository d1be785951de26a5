import type { Clock } from '#src/base/clock.ts'
import { every } from '#src/base/clock.ts'
import { EXPIRY_LOOK_MS, EXPIRY_PAGE, LAST_CHANCE_MS } from './limits.ts'
import { AGE_START } from './queue-reader.ts'
import type { AgeKey, QueueReader } from './queue-reader.ts'
import type { LeapGuard, RetryTimes } from './schedule.ts'

export interface ExpiryOptions {
  readonly reader: QueueReader
  readonly clock: Clock
  readonly leaps: LeapGuard
  readonly times: () => RetryTimes
  readonly hasRoom: () => boolean
  /** Called for each message whose time is up; its recipients that wait are not tried any more. */
  readonly expire: (seq: number) => void
  readonly onError: (error: unknown) => void
}

/**
 * Ends what outlives its lifetime without an attempt that could end it: its destination never had room, the lifetime
 * was made shorter, its next time lies far ahead. One predicate over the index of ages finds it in whichever state
 * it is; what is on hold stays (qmgr(8) does not look at it either).
 *
 * It comes behind the last attempt, never instead of one: so much later that this was due and could have had its
 * place, and after a start as long, for what was switched off for a month has missed no attempt by its own fault.
 */
export class Expiry {
  readonly #o: ExpiryOptions
  readonly #stop = new AbortController()
  readonly #startedMs: number
  readonly #marks: Record<'ordinary' | 'bounce', AgeKey> = { ordinary: AGE_START, bounce: AGE_START }

  constructor(options: ExpiryOptions) {
    this.#o = options
    this.#startedMs = options.clock.monotonicMs()
  }

  start(): void {
    const { clock, onError } = this.#o
    void every(clock, EXPIRY_LOOK_MS, this.#stop.signal, () => this.#look()).catch(onError)
  }

  stop(): void {
    this.#stop.abort()
  }

  #look(): void {
    const { clock, leaps } = this.#o
    const nowMs = clock.nowMs()
    const monotonicMs = clock.monotonicMs()
    const { maximalBackoffMs, maximalQueueLifetimeMs, bounceQueueLifetimeMs } = this.#o.times()
    const graceMs = LAST_CHANCE_MS + maximalBackoffMs
    if (monotonicMs - this.#startedMs < graceMs || !leaps.mayExpire(nowMs, monotonicMs)) return
    this.#page('ordinary', nowMs - maximalQueueLifetimeMs - graceMs)
    this.#page('bounce', nowMs - bounceQueueLifetimeMs - graceMs)
  }

  /** A page a look, on from where the last one ended: a million old messages on hold cost no more than this. */
  #page(kind: 'ordinary' | 'bounce', beforeMs: number): void {
    const page = this.#o.reader.overdue(kind === 'bounce', this.#marks[kind], beforeMs, EXPIRY_PAGE)
    for (const { key, seq, waits } of page) {
      if (!this.#o.hasRoom()) return
      this.#marks[kind] = key
      if (waits) this.#o.expire(seq)
    }
    if (page.length < EXPIRY_PAGE) this.#marks[kind] = AGE_START
  }
}
