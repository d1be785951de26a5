import type { Rates } from '#src/health/state.ts'

/** One bar stands for so long. */
const STEP_MS = 15_000
/** Bars: ten minutes. */
export const BARS = 40

/** Rates of the last ten minutes. */
export class Charts {
  readonly #kept: Step[] = []
  #beganMs = -Infinity

  /**
   * `nowMs` is of a clock that never jumps. A bar is the mean of all that was seen in its time: each look tells of the
   * last seconds only.
   */
  add(nowMs: number, rates: Rates): void {
    const last = this.#kept.at(-1)
    if (last !== undefined && nowMs - this.#beganMs < STEP_MS) {
      last.push(rates)
      return
    }
    this.#beganMs = nowMs
    this.#kept.push([rates])
    if (this.#kept.length > BARS) this.#kept.shift()
  }

  of(key: keyof Rates): readonly number[] {
    const values = this.#kept.map((step) => step.reduce((sum, rates) => sum + rates[key], 0) / step.length)
    return [...Array.from({ length: BARS - values.length }, () => 0), ...values]
  }
}

type Step = Rates[]
