import { parseDurationMs } from '#src/config/setting.ts'

const STEPS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

/** The largest unit that counts, and from days on the next: `2 d 3 h`, `4 min`, `10 s`. */
export function age(ms: number): string {
  for (const [at, [unit, size]] of STEPS.entries()) {
    if (ms < size) continue
    const count = Math.floor(ms / size)
    const below = STEPS[at + 1]
    const rest = below === undefined ? 0 : Math.floor((ms % size) / below[1])
    return unit === 'd' && below !== undefined && rest > 0
      ? `${count} d ${rest} ${below[0]}`
      : `${count} ${unit}`
  }
  return '0 s'
}

/** The two largest units that count: "2 d 3 h", "4 min 10 s". */
export function duration(ms: number): string {
  const parts: string[] = []
  let left = ms
  for (const [unit, size] of STEPS) {
    const count = Math.floor(left / size)
    if (count > 0) parts.push(`${count} ${unit}`)
    left -= count * size
  }
  return parts.length === 0 ? 'less than 1 s' : parts.slice(0, 2).join(' ')
}

/** A time as somebody types it, `90s`, `15m`, `2h`, `3d`, `1w`, in milliseconds; undefined if it is none. */
export function typedMs(text: string): number | undefined {
  // A number alone may mean anything.
  return /^\d+[smhdw]$/.test(text) ? parseDurationMs(text, 's') : undefined
}
