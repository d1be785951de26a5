/** The newest answers to lookups, at most `max`; the oldest goes first. */
export class Cache<T> {
  readonly #max: number
  readonly #held = new Map<string, T>()

  constructor(max: number) {
    this.#max = max
  }

  /** What is held, or what `make` makes, which is then held. Nothing is held if `make` throws. */
  get(key: string, make: () => T): T {
    const held = this.#held.get(key)
    if (held !== undefined) return held
    const made = make()
    if (this.#held.size >= this.#max) {
      const [oldest] = this.#held.keys()
      if (oldest !== undefined) this.#held.delete(oldest)
    }
    this.#held.set(key, made)
    return made
  }

  clear(): void {
    this.#held.clear()
  }
}
