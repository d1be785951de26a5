import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LIST_PAGE, PAGE_BYTES } from '#src/queue/limits.ts'
import { listPage } from '#src/queue/listing.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, startQueue, until } from '#test/queue/support.ts'

/**
 * How long a queue manager takes to serve with many deferred messages on the disk, and what it holds in memory.
 *
 *     node test/bench/queue-restart.ts --messages 1000000 --dir DIR
 *
 * The deferred ones fall due over the next hours, a thousand of them at once.
 */
const { values: options } = parseArgs({
  options: { messages: { type: 'string', default: '1000000' }, dir: { type: 'string', default: tmpdir() } },
})

const BATCH = 5000
const DUE_NOW = 1000
const SPREAD_MS = 4_000_000

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)} ${value}\n`)
}

/** A queue as a long outage of the mailbox server leaves it. */
function generate(queueDir: string, count: number): void {
  using db = new QueueDb(openStore(databasePath(queueDir), { pageBytes: PAGE_BYTES }))
  const nowMs = Date.now()
  for (let first = 0; first < count; first += BATCH) {
    db.transact(false, () => {
      for (let made = first; made < Math.min(first + BATCH, count); made++) {
        const message = newMessage({
          arrivedMs: nowMs - 86_400_000,
          recipients: [recipient(`u${made}@example.test`)],
        })
        const inserted = db.insert(message, nowMs)
        if (inserted.kind === 'clash') throw new Error('clash')
        const dueMs = made < DUE_NOW ? nowMs : nowMs + 600_000 + Math.floor((made / count) * SPREAD_MS)
        const deferred = [
          { n: 0, address: `u${made}@example.test`, dueMs, attempts: 3, reply: '450 4.2.0 mailbox server is away', dsn: '4.2.0' },
        ]
        const { id } = message
        db.apply(
          {
            seq: inserted.seq,
            id,
            atMs: nowMs,
            done: [],
            deferred,
            corrupt: '',
            bounce: undefined,
            leaves: true,
          },
          nowMs,
        )
      }
    })
    db.checkpoint('passive')
  }
}

const dir = mkdtempSync(join(options.dir, 'postern-restart-'))
try {
  const paths = { queueDir: dir, spoolDir: join(dir, 'spool'), runDir: dir }
  mkdirSync(paths.spoolDir)
  const count = Number(options.messages)
  generate(dir, count)
  say('deferred messages', String(count))
  const beganMs = performance.now()
  const since = (): string => `${(performance.now() - beganMs).toFixed(0)} ms`
  await using queue = await startQueue(paths)
  say('takes mail after', since())
  if ((await queue.client.submit(newMessage())) !== 'queued') throw new Error('not queued')
  say('a new message is on the disk after', since())
  await until(() => queue.deliverer.deliveries.length >= DUE_NOW + 1)
  say(`the ${DUE_NOW} due ones and the new one are sent after`, since())
  const listMs = performance.now()
  listPage(queue.reader, 0, LIST_PAGE, () => false)
  say(`first page of mailq (${LIST_PAGE} messages)`, `${(performance.now() - listMs).toFixed(1)} ms`)
  const searchMs = performance.now()
  await queue.writer.act('hold', [queue.reader.idOf(Math.floor(count / 2))])
  say('one message found by its id and held', `${(performance.now() - searchMs).toFixed(1)} ms`)
  say('memory of the process', `${(process.memoryUsage().rss / 1_048_576).toFixed(0)} MiB`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
