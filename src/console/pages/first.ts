import type { Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'

export interface FirstDeps {
  readonly status: Page
  readonly setUp: Page
  /** Whether this is an appliance image that has not been set up. */
  readonly isUnset: () => boolean
}

/** Page 1: how the box is; of one that is not set up, its set-up, and behind ESC how it is. */
export class FirstPage implements Page {
  readonly open = true
  readonly #deps: FirstDeps
  /** ESC was pressed: the status is wanted. */
  #isPassed = false

  constructor(deps: FirstDeps) {
    this.#deps = deps
  }

  get #page(): Page {
    const { status, setUp, isUnset } = this.#deps
    return !this.#isPassed && isUnset() ? setUp : status
  }

  get title(): string {
    return this.#page.title
  }

  get keys(): string {
    const { status, isUnset } = this.#deps
    return this.#page === status && isUnset() ? `s set-up  ${status.keys}` : this.#page.keys
  }

  get help(): readonly string[] {
    return this.#page.help
  }

  async enter(): Promise<void> {
    await this.#deps.setUp.enter()
    await this.#deps.status.enter()
  }

  draw(canvas: Canvas): void {
    this.#page.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    const { status, isUnset } = this.#deps
    if (this.#page === status && key.kind === 'char' && key.char === 's' && isUnset()) this.#isPassed = false
    else await this.#page.press(key)
  }

  async tick(): Promise<void> {
    await this.#deps.status.tick?.()
  }

  back(): boolean {
    if (this.#page === this.#deps.status) return this.#deps.status.back?.() ?? false
    this.#isPassed = true
    return true
  }
}
