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
    'w      long lines are wrapped, or cut',
    'o      lines as they stand in the file, or their time of day, process and text alone',
    'End    to the newest line, which is then followed',
  ]
  readonly #deps: LogDeps
  readonly #tail: Tail
  readonly #pager = new Pager()
  #trouble = ''
  #words = ''
  #stopped = false
  #wrapped = false
  #isWhole = false
  #shownOf: readonly string[] = []
  #width = 80

  constructor(deps: LogDeps) {
    this.#deps = deps
    this.#tail = new Tail(deps.file)
  }

  get keys(): string {
    const [go, long, whole] = [
      this.#stopped ? 'go on' : 'stop',
      this.#wrapped ? 'cut' : 'wrap',
      this.#isWhole ? 'short' : 'whole',
    ]
    return `Space ${go}  / filter  w ${long} long lines  o ${whole} lines  End newest  ? help`
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
    const lines = this.#shownOf
      .filter((line) => words === '' || line.toLowerCase().includes(words))
      .map((line) => (this.#isWhole ? line : shortLine(line)))
    this.#pager.follow(
      lines.flatMap((line) =>
        this.#wrapped ? wrap(line, this.#width, WRAP_INDENT) : [cut(line, this.#width)],
      ),
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
    } else if (key.char === 'o') {
      this.#isWhole = !this.#isWhole
      this.#fill()
    } else if (key.char === '/') {
      const text = await this.#deps.desk.ask('Lines that hold:', { initial: this.#words })
      if (text === undefined) return
      this.#words = text
      this.#fill()
    }
  }
}

/** Beside the time of day. */
const WRAP_INDENT = ' '.repeat(9)

/**
 * `2026-11-22T16:43:51.691Z vm postern/qmgr[2631]: text` as `17:43:51 qmgr: text`, in local time: what comes before the
 * text is most of a line of 80 columns. A line of another form is left as it is.
 */
export function shortLine(line: string): string {
  const [, when = '', process = '', text = ''] = /^(\S+Z) \S+ postern\/(\w+)\[\d+\]: (.*)$/.exec(line) ?? []
  const at = new Date(when)
  if (Number.isNaN(at.getTime())) return line
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${process}: ${text}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
