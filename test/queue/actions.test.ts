import { connect, createServer } from 'node:net'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { act } from '#src/cli/queue.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { listedPages } from '#src/queue/control-requests.ts'
import { ControlServer } from '#src/queue/control-server.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { controlSocketPath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import { Writer } from '#src/queue/writer.ts'
import { acquireLock } from '#src/store/lock.ts'
import { openStore } from '#src/store/sqlite.ts'
import {
  DEFERRED,
  FakeDeliverer,
  closed,
  listedRecipient,
  newMessage,
  recipient,
  rowCounts,
  scratch,
  startQueue,
  until,
} from './support.ts'
import type { Queue } from './support.ts'

async function startControl(paths: QueuePaths, queue: Queue): Promise<ControlServer> {
  const { reader, writer, scheduler, log } = queue
  const control = new ControlServer({
    reader,
    writer,
    spoolDir: paths.spoolDir,
    search: () => Promise.resolve({ ids: [], refusals: {}, lost: 0, complete: true }),
    active: () => scheduler.active,
    progress: () => ({ oldestDueMs: 0, oldestDueId: '', stalled: false }),
    log,
  })
  await control.listen(controlSocketPath(paths.runDir))
  return control
}

async function all(queue: QueueAccess): Promise<ListedMessage[]> {
  return (await Array.fromAsync(queue.pages())).flat()
}

/** So many attempts were made and all of them are written. */
async function tried(queue: Queue, attempts: number): Promise<void> {
  await until(() => queue.deliverer.deliveries.length >= attempts && queue.scheduler.activeRecipients === 0)
}

function none(): void {
  // Nothing of what a writer tells matters to these tests.
}

test('the tools reach the queue through the daemon and without it, with the same result', async (t) => {
  using paths = scratch()
  const [first, second, third] = [newMessage(), newMessage(), newMessage()]
  {
    await using queue = await startQueue(paths, { deliverer: new FakeDeliverer(() => DEFERRED) })
    for (const message of [first, second, third]) t.is(await queue.client.submit(message), 'queued')
    await tried(queue, 3)
    const control = await startControl(paths, queue)
    await using access = await openQueue(paths)
    t.deepEqual(
      (await all(access)).map(({ id, queue: name }) => [id, name]),
      [first, second, third].map(({ id }) => [id, 'deferred']),
    )
    t.deepEqual(await access.act('hold', [first.id, 'NOSUCHID']), { count: 1, missing: ['NOSUCHID'] })
    t.deepEqual(await access.act('delete', [second.id]), { count: 1, missing: [] })
    t.true(
      queue.log.lines.some(({ event, facts }) => event === 'qmgr.action' && facts['action'] === 'delete'),
    )
    control.close()
  }
  await using access = await openQueue(paths)
  t.deepEqual(
    (await all(access)).map(({ id, queue: name, recipients }) => [id, name, recipients]),
    [
      [first.id, 'hold', [listedRecipient('alice@example.test', 'hold', '450 4.2.0 later')]],
      [third.id, 'deferred', [listedRecipient('alice@example.test', 'deferred', '450 4.2.0 later')]],
    ],
  )
  t.deepEqual(await access.act('release', null), { count: 1, missing: [] })
  t.deepEqual(await access.act('delete', null), { count: 2, missing: [] })
  t.deepEqual(await all(access), [])
})

test('without any queue the tools show an empty one', async (t) => {
  using paths = scratch()
  await using access = await openQueue(paths)
  t.deepEqual(await all(access), [])
  t.deepEqual(await access.act('delete', ['4jXQp03qfHzJfWb']), { count: 0, missing: ['4jXQp03qfHzJfWb'] })
})

test('a message on hold is not tried until it is released, over a restart too', async (t) => {
  using paths = scratch()
  const message = newMessage()
  {
    await using queue = await startQueue(paths, { deliverer: new FakeDeliverer(() => DEFERRED) })
    t.is(await queue.client.submit(message), 'queued')
    await tried(queue, 1)
    await queue.writer.act('hold', [message.id])
    t.deepEqual(await queue.writer.act('flush', null), { count: 0, missing: [] })
  }
  await using queue = await startQueue(paths)
  t.is(await queue.client.submit(newMessage()), 'queued')
  await until(() => queue.deliverer.deliveries.length === 1)
  t.not(queue.deliverer.deliveries[0]?.id, message.id)
  await queue.writer.act('release', [message.id])
  await until(() => queue.deliverer.deliveries.length === 2)
  t.is(queue.deliverer.deliveries[1]?.id, message.id)
})

test('flush tries a deferred message at once, and requeue forgets its attempts', async (t) => {
  using paths = scratch()
  const deliverer = new FakeDeliverer(() => DEFERRED)
  await using queue = await startQueue(paths, { deliverer })
  const message = newMessage()
  t.is(await queue.client.submit(message), 'queued')
  await tried(queue, 1)
  const attempts = (): number | undefined => {
    const loaded = queue.reader.load(1)
    return loaded !== undefined && 'recipients' in loaded ? loaded.recipients[0]?.attempts : undefined
  }
  t.is(attempts(), 1)
  await queue.writer.act('flush', [message.id])
  await tried(queue, 2)
  t.is(attempts(), 2)
  await queue.writer.act('requeue', [message.id])
  await tried(queue, 3)
  t.is(attempts(), 1)
  t.true(queue.deliverer.revived > 0, 'a flush tries destinations that rest, too')
})

test('what is deleted or held while it is delivered ends as the attempt ends', async (t) => {
  using paths = scratch()
  const go = Promise.withResolvers<void>()
  const sent = newMessage({ sender: 'sent@example.test' })
  const kept = newMessage({ sender: 'kept@example.test' })
  const gone = newMessage({ sender: 'gone@example.test' })
  const deliverer = new FakeDeliverer(async ({ message }) => {
    await go.promise
    return message.sender === sent.sender ? {} : DEFERRED
  })
  await using queue = await startQueue(paths, { deliverer })
  for (const message of [sent, kept, gone]) t.is(await queue.client.submit(message), 'queued')
  await until(() => deliverer.running === 3)
  t.is((await queue.writer.act('hold', [sent.id, kept.id])).count, 2)
  t.is((await queue.writer.act('delete', [gone.id])).count, 1)
  go.resolve()
  await tried(queue, 3)
  t.deepEqual(
    deliverer.deliveries.filter(({ addresses }) => addresses.length > 0).map(({ id }) => id),
    [sent.id],
  )
  await queue.stop()
  await using access = await openQueue(paths)
  t.deepEqual(
    (await all(access)).map(({ id, queue: name, recipients: [one] }) => [id, name, one?.reason]),
    [[kept.id, 'hold', '450 4.2.0 later']],
  )
})

test('what leaves the queue while it is flushed or deleted is not taken for damaged', async (t) => {
  using paths = scratch()
  const go = Promise.withResolvers<void>()
  const large = { text: `Subject: x\r\n\r\n${'x'.repeat(60_000)}\r\n` }
  const deliverer = new FakeDeliverer(async () => {
    await go.promise
    return {}
  })
  await using queue = await startQueue(paths, { deliverer })
  const messages = [newMessage(), newMessage(), newMessage(large)]
  for (const message of messages) t.is(await queue.client.submit(message), 'queued')
  await until(() => deliverer.running === 3)
  t.is((await queue.writer.act('flush', null)).count, 3)
  t.is((await queue.writer.act('delete', [messages[1]?.id ?? ''])).count, 1)
  go.resolve()
  await tried(queue, 2)
  await queue.stop()
  t.deepEqual(
    queue.log.lines.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  )
})

test('a writer that has stopped tells a tool that nothing was done', async (t) => {
  using paths = scratch()
  using db = new QueueDb(openStore(':memory:'))
  const log = memoryLog()
  const writer = new Writer({
    db,
    spool: new SpoolPool(paths.spoolDir, new Set(), log, none),
    clock: systemClock,
    log,
    space: { open: true, closeNow: none },
    events: { accepted: none, answered: none, settled: none, acted: none, committed: none, fatal: none },
  })
  const message = newMessage()
  const queued = Promise.withResolvers<string>()
  const { resolve: answer } = queued
  writer.submit({ message, head: '', owner: {}, answer })
  t.is(await queued.promise, 'queued')
  writer.close()
  await t.throwsAsync(writer.act('delete', { kind: 'ids', ids: [message.id] }), {
    message: /cannot be written/,
  })
  t.not(db.seqOf(message.id), undefined)
})

test('a message that waits for a place and is held or deleted is not tried', async (t) => {
  using paths = scratch()
  const deliverer = new FakeDeliverer()
  deliverer.room = 0
  await using queue = await startQueue(paths, { deliverer })
  const messages = Array.from({ length: 4 }, () => newMessage())
  for (const message of messages) t.is(await queue.client.submit(message), 'queued')
  await until(() => queue.scheduler.activeRecipients === 4)
  const [a, b, c, d] = messages.map(({ id }) => id)
  await queue.writer.act('hold', [a ?? ''])
  await queue.writer.act('delete', [b ?? ''])
  await until(() => queue.scheduler.activeRecipients === 2)
  deliverer.room = 20
  await queue.writer.act('flush', null)
  await until(() => deliverer.deliveries.length === 2)
  t.deepEqual(deliverer.deliveries.map(({ id }) => id).toSorted(), [c ?? '', d ?? ''].toSorted())
  await queue.stop()
  t.is(rowCounts(paths).messages, 1)
})

test('actions on all messages reach every one of many', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  await Promise.all(Array.from({ length: 1203 }, () => queue.client.submit(newMessage())))
  t.deepEqual(await queue.writer.act('hold', null), { count: 1203, missing: [] })
  t.deepEqual(await queue.writer.act('hold', null), { count: 0, missing: [] })
  t.deepEqual(await queue.writer.act('requeue', null), { count: 1203, missing: [] })
  t.deepEqual(await queue.writer.act('delete', null), { count: 1203, missing: [] })
  t.deepEqual(rowCounts(paths), { messages: 0, bodies: 0, recipients: 0 })
})

test('a request that is none is answered with an error, and an endless one is cut off', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const control = await startControl(paths, queue)
  for (const line of [
    'nonsense',
    '[]',
    '{"op":"dance"}',
    '{"op":"act","action":"eat","ids":null}',
    '{"op":"act","action":"hold","ids":[1]}',
  ]) {
    const socket = connect(controlSocketPath(paths.runDir))
    socket.end(`${line}\n`)
    const answer = Buffer.concat(await Array.fromAsync(socket as AsyncIterable<Buffer>)).toString()
    t.regex(answer, /^\{"error":".+"\}\n$/, line)
  }
  const socket = connect(controlSocketPath(paths.runDir))
  socket.write('x'.repeat(3_000_000))
  await closed(socket)
  control.close()
})

test('an id that does not exist makes the exit code 1, and the others are done all the same', async (t) => {
  using paths = scratch()
  const message = newMessage()
  {
    await using queue = await startQueue(paths, { idle: true })
    await queue.client.submit(message)
  }
  await using access = await openQueue(paths)
  const hold = { action: 'hold', done: 'Placed on hold' } as const
  t.deepEqual(await act(access, hold, [`${message.id}*`, 'NOSUCHID']), {
    text: 'postern: NOSUCHID: no such message in the queue\npostern: Placed on hold: 1 message\n',
    code: 1,
  })
  t.deepEqual(await act(access, { action: 'delete', done: 'Deleted' }, ['ALL']), {
    text: 'postern: Deleted: 1 message\n',
    code: 0,
  })
  t.deepEqual(
    (await act(access, { action: 'delete', done: 'Deleted' }, ['ALL'])).text,
    'postern: Deleted: 0 messages\n',
  )
  await t.throwsAsync(act(access, hold, ['ALL', message.id]))
})

test('what only looks is read beside the daemon, which is asked for nothing but what is in memory', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const message = newMessage()
  await queue.client.submit(message)
  const asked: string[] = []
  const daemon = createServer((socket) => {
    socket.setEncoding('utf8').on('data', (line) => {
      asked.push(String(line))
      socket.end('{"active":[1]}\n')
    })
  })
  await new Promise<void>((resolve) => {
    daemon.listen(controlSocketPath(paths.runDir), resolve)
  })
  {
    await using access = await openQueue(paths)
    t.deepEqual(
      (await all(access)).map(({ id, queue: name }) => [id, name]),
      [[message.id, 'active']],
    )
    for await (const counts of access.ask({ op: 'queues' })) t.like(counts, { active: 1, incoming: 0 })
    for await (const shape of access.ask({ op: 'shape', buckets: 2, bucketMinutes: 5 }))
      t.deepEqual(shape['rows'], [
        ['TOTAL', [1, 1, 0]],
        ['example.test', [1, 1, 0]],
      ])
    for await (const { ids } of access.ask({ op: 'resolve', ids: [message.id.toLowerCase(), 'NONE'] }))
      t.deepEqual(ids, [message.id, 'NONE'])
  }
  t.deepEqual([...new Set(asked)], ['{"op":"active"}\n'])
  daemon.close()
})

test('a message for thousands is a page of its own, and nothing is left out', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const sizes = [1, 4000, 3000, 1, 6000, 2]
  const ids: string[] = []
  for (const size of sizes) {
    const recipients = Array.from({ length: size }, (_, n) => recipient(`u${n}@example.test`))
    const message = newMessage({ recipients })
    t.is(await queue.client.submit(message), 'queued')
    ids.push(message.id)
  }
  for (const filter of [{}, { queues: ['incoming'] as const }]) {
    const tools = { reader: queue.reader, active: () => queue.scheduler.active }
    const pages = await Array.fromAsync(listedPages({ filter }, tools))
    const shown = pages.filter((page) => page.length > 0)
    t.deepEqual(
      shown.map((page) => page.map(({ recipients }) => recipients.length)),
      [[1, 4000], [3000, 1], [6000], [2]],
    )
    t.deepEqual(
      shown.flat().map(({ id }) => id),
      ids,
    )
  }
  const limited = await Array.fromAsync(
    listedPages({ limit: 3 }, { reader: queue.reader, active: () => queue.scheduler.active }),
  )
  t.is(limited.flat().length, 3)
})

test('a daemon that holds the queue and does not answer is named', async (t) => {
  using paths = scratch()
  {
    await using queue = await startQueue(paths, { idle: true })
    await queue.client.submit(newMessage())
  }
  using lock = await acquireLock({
    dir: paths.queueDir,
    name: 'queue',
    purpose: 'qmgr',
    waitMs: 1,
    clock: systemClock,
  })
  await t.throwsAsync(openQueue(paths), { message: /STORE_LOCKED.*qmgr/ })
  t.is(lock.name, 'queue')
})
