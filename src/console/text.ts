/** Punctuation that text processors write, as every terminal has it. */
const PLAIN: ReadonlyMap<string, string> = new Map([
  ['\u2018', "'"],
  ['\u2019', "'"],
  ['\u201c', '"'],
  ['\u201d', '"'],
  ['\u2013', '-'],
  ['\u2014', '-'],
  ['\t', ' '],
  ['\u00a0', ' '],
])

/** Longer than any line that is shown whole; what is cut before it is made plain costs nothing. */
const TEXT_CHARS_MAX = 4096

/**
 * Text as any terminal can show it: printable ASCII, letters without their accents, and `?` for all else. Whatever came
 * over the network goes through here, so that nothing in it can move the cursor, ring, answer back or begin a line.
 */
export function plain(text: string): string {
  let shown = ''
  for (const char of text.slice(0, TEXT_CHARS_MAX)) shown += isPlain(char) ? char : plainOf(char)
  return shown
}

function isPlain(char: string): boolean {
  return char >= ' ' && char <= '~'
}

function plainOf(char: string): string {
  const known = PLAIN.get(char)
  if (known !== undefined) return known
  const base = Array.from(char.normalize('NFKD')).filter(isPlain).join('')
  // U+FDFA stands for eighteen letters: a sign stays a sign.
  return base.length === 1 || base === '...' ? base : '?'
}

/**
 * A text in lines of at most `width`, cut between words where that can be, those behind the first with `indent` before
 * them; an empty text is one empty line.
 */
export function wrap(text: string, width: number, indent = ''): readonly string[] {
  const lines: string[] = []
  let rest = plain(text)
  while (rest.length > width) {
    const gap = rest.lastIndexOf(' ', width)
    const at = gap > width / 2 ? gap : width
    lines.push(rest.slice(0, at).trimEnd())
    rest = indent + rest.slice(at).trimStart()
  }
  return [...lines, rest]
}

/** Lines of help: what is said of a key stays beside it, in a column of its own. */
export function wrapHelp(lines: readonly string[], width: number): readonly string[] {
  return lines.flatMap((line) => {
    const [column = ''] = /^\S.*? {2,}|^ +/.exec(line) ?? []
    return wrap(line, width, ' '.repeat(column.length > width / 3 ? 0 : column.length))
  })
}

/** `1 message`, `2 messages`. */
export function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`
}

/** Cut to `width`, with `~` at the end of what was cut. */
export function cut(text: string, width: number): string {
  const shown = plain(text)
  return shown.length <= width ? shown : `${shown.slice(0, Math.max(0, width - 1))}~`
}

/** Cells side by side, each in its width; a negative width stands to the right. */
export function columns(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, at) => {
      const width = widths[at] ?? cell.length
      const room = Math.abs(width)
      return width < 0 ? cut(cell, room).padStart(room) : cut(cell, room).padEnd(room)
    })
    .join(' ')
    .trimEnd()
}

const SIZES = [
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const

/** `12.3 GB`: three digits that count. */
export function bytes(count: number): string {
  for (const [unit, size] of SIZES)
    if (count >= size) return `${(count / size).toFixed(count >= 100 * size ? 0 : 1)} ${unit}`
  return `${Math.round(count)} B`
}

/** A count per second. */
export function rate(perSecond: number): string {
  if (perSecond >= 100) return String(Math.round(perSecond))
  // One mail an hour is not none.
  return perSecond > 0 && perSecond < 0.05 ? '<0.1' : perSecond.toFixed(1)
}

/** Local time, `2026-11-22 14:30`. */
export function minute(ms: number): string {
  const at = new Date(ms)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** From nothing to all, for terminals that have neither colour nor blocks. */
const LEVELS = ' .:-=+*#'

/** A small bar for each value, the highest value as high as can be; anything at all is seen. */
export function bars(values: readonly number[], least: number): string {
  const top = Math.max(least, ...values)
  return values
    .map((value) => {
      const level = value <= 0 ? 0 : Math.max(1, Math.round((value / top) * (LEVELS.length - 1)))
      return LEVELS.charAt(level)
    })
    .join('')
}

/** `[####------]`, `share` of 0 to 1. */
export function gauge(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`
}
