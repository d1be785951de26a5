import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { Tail } from '#src/console/tail.ts'
import { cut, wrap } from '#src/console/text.ts'

export interface LogDeps {
  /** The readable log, or else the structured one; '' where neither is written. */
  readonly file: string
  readonly desk: Desk
}

/** The log as it is written. */
export class LogPage implements Page {
  readonly title = 'Log'
  readonly open = false
  readonly help = [
    'The log as it is written; the last 2000 lines can be gone through.',
    '',
    'Space  stops, so that nothing moves, and goes on',
    '/      only lines that hold a text; empty for all (upper and lower case are one)',
    'w      long lines are cut, or wrapped',
    'End    to the newest line, which is then followed',
  ]
  readonly #deps: LogDeps
  readonly #tail: Tail
  readonly #pager = new Pager()
  #trouble = ''
  #words = ''
  #stopped = false
  #wrapped = false
  #shownOf: readonly string[] = []
  #width = 80

  constructor(deps: LogDeps) {
    this.#deps = deps
    this.#tail = new Tail(deps.file)
  }

  get keys(): string {
    return `Space ${this.#stopped ? 'go on' : 'stop'}  / filter  w ${this.#wrapped ? 'cut' : 'wrap'} long lines  End newest  ? help`
  }

  async enter(): Promise<void> {
    await this.tick()
    this.#pager.end()
  }

  async tick(): Promise<void> {
    if (this.#stopped || this.#deps.file === '') return
    this.#trouble = await this.#tail.read()
    if (this.#tail.lines !== this.#shownOf) this.#fill()
  }

  #fill(): void {
    this.#shownOf = this.#tail.lines
    const words = this.#words.toLowerCase()
    const lines = this.#shownOf.filter((line) => words === '' || line.toLowerCase().includes(words))
    this.#pager.follow(
      lines.flatMap((line) => (this.#wrapped ? wrap(line, this.#width) : [cut(line, this.#width)])),
    )
  }

  draw(canvas: Canvas): void {
    if (canvas.columns !== this.#width) {
      this.#width = canvas.columns
      this.#fill()
    }
    const what = this.#words === '' ? '' : `, lines with "${this.#words}"`
    const head =
      this.#deps.file === ''
        ? 'No log is written to a file: [log] text and json of postern.toml say so.'
        : `${this.#deps.file}${what}${this.#stopped ? ', STOPPED' : ''}${this.#trouble === '' ? '' : `: ${this.#trouble}`}`
    canvas.put(0, 0, cut(head, canvas.columns))
    this.#pager.draw(canvas, 1)
  }

  async press(key: Key): Promise<void> {
    if (this.#pager.press(key) || key.kind !== 'char') return
    if (key.char === ' ') this.#stopped = !this.#stopped
    else if (key.char === 'w') {
      this.#wrapped = !this.#wrapped
      this.#fill()
    } else if (key.char === '/') {
      const text = await this.#deps.desk.ask('Lines that hold:', { initial: this.#words })
      if (text === undefined) return
      this.#words = text
      this.#fill()
    }
  }
}
