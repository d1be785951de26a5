/** Chance that can be repeated: the same seed gives the same run of choices. */
export interface Random {
  readonly seed: number
  /** At least 0, less than 1. */
  fraction(): number
  /** A whole number of at least `from` and less than `below`. */
  between(from: number, below: number): number
  pick<T>(from: readonly T[]): T
}

/** mulberry32: 32 bits of state are plenty for choosing what to break next. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  function fraction(): number {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  function between(from: number, below: number): number {
    return from + Math.floor(fraction() * (below - from))
  }
  return {
    seed,
    fraction,
    between,
    pick: <T>(from: readonly T[]): T => {
      const chosen = from[between(0, from.length)]
      if (chosen === undefined) throw new Error('nothing to pick from')
      return chosen
    },
  }
}

/** POSTERN_SEED where it is set, so that a failed run can be repeated; else a fresh one. */
export function seedOfRun(): number {
  const given = process.env['POSTERN_SEED']
  return given === undefined ? Math.floor(Math.random() * 4_294_967_296) : Number(given) >>> 0
}
