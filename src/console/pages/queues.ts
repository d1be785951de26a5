import type { Clock } from '#src/base/clock.ts'
import type { Appliance } from '#src/console/appliance.ts'
import { actor } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { QUEUE_WORDS, queueWords } from '#src/console/filter-words.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { age } from '#src/admin/durations.ts'
import { bytes, columns, counted, cut, wrap } from '#src/console/text.ts'
import type { Action } from '#src/queue/changes.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import type { Request } from '#src/queue/control-requests.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import type { RecipientState } from '#src/queue/types.ts'
import { insideLines } from './queue-inside.ts'
import { recordsOf } from './status.ts'

export interface QueueDeps {
  readonly appliance: Appliance
  readonly desk: Desk
  readonly clock: Clock
}

/** More are not looked through by hand; an action on all of them is not bound to this. */
const LISTED_MAX = 500

const ACTIONS: ReadonlyMap<string, { readonly action: Action; readonly done: string }> = new Map([
  ['h', { action: 'hold', done: 'put on hold' }],
  ['r', { action: 'release', done: 'released' }],
  ['e', { action: 'requeue', done: 'requeued' }],
  ['d', { action: 'delete', done: 'deleted' }],
  ['f', { action: 'flush', done: 'flushed' }],
  ['x', { action: 'expire', done: 'returned to their senders' }],
])

/** Recipients of one domain in one state. */
interface DomainRow {
  readonly domain: string
  readonly state: string
  readonly recipients: number
}

/** What is looked at: the messages, one of them from inside, or the domains that they are for. */
type View =
  | { readonly at: 'list' }
  | { readonly at: 'inside'; readonly pager: Pager }
  | { readonly at: 'domains'; readonly list: Picker<DomainRow> }

/** The five queues: list, filter, look inside, and what the admin console of Zimbra does to messages. */
export class QueuesPage implements Page {
  readonly title = 'Queues'
  readonly open = false
  readonly help = [
    `The messages that wait, in the order in which they came; ${LISTED_MAX} of them are listed.`,
    '',
    'n      the next queue: all, incoming, active, deferred, hold, corrupt; so does Tab',
    `/      which messages: ${QUEUE_WORDS}; all that is given must hold; empty for all`,
    's      the domains that recipients wait for; Enter shows the messages for one',
    'Enter  look inside: envelope, what has become of it, header, the start of its text',
    'Space  marks a message; A marks all that the filter means, listed or not',
    'h      hold: they are not delivered until they are released',
    'r      release what is held',
    'e      requeue: as if they had just come, with the settings of now',
    'f      flush: try them now',
    'd      delete, without a word to anybody',
    'x      expire: return them to their senders',
    'u      list anew',
    'These are done to what is marked, else to the chosen one, after a question. Who did it is kept in the trace of each message.',
  ]
  readonly #deps: QueueDeps
  readonly #list = new Picker<ListedMessage>()
  readonly #marked = new Set<string>()
  #counts: Readonly<Record<string, unknown>> = {}
  #isAll = false
  #more = false
  #queue: RecipientState | undefined
  #words = ''
  #nowMs = 0
  #view: View = LIST

  constructor(deps: QueueDeps) {
    this.#deps = deps
  }

  get keys(): string {
    switch (this.#view.at) {
      case 'list':
        return 'Enter look h hold r release e requeue d delete f flush x expire / filter n next'
      case 'inside':
        return 'ESC back  h hold  r release  e requeue  d delete  f flush  x expire  ? help'
      case 'domains':
        return 'Enter its messages  ESC back  ? help'
    }
  }

  async enter(): Promise<void> {
    this.#view = LIST
    await this.#read()
  }

  draw(canvas: Canvas): void {
    switch (this.#view.at) {
      case 'list':
        this.#drawList(canvas)
        return
      case 'inside':
        this.#view.pager.draw(canvas)
        return
      case 'domains':
        canvas.put(0, 0, columns(['recipients', 'state', 'domain'], DOMAIN_WIDTHS))
        this.#view.list.draw(canvas, 1, ({ domain, state, recipients }) =>
          columns([String(recipients), state, domain], DOMAIN_WIDTHS),
        )
    }
  }

  #drawList(canvas: Canvas): void {
    canvas.put(0, 0, this.#countsLine())
    const filter = this.#words === '' ? '' : `${this.#words}: `
    const count = `${this.#more ? 'the first ' : ''}${counted(this.#list.items.length, 'message')}`
    const marked = this.#isAll
      ? ', ALL THAT ARE MEANT are marked'
      : this.#marked.size > 0
        ? `, ${this.#marked.size} marked`
        : ''
    canvas.put(1, 0, cut(`Queue ${this.#queue ?? 'all'}: ${filter}${count}${marked}`, canvas.columns))
    canvas.put(2, 0, columns(['', 'queue', 'id', 'age', 'size', 'from', 'to'], this.#widths(canvas)))
    const top = 3
    const whole = this.#wholeLines(canvas.columns)
    const listRows = Math.max(1, canvas.rows - top - WHOLE_ROWS)
    this.#list.draw(canvas.part(top, listRows), 0, (message) => this.#line(message, canvas))
    if (this.#list.items.length === 0) canvas.put(top + 1, 2, 'There is no such message.')
    for (const [at, line] of whole.slice(0, WHOLE_ROWS).entries()) canvas.put(top + listRows + at, 0, line)
  }

  /** How many are in each queue, the one that is shown in brackets. */
  #countsLine(): string {
    return [undefined, ...QUEUES]
      .map((queue) => {
        const count = queue === undefined ? '' : ` ${Number(this.#counts[queue] ?? 0)}`
        const text = `${queue ?? 'all'}${count}`
        return queue === this.#queue ? `[${text}]` : ` ${text} `
      })
      .join(' ')
  }

  /** The chosen message, with what the row has no room for. */
  #wholeLines(width: number): readonly string[] {
    const message = this.#list.chosen
    if (message === undefined) return []
    const { sender, recipients, subject } = message
    const more = recipients.length > 1 ? ` and ${recipients.length - 1} more` : ''
    const why = recipients.find(({ reason }) => reason !== '')?.reason ?? ''
    return [
      '-'.repeat(width),
      cut(`<${sender}> to <${recipients[0]?.address ?? ''}>${more}`, width),
      cut(`subject: ${subject}`, width),
      ...(why === '' ? [] : wrap(`why: ${why}`, width, '     ')),
    ]
  }

  #widths(canvas: Canvas): readonly number[] {
    const rest = canvas.columns - (1 + 1 + 8 + 1 + 16 + 1 + 6 + 1 + 7 + 1)
    const from = Math.floor((rest - 1) / 2)
    return [1, 8, 16, 6, -7, from, rest - 1 - from]
  }

  #line(message: ListedMessage, canvas: Canvas): string {
    const [first] = message.recipients
    const more = message.recipients.length > 1 ? ` +${message.recipients.length - 1}` : ''
    const cells = [
      this.#isAll || this.#marked.has(message.id) ? '>' : '',
      message.queue,
      message.id,
      age(this.#nowMs - message.arrivedMs),
      bytes(message.sizeBytes),
      message.sender === '' ? '<>' : message.sender,
      `${first?.address ?? ''}${more}`,
    ]
    return columns(cells, this.#widths(canvas))
  }

  async press(key: Key): Promise<void> {
    const view = this.#view
    if (view.at === 'domains') {
      if (!view.list.press(key) && key.kind === 'enter') await this.#showDomain(view.list.chosen)
      return
    }
    if (view.at === 'inside' ? view.pager.press(key) : this.#list.press(key)) return
    if (key.kind === 'char' && (view.at === 'list' || ACTIONS.has(key.char))) await this.#command(key.char)
    else if (view.at === 'list' && key.kind === 'enter') await this.#look()
    else if (view.at === 'list' && key.kind === 'tab') await this.#nextQueue()
  }

  async #command(char: string): Promise<void> {
    const action = ACTIONS.get(char)
    if (action !== undefined) await this.#act(action.action, action.done)
    else if (char === ' ') this.#mark()
    else if (char === 'A') this.#isAll = !this.#isAll
    else if (char === '/') await this.#filter()
    else if (char === 'n') await this.#nextQueue()
    else if (char === 'u') await this.#read()
    else if (char === 's') await this.#domains()
  }

  #mark(): void {
    const id = this.#list.chosen?.id
    if (id === undefined) return
    if (!this.#marked.delete(id)) this.#marked.add(id)
    this.#list.press({ kind: 'down' })
  }

  #meant(): QueueFilter {
    const read = queueWords(this.#words, this.#nowMs)
    const filter = read.kind === 'filter' ? read.filter : {}
    return this.#queue === undefined ? filter : { ...filter, queues: [this.#queue] }
  }

  async #filter(): Promise<void> {
    const { desk, clock } = this.#deps
    const text = await desk.ask('Which (from: to: subject: older: ...):', { initial: this.#words })
    if (text === undefined) return
    const read = queueWords(text, clock.nowMs())
    if (read.kind === 'wrong') {
      desk.say(read.reason)
      return
    }
    this.#words = text.trim()
    this.#list.first()
    await this.#read()
  }

  async #nextQueue(): Promise<void> {
    const all = [undefined, ...QUEUES]
    this.#queue = all[(all.indexOf(this.#queue) + 1) % all.length]
    this.#list.first()
    await this.#read()
  }

  async #read(): Promise<void> {
    const { appliance, desk, clock } = this.#deps
    this.#nowMs = clock.nowMs()
    this.#marked.clear()
    this.#isAll = false
    const found = await desk.work('reading the queue', (signal) =>
      appliance.queue(async (queue) => ({
        counts: await firstOf(queue, { op: 'queues' }),
        messages: await listed(queue, this.#meant(), signal),
      })),
    )
    if (found === undefined) return
    this.#counts = found.counts
    this.#more = found.messages.length > LISTED_MAX
    this.#list.set(found.messages.slice(0, LISTED_MAX))
  }

  async #look(): Promise<void> {
    const message = this.#list.chosen
    if (message === undefined) return
    const { appliance, desk } = this.#deps
    const lines = await desk.work('looking inside', () =>
      appliance.queue((queue) => insideLines(queue, message)),
    )
    if (lines === undefined) return
    const pager = new Pager()
    pager.set(lines.flatMap((line) => wrap(line, WRAP_WIDTH, '    ')))
    this.#view = { at: 'inside', pager }
  }

  async #domains(): Promise<void> {
    const { appliance, desk } = this.#deps
    const rows = await desk.work('counting', () =>
      appliance.queue(async (queue) => recordsOf((await firstOf(queue, { op: 'domains' }))['domains'])),
    )
    if (rows === undefined) return
    if (rows.length === 0) {
      desk.say('No recipient waits.')
      return
    }
    const list = new Picker<DomainRow>()
    list.set(
      rows.map(({ domain, state, recipients }) => ({
        domain: String(domain),
        state: String(state),
        recipients: Number(recipients),
      })),
    )
    this.#view = { at: 'domains', list }
  }

  async #showDomain(row: DomainRow | undefined): Promise<void> {
    if (row === undefined) return
    this.#view = LIST
    this.#words = `to:@${row.domain}`
    this.#queue = QUEUES.find((queue) => queue === row.state)
    this.#list.first()
    await this.#read()
  }

  async #act(action: Action, done: string): Promise<void> {
    const { appliance, desk } = this.#deps
    const ids = this.#isAll ? null : this.#marked.size > 0 ? [...this.#marked] : chosenId(this.#list)
    if (ids !== null && ids.length === 0) return
    const filter = ids === null ? this.#meant() : {}
    const what =
      ids === null
        ? `ALL messages ${wordsOf(filter)}`
        : ids.length === 1
          ? String(ids[0])
          : counted(ids.length, 'message')
    if (!(await desk.confirm(`${action} ${what}?`))) return
    const why = { by: actor(), note: '' }
    const result = await desk.work(`${action} ${what}`, () =>
      appliance.queue((queue) => queue.act(action, ids, { filter, why })),
    )
    if (result === undefined) return
    this.#view = LIST
    await this.#read()
    const gone = result.missing.length > 0 ? `, ${result.missing.length} had gone` : ''
    desk.say(`${result.count} ${done}${gone}.`)
  }

  back(): boolean {
    const was = this.#view.at !== 'list'
    this.#view = LIST
    return was
  }
}

const LIST: View = { at: 'list' }
/** Of the chosen message, below the list. */
const WHOLE_ROWS = 5
const DOMAIN_WIDTHS = [-10, 9, 59] as const

/** Texts are cut for 80 columns, whatever the terminal has: they are read and not compared. */
const WRAP_WIDTH = 79

function chosenId(list: Picker<ListedMessage>): readonly string[] {
  return list.chosen === undefined ? [] : [list.chosen.id]
}

function wordsOf(filter: QueueFilter): string {
  const words = Object.entries(filter).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  return words.length === 0 ? 'of the queue' : `with ${words.join(', ')}`
}

/** What needs but one answer. */
async function firstOf(queue: QueueAccess, request: Request): Promise<Readonly<Record<string, unknown>>> {
  for await (const answer of queue.ask(request)) return answer
  return {}
}

/** One more than is shown tells that there are more. */
async function listed(
  queue: QueueAccess,
  filter: QueueFilter,
  signal: AbortSignal,
): Promise<readonly ListedMessage[]> {
  const found: ListedMessage[] = []
  for await (const page of queue.pages(filter, LISTED_MAX + 1)) {
    found.push(...page)
    signal.throwIfAborted()
    if (found.length > LISTED_MAX) break
  }
  return found
}
