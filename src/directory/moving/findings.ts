/** Something that is worth an operator's look before the switch. */
export interface Finding {
  /** A sentence, the same for all that it is true of. */
  readonly text: string
  readonly count: number
  /** The first that it is true of. */
  readonly examples: readonly string[]
}

/** So many are named; the others are counted. */
const EXAMPLES_MAX = 10
/** Different sentences: some name an attribute. */
const FINDINGS_MAX = 1000
const EXAMPLE_CHARS_MAX = 300

/** What was found, each kind once with its count and a few examples: bounded, however much there is. */
export class Findings {
  readonly #found = new Map<string, { count: number; examples: string[] }>()

  add(text: string, example: string): void {
    let found = this.#found.get(text)
    if (found === undefined) {
      if (this.#found.size >= FINDINGS_MAX) return
      found = { count: 0, examples: [] }
      this.#found.set(text, found)
    }
    found.count += 1
    if (found.examples.length < EXAMPLES_MAX) found.examples.push(example.slice(0, EXAMPLE_CHARS_MAX))
  }

  get all(): readonly Finding[] {
    return [...this.#found].map(([text, { count, examples }]) => ({ text, count, examples }))
  }
}
