import type { Rates } from '#src/health/state.ts'

/** One bar stands for so long. */
const STEP_MS = 15_000
/** Bars: ten minutes. */
export const BARS = 40

/** Rates of the last ten minutes. */
export class Charts {
  readonly #kept: Rates[] = []
  #addedMs = -Infinity

  /** `nowMs` is of a clock that never jumps; what comes too early for a bar of its own is not kept. */
  add(nowMs: number, rates: Rates): void {
    if (nowMs - this.#addedMs < STEP_MS) return
    this.#addedMs = nowMs
    this.#kept.push(rates)
    if (this.#kept.length > BARS) this.#kept.shift()
  }

  of(key: keyof Rates): readonly number[] {
    const values = this.#kept.map((rates) => rates[key])
    return [...Array.from({ length: BARS - values.length }, () => 0), ...values]
  }
}
