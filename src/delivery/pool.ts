import { Concurrency } from './concurrency.ts'
import { Health } from './health.ts'
import type { Destination } from '#src/queue/ports.ts'
import type { Connection } from './connection.ts'
import type { HealthState } from './health.ts'
import type { AgentSettings } from './settings.ts'

/** Idle connections of all destinations together, and how many there may be. */
export interface IdleBudget {
  kept: number
  readonly max: number
}

/**
 * One destination: its open connections, how many deliveries run, and its health. Its decisions take the time
 * as an argument.
 */
export class Pool {
  readonly destination: Destination
  readonly health: Health
  readonly #settings: () => AgentSettings
  /** The last one used is the first one used again, so that surplus ones grow old and close. */
  readonly #idle: Connection[] = []
  readonly #window: Concurrency
  #active = 0
  #notBeforeMs = 0
  #probing = false
  #closed = false
  /** A peer there offers CHUNKING and does not know it: its mail goes as DATA as long as this is remembered. */
  chunkless = false

  readonly #budget: IdleBudget

  constructor(destination: Destination, settings: () => AgentSettings, budget: IdleBudget) {
    this.#budget = budget
    this.destination = destination
    this.health = new Health(settings)
    this.#window = new Concurrency(settings)
    this.#settings = settings
  }

  get active(): number {
    return this.#active
  }

  /** How many more deliveries may begin now. */
  room(nowMs: number): number {
    const state = this.health.state(nowMs)
    switch (state.at) {
      case 'resting':
        // They are answered at once and need no connection.
        return Infinity
      case 'probing':
        return this.#probing || this.#active > 0 || this.health.pauseMs(nowMs) > 0 ? 0 : 1
      case 'well':
        return this.health.pauseMs(nowMs) > 0 ? 0 : this.#places(nowMs)
    }
  }

  /** With a rate delay one at a time, each so long after the end of the one before. */
  #places(nowMs: number): number {
    if (this.#settings().rateDelayMs === 0) return Math.max(0, this.#window.size - this.#active)
    return this.#active > 0 || nowMs < this.#notBeforeMs ? 0 : 1
  }

  /** A delivery begins. */
  begin(state: HealthState): void {
    this.#active += 1
    if (state.at === 'probing') this.#probing = true
  }

  /** It has ended. Milliseconds after which there is room again; 0 for at once. */
  end(nowMs: number): number {
    const { rateDelayMs } = this.#settings()
    this.#notBeforeMs = nowMs + rateDelayMs
    this.#active -= 1
    if (this.#active === 0) this.#probing = false
    return rateDelayMs
  }

  /** A transaction went through. True when that ends a rest. */
  succeeded(): boolean {
    const recovered = this.health.succeeded()
    if (recovered && this.#probing) this.#window.restart()
    this.#window.succeeded(this.#active)
    return recovered
  }

  /** A connection could not be made, or broke. True when that begins a rest. */
  failed(nowMs: number, reason: string, dsn: string): boolean {
    const { concurrencyFirst } = this.#settings()
    const weight = Math.max(1, concurrencyFirst / this.#window.size)
    this.#window.failed()
    return this.health.failed(nowMs, reason, dsn, weight)
  }

  get restMs(): number {
    return this.#settings().restMs
  }

  get pauseMs(): number {
    return this.#settings().pauseMs
  }

  /** An open connection that nobody uses. */
  take(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) return undefined
      this.#budget.kept -= 1
      connection.onGone = () => {}
      if (connection.reusable) return connection
      connection.quit()
    }
  }

  /** Keeps a connection for the next delivery, for `idleMs`. */
  keep(connection: Connection): void {
    const full = this.#idle.length >= this.#settings().concurrencyMax || this.#budget.kept >= this.#budget.max
    if (!connection.reusable || full || this.#closed) {
      connection.quit()
      return
    }
    connection.onGone = () => {
      const at = this.#idle.indexOf(connection)
      if (at < 0) return
      this.#idle.splice(at, 1)
      this.#budget.kept -= 1
    }
    this.#budget.kept += 1
    this.#idle.push(connection)
    connection.rest()
  }

  /** Closes what is idle, and from now on whatever would become so. */
  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) {
      this.#budget.kept -= 1
      connection.onGone = () => {}
      connection.quit()
    }
  }

  /** Whether it can be forgotten. */
  forgettable(nowMs: number): boolean {
    return (
      this.#active === 0 && this.#idle.length === 0 && nowMs >= this.#notBeforeMs && this.health.idle(nowMs)
    )
  }
}
