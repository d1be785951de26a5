/** Lines of a session that are kept: its beginning, and what came last. */
const FIRST_LINES = 20
const LAST_LINES = 80
/** A line as it is kept: as long as a reply may be. */
export const SESSION_LINE_CHARS_MAX = 512

/** The dialogue of a session, as much of it as postmaster may be told: never more than its ends. */
export class SessionLines {
  readonly #first: string[] = []
  #last: string[] = []
  #dropped = 0

  /** The lines that are kept, with a word on how many are left out. */
  get lines(): readonly string[] {
    const gap = this.#dropped === 0 ? [] : [`[${this.#dropped} lines are left out here]`]
    return [...this.#first, ...gap, ...this.#last]
  }

  add(line: string): void {
    if (this.#first.length < FIRST_LINES) {
      this.#first.push(line)
      return
    }
    this.#last.push(line)
    // Cut now and then, not at each line.
    if (this.#last.length < 2 * LAST_LINES) return
    this.#dropped += LAST_LINES
    this.#last = this.#last.slice(LAST_LINES)
  }
}
