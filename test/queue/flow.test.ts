import test from 'ava'
import {
  FakeDeliverer,
  newMessage,
  recipient,
  reporting,
  rowCounts,
  scratch,
  startQueue,
  until,
} from './support.ts'

/** More than the spare files that client and pool keep, so that some must come again. */
const ROUNDS = 30

test('a message that was queued is delivered with its body and leaves nothing behind', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths)
  const message = newMessage({ text: 'Subject: one\r\n\r\nbody\r\n' })
  t.is(await queue.client.submit(message), 'queued')
  await until(() => queue.log.lines.some((line) => line.event === 'qmgr.removed'))
  t.deepEqual(queue.deliverer.deliveries, [
    { id: message.id, addresses: ['alice@example.test'], bytes: Buffer.from('Subject: one\r\n\r\nbody\r\n') },
  ])
  await queue.stop()
  t.deepEqual(rowCounts(paths), { messages: 0, bodies: 0, recipients: 0 })
})

test('a large body goes through a spool file that is used again', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths)
  const names = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    const spool = await queue.client.openSpool()
    if (typeof spool === 'string') return t.fail(spool)
    names.add(spool.file)
    const text = `round ${round} `.repeat(40_000 - round * 900)
    await spool.write(Buffer.from(text))
    await spool.sync()
    const { bodyCrc32 } = newMessage({ text })
    const body = { kind: 'spool', file: spool.file, length: text.length } as const
    t.is(await queue.client.submit(newMessage({ body, bodyCrc32 })), 'queued')
    await until(() => queue.log.lines.filter((line) => line.event === 'qmgr.removed').length === round + 1)
    t.is(queue.deliverer.deliveries[round]?.bytes.toString(), text)
  }
  t.true(names.size < ROUNDS, `${names.size} files for ${ROUNDS} messages`)
})

test('each recipient has its own outcome: sent ones go, deferred ones stay, failed ones are bounced once', async (t) => {
  using paths = scratch()
  const bounces: string[] = []
  const deliverer = new FakeDeliverer((request, n) => {
    if (request.message.sender === '') return {}
    if (n === 0) return {}
    if (n === 1) return { kind: 'deferred', reply: '452 4.2.2 full', dsn: '4.2.2' }
    return { kind: 'bounced', reply: '550 5.1.1 no', dsn: '5.1.1' }
  })
  await using queue = await startQueue(paths, {
    deliverer,
    composeReports: reporting(({ message, about }) => {
      bounces.push(...about.map(({ recipient: { address } }) => address))
      return newMessage({ sender: '', recipients: [recipient(message.sender)] })
    }),
  })
  const addresses = ['a@example.test', 'b@example.test', 'c@example.test', 'd@example.test']
  const message = newMessage({ recipients: addresses.map(recipient) })
  t.is(await queue.client.submit(message), 'queued')
  await until(() => queue.log.lines.some((line) => line.event === 'qmgr.removed'))
  t.deepEqual(bounces, ['c@example.test', 'd@example.test'])
  t.deepEqual(
    queue.deliverer.deliveries.map((delivery) => delivery.addresses),
    [['a@example.test'], ['sender@example.test']],
  )
  await queue.stop()
  t.deepEqual(rowCounts(paths), { messages: 1, bodies: 1, recipients: 1 })
})
