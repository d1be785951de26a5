import type { Clock } from '#src/base/clock.ts'

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

/** Time that goes on only when it is told to. */
export class VirtualClock implements Clock {
  #nowMs: number
  #monotonicMs = 0
  readonly #sleepers = new Set<Sleeper>()

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const sleeper: Sleeper = { atMs: this.#monotonicMs + ms, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        if (this.#sleepers.delete(sleeper)) reject(signal.reason)
      })
    })
  }

  /** Sets the wall clock; nothing wakes earlier or later for it. */
  leap(ms: number): void {
    this.#nowMs += ms
  }

  /** Moves on by `ms`, waking who sleeps until then in order, and lets each finish what it does at once. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms
    await settle()
    for (;;) {
      let next: Sleeper | undefined
      for (const sleeper of this.#sleepers) {
        if (sleeper.atMs <= end && (next === undefined || sleeper.atMs < next.atMs)) next = sleeper
      }
      const toMs = next?.atMs ?? end
      this.#nowMs += Math.max(0, toMs - this.#monotonicMs)
      this.#monotonicMs = Math.max(toMs, this.#monotonicMs)
      if (next === undefined) return
      this.#sleepers.delete(next)
      next.wake()
      await settle()
    }
  }
}

/** Lets everything that does not wait for time run to its end. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
}
