import type { Desk, Page } from '#src/console/desk.ts'
import { errorText } from '#src/base/fault.ts'
import { VERSION } from '#src/base/version.ts'
import type { Canvas } from '#src/console/grid.ts'
import { linesOf, textOf } from '#src/console/image.ts'
import type { Image, Progress } from '#src/console/image.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { gauge, wrap } from '#src/console/text.ts'

export interface UpdateDeps {
  readonly image: Pick<Image, 'isThere' | 'ask' | 'progress' | 'updateUrl'>
  readonly desk: Desk
  /** Makes an update, of a file or an address; resolves with what came of it (admin/perform-update.ts). */
  readonly perform: (
    source: string,
    tell: (text: string, percent: number | undefined) => void,
  ) => Promise<string>
}

const WIDTH = 79
const GAUGE_WIDTH = 40
/** Above the slots: how far an update is, or what came of the last; a sentence of the helper may be long. */
const PROGRESS_ROWS = 4

/** Which release runs; on the appliance image, both slots and the way to another release. */
export class UpdatePage implements Page {
  readonly title = 'Update'
  readonly open = false
  readonly help = [
    'The release that runs. On the appliance image both slots are shown, and why one was left where that has happened.',
    '',
    'u  update from a file, or an address of https or http: its signature is checked before anything is written; the machine starts the new release, and comes back to this one by itself where it does not pass its tests. Mail goes on until the machine starts anew. The page may be left meanwhile.',
    'b  start the previous release again',
    '',
    'Elsewhere Postern is updated as it was installed.',
  ]
  readonly #deps: UpdateDeps
  readonly #pager = new Pager()
  /** An update that was begun here has not been answered yet. */
  #isOurs = false
  #progress: Progress = IDLE
  #outcome = ''

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
    if (!image.isThere) {
      this.#show([
        'This is no appliance image: a new release comes as this one has come, by its package or checkout.',
      ])
      return
    }
    // One that somebody else has begun is shown too.
    const told = await desk.work('asking', async () => ({
      slots: linesOf(await image.ask('slots')),
      progress: await image.progress(),
    }))
    if (told === undefined) return
    this.#show(told.slots)
    this.#progress = told.progress
  }

  #show(lines: readonly string[]): void {
    const all = [`Postern ${VERSION}, Node ${process.versions.node}`, '', ...lines]
    this.#pager.set(all.flatMap((line) => wrap(line, WIDTH)))
  }

  get #isRunning(): boolean {
    return this.#isOurs || this.#progress.running
  }

  async tick(): Promise<void> {
    if (!this.#isRunning) return
    const { image } = this.#deps
    try {
      const told = await image.progress()
      // As long as ours is being fetched, the helper knows nothing of it.
      if (told.running || !this.#isOurs) this.#progress = told
    } catch (error) {
      // What has become of ours its own answer tells.
      this.#progress = { ...IDLE, text: errorText(error) }
    }
    if (!this.#isRunning) await this.enter()
  }

  draw(canvas: Canvas): void {
    const above = this.#aboveLines(canvas.columns)
    for (const [at, line] of above.entries()) canvas.put(at, 0, line)
    this.#pager.draw(canvas, above.length === 0 ? 0 : PROGRESS_ROWS)
  }

  #aboveLines(width: number): readonly string[] {
    if (!this.#isRunning)
      return this.#outcome === '' ? [] : wrap(this.#outcome, width).slice(0, PROGRESS_ROWS - 1)
    const { percent, text } = this.#progress
    const bar = percent === undefined ? '' : `${gauge(percent / 100, GAUGE_WIDTH)} ${Math.round(percent)}%`
    return ['An update is under way.', `${bar}  ${text}`.trim()]
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char' || !this.#deps.image.isThere) return
    if (key.char !== 'u' && key.char !== 'b') return
    if (this.#isRunning) this.#deps.desk.say('An update is under way.')
    else if (key.char === 'u') await this.#update()
    else await this.#previous()
  }

  async #update(): Promise<void> {
    const { desk, image } = this.#deps
    const text = await desk.ask('File or address of the update:', { initial: image.updateUrl })
    const source = text?.trim() ?? ''
    if (source === '') return
    if (!(await desk.confirm(`Update from ${source}? The machine starts anew.`))) return
    this.#isOurs = true
    this.#outcome = ''
    this.#progress = IDLE
    // Minutes, in which other pages can be looked at.
    void this.#follow(source)
  }

  async #follow(source: string): Promise<void> {
    const { perform, desk } = this.#deps
    try {
      this.#outcome = await perform(source, (text, percent) => {
        this.#progress = { running: true, percent, text }
      })
    } catch (error) {
      this.#outcome = `The update was not made: ${errorText(error)}`
    }
    this.#isOurs = false
    this.#progress = IDLE
    desk.redraw()
  }

  async #previous(): Promise<void> {
    const { image, desk } = this.#deps
    if (!(await desk.confirm('Start the previous release? The machine starts anew.'))) return
    const answer = await desk.work('asking', () => image.ask('boot-previous'))
    if (answer !== undefined) desk.say(textOf(answer, 'The machine starts anew.'))
  }
}

const IDLE: Progress = { running: false, percent: undefined, text: '' }
