import { connect } from 'node:net'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { act } from '#src/cli/queue.ts'
import { mailqText } from '#src/cli/mailq.ts'
import { openQueue } from '#src/cli/queue-access.ts'
import type { QueueAccess } from '#src/cli/queue-access.ts'
import {
  MAILQ_HEADER,
  mailqEntry,
  mailqSummary,
  postqueueJson,
  queueJson,
  queueLine,
} from '#src/cli/queue-format.ts'
import { ControlServer } from '#src/queue/control-server.ts'
import type { ListedMessage, ListedRecipient } from '#src/queue/listing.ts'
import { controlSocketPath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import { Writer } from '#src/queue/writer.ts'
import { acquireLock } from '#src/store/lock.ts'
import { openStore } from '#src/store/sqlite.ts'
import { FakeDeliverer, closed, newMessage, rowCounts, scratch, startQueue, until } from './support.ts'
import type { Queue } from './support.ts'

async function startControl(paths: QueuePaths, queue: Queue): Promise<ControlServer> {
  const { reader, writer, scheduler, log } = queue
  const control = new ControlServer({
    reader,
    writer,
    spoolDir: paths.spoolDir,
    search: () => Promise.resolve({ ids: [], refusals: {}, lost: 0, complete: true }),
    active: () => scheduler.active,
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

const DEFERRED = { kind: 'deferred', reply: '450 4.2.0 later', dsn: '4.2.0' } as const

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
      [first.id, 'hold', [to('alice@example.test', 'hold', '450 4.2.0 later')]],
      [third.id, 'deferred', [to('alice@example.test', 'deferred', '450 4.2.0 later')]],
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

function to(
  address: string,
  state: ListedRecipient['state'],
  reason: string,
  failed = false,
): ListedRecipient {
  return { address, original: address, state, reason, failed }
}

function listed(with_: Partial<ListedMessage> = {}): ListedMessage {
  return {
    queue: 'deferred',
    id: '4jXQp03lzkzJfWY',
    arrivedMs: new Date(2026, 10, 22, 10, 50, 16).getTime(),
    sizeBytes: 3268,
    clientAddress: '192.0.2.1',
    clientName: 'unknown',
    subject: 'Hello',
    verdict: ['clean'],
    forcedExpire: false,
    sender: 'a@src.test',
    recipients: [
      {
        address: '2b@example.test',
        original: '2b@example.test',
        state: 'deferred',
        reason: 'connect to 127.0.0.1[127.0.0.1]:1: Connection refused',
        failed: false,
      },
      {
        original: 'alias@example.test',
        failed: false,
        address: 'b@example.test',
        state: 'deferred',
        reason: 'connect to 127.0.0.1[127.0.0.1]:1: Connection refused',
      },
    ],
    ...with_,
  }
}

test('mailq writes what postqueue of Postfix writes', async (t) => {
  const access = {
    async *pages() {
      yield [listed()]
      yield [
        listed({
          queue: 'hold',
          id: '4jXQp03qfHzJfWb',
          sizeBytes: 653,
          sender: '',
          recipients: [to('c@example.test', 'hold', '')],
        }),
      ]
    },
  }
  // Taken from Postfix 3.7.11 with enable_long_queue_ids.
  t.is(
    (await Array.fromAsync(mailqText(access))).join(''),
    `----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
4jXQp03lzkzJfWY       3268 Sun Nov 22 10:50:16 a@src.test
                       (connect to 127.0.0.1[127.0.0.1]:1: Connection refused)
                                               2b@example.test
                                               b@example.test

4jXQp03qfHzJfWb!       653 Sun Nov 22 10:50:16 MAILER-DAEMON
                                               c@example.test

-- 3 Kbytes in 2 Requests.
`,
  )
  t.is(mailqSummary(0, 0), 'Mail queue is empty\n')
  t.is(mailqSummary(1, 1023), '-- 0 Kbytes in 1 Request.\n')
  t.true(mailqEntry(listed({ queue: 'active' })).startsWith('4jXQp03lzkzJfWY* '))
  t.true(mailqEntry(listed({ queue: 'hold', forcedExpire: true })).startsWith('4jXQp03lzkzJfWY!# '))
  t.true(MAILQ_HEADER.startsWith('----Queue ID----- '))
  const pad = ' '.repeat(47)
  const mixed = [
    to('a@x.test', 'deferred', ''),
    to('b@x.test', 'deferred', 'one'),
    to('c@x.test', 'deferred', 'two'),
    to('d@x.test', 'deferred', 'one'),
    to('e@x.test', 'active', 'one'),
  ]
  t.is(
    mailqEntry(listed({ recipients: mixed }))
      .split('\n')
      .slice(1)
      .join('\n'),
    [
      `${' '.repeat(73)}(one)`,
      `${pad}b@x.test`,
      `${' '.repeat(73)}(two)`,
      `${pad}c@x.test`,
      `${' '.repeat(73)}(one)`,
      `${pad}d@x.test`,
      `${' '.repeat(58)}(reason unavailable)`,
      `${pad}a@x.test`,
      `${pad}e@x.test`,
      '',
      '',
    ].join('\n'),
  )
})

test('the JSON listing has the fields of postqueue -j', (t) => {
  t.deepEqual(JSON.parse(queueJson(listed({ recipients: [to('b@example.test', 'hold', 'why')] }))), {
    queue_name: 'deferred',
    queue_id: '4jXQp03lzkzJfWY',
    arrival_time: Math.floor(new Date(2026, 10, 22, 10, 50, 16).getTime() / 1000),
    message_size: 3268,
    forced_expire: false,
    sender: 'a@src.test',
    client_address: '192.0.2.1',
    client_name: 'unknown',
    subject: 'Hello',
    verdict: ['clean'],
    recipients: [
      {
        orig_address: 'b@example.test',
        address: 'b@example.test',
        delay_reason: 'why',
        state: 'hold',
      },
    ],
  })
})

test('postqueue -j tells who waits from who has failed, and who was meant by the client', (t) => {
  const recipients = [to('b@x.test', 'deferred', '450 "busy"'), to('c@x.test', 'deferred', '550 gone', true)]
  t.is(
    postqueueJson(
      listed({ recipients: [...recipients, { ...to('d@x.test', 'hold', ''), original: 'list@x.test' }] }),
    ),
    '{"queue_name": "deferred", "queue_id": "4jXQp03lzkzJfWY", ' +
      `"arrival_time": ${new Date(2026, 10, 22, 10, 50, 16).getTime() / 1000}, "message_size": 3268, ` +
      '"forced_expire": false, "sender": "a@src.test", "recipients": [' +
      '{"orig_address": "b@x.test", "address": "b@x.test", "delay_reason": "450 \\"busy\\""}, ' +
      '{"orig_address": "c@x.test", "address": "c@x.test", "bounce_reason": "550 gone"}, ' +
      '{"orig_address": "list@x.test", "address": "d@x.test"}]}\n',
  )
})

test('no text of the network can forge a line of a listing', (t) => {
  const evil = 'x\n4jXQp03lzkzJfWY 1 \u001b[2J\u2028'
  const message = listed({ sender: evil, recipients: [to(evil, 'deferred', evil)] })
  t.is(mailqEntry(message).split('\n').length, 5)
  t.is(queueLine(message).split('\n').length, 2)
  t.is(queueJson(message).split('\n').length, 2)
  const shown = mailqEntry(message) + queueLine(message)
  t.false(shown.includes('\u001b') || shown.includes('\u2028'))
})
