/** When a recipient is tried again and when no more: Postfix's rules (qmgr(8)). Pure. */
export interface RetryTimes {
  /** minimal_backoff_time, 300 s. */
  readonly minimalBackoffMs: number
  /** maximal_backoff_time, 4000 s. */
  readonly maximalBackoffMs: number
  /** maximal_queue_lifetime, 5 d: then the sender gets a bounce. */
  readonly maximalQueueLifetimeMs: number
  /** bounce_queue_lifetime, 5 d: the same for mail from the null sender, which is then dropped. */
  readonly bounceQueueLifetimeMs: number
  /** delay_warning_time: then the sender is told that it is still tried. 0 or absent: never, as in Postfix. */
  readonly delayWarningMs?: number
}

export const POSTFIX_TIMES: RetryTimes = {
  minimalBackoffMs: 300_000,
  maximalBackoffMs: 4_000_000,
  maximalQueueLifetimeMs: 432_000_000,
  bounceQueueLifetimeMs: 432_000_000,
}

/** When a message has been tried for long enough, wall clock. */
export function expiresAtMs(
  { sender, arrivedMs }: { readonly sender: string; readonly arrivedMs: number },
  times: RetryTimes,
): number {
  return arrivedMs + (sender === '' ? times.bounceQueueLifetimeMs : times.maximalQueueLifetimeMs)
}

/** How long a recipient waits after an attempt that did not succeed; undefined: it has waited long enough. */
export function retryDelayMs(ageMs: number, nullSender: boolean, times: RetryTimes): number | undefined {
  const lifetimeMs = nullSender ? times.bounceQueueLifetimeMs : times.maximalQueueLifetimeMs
  if (ageMs >= lifetimeMs) return undefined
  return Math.min(Math.max(ageMs, times.minimalBackoffMs), times.maximalBackoffMs)
}

/** A wall clock that gains more than this on the monotonic one was set. */
const LEAP_MS = 3_600_000
/** After a leap nothing expires for so long: time for an operator or NTP to mend a clock that is wrong. */
const LEAP_GRACE_MS = 86_400_000

/**
 * Watches the wall clock for leaps. A clock that is set ten years ahead must not turn the whole queue into bounces
 * within a minute.
 */
export class LeapGuard {
  #offsetMs: number
  #graceUntilMs = -Infinity

  constructor(wallMs: number, monotonicMs: number) {
    this.#offsetMs = wallMs - monotonicMs
  }

  /** Whether messages may expire now. */
  mayExpire(wallMs: number, monotonicMs: number): boolean {
    const offsetMs = wallMs - monotonicMs
    if (offsetMs - this.#offsetMs > LEAP_MS) this.#graceUntilMs = monotonicMs + LEAP_GRACE_MS
    this.#offsetMs = offsetMs
    return monotonicMs >= this.#graceUntilMs
  }
}
