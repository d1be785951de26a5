/** The middle of several runs, with how far they lay apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Median, least and most; undefined for no values. Of an even number, the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const min = sorted[0]
  const max = sorted.at(-1)
  if (min === undefined || max === undefined) return undefined
  const half = sorted.length >> 1
  const upper = sorted[half] ?? max
  const lower = sorted[half - 1] ?? upper
  return { median: sorted.length % 2 === 1 ? upper : (lower + upper) / 2, min, max }
}

/**
 * The ratio of two medians; its spread comes from the rounds, each compared with the run of the same round, so
 * that a machine that slows down for a while does not show as a difference between the servers.
 */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Spread | undefined {
  const above = spreadOf(ours)
  const below = spreadOf(theirs)
  const rounds: number[] = []
  for (const [i, mine] of ours.entries()) {
    const their = theirs[i]
    if (their !== undefined && their > 0) rounds.push(mine / their)
  }
  const spread = spreadOf(rounds)
  if (above === undefined || below === undefined || spread === undefined || below.median <= 0)
    return undefined
  return { median: above.median / below.median, min: spread.min, max: spread.max }
}

/** Three significant digits, no more than a measurement of this kind can carry: 1034, 87.1, 0.352. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value === 0) return '0'
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1
  return value.toFixed(Math.max(0, Math.min(6, 3 - whole)))
}

/** `median (min-max)`, or the one value where all are the same. */
export function spreadText(spread: Spread | undefined, unit = ''): string {
  if (spread === undefined) return '-'
  const median = `${digits(spread.median)}${unit}`
  return spread.min === spread.max ? median : `${median} (${digits(spread.min)}-${digits(spread.max)})`
}
