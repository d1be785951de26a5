import type { Grid } from './grid.ts'

/** What stands on a terminal, or should. */
export interface Frame {
  readonly grid: Grid
  readonly cursor: { readonly row: number; readonly column: number }
}

const BLANK = 0x20
/** An address costs six octets or more, so a gap of so many that are the same is sent with the rest. */
const GAP_MAX = 5
/** A shorter rest of a line is sent as blanks. */
const ERASE_LEAST = 4

/** Shift in (ECMA-48 8.3.119, SI): noise on the line may have chosen the other set of characters. */
const WHOLE = '\u000f\u001b[m\u001b[H\u001b[2J'

/**
 * The octets that make `next` of what is shown; undefined: nothing is known of the screen, and all is sent. Only
 * CUP, ED, EL and SGR 0 and 7 of ECMA-48 are used, which a VT100 has and every terminal since: each run says where it
 * stands, so an octet that was lost on the line spoils no more than its own run.
 */
export function changes(shown: Frame | undefined, next: Frame): string {
  const { grid, cursor } = next
  const before =
    shown !== undefined && shown.grid.rows === grid.rows && shown.grid.columns === grid.columns
      ? shown.grid.cells
      : undefined
  let text = before === undefined ? WHOLE : ''
  const blank = new Uint8Array(grid.columns).fill(BLANK)
  for (let row = 0; row < grid.rows; row += 1) {
    const from = row * grid.columns
    // The last cell of all is never written: many terminals scroll there.
    const width = row === grid.rows - 1 ? grid.columns - 1 : grid.columns
    const now = grid.cells.subarray(from, from + width)
    const old = before?.subarray(from, from + width) ?? blank.subarray(0, width)
    text += rowChanges(row, old, now)
  }
  const moved = shown?.cursor.row !== cursor.row || shown.cursor.column !== cursor.column
  return text === '' && !moved ? '' : text + position(cursor.row, cursor.column)
}

function rowChanges(row: number, old: Uint8Array, now: Uint8Array): string {
  let end = now.length
  while (end > 0 && now[end - 1] === BLANK) end -= 1
  const restDiffers = old.subarray(end).filter((cell) => cell !== BLANK).length
  const erase = restDiffers >= ERASE_LEAST
  const width = erase ? end : now.length
  let text = ''
  for (let at = 0; at < width;) {
    if (old[at] === now[at]) {
      at += 1
      continue
    }
    const stop = runEnd(old, now, at, width)
    text += position(row, at) + styled(now.subarray(at, stop))
    at = stop
  }
  return erase ? `${text}${position(row, end)}\u001b[K` : text
}

/** Where a run of changes ends: a short stretch of what is the same does not end it. */
function runEnd(old: Uint8Array, now: Uint8Array, start: number, width: number): number {
  let stop = start + 1
  for (let at = stop; at < width && at - stop <= GAP_MAX; at += 1) if (old[at] !== now[at]) stop = at + 1
  return stop
}

function styled(cells: Uint8Array): string {
  let text = ''
  let reverse = false
  for (const cell of cells) {
    const isReverse = (cell & 0x80) !== 0
    if (isReverse !== reverse) text += isReverse ? '\u001b[7m' : '\u001b[m'
    reverse = isReverse
    text += String.fromCharCode(cell & 0x7f)
  }
  return reverse ? `${text}\u001b[m` : text
}

function position(row: number, column: number): string {
  return `\u001b[${row + 1};${column + 1}H`
}
