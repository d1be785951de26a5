/** What is known of a destination's health, without a clock of its own. */
export type HealthState =
  | { readonly at: 'well'; readonly failures: number }
  /** It failed `failuresMax` times in a row; nothing is tried before `untilMs`. */
  | { readonly at: 'resting'; readonly untilMs: number; readonly reason: string; readonly dsn: string }
  /** The rest is over: one connection tries. */
  | { readonly at: 'probing'; readonly reason: string; readonly dsn: string }

export interface HealthLimits {
  readonly failuresMax: number
  readonly restMs: number
  readonly pauseMs: number
}

/**
 * Keeps a dead destination from being hammered. Postfix's queue manager declares a site dead after a cohort of
 * failures and defers its mail unseen ("delivery temporarily suspended"); so does this, for a rest that ends
 * by itself with a single probe.
 */
export class Health {
  readonly #limits: () => HealthLimits
  #state: HealthState = { at: 'well', failures: 0 }
  #pausedUntilMs = 0

  constructor(limits: () => HealthLimits) {
    this.#limits = limits
  }

  /** The state at that time; a rest that is over has become 'probing'. */
  state(nowMs: number): HealthState {
    const state = this.#state
    if (state.at === 'resting' && nowMs >= state.untilMs) {
      this.#state = { at: 'probing', reason: state.reason, dsn: state.dsn }
    }
    return this.#state
  }

  /** Milliseconds until new deliveries may start after a 421; 0 when they may. */
  pauseMs(nowMs: number): number {
    return Math.max(0, this.#pausedUntilMs - nowMs)
  }

  /** Nothing that would have to be remembered. */
  idle(nowMs: number): boolean {
    return this.#state.at === 'well' && this.#state.failures === 0 && this.pauseMs(nowMs) === 0
  }

  /**
   * A connection could not be made, or broke. True when that begins a rest. `weight`: more than 1 where fewer run
   * at once, so that as many rounds of failures are a rest (qmgr(8) counts cohorts).
   */
  failed(nowMs: number, reason: string, dsn: string, weight = 1): boolean {
    const state = this.state(nowMs)
    // Failures that were on their way when the rest began do not prolong it.
    if (state.at === 'resting') return false
    const failures = state.at === 'well' ? state.failures + weight : this.#limits().failuresMax
    if (failures < this.#limits().failuresMax) {
      this.#state = { at: 'well', failures }
      return false
    }
    this.#state = { at: 'resting', untilMs: nowMs + this.#limits().restMs, reason, dsn }
    return true
  }

  /** A transaction went through. True when that ends a rest. */
  succeeded(): boolean {
    const recovered = this.#state.at !== 'well'
    this.#state = { at: 'well', failures: 0 }
    return recovered
  }

  /** Forgets rest and pause: an operator, or who runs the destination, says that it is worth a try. */
  revive(): void {
    this.#state = { at: 'well', failures: 0 }
    this.#pausedUntilMs = 0
  }

  /** The peer said 421. True when that begins a pause. */
  pause(nowMs: number): boolean {
    if (this.pauseMs(nowMs) > 0) return false
    this.#pausedUntilMs = nowMs + this.#limits().pauseMs
    return true
  }
}
