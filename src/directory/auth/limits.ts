import type { Clock } from '#src/base/clock.ts'

/** When failures lock whom out. */
export interface LockoutRule {
  /** So many failures lock; 0: none ever do. */
  readonly failuresMax: number
  /** Failures that are older than this are forgotten. */
  readonly windowMs: number
  /** For how long it is locked; 0: until an operator forgives it. */
  readonly lockMs: number
}

/** One count as it is kept: times are of the wall clock, since the other one begins anew with the machine. */
export interface KeptCount {
  readonly key: string
  readonly failures: number
  /** When the first of them was. */
  readonly sinceMs: number
  /** undefined: not locked; Infinity: without an end. */
  readonly lockedUntilMs: number | undefined
}

/** What is counted apart. */
export type CountScope = 'account' | 'address' | 'address-rate' | 'account-rate'

/** Where counts outlive the process that counts. Nothing of it throws or waits. */
export interface CountKeeper {
  load(scope: CountScope): readonly KeptCount[]
  keep(scope: CountScope, count: KeptCount): void
  forget(scope: CountScope, key: string): void
}

/** Keeps nothing: counts begin anew with the process. */
const NOWHERE: CountKeeper = { load: () => [], keep: () => undefined, forget: () => undefined }

/** Somebody who is locked out. */
export interface Locked {
  readonly key: string
  readonly failures: number
  /** Wall clock; Infinity: until an operator forgives it. */
  readonly untilMs: number
}

export interface FailureCountsOptions {
  readonly scope: CountScope
  readonly keeper?: CountKeeper | undefined
  /** A key has just been locked. */
  readonly onLock?: (locked: Locked) => void
}

interface Count {
  failures: number
  /** When the first of them was. */
  sinceMs: number
  lockedUntilMs: number | undefined
  /** Attempts that are being checked. */
  pending: number
}

/** Names that are counted: whoever wants to push one out has to fail as often first. Locked ones are counted apart. */
const COUNTED_MAX = 50_000

/**
 * Counts failed attempts for each key. An attempt that is under way counts as failed until it is over, so that a
 * thousand at once are no way round the limit.
 */
export class FailureCounts {
  readonly #clock: Clock
  readonly #options: FailureCountsOptions
  readonly #keeper: CountKeeper
  readonly #counting = new Map<string, Count>()
  /** Names that are made up push nobody out of here. */
  readonly #locked = new Map<string, Count>()

  constructor(clock: Clock, options: FailureCountsOptions) {
    this.#clock = clock
    this.#options = options
    this.#keeper = options.keeper ?? NOWHERE
    const aheadMs = wallAheadMs(clock)
    for (const { key, failures, sinceMs, lockedUntilMs } of this.#keeper.load(options.scope))
      this.#put(key, {
        failures,
        sinceMs: sinceMs - aheadMs,
        lockedUntilMs: lockedUntilMs === undefined ? undefined : lockedUntilMs - aheadMs,
        pending: 0,
      })
  }

  /** Begins an attempt; false: the key is locked, and nothing has begun. Each that begins ends with `end`. */
  begin(key: string, rule: LockoutRule): boolean {
    if (rule.failuresMax === 0) return true
    const nowMs = this.#clock.monotonicMs()
    const count = this.#get(key) ?? { failures: 0, sinceMs: nowMs, lockedUntilMs: undefined, pending: 0 }
    if (count.lockedUntilMs !== undefined && count.lockedUntilMs > nowMs) return false
    if (count.lockedUntilMs !== undefined || nowMs - count.sinceMs > rule.windowMs) {
      count.failures = 0
      count.lockedUntilMs = undefined
    }
    if (count.failures + count.pending >= rule.failuresMax) return false
    count.pending += 1
    this.#put(key, count)
    return true
  }

  /** Ends an attempt. `forgive`: a success wipes out what was before it. */
  end(key: string, rule: LockoutRule, outcome: 'failed' | 'undecided' | 'forgive'): void {
    const count = this.#get(key)
    if (count === undefined) return
    count.pending = Math.max(0, count.pending - 1)
    const hadFailures = count.failures > 0
    if (outcome === 'forgive') {
      count.failures = 0
      count.lockedUntilMs = undefined
      this.#put(key, count)
    }
    if (outcome === 'failed') this.#fail(key, count, rule)
    if (count.failures === 0 && count.pending === 0) this.#drop(key)
    if (count.failures === 0 && hadFailures) this.#keeper.forget(this.#options.scope, key)
  }

  /** Who is locked out now, the last to be locked first. */
  get locked(): readonly Locked[] {
    const nowMs = this.#clock.monotonicMs()
    const aheadMs = wallAheadMs(this.#clock)
    return [...this.#locked]
      .flatMap(([key, { failures, lockedUntilMs = 0 }]) =>
        lockedUntilMs > nowMs ? [{ key, failures, untilMs: lockedUntilMs + aheadMs }] : [],
      )
      .toReversed()
  }

  /** Forgets what was counted of a key, or of all; how many were locked by it. */
  forgive(key?: string): number {
    const keys = key === undefined ? [...this.#counting.keys(), ...this.#locked.keys()] : [key]
    const before = this.locked.length
    for (const one of keys) {
      this.#drop(one)
      this.#keeper.forget(this.#options.scope, one)
    }
    return before - this.locked.length
  }

  // oxlint-disable-next-line max-params -- whose, what was counted, by which rule
  #fail(key: string, count: Count, { failuresMax, lockMs }: LockoutRule): void {
    const { scope, onLock } = this.#options
    const nowMs = this.#clock.monotonicMs()
    const aheadMs = wallAheadMs(this.#clock)
    if (count.failures === 0) count.sinceMs = nowMs
    count.failures += 1
    const wasLocked = count.lockedUntilMs !== undefined
    if (count.failures >= failuresMax) count.lockedUntilMs = lockMs === 0 ? Infinity : nowMs + lockMs
    this.#put(key, count)
    const { failures, sinceMs, lockedUntilMs } = count
    const untilMs = lockedUntilMs === undefined ? undefined : lockedUntilMs + aheadMs
    this.#keeper.keep(scope, { key, failures, sinceMs: sinceMs + aheadMs, lockedUntilMs: untilMs })
    if (untilMs !== undefined && !wasLocked) onLock?.({ key, failures, untilMs })
  }

  #get(key: string): Count | undefined {
    return this.#locked.get(key) ?? this.#counting.get(key)
  }

  #drop(key: string): void {
    this.#counting.delete(key)
    this.#locked.delete(key)
  }

  /** The one that was used longest ago is first. */
  #put(key: string, count: Count): void {
    this.#drop(key)
    const counts = count.lockedUntilMs === undefined ? this.#counting : this.#locked
    counts.set(key, count)
    if (counts.size <= COUNTED_MAX) return
    const [oldest] = counts.keys()
    if (oldest === undefined) return
    counts.delete(oldest)
    this.#keeper.forget(this.#options.scope, oldest)
  }
}

/** What the wall clock shows beyond the other one. Asked each time: the wall clock may be set. */
function wallAheadMs(clock: Clock): number {
  return clock.nowMs() - clock.monotonicMs()
}

/** Postfix anvil_rate_time_unit. */
export const RATE_UNIT_MS = 60_000

interface Rate {
  attempts: number
  sinceMs: number
}

/** Counts attempts of each key within a minute (smtpd_client_auth_rate_limit). */
export class AttemptRate {
  readonly #clock: Clock
  readonly #scope: CountScope
  readonly #keeper: CountKeeper
  readonly #counts = new Map<string, Rate>()

  constructor(clock: Clock, scope: CountScope, keeper: CountKeeper = NOWHERE) {
    this.#clock = clock
    this.#scope = scope
    this.#keeper = keeper
    const aheadMs = wallAheadMs(clock)
    for (const { key, failures, sinceMs } of keeper.load(scope))
      this.#counts.set(key, { attempts: failures, sinceMs: sinceMs - aheadMs })
  }

  /** Whether one more is within `limit`; 0 is no limit. */
  admit(key: string, limit: number): boolean {
    if (limit === 0) return true
    const nowMs = this.#clock.monotonicMs()
    const held = this.#counts.get(key)
    const rate =
      held !== undefined && nowMs - held.sinceMs < RATE_UNIT_MS ? held : { attempts: 0, sinceMs: nowMs }
    rate.attempts += 1
    this.#counts.delete(key)
    this.#counts.set(key, rate)
    const { attempts, sinceMs } = rate
    // Beyond the limit nothing changes any more, and a flood of attempts is no flood of writing.
    if (attempts <= limit + 1)
      this.#keeper.keep(this.#scope, {
        key,
        failures: attempts,
        sinceMs: sinceMs + wallAheadMs(this.#clock),
        lockedUntilMs: undefined,
      })
    this.#bound()
    return attempts <= limit
  }

  /** The one that was used longest ago is first. */
  #bound(): void {
    if (this.#counts.size <= COUNTED_MAX) return
    const [oldest] = this.#counts.keys()
    if (oldest === undefined) return
    this.#counts.delete(oldest)
    this.#keeper.forget(this.#scope, oldest)
  }
}
