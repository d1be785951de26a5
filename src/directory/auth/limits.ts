import type { Clock } from '#src/base/clock.ts'

/** When failures lock whom out. */
export interface LockoutRule {
  /** So many failures lock; 0: none ever do. */
  readonly failuresMax: number
  /** Failures that are older than this are forgotten. */
  readonly windowMs: number
  /** For how long it is locked; 0: until the process is started anew. */
  readonly lockMs: number
}

interface Count {
  failures: number
  /** When the first of them was. */
  sinceMs: number
  lockedUntilMs: number
  /** Attempts that are being checked. */
  pending: number
}

/** Names that are counted: whoever wants to push one out has to fail as often first. */
const COUNTED_MAX = 50_000

/**
 * Counts failed attempts for each key. An attempt that is under way counts as failed until it is over, so that a
 * thousand at once are no way round the limit.
 */
export class FailureCounts {
  readonly #clock: Clock
  readonly #counts = new Map<string, Count>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins an attempt; false: the key is locked, and nothing has begun. Each that begins ends with `end`. */
  begin(key: string, rule: LockoutRule): boolean {
    if (rule.failuresMax === 0) return true
    const nowMs = this.#clock.monotonicMs()
    const count = this.#counts.get(key) ?? { failures: 0, sinceMs: nowMs, lockedUntilMs: 0, pending: 0 }
    if (count.lockedUntilMs > nowMs) return false
    if (count.lockedUntilMs > 0 || nowMs - count.sinceMs > rule.windowMs) {
      count.failures = 0
      count.lockedUntilMs = 0
    }
    if (count.failures + count.pending >= rule.failuresMax) return false
    count.pending += 1
    this.#keep(key, count)
    return true
  }

  /** Ends an attempt. `forgive`: a success wipes out what was before it. */
  end(key: string, rule: LockoutRule, outcome: 'failed' | 'undecided' | 'forgive'): void {
    const count = this.#counts.get(key)
    if (count === undefined) return
    count.pending = Math.max(0, count.pending - 1)
    if (outcome === 'forgive') count.failures = 0
    if (outcome === 'failed') this.#fail(count, rule)
    if (count.failures === 0 && count.pending === 0) this.#counts.delete(key)
  }

  #fail(count: Count, { failuresMax, lockMs }: LockoutRule): void {
    const nowMs = this.#clock.monotonicMs()
    if (count.failures === 0) count.sinceMs = nowMs
    count.failures += 1
    if (count.failures >= failuresMax) count.lockedUntilMs = lockMs === 0 ? Infinity : nowMs + lockMs
  }

  /** The one that was used longest ago is first. */
  #keep(key: string, count: Count): void {
    this.#counts.delete(key)
    this.#counts.set(key, count)
    if (this.#counts.size <= COUNTED_MAX) return
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined) this.#counts.delete(oldest)
  }
}

/** Postfix anvil_rate_time_unit. */
const UNIT_MS = 60_000

/** Counts attempts of each address within a minute (smtpd_client_auth_rate_limit). */
export class AttemptRate {
  readonly #clock: Clock
  #sinceMs: number
  readonly #counts = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  /** Whether one more is within `limit`; 0 is no limit. */
  admit(key: string, limit: number): boolean {
    if (limit === 0) return true
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sinceMs >= UNIT_MS || this.#counts.size >= COUNTED_MAX) {
      this.#counts.clear()
      this.#sinceMs = nowMs
    }
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    return count <= limit
  }
}
