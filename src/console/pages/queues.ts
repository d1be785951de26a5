import { excerptOf } from '#src/admin/excerpt.ts'
import { lifeText } from '#src/admin/trace-format.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Appliance } from '#src/console/appliance.ts'
import { actor } from '#src/console/appliance.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import { QUEUE_WORDS, queueWords } from '#src/console/filter-words.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { age } from '#src/admin/durations.ts'
import { bytes, columns, cut, wrap } from '#src/console/text.ts'
import type { Action } from '#src/queue/changes.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import type { RecipientState } from '#src/queue/types.ts'
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

/** The five queues: list, filter, look inside, and what the admin console of Zimbra does to messages. */
export class QueuesPage implements Page {
  readonly title = 'Queues'
  readonly open = false
  readonly help = [
    'The messages that wait, in the order in which they came; 500 of them are listed.',
    '',
    'n or Tab  the next of the five queues: all, incoming, active, deferred, hold, corrupt',
    `/         which messages: ${QUEUE_WORDS}; all that is given must hold; empty for all`,
    'Enter     look inside: envelope, what has become of it, header, the start of its text',
    'Space     marks a message; A marks all that the filter means, listed or not',
    'h hold, r release, e requeue, d delete, f flush (try now), x expire (return to sender): what is',
    'marked, else the chosen one, after a question. Who did it is kept in the trace of each message.',
    's         recipients that wait, by domain     u  list anew',
  ]
  readonly #deps: QueueDeps
  readonly #list = new Picker<ListedMessage>()
  readonly #marked = new Set<string>()
  #isAll = false
  #more = false
  #queue: RecipientState | undefined
  #words = ''
  #nowMs = 0
  #detail: Pager | undefined

  constructor(deps: QueueDeps) {
    this.#deps = deps
  }

  get keys(): string {
    if (this.#detail !== undefined)
      return 'ESC back  h hold  r release  e requeue  d delete  f flush  x expire'
    return 'Enter look  h hold  r release  e requeue  d delete  f flush  / filter  n next  ? help'
  }

  async enter(): Promise<void> {
    this.#detail = undefined
    await this.#read()
  }

  draw(canvas: Canvas): void {
    if (this.#detail !== undefined) {
      this.#detail.draw(canvas)
      return
    }
    const filter = this.#words === '' ? '' : `, ${this.#words}`
    const count = `${this.#more ? 'the first ' : ''}${this.#list.items.length} messages`
    const marked = this.#isAll
      ? ', ALL THAT ARE MEANT are marked'
      : this.#marked.size > 0
        ? `, ${this.#marked.size} marked`
        : ''
    canvas.put(0, 0, cut(`Queue: ${this.#queue ?? 'all'}${filter}: ${count}${marked}`, canvas.columns))
    canvas.put(1, 0, columns(['', 'queue', 'id', 'age', 'size', 'from', 'to and why'], this.#widths(canvas)))
    this.#list.draw(canvas, 2, (message) => this.#line(message, canvas))
    if (this.#list.items.length === 0) canvas.put(3, 2, 'There is no such message.')
  }

  #widths(canvas: Canvas): readonly number[] {
    const rest = canvas.columns - (1 + 1 + 8 + 1 + 16 + 1 + 6 + 1 + 7 + 1)
    const from = Math.floor((rest - 1) / 3)
    return [1, 8, 16, 6, -7, from, rest - 1 - from]
  }

  #line(message: ListedMessage, canvas: Canvas): string {
    const [first] = message.recipients
    const more = message.recipients.length > 1 ? ` +${message.recipients.length - 1}` : ''
    const why = message.recipients.find(({ reason }) => reason !== '')?.reason ?? ''
    const cells = [
      this.#isAll || this.#marked.has(message.id) ? '>' : '',
      message.queue,
      message.id,
      age(this.#nowMs - message.arrivedMs),
      bytes(message.sizeBytes),
      message.sender === '' ? '<>' : message.sender,
      `${first?.address ?? ''}${more}${why === '' ? '' : ` (${why})`}`,
    ]
    return columns(cells, this.#widths(canvas))
  }

  async press(key: Key): Promise<void> {
    if (this.#detail?.press(key) === true) return
    if (this.#detail === undefined && this.#list.press(key)) return
    if (key.kind === 'enter') await this.#look()
    else if (key.kind === 'tab') await this.#nextQueue()
    else if (key.kind === 'char') await this.#command(key.char)
  }

  async #command(char: string): Promise<void> {
    const action = ACTIONS.get(char)
    if (action !== undefined) await this.#act(action.action, action.done)
    else if (this.#detail !== undefined) return
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
      appliance.queue((queue) => listed(queue, this.#meant(), signal)),
    )
    if (found === undefined) return
    this.#more = found.length > LISTED_MAX
    this.#list.set(found.slice(0, LISTED_MAX))
  }

  async #look(): Promise<void> {
    const message = this.#list.chosen
    if (message === undefined || this.#detail !== undefined) return
    const { appliance, desk } = this.#deps
    const lines = await desk.work('looking inside', () =>
      appliance.queue((queue) => insideLines(queue, message)),
    )
    if (lines === undefined) return
    this.#detail = new Pager()
    this.#detail.set(lines.flatMap((line) => wrap(line, WRAP_WIDTH)))
  }

  async #domains(): Promise<void> {
    const { appliance, desk } = this.#deps
    const rows = await desk.work('counting', () =>
      appliance.queue(async (queue) => {
        for await (const answer of queue.ask({ op: 'domains' })) return recordsOf(answer['domains'])
        return []
      }),
    )
    if (rows === undefined) return
    this.#detail = new Pager()
    this.#detail.set([
      'Recipients that wait, by domain and state:',
      ...rows.map((row) =>
        columns([String(row['recipients']), String(row['state']), String(row['domain'])], [-9, 9, 60]),
      ),
    ])
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
          : `${ids.length} messages`
    if (!(await desk.confirm(`${action} ${what}?`))) return
    const why = { by: actor(), note: '' }
    const result = await desk.work(`${action} ${what}`, () =>
      appliance.queue((queue) => queue.act(action, ids, { filter, why })),
    )
    if (result === undefined) return
    this.#detail = undefined
    await this.#read()
    const gone = result.missing.length > 0 ? `, ${result.missing.length} had gone` : ''
    desk.say(`${result.count} ${done}${gone}.`)
  }

  back(): boolean {
    const was = this.#detail !== undefined
    this.#detail = undefined
    return was
  }
}

/** Texts are cut for 80 columns, whatever the terminal has: they are read and not compared. */
const WRAP_WIDTH = 79

function chosenId(list: Picker<ListedMessage>): readonly string[] {
  return list.chosen === undefined ? [] : [list.chosen.id]
}

function wordsOf(filter: QueueFilter): string {
  const words = Object.entries(filter).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  return words.length === 0 ? 'of the queue' : `with ${words.join(', ')}`
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

async function insideLines(queue: QueueAccess, message: ListedMessage): Promise<readonly string[]> {
  const lines = [
    `${message.id}  ${message.queue}  ${bytes(message.sizeBytes)}  from <${message.sender}>`,
    `brought by ${message.clientName} [${message.clientAddress}]; verdict ${message.verdict.join(', ')}`,
    `subject: ${message.subject}`,
    '',
  ]
  for (const { address, original, state, reason } of message.recipients.slice(0, RECIPIENTS_SHOWN)) {
    const was = original === address ? '' : ` (was <${original}>)`
    lines.push(`<${address}>${was} ${state}${reason === '' ? '' : `: ${reason}`}`)
  }
  const more = message.recipients.length - RECIPIENTS_SHOWN
  if (more > 0) lines.push(`and ${more} recipients more`)
  for await (const { trace } of queue.ask({ op: 'show', id: message.id }))
    lines.push('', ...lifeText(message.id, trace, message).trimEnd().split('\n'))
  const excerpt = await excerptOf(queue, message.id)
  const head = excerpt.damage === '' ? [] : [`DAMAGED: ${excerpt.damage}`]
  return [...lines, '', ...head, ...excerpt.lines, ...(excerpt.more ? ['[...]'] : [])]
}

/** The tool shows all ten thousand. */
const RECIPIENTS_SHOWN = 100
