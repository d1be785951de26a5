import { lifeText } from '#src/admin/trace-format.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Appliance } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { TRACE_WORDS, traceWords } from '#src/console/filter-words.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { columns, counted, cut, minute, wrap } from '#src/console/text.ts'
import { isRecord } from '#src/net/frames.ts'
import { recordsOf } from './status.ts'

export interface TraceDeps {
  readonly appliance: Appliance
  readonly desk: Desk
  readonly clock: Clock
}

/** One message that was found. */
export interface Life {
  readonly id: string
  readonly atMs: number
  readonly sender: string
  readonly recipient: string
  /** The last thing that has happened to it. */
  readonly last: string
  readonly lines: readonly string[]
}

const FOUND_MAX = 50
const WIDTH = 79

/** What has become of a message, the ones that are gone too. */
export class TracePage implements Page {
  readonly title = 'Trace'
  readonly open = false
  readonly help = [
    'What has become of a message: also of one that has left the queue, or was refused.',
    '',
    `/      which: ${TRACE_WORDS}; an address alone is a recipient; id: is the whole queue id.`,
    '       from:, to: and client: find parts of an address or name; all that is given must hold.',
    `       The newest ${FOUND_MAX} are listed.`,
    'Enter  the whole life of the chosen one',
  ]
  readonly #deps: TraceDeps
  readonly #list = new Picker<Life>()
  #words = ''
  #remark = 'The key / asks which message is meant.'
  #detail: Pager | undefined

  constructor(deps: TraceDeps) {
    this.#deps = deps
  }

  get keys(): string {
    return this.#detail === undefined ? '/ search  Enter its whole life  ? help' : 'ESC back'
  }

  enter(): void {
    this.#detail = undefined
  }

  draw(canvas: Canvas): void {
    if (this.#detail !== undefined) {
      this.#detail.draw(canvas)
      return
    }
    canvas.put(
      0,
      0,
      cut(this.#words === '' ? this.#remark : `${this.#words}: ${this.#remark}`, canvas.columns),
    )
    const rest = canvas.columns - (16 + 1 + 16 + 1 + 10 + 1 + 1)
    const from = Math.floor(rest / 2)
    const widths = [16, 16, from, rest - from, 10]
    canvas.put(1, 0, columns(['time', 'id', 'from', 'to', 'last'], widths))
    this.#list.draw(canvas, 2, ({ id, atMs, sender, recipient, last }) =>
      columns([minute(atMs), id, sender === '' ? '<>' : sender, recipient, last], widths),
    )
  }

  async press(key: Key): Promise<void> {
    if (this.#detail !== undefined) {
      this.#detail.press(key)
      return
    }
    if (this.#list.press(key)) return
    if (key.kind === 'enter') this.#show()
    else if (key.kind === 'char' && key.char === '/') await this.#search()
  }

  #show(): void {
    const { chosen } = this.#list
    if (chosen === undefined) return
    this.#detail = new Pager()
    this.#detail.set(chosen.lines.flatMap((line) => wrap(line, WIDTH, '    ')))
  }

  async #search(): Promise<void> {
    const { appliance, desk, clock } = this.#deps
    const text = await desk.ask('Which message (from: to: subject: since: ...):', { initial: this.#words })
    if (text === undefined) return
    const read = traceWords(text, clock.nowMs())
    if (read.kind === 'wrong') {
      desk.say(read.reason)
      return
    }
    const request = { op: 'trace', filter: read.filter, limit: FOUND_MAX }
    const found = await desk.work('searching', () => appliance.queue((queue) => livesOf(queue.ask(request))))
    if (found === undefined) return
    this.#words = text.trim()
    this.#remark = `${counted(found.lives.length, 'message')}${found.complete ? '' : '; there may be more, not all was looked through'}`
    this.#list.set(found.lives)
    this.#list.first()
  }

  back(): boolean {
    const was = this.#detail !== undefined
    this.#detail = undefined
    return was
  }
}

async function livesOf(
  answers: AsyncIterable<Readonly<Record<string, unknown>>>,
): Promise<{ readonly lives: readonly Life[]; readonly complete: boolean }> {
  const lives: Life[] = []
  let complete = true
  for await (const answer of answers) {
    if (answer['end'] === true) complete = answer['complete'] !== false
    else lives.push(...lifeOf(answer))
  }
  return { lives, complete }
}

/** One answer as a row; none where nothing is known of the message. */
export function lifeOf(answer: Readonly<Record<string, unknown>>): readonly Life[] {
  const rows = recordsOf(answer['trace'])
  const [first] = rows
  if (first === undefined) return []
  const facts = factsOf(first)
  const to = facts['to']
  const id = String(answer['id'])
  return [
    {
      id,
      atMs: Number(first['atMs']),
      sender: textOf(facts['from']),
      recipient: Array.isArray(to) ? to.map(String).join(' ') : textOf(to),
      last: textOf(rows.at(-1)?.['event']),
      lines: lifeText(id, answer['trace'], answer['message']).trimEnd().split('\n'),
    },
  ]
}

function factsOf(row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { facts } = row
  const parsed: unknown = typeof facts === 'string' ? JSON.parse(facts) : facts
  return isRecord(parsed) ? parsed : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
