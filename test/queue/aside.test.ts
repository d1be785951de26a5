import test from 'ava'
import { mailqEntry, queueLine } from '#src/cli/queue-format.ts'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { findPages } from '#src/queue/list-find.ts'
import { NONE_ACTIVE } from '#src/queue/listing.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { markDamaged, rescueQueue } from '#src/queue/rescue.ts'
import { MIGRATIONS } from '#src/queue/schema.ts'
import { migrate } from '#src/store/migrate.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, scratch, startQueue, until } from './support.ts'
import type { Queue } from './support.ts'

/** What is held, and what is set aside as damaged, as an operator sees it and moves it. */

function change(paths: QueuePaths, sql: string): void {
  const store = openStore(databasePath(paths.queueDir))
  store.exec(sql)
  store.close()
}

async function queued(paths: QueuePaths): Promise<string> {
  await using queue = await startQueue(paths, { idle: true })
  const message = newMessage()
  if ((await queue.client.submit(message)) !== 'queued') throw new Error('not queued')
  return message.id
}

function asides(queue: Queue): number {
  return queue.log.lines.filter(({ event }) => event === 'qmgr.corrupt').length
}

function listed({ reader }: Pick<Queue, 'reader'>): ListedMessage | undefined {
  return [...findPages(reader, { queues: ['corrupt'] }, NONE_ACTIVE)].flat()[0]
}

test('a message with a damaged body shows the damage and not its last reply, and is checked again when released', async (t) => {
  using paths = scratch()
  const id = await queued(paths)
  change(
    paths,
    `UPDATE recipient SET state = 'deferred', attempts = 1, last_reply = '450 4.2.0 busy', last_dsn = '4.2.0'`,
  )
  change(paths, `UPDATE body SET bytes = CAST('other' || substr(CAST(bytes AS TEXT), 6) AS BLOB)`)
  {
    await using queue = await startQueue(paths)
    await until(() => asides(queue) === 1 && queue.scheduler.activeRecipients === 0)
    const message = listed(queue)
    t.deepEqual([message?.id, message?.queue], [id, 'corrupt'])
    t.regex(message?.recipients[0]?.reason ?? '', /checksum/)
    t.regex(JSON.stringify(queue.reader.trace(id)), /"event":"corrupt","facts":"[^}]*checksum/)
    t.deepEqual(await queue.writer.act('release', [id]), { count: 1, missing: [] })
    await until(() => asides(queue) === 2 && listed(queue) !== undefined)
    await queue.writer.act('delete', [id], { by: 'root', note: 'nobody wants it' })
    t.is(queue.reader.seqOf(id), undefined)
    const last = queue.reader.trace(id).at(-1)
    t.deepEqual([last?.event, last?.facts], ['deleted', '{"by":"root","note":"nobody wants it"}'])
    t.deepEqual(queue.deliverer.deliveries, [])
  }
})

test('of a damaged row is shown what can be read of it, and nothing of it can stop a listing', async (t) => {
  using paths = scratch()
  const id = await queued(paths)
  const damages = [
    [`UPDATE message SET sender = 'forged' || sender`, 'forgedsender@example.test'],
    [`UPDATE message SET arrived_ms = 9000000000000000`, 'forgedsender@example.test'],
    [`UPDATE message SET envelope = '{"origin":7}', verdict = '['`, 'forgedsender@example.test'],
    [`UPDATE recipient SET state = 'nowhere'`, 'forgedsender@example.test'],
  ] as const
  for (const [sql, sender] of damages) {
    change(paths, sql)
    {
      using db = new QueueDb(openStore(databasePath(paths.queueDir)))
      const seq = db.seqOf(id) ?? 0
      const base = { seq, id, atMs: 1, done: [], deferred: [], reports: [], leaves: true }
      if (!sql.includes('nowhere')) db.apply({ ...base, corrupt: 'row' }, 1)
    }
    using reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
    const message = listed({ reader })
    t.deepEqual([message?.id, message?.sender, message?.queue], [id, sender, 'corrupt'], sql)
    t.regex(message?.recipients[0]?.reason ?? '', /none|does not hold/, sql)
    t.true(queueLine(message ?? missing()).startsWith('corrupt'), sql)
    t.true(mailqEntry(message ?? missing()).includes(sender), sql)
  }
})

function missing(): never {
  throw new Error('it is not listed')
}

test('who held and released a message, and why, is in its trace', async (t) => {
  using paths = scratch()
  const id = await queued(paths)
  await using queue = await startQueue(paths, { idle: true })
  await queue.writer.act('hold', [id], { by: 'ann', note: 'looks odd' })
  await queue.writer.act('release', [id])
  t.deepEqual(
    queue.reader.trace(id).map(({ event, facts }) => [event, event === 'queued' ? '' : facts]),
    [
      ['queued', ''],
      ['held', '{"by":"ann","note":"looks odd"}'],
      ['released', '{}'],
    ],
  )
})

test('a rescue keeps that a message is to expire', async (t) => {
  using paths = scratch()
  const id = await queued(paths)
  {
    using db = new QueueDb(openStore(databasePath(paths.queueDir)))
    db.transact(true, () => db.act('expire', db.seqOf(id) ?? 0, systemClock.nowMs()))
  }
  markDamaged(paths.queueDir)
  t.is(rescueQueue(paths, 0, memoryLog())?.saved, 1)
  using reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
  const loaded = reader.load(reader.seqOf(id) ?? 0)
  t.true(loaded !== undefined && 'message' in loaded && loaded.message.forcedExpire)
})

test('a damaged file of the first release is rescued too', (t) => {
  using paths = scratch()
  const store = openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES })
  migrate(store, MIGRATIONS.slice(0, 1))
  store.exec(
    `INSERT INTO message VALUES (7, 'BBBBBB7', 1, '', '{}', '', '{}', 1, NULL, 2, 3, 4);
     INSERT INTO body VALUES (7, x'4142');
     INSERT INTO recipient VALUES (7, 0, 'a@x.example', 'a@x.example', '', '', 'deferred', 1, 1, '450 busy', '4.0.0', 5)`,
  )
  store.close()
  markDamaged(paths.queueDir)
  t.is(rescueQueue(paths, 0, memoryLog())?.saved, 1)
  using db = new QueueDb(openStore(databasePath(paths.queueDir)))
  t.is(db.seqOf('BBBBBB7'), 7)
  t.deepEqual(db.store.prepare('SELECT domain, state, recipients FROM backlog').all(), [
    { domain: 'x.example', state: 'deferred', recipients: 1 },
  ])
})
