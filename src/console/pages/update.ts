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
  /** Makes an update; resolves with what came of it (admin/perform-update.ts). */
  readonly perform: (
    what: WantedUpdate,
    tell: (text: string, percent: number | undefined) => void,
  ) => Promise<string>
}

export interface WantedUpdate {
  /** A file or an address; on the stick, the name of a file. */
  readonly source: string
  readonly isOnStick: boolean
  /** Also where it cannot be noted what waits in the queue. */
  readonly anyway: boolean
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
    's  the same from a USB stick (FAT, label POSTERN) with a file postern-VERSION-ARCH.ptu',
    'U, S  the same, where the page has said that a release was not started because it could not be noted what waits in the queue: then the new release cannot tell whether a message is missing',
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
      ? 'u update  s update from a stick  b start the previous release  ? help'
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
    const { char } = key
    if (!['u', 'U', 's', 'S', 'b'].includes(char)) return
    const anyway = char !== char.toLowerCase()
    if (this.#isRunning) this.#deps.desk.say('An update is under way.')
    else if (char === 'b') await this.#previous()
    else if (char.toLowerCase() === 'u') await this.#fromAddress(anyway)
    else await this.#fromStick(anyway)
  }

  async #fromAddress(anyway: boolean): Promise<void> {
    const { desk, image } = this.#deps
    const text = await desk.ask('File or address of the update:', { initial: image.updateUrl })
    const source = text?.trim() ?? ''
    if (source !== '') await this.#update({ source, isOnStick: false, anyway })
  }

  async #fromStick(anyway: boolean): Promise<void> {
    const { desk, image } = this.#deps
    const found = await desk.work('looking at the stick', () => image.ask('stick'))
    if (found === undefined) return
    const files = Array.isArray(found['files']) ? found['files'].map(String) : []
    const [newest = ''] = files
    if (newest === '') {
      desk.say('There is no update for this machine on the stick: postern-VERSION-ARCH.ptu')
      return
    }
    const text = files.length === 1 ? newest : await desk.ask('Which of the stick:', { initial: newest })
    const source = text?.trim() ?? ''
    if (source !== '') await this.#update({ source, isOnStick: true, anyway })
  }

  async #update(what: WantedUpdate): Promise<void> {
    const { desk } = this.#deps
    const from = `${what.source}${what.isOnStick ? ' of the stick' : ''}`
    const risk = what.anyway ? ', even if it cannot be noted what waits' : ''
    if (!(await desk.confirm(`Update from ${from}${risk}? The machine starts anew.`))) return
    this.#isOurs = true
    this.#outcome = ''
    this.#progress = IDLE
    // Minutes, in which other pages can be looked at.
    void this.#follow(what)
  }

  async #follow(what: WantedUpdate): Promise<void> {
    const { perform, desk } = this.#deps
    try {
      this.#outcome = await perform(what, (text, percent) => {
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
