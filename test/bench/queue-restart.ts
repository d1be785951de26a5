import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { memoryLog } from '#src/base/log.ts'
import { mailqEntry } from '#src/cli/queue-format.ts'
import { answers, listedPages } from '#src/queue/control-requests.ts'
import type { QueueTools, Request } from '#src/queue/control-requests.ts'
import { LIST_PAGE, PAGE_BYTES } from '#src/queue/limits.ts'
import { countDomains } from '#src/queue/list-shape.ts'
import { NONE_ACTIVE, listPage } from '#src/queue/listing.ts'
import { databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { TraceHandle } from '#src/queue/trace-handle.ts'
import { TRACE_LIMITS } from '#src/queue/trace-index.ts'
import type { TraceFilter } from '#src/queue/trace-document.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, startQueue, until } from '#test/queue/support.ts'
import type { Queue } from '#test/queue/support.ts'

/**
 * What a queue of a million deferred recipients in 500 domains costs: to start with, to look at, to work with.
 *
 *     node test/bench/queue-restart.ts --messages 1000000 --domains 500 --dir DIR
 *
 * The deferred ones fall due over the next hours, a thousand of them at once.
 */
const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    domains: { type: 'string', default: '500' },
    dir: { type: 'string', default: tmpdir() },
  },
})

const COUNT = Number(options.messages)
const DOMAINS = Number(options.domains)
const BATCH = 5000
const DUE_NOW = 1000
const SPREAD_MS = 4_000_000
const MIB = 1_048_576

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(56)} ${value}\n`)
}

function sayMs(what: string, beganMs: number): void {
  say(what, `${(performance.now() - beganMs).toFixed(1)} ms`)
}

function addressOf(made: number): string {
  return `u${made}@d${made % DOMAINS}.example.test`
}

/** A queue as a long outage leaves it. */
function generate(queueDir: string): void {
  using db = new QueueDb(openStore(databasePath(queueDir), { pageBytes: PAGE_BYTES }))
  const nowMs = Date.now()
  for (let first = 0; first < COUNT; first += BATCH) {
    db.transact(false, () => {
      for (let made = first; made < Math.min(first + BATCH, COUNT); made++) deferOne(db, made, nowMs)
    })
    db.checkpoint('passive')
  }
}

function deferOne(db: QueueDb, made: number, nowMs: number): void {
  const address = addressOf(made)
  const message = newMessage({
    sender: `s${made % 10_007}@sender${made % 97}.example`,
    arrivedMs: nowMs - 86_400_000,
    recipients: [recipient(address)],
    verdict: { verdict: 'clean', parts: 1, subject: `Order number ${made} of today` },
  })
  const inserted = db.insert(message, nowMs)
  if (inserted.kind === 'clash') throw new Error('clash')
  const dueMs = made < DUE_NOW ? nowMs : nowMs + 600_000 + Math.floor((made / COUNT) * SPREAD_MS)
  const reply = '450 4.2.0 mailbox server is away'
  const deferred = [{ n: 0, address, dueMs, attempts: 3, reply, dsn: '4.2.0' }]
  const { seq } = inserted
  const base = { seq, id: message.id, atMs: nowMs, corrupt: '', reports: [], leaves: true }
  db.apply({ ...base, done: [], deferred }, nowMs)
}

async function restart(paths: QueuePaths): Promise<Queue> {
  const beganMs = performance.now()
  const queue = await startQueue(paths)
  if ((await queue.client.submit(newMessage())) !== 'queued') throw new Error('not queued')
  sayMs('restart to serving (a new message is on the disk)', beganMs)
  await until(() => queue.deliverer.deliveries.length >= DUE_NOW + 1)
  sayMs(`  until the ${DUE_NOW} due ones and the new one are sent`, beganMs)
  // Their outcomes are on the disk: what is counted next stands still.
  await until(() => queue.scheduler.activeRecipients === 0)
  return queue
}

function toolsOf(queue: Queue): QueueTools {
  return {
    reader: queue.reader,
    spoolDir: '',
    active: () => queue.scheduler.active,
    act: (action, ids, why) => queue.writer.act(action, ids, why),
    log: memoryLog(),
    search: () => Promise.resolve({ ids: [], refusals: {}, lost: 0, complete: true }),
  }
}

/** What a tool asks, answered in this process: the last answer. */
async function ask(queue: Queue, request: Request): Promise<Record<string, unknown>> {
  let last = {}
  for await (const answer of answers(request, toolsOf(queue))) last = answer
  return last
}

async function look(queue: Queue): Promise<void> {
  let beganMs = performance.now()
  listPage(queue.reader, 0, LIST_PAGE, NONE_ACTIVE)
  sayMs(`first page of mailq (${LIST_PAGE} messages)`, beganMs)
  beganMs = performance.now()
  const counted = [...countDomains(queue.reader)].at(-1) ?? []
  sayMs('count by domain', beganMs)
  const sum = counted.reduce((total, { recipients }) => total + recipients, 0)
  const rows = Number(queue.reader.store.prepare('SELECT count(*) FROM recipient').pluck().get())
  say('  recipients counted, recipients in the table', `${sum}, ${rows}`)
  for (const [what, bySender] of [
    ['qshape', false],
    ['qshape -s', true],
  ] as const) {
    beganMs = performance.now()
    const last = await ask(queue, { op: 'shape', bySender, buckets: 10, bucketMinutes: 5 })
    const [total] = Array.isArray(last['rows']) ? last['rows'] : []
    sayMs(`${what} of all of it (${JSON.stringify(total).slice(0, 17)}…)`, beganMs)
  }
  beganMs = performance.now()
  const last = await ask(queue, { op: 'queues' })
  sayMs(`zmqstat all (deferred ${String(last['deferred'])})`, beganMs)
  for (const [what, filter] of [
    ['mailq of all of it', {}],
    ['zmqstat deferred', { queues: ['deferred'] }],
    ['looked through for a subject', { subject: `number ${COUNT - 1} of` }],
    ['looked through for a reply', { reason: 'no such reply' }],
  ] as const) {
    beganMs = performance.now()
    let count = 0
    let chars = 0
    for await (const page of listedPages({ filter }, toolsOf(queue))) {
      count += page.length
      chars += page.map(mailqEntry).join('').length
    }
    sayMs(`${what} (${count} messages, ${(chars / MIB).toFixed(0)} MiB of text)`, beganMs)
  }
}

/** As the tools do it: found by the index, written in steps. */
async function work(queue: Queue): Promise<void> {
  for (const [n, action] of ['hold', 'flush', 'delete'].entries()) {
    const [, domain = ''] = addressOf(DOMAINS - 1 - n).split('@')
    const beganMs = performance.now()
    const last = await ask(queue, { op: 'act', action, ids: null, filter: { recipientDomain: domain } })
    sayMs(`${action} of one domain (${String(last['count'])} messages)`, beganMs)
  }
  const id = queue.reader.idOf(Math.floor(COUNT / 2) + 1)
  const beganMs = performance.now()
  await ask(queue, { op: 'resolve', ids: [id.toUpperCase()] })
  sayMs('an id in capitals, as the console of Zimbra sends it', beganMs)
}

async function search(paths: QueuePaths): Promise<void> {
  const trace = new TraceHandle(
    { queueDir: paths.queueDir, socketPath: '', limits: TRACE_LIMITS },
    memoryLog(),
  )
  let beganMs = performance.now()
  while (!(await trace.search({ sender: 's1@sender1.example' }, 1)).complete);
  sayMs('index of the trace made from nothing', beganMs)
  const middle = Math.floor(COUNT / 2)
  const searches: readonly (readonly [string, TraceFilter])[] = [
    ['recipient', { recipient: addressOf(middle) }],
    ['sender', { sender: `s${middle % 10_007}@sender${middle % 97}.example` }],
    ['subject', { subject: `order number ${middle}` }],
    ['client and date', { client: '192.0.2.1', sinceMs: Date.now() - 86_400_000 }],
    ['reply text and domain', { reply: 'server is away', recipient: 'd7.example.test' }],
  ]
  for (const [what, filter] of searches) {
    beganMs = performance.now()
    const { ids } = await trace.search(filter, 20)
    sayMs(`trace by ${what} (${ids.length} found)`, beganMs)
  }
  await trace.close()
}

const dir = mkdtempSync(join(options.dir, 'postern-restart-'))
try {
  const paths = { queueDir: dir, spoolDir: join(dir, 'spool'), runDir: dir }
  mkdirSync(paths.spoolDir)
  let beganMs = performance.now()
  generate(dir)
  say('deferred recipients, domains', `${COUNT}, ${DOMAINS}`)
  sayMs('  made in', beganMs)
  say('  queue.db', `${(statSync(databasePath(dir)).size / MIB).toFixed(0)} MiB`)
  const emptyMiB = process.memoryUsage().rss / MIB
  await using queue = await restart(paths)
  await look(queue)
  beganMs = performance.now()
  await queue.writer.act('hold', [queue.reader.idOf(Math.floor(COUNT / 2))])
  sayMs('one message found by its id and held', beganMs)
  await work(queue)
  say(
    'memory of the process: before the start, now',
    `${emptyMiB.toFixed(0)}, ${(process.memoryUsage().rss / MIB).toFixed(0)} MiB`,
  )
  await search(paths)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
