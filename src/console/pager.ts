import type { Canvas } from './grid.ts'
import type { Key } from './keys.ts'

/** Lines that are kept to be looked at; more is for a tool and a file. */
export const PAGER_LINES_MAX = 5000

/** A text that may be longer than the screen. */
export class Pager {
  #lines: readonly string[] = []
  #top = 0
  #rows = 1

  get lines(): readonly string[] {
    return this.#lines
  }

  set(lines: readonly string[]): void {
    this.#lines = lines.slice(0, PAGER_LINES_MAX)
    this.#top = 0
  }

  /** As `set`, with the last line in sight where it was before. */
  follow(lines: readonly string[]): void {
    const wasAtEnd = this.#top >= this.#lines.length - this.#rows
    this.#lines = lines.slice(-PAGER_LINES_MAX)
    if (wasAtEnd) this.end()
  }

  end(): void {
    this.#top = Math.max(0, this.#lines.length - this.#rows)
  }

  draw(canvas: Canvas, from = 0): void {
    const room = Math.max(1, canvas.rows - from)
    // What does not fit has a row of its own that says so: it covers nothing.
    const isLong = this.#lines.length > room && room > 1
    const wasAtEnd = this.#top > 0 && this.#top >= this.#lines.length - this.#rows
    this.#rows = isLong ? room - 1 : room
    if (wasAtEnd) this.end()
    this.#top = Math.min(this.#top, Math.max(0, this.#lines.length - this.#rows))
    for (let row = 0; row < this.#rows; row += 1)
      canvas.put(from + row, 0, this.#lines[this.#top + row] ?? '')
    if (!isLong) return
    const below = this.#lines.length - this.#top - this.#rows
    const where = [this.#top > 0 ? `${this.#top} above` : '', below > 0 ? `${below} below` : '']
    const text = ` ${where.filter((one) => one !== '').join(', ')} `
    canvas.put(canvas.rows - 1, canvas.columns - text.length, text, 'reverse')
  }

  /** Whether the key was one for moving. */
  press(key: Key): boolean {
    const step = MOVES.get(key.kind)
    if (step === undefined) return false
    const [unit, count] = step
    const by = unit === 'page' ? count * Math.max(1, this.#rows - 1) : count
    this.#top = Math.min(Math.max(0, this.#top + by), Math.max(0, this.#lines.length - this.#rows))
    return true
  }
}

const MOVES: ReadonlyMap<string, readonly ['line' | 'page', number]> = new Map([
  ['up', ['line', -1]],
  ['down', ['line', 1]],
  ['page-up', ['page', -1]],
  ['page-down', ['page', 1]],
  ['home', ['line', -PAGER_LINES_MAX]],
  ['end', ['line', PAGER_LINES_MAX]],
])

/** Rows of which one is chosen. */
export class Picker<T> {
  #items: readonly T[] = []
  #at = 0
  #top = 0
  #rows = 1

  get items(): readonly T[] {
    return this.#items
  }

  get chosen(): T | undefined {
    return this.#items[this.#at]
  }

  set(items: readonly T[]): void {
    this.#items = items
    this.#at = Math.min(this.#at, Math.max(0, items.length - 1))
  }

  /** Chooses the first row again. */
  first(): void {
    this.#at = 0
    this.#top = 0
  }

  choose(wanted: (item: T) => boolean): boolean {
    const at = this.#items.findIndex(wanted)
    if (at >= 0) this.#at = at
    return at >= 0
  }

  /** Draws from row `from` to the end of the canvas, the chosen one reversed. */
  draw(canvas: Canvas, from: number, line: (item: T) => string): void {
    this.#rows = Math.max(1, canvas.rows - from)
    if (this.#at < this.#top) this.#top = this.#at
    if (this.#at >= this.#top + this.#rows) this.#top = this.#at - this.#rows + 1
    this.#top = Math.min(this.#top, Math.max(0, this.#items.length - this.#rows))
    for (const [row, item] of this.#items.slice(this.#top, this.#top + this.#rows).entries())
      canvas.row(from + row, line(item), this.#top + row === this.#at ? 'reverse' : 'plain')
  }

  press(key: Key): boolean {
    const step = MOVES.get(key.kind)
    if (step === undefined) return false
    const [unit, count] = step
    const by = unit === 'page' ? count * Math.max(1, this.#rows - 1) : count
    this.#at = Math.min(Math.max(0, this.#at + by), Math.max(0, this.#items.length - 1))
    return true
  }
}
