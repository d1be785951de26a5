/** Numbers for names, from `first` on, in the order in which they are met; a name keeps its number as long as this lives. */
export class Numbers {
  readonly #first: number
  readonly #max: number
  readonly #known = new Map<string, number>()

  /** Of more than `max` names the rest has none. */
  constructor(first: number, max: number) {
    this.#first = first
    this.#max = max
  }

  of(name: string): number | undefined {
    const known = this.#known.get(name)
    if (known !== undefined || this.#known.size >= this.#max) return known
    const number = this.#first + this.#known.size
    this.#known.set(name, number)
    return number
  }

  get all(): ReadonlyMap<string, number> {
    return this.#known
  }
}

/** When something was last seen to change, of a clock that never jumps; bounded by whoever names the keys. */
export class Changes {
  readonly #last = new Map<string, { readonly value: number | string; readonly atMs: number | undefined }>()

  /** Notes the value as it is now. What is met for the first time has not changed while we looked. */
  note(key: string, value: number | string, nowMs: number): void {
    const last = this.#last.get(key)
    if (last === undefined) this.#last.set(key, { value, atMs: undefined })
    else if (last.value !== value) this.#last.set(key, { value, atMs: nowMs })
  }

  /** It is as if it had changed now: a connection that is open is active all the time. */
  touch(key: string, value: number | string, nowMs: number): void {
    this.#last.set(key, { value, atMs: nowMs })
  }

  /** undefined where it has not changed since we look. */
  at(key: string): number | undefined {
    return this.#last.get(key)?.atMs
  }
}
