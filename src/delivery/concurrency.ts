/** The two bounds that a window moves between. */
export interface ConcurrencyLimits {
  /** initial_destination_concurrency. */
  readonly concurrencyFirst: number
  /** smtp_destination_concurrency_limit. */
  readonly concurrencyMax: number
}

/**
 * How many deliveries a destination may have at once, learnt from how it takes them: qmgr(8)'s feedback
 * (default_destination_concurrency_positive_feedback and …_negative_feedback are 1). Where the first
 * number is the largest, there is nothing to learn: a mailbox server of ours has what it may have.
 */
export class Concurrency {
  readonly #limits: () => ConcurrencyLimits
  /** 0: not begun, or begun afresh. */
  #size = 0

  constructor(limits: () => ConcurrencyLimits) {
    this.#limits = limits
  }

  /** Deliveries that may run at once. */
  get size(): number {
    const { concurrencyFirst, concurrencyMax } = this.#limits()
    if (concurrencyFirst >= concurrencyMax) return concurrencyMax
    return this.#size === 0 ? concurrencyFirst : Math.min(this.#size, concurrencyMax)
  }

  /** One went well. A window that is not used does not grow: `active` is how many ran, that one included. */
  succeeded(active: number): void {
    const { concurrencyFirst, concurrencyMax } = this.#limits()
    const { size } = this
    if (size < concurrencyMax && size < active + concurrencyFirst) this.#size = size + 1
  }

  /** One could not be begun, or broke off. */
  failed(): void {
    this.#size = Math.max(1, this.size - 1)
  }

  /** The destination has rested: it begins as a new one. */
  restart(): void {
    this.#size = 0
  }
}
