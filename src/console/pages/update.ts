import type { Desk, Page } from '#src/console/desk.ts'
import { VERSION } from '#src/base/version.ts'
import type { Canvas } from '#src/console/grid.ts'
import { linesOf, textOf } from '#src/console/image.ts'
import type { Image } from '#src/console/image.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { wrap } from '#src/console/text.ts'

export interface UpdateDeps {
  readonly image: Image
  readonly desk: Desk
}

const WIDTH = 79

/** Which release runs; on the appliance image, both slots and the way to another release. */
export class UpdatePage implements Page {
  readonly title = 'Update'
  readonly open = false
  readonly help = [
    'The release that runs. On the appliance image both slots are shown, and why one was left where that',
    'has happened.',
    '',
    'u  update from a file or an address: its signature is checked before anything is written; the machine',
    '   starts the new release, and comes back to this one by itself where it does not pass its tests',
    'b  start the previous release again',
    '',
    'Elsewhere Postern is updated as it was installed.',
  ]
  readonly #deps: UpdateDeps
  readonly #pager = new Pager()

  constructor(deps: UpdateDeps) {
    this.#deps = deps
  }

  get keys(): string {
    return this.#deps.image.isThere
      ? 'u update  b start the previous release  ? help'
      : 'Arrows move  ? help  (nothing is done here: no appliance image)'
  }

  async enter(): Promise<void> {
    const { image, desk } = this.#deps
    const told = image.isThere
      ? await desk.work('asking', async () => linesOf(await image.ask('slots')))
      : ['This is no appliance image: a new release comes as this one has come, by its package or checkout.']
    const lines = [`Postern ${VERSION}, Node ${process.versions.node}`, '', ...(told ?? [])]
    this.#pager.set(lines.flatMap((line) => wrap(line, WIDTH)))
  }

  draw(canvas: Canvas): void {
    this.#pager.draw(canvas)
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char' || !this.#deps.image.isThere) return
    if (key.char === 'u') await this.#update()
    else if (key.char === 'b') await this.#previous()
  }

  async #update(): Promise<void> {
    const { image, desk } = this.#deps
    const source = await desk.ask('File or address of the update:')
    if (source === undefined || source.trim() === '') return
    if (!(await desk.confirm(`Update from ${source.trim()}? The machine starts anew.`))) return
    const answer = await desk.work('updating', () => image.ask('update', [source.trim()]))
    if (answer === undefined) return
    await this.enter()
    desk.say(textOf(answer, 'The update is written.'))
  }

  async #previous(): Promise<void> {
    const { image, desk } = this.#deps
    if (!(await desk.confirm('Start the previous release? The machine starts anew.'))) return
    const answer = await desk.work('asking', () => image.ask('boot-previous'))
    if (answer !== undefined) desk.say(textOf(answer, 'The machine starts anew.'))
  }
}
