import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { memoryLog } from '#src/base/log.ts'
import { LIST_PAGE, PAGE_BYTES } from '#src/queue/limits.ts'
import { findPages } from '#src/queue/list-find.ts'
import { countDomains, shape } from '#src/queue/list-shape.ts'
import { listPage } from '#src/queue/listing.ts'
import { databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { TraceHandle } from '#src/queue/trace-handle.ts'
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

const isActive = (): boolean => false

function look(queue: Queue): void {
  let beganMs = performance.now()
  listPage(queue.reader, 0, LIST_PAGE, isActive)
  sayMs(`first page of mailq (${LIST_PAGE} messages)`, beganMs)
  beganMs = performance.now()
  const counted = [...countDomains(queue.reader)].at(-1) ?? []
  sayMs('count by domain', beganMs)
  const sum = counted.reduce((total, { recipients }) => total + recipients, 0)
  const rows = Number(queue.reader.store.prepare('SELECT count(*) FROM recipient').pluck().get())
  say('  recipients counted, recipients in the table', `${sum}, ${rows}`)
  beganMs = performance.now()
  const layout = {
    filter: {},
    bySender: false,
    buckets: 10,
    bucketMinutes: 5,
    linear: false,
    nowMs: Date.now(),
  }
  const total = [...shape(queue.reader, layout, isActive)].at(-1)?.get('TOTAL')?.[0]
  sayMs(`qshape of all of it (total ${total})`, beganMs)
}

/** As the tools do it: found by the index, written in steps. */
async function work(queue: Queue): Promise<void> {
  const [, domain = ''] = addressOf(DOMAINS - 1).split('@')
  const beganMs = performance.now()
  let count = 0
  for (const page of findPages(queue.reader, { recipientDomain: domain }, () => false)) {
    count += (
      await queue.writer.act(
        'flush',
        page.map(({ id }) => id),
      )
    ).count
  }
  sayMs(`flush of one domain (${count} messages)`, beganMs)
}

async function search(paths: QueuePaths): Promise<void> {
  const trace = new TraceHandle(paths.queueDir, memoryLog())
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
  look(queue)
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
