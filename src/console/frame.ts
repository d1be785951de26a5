import type { Frame } from './diff.ts'
import { Canvas, Grid } from './grid.ts'
import type { Size } from './grid.ts'
import { cut, plain } from './text.ts'

/** What stands around a page. */
export interface Around {
  readonly title: string
  /** Name of this machine as mail knows it. */
  readonly hostname: string
  /** '' where all is well; else a word or two: `DOWN`, `2 ALARMS`. */
  readonly trouble: string
  /** Local time to the minute. */
  readonly time: string
  readonly keys: string
  readonly menu: string
  readonly foot: Foot
}

/** The line above the keys. */
export type Foot =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'asked'; readonly question: string; readonly typed: string; readonly secret: boolean }
  /** One key decides. */
  | { readonly kind: 'confirmed'; readonly question: string }

/** Smaller than this nothing can be shown. */
const LEAST: Size = { rows: 10, columns: 40 }
/** Above the page its title, below it what is said, its keys, and the menu. */
const HEAD_ROWS = 1
const FOOT_ROWS = 3

/** One frame: a line of title, the page, a line that says or asks, the page's keys, the menu. Pure. */
export function frame(size: Size, around: Around, draw: (canvas: Canvas) => void): Frame {
  const grid = new Grid(size)
  if (size.rows < LEAST.rows || size.columns < LEAST.columns) {
    grid.put(0, 0, `too small: ${LEAST.columns}x${LEAST.rows} at least`)
    return { grid, cursor: { row: 0, column: 0 } }
  }
  const left = ` Postern  ${around.title}`
  const trouble = around.trouble === '' ? '' : `*** ${around.trouble} ***  `
  const right = `${trouble}${cut(around.hostname, 30)}  ${around.time} `
  grid.bar(
    0,
    `${cut(left, size.columns - right.length - 1).padEnd(size.columns - right.length)}${right}`,
    'reverse',
  )
  draw(new Canvas(grid, HEAD_ROWS, size.rows - HEAD_ROWS - FOOT_ROWS))
  const cursor = foot(grid, around.foot)
  grid.put(size.rows - 2, 0, cut(around.keys, size.columns))
  grid.bar(size.rows - 1, around.menu, 'reverse')
  return { grid, cursor }
}

function foot(grid: Grid, said: Foot): Frame['cursor'] {
  const row = grid.rows - FOOT_ROWS
  switch (said.kind) {
    case 'nothing':
      return { row, column: 0 }
    case 'said':
      grid.put(row, 0, cut(said.text, grid.columns))
      return { row, column: 0 }
    case 'confirmed': {
      // Whatever is asked about, and however long that is: what y does is seen, and that it is asked.
      const choice = ' (y/n) '
      const question = `${cut(said.question, grid.columns - choice.length - 1)}${choice}`
      grid.put(row, 0, question, 'reverse')
      return { row, column: question.length }
    }
    case 'asked': {
      const typed = said.secret ? '*'.repeat(said.typed.length) : plain(said.typed)
      const question = cut(`${said.question} `, Math.max(20, grid.columns - 20))
      // Of a long answer its end is seen.
      const room = grid.columns - question.length - 1
      const seen = typed.slice(-Math.max(1, room))
      grid.put(row, 0, question, 'reverse')
      grid.put(row, question.length, seen)
      return { row, column: Math.min(grid.columns - 1, question.length + seen.length) }
    }
  }
}
