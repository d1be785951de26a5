import type { Page } from './desk.ts'
import type { Canvas } from './grid.ts'
import type { Key } from './keys.ts'

/**
 * A page that is loaded when it is first shown: the console begins with its status page, at once and in little memory,
 * also on a machine that has neither to spare.
 */
export class LazyPage implements Page {
  readonly title: string
  readonly open = false
  readonly #load: () => Promise<Page>
  #page: Page | undefined

  constructor(title: string, load: () => Promise<Page>) {
    this.title = title
    this.#load = load
  }

  get keys(): string {
    return this.#page?.keys ?? ''
  }

  get help(): readonly string[] {
    return this.#page?.help ?? []
  }

  async enter(): Promise<void> {
    this.#page ??= await this.#load()
    await this.#page.enter()
  }

  draw(canvas: Canvas): void {
    this.#page?.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    await this.#page?.press(key)
  }

  async tick(): Promise<void> {
    await this.#page?.tick?.()
  }

  back(): boolean {
    return this.#page?.back?.() ?? false
  }
}
