import type { Size } from '#src/console/grid.ts'

/**
 * A terminal that understands what a VT100 has and the console sends, and nothing else: whatever else comes is kept in
 * `strange`. Tells what would stand on the screen.
 */
export class Vt100 {
  readonly rows: number
  readonly columns: number
  readonly strange: string[] = []
  #cells: string[][]
  #row = 0
  #column = 0
  #reverse = false

  constructor({ rows, columns }: Size) {
    this.rows = rows
    this.columns = columns
    this.#cells = this.#blank()
  }

  get cursor(): { readonly row: number; readonly column: number } {
    return { row: this.#row, column: this.#column }
  }

  lines(): readonly string[] {
    return this.#cells.map((row) =>
      row
        .join('')
        .replaceAll(/[\u0080-\u00ff]/g, unmarked)
        .trimEnd(),
    )
  }

  /** Whether the first cell of a row is reversed. */
  isReversed(row: number): boolean {
    return (this.#cells[row]?.[0] ?? ' ').charCodeAt(0) >= 0x80
  }

  write(text: string): void {
    for (let at = 0; at < text.length;) at += this.#take(text.slice(at))
  }

  #take(rest: string): number {
    // oxlint-disable-next-line no-control-regex -- that is what a terminal is sent
    const sequence = /^\u001b\[(\d*)(?:;(\d+))?([HJKm])/.exec(rest)
    if (sequence !== null) {
      this.#control(sequence[3] ?? '', Number(sequence[1] ?? 0), Number(sequence[2] ?? 0))
      return sequence[0].length
    }
    const char = rest.charAt(0)
    if (char >= ' ' && char <= '~') this.#print(char)
    else if (char !== '\u000f') this.strange.push(JSON.stringify(rest.slice(0, 8)))
    return 1
  }

  #control(final: string, first: number, second: number): void {
    if (final === 'H') {
      this.#row = Math.min(Math.max(1, first), this.rows) - 1
      this.#column = Math.min(Math.max(1, second), this.columns) - 1
    } else if (final === 'J' && first === 2) this.#cells = this.#blank()
    else if (final === 'K' && first === 0) this.#cells[this.#row]?.fill(' ', this.#column)
    else if (final === 'm' && (first === 0 || first === 7)) this.#reverse = first === 7
    else this.strange.push(`${first};${second}${final}`)
  }

  #print(char: string): void {
    const row = this.#cells[this.#row]
    if (row === undefined || this.#column >= this.columns) {
      this.strange.push(`beyond the edge: ${char}`)
      return
    }
    if (this.#row === this.rows - 1 && this.#column === this.columns - 1) this.strange.push('the last cell')
    row[this.#column] = this.#reverse ? String.fromCharCode(char.charCodeAt(0) | 0x80) : char
    this.#column += 1
  }

  #blank(): string[][] {
    return Array.from({ length: this.rows }, () => Array.from({ length: this.columns }, () => ' '))
  }
}

function unmarked(char: string): string {
  return String.fromCharCode(char.charCodeAt(0) & 0x7f)
}
