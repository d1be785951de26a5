/**
 * Lets so many in at once; the others wait in order, as long as their signal lets them. When WAITING_MAX wait
 * already, it turns the next away.
 */
export class Turnstile {
  readonly #most: number
  #inside = 0
  readonly #waiting = new Set<() => void>()

  constructor(most: number) {
    this.#most = most
  }

  /** undefined where there was no room before the signal was aborted. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    if (signal.aborted || !(await this.#enter(signal))) return undefined
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #enter(signal: AbortSignal): Promise<boolean> {
    if (this.#inside < this.#most) {
      this.#inside += 1
      return true
    }
    if (this.#waiting.size >= WAITING_MAX) return false
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const admit = (): void => {
      resolve(true)
    }
    const give = (): void => {
      if (this.#waiting.delete(admit)) resolve(false)
    }
    this.#waiting.add(admit)
    signal.addEventListener('abort', give, { once: true })
    const entered = await promise
    signal.removeEventListener('abort', give)
    return entered
  }

  /** The place goes to the first that waits, without being free in between. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#inside -= 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/** Each that waits is one question of a delivery or a session: more of them than this could not be answered in time. */
const WAITING_MAX = 10_000
