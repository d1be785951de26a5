import { connect } from 'node:net'
import { readdirSync } from 'node:fs'
import test from 'ava'
import { LEASE_SPARES, SPOOL_AHEAD } from '#src/queue/limits.ts'
import { submitSocketPath } from '#src/queue/paths.ts'
import { encodeFrame } from '#src/net/frames.ts'
import type { SpoolWriter } from '#src/queue/types.ts'
import { closed, newMessage, rowCounts, scratch, startClient, startQueue, until } from './support.ts'
import type { Queue } from './support.ts'

async function openSpool(queue: Queue): Promise<SpoolWriter> {
  const spool = await queue.client.openSpool()
  if (typeof spool === 'string') throw new Error(spool)
  return spool
}

test('without a queue manager mail is refused for now, and taken again when there is one', async (t) => {
  using paths = scratch()
  const first = await startQueue(paths)
  const { client } = first
  const other = await startClient(paths, first.log)
  t.is(other.admission(), 'open')
  await first.stop()
  await until(() => other.admission() === 'unavailable')
  t.is(await other.submit(newMessage()), 'unavailable')
  t.is(await other.openSpool(), 'unavailable')
  t.is(client.admission(), 'unavailable')
  await using second = await startQueue(paths)
  await until(() => other.admission() === 'open')
  t.is(await other.submit(newMessage()), 'queued')
  await until(() => second.deliverer.deliveries.length === 1)
  other.close()
})

test('a message submitted twice is in the queue once, and both are told so', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const message = newMessage()
  t.deepEqual(await Promise.all([queue.client.submit(message), queue.client.submit(message)]), [
    'queued',
    'queued',
  ])
  t.is(await queue.client.submit(message), 'queued')
  t.is(rowCounts(paths).messages, 1)
})

test('another message under a known id is refused, and those of its group are not', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const message = newMessage()
  t.is(await queue.client.submit(message), 'queued')
  const clash = newMessage({ id: message.id, text: 'something else\r\n' })
  t.deepEqual(
    await Promise.all([
      queue.client.submit(newMessage()),
      queue.client.submit(clash),
      queue.client.submit(newMessage()),
    ]),
    ['queued', 'failed', 'queued'],
  )
  t.is(rowCounts(paths).messages, 3)
})

test('a body that was changed on its way is refused', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  t.is(await queue.client.submit(newMessage({ bodyCrc32: 1 })), 'failed')
  t.is(rowCounts(paths).messages, 0)
})

test('a spool file that was not synced, or of another length, is not taken', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const bytes = Buffer.alloc(50_000, 'x')
  const { bodyCrc32 } = newMessage({ text: bytes.toString() })
  const unsynced = await openSpool(queue)
  await unsynced.write(bytes)
  const longer = await openSpool(queue)
  await longer.write(bytes)
  await longer.sync()
  const submit = async (file: string, length: number): Promise<string> =>
    await queue.client.submit(newMessage({ body: { kind: 'spool', file, length }, bodyCrc32 }))
  t.is(await submit(unsynced.file, bytes.length), 'failed')
  t.is(await submit(longer.file, bytes.length + 1), 'failed')
  t.is(await submit('999999', bytes.length), 'unavailable')
  t.is(rowCounts(paths).messages, 0)
})

test('what was written to a spool file can be read before it is submitted', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const spool = await openSpool(queue)
  await spool.write(Buffer.from('hello '))
  await spool.write(Buffer.from('world'))
  const into = Buffer.alloc(100)
  t.is(await spool.read(0, into), 11)
  t.is(into.toString('utf8', 0, 11), 'hello world')
  t.is(await spool.read(6, into), 5)
  t.is(await spool.read(11, into), 0)
  spool.discard()
})

test('a spool file that is given back is used for the next body', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const names = new Set<string>()
  for (let i = 0; i < 40; i++) {
    const spool = await openSpool(queue)
    names.add(spool.file)
    await spool.write(Buffer.from('unused'))
    spool.discard()
  }
  const most = LEASE_SPARES + 2 * SPOOL_AHEAD
  t.true(names.size <= most, `${names.size} files`)
  t.true(readdirSync(paths.spoolDir).length <= most)
})

test('many large bodies at once each have a file of their own', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const spools = await Promise.all(Array.from({ length: 50 }, () => openSpool(queue)))
  t.is(new Set(spools.map(({ file }) => file)).size, 50)
  for (const spool of spools) spool.discard()
})

test('the files that a lost client held are unlinked, not used again', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const spool = await openSpool(queue)
  await spool.write(Buffer.from('half a body'))
  queue.client.close()
  await until(() => !readdirSync(paths.spoolDir).includes(spool.file))
  // Whoever still holds it writes where nobody reads.
  await t.notThrowsAsync(spool.write(Buffer.from('the other half')))
  spool.discard()
})

test('a client that sends what is no frame is cut off, and the others are served', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const rubbish = [
    Buffer.from('EHLO this is not the port you look for\r\n'),
    encodeFrame('{"t":"nonsense"}'),
    encodeFrame('not json'),
    encodeFrame('{"t":"submit"}'),
    encodeFrame('{"t":"lease","count":100000}'),
    encodeFrame('{"t":"giveback","file":"../../etc/passwd"}'),
  ]
  for (const bytes of rubbish) {
    const socket = connect(submitSocketPath(paths.runDir))
    socket.resume()
    socket.write(bytes)
    await closed(socket)
  }
  t.is(await queue.client.submit(newMessage()), 'queued')
})

test('a submission with a part that cannot be is refused and nothing of it kept', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const wrong: Partial<Record<string, unknown>>[] = [
    { id: '../x' },
    { id: '' },
    { arrivedMs: -1 },
    { arrivedMs: 1.5 },
    { recipients: [] },
    { recipients: [{ address: 'a@b' }] },
    { ret: 'MAYBE' },
    { verdict: [] },
    { origin: {} },
    { body: { kind: 'spool', file: '../../x', length: 1 } },
  ]
  for (const part of wrong) {
    t.not(await queue.client.submit({ ...newMessage(), ...part }), 'queued', JSON.stringify(part))
  }
  t.is(await queue.client.submit(newMessage()), 'queued')
  t.is(rowCounts(paths).messages, 1)
})
