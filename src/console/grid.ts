import { plain } from './text.ts'

/** Larger terminals show no more: nobody reads lines of two hundred columns, and a frame stays small. */
const ROWS_MAX = 60
const COLUMNS_MAX = 132

export interface Size {
  readonly rows: number
  readonly columns: number
}

/** What a terminal that does not say its size is taken for (DEC VT100). */
export const VT100: Size = { rows: 24, columns: 80 }

export function boundedSize({ rows, columns }: Size): Size {
  return {
    rows: Math.min(ROWS_MAX, Math.max(1, rows)),
    columns: Math.min(COLUMNS_MAX, Math.max(1, columns)),
  }
}

export type Style = 'plain' | 'reverse'

const BLANK = 0x20
/** Beside the seven bits of a character. */
const REVERSE = 0x80

/** A page of characters. Only printable ASCII gets in, whatever is put there; what does not fit is cut. */
export class Grid {
  readonly rows: number
  readonly columns: number
  /** Row by row: the character, and 0x80 where it is reversed. */
  readonly cells: Uint8Array

  constructor(size: Size) {
    this.rows = size.rows
    this.columns = size.columns
    this.cells = new Uint8Array(this.rows * this.columns).fill(BLANK)
  }

  put(row: number, column: number, text: string, style: Style = 'plain'): void {
    if (row < 0 || row >= this.rows || column < 0) return
    const mark = style === 'reverse' ? REVERSE : 0
    const shown = plain(text).slice(0, Math.max(0, this.columns - column))
    for (let at = 0; at < shown.length; at += 1)
      this.cells[row * this.columns + column + at] = shown.charCodeAt(at) | mark
  }

  /** A whole row in one style. */
  bar(row: number, text: string, style: Style): void {
    this.put(row, 0, text.slice(0, this.columns).padEnd(this.columns), style)
  }

  /** One row as text, without the blanks at its end. */
  line(row: number): string {
    let text = ''
    for (let at = row * this.columns; at < (row + 1) * this.columns; at += 1)
      text += String.fromCharCode((this.cells[at] ?? BLANK) & 0x7f)
    return text.trimEnd()
  }

  lines(): readonly string[] {
    return Array.from({ length: this.rows }, (_, row) => this.line(row))
  }
}

/** A part of a grid that a page may draw on, from its own row 0. */
export class Canvas {
  readonly rows: number
  readonly columns: number
  readonly #grid: Grid
  readonly #top: number

  constructor(grid: Grid, top: number, rows: number) {
    this.#grid = grid
    this.#top = top
    this.rows = Math.max(0, rows)
    this.columns = grid.columns
  }

  put(row: number, column: number, text: string, style: Style = 'plain'): void {
    if (row >= 0 && row < this.rows) this.#grid.put(this.#top + row, column, text, style)
  }

  /** A whole row: the one that is chosen stands out without colour. */
  row(row: number, text: string, style: Style = 'plain'): void {
    if (row >= 0 && row < this.rows) this.#grid.bar(this.#top + row, plain(text), style)
  }

  /** Some of its rows as a canvas of their own. */
  part(top: number, rows: number): Canvas {
    return new Canvas(this.#grid, this.#top + top, Math.min(rows, this.rows - top))
  }
}
