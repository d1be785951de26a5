import test from 'ava'
import { DUE_START } from '#src/queue/queue-reader.ts'
import type { Router } from '#src/queue/ports.ts'
import { DESTINATION, FakeDeliverer, newMessage, recipient, scratch, startQueue, until } from './support.ts'

test('urgent mail that waits on the disk is tried before all that was due earlier, and the rest goes on', async (t) => {
  using paths = scratch()
  const usual = Array.from({ length: 60 }, (_, i) => newMessage({ recipients: [recipient(`u${i}@a.test`)] }))
  const urgent = Array.from({ length: 3 }, (_, i) =>
    newMessage({ recipients: [recipient(`now${i}@a.test`)], priority: 4, requireTls: true }),
  )
  const late = newMessage({ recipients: [recipient('late@a.test')], priority: -9 })
  {
    await using idle = await startQueue(paths, { idle: true })
    for (const message of [late, ...usual, ...urgent]) t.is(await idle.client.submit(message), 'queued')
    const found = idle.reader.urgent(DUE_START, Date.now(), 100)
    t.is(found.length, 3, 'the rest has no place in the index of what is urgent')
    const loaded = idle.reader.load(found[0]?.seq ?? 0)
    t.like(loaded, { message: { priority: 4, requireTls: true } })
  }
  const deliverer = new FakeDeliverer()
  deliverer.room = 1
  await using queue = await startQueue(paths, { deliverer, activeRecipientsMax: 20 })
  await until(() => queue.deliverer.deliveries.length === 64)
  const order = queue.deliverer.deliveries.flatMap(({ addresses }) => addresses)
  t.deepEqual(order.slice(0, 3), ['now0@a.test', 'now1@a.test', 'now2@a.test'])
  t.is(new Set(order).size, 64)
  const place = order.indexOf('late@a.test')
  t.true(place > 5, 'what is not urgent lets others pass')
  t.true(place < 40, 'and is not left behind by them')
})

/** A destination for each domain. */
const router: Router = (address) => {
  const host = address.slice(address.indexOf('@') + 1)
  return { kind: 'destination', destination: { ...DESTINATION, host } }
}

test('what an operator flushes by name or by filter goes before all that is overdue, for this one attempt', async (t) => {
  using paths = scratch()
  const usual = Array.from({ length: 60 }, (_, i) => newMessage({ recipients: [recipient(`u${i}@a.test`)] }))
  const meant = newMessage({ recipients: [recipient('now@b.test'), recipient('too@b.test')], priority: -9 })
  {
    await using idle = await startQueue(paths, { idle: true })
    for (const message of [...usual, meant]) t.is(await idle.client.submit(message), 'queued')
    t.like(await idle.writer.act('flush', null), { count: 61 })
    t.deepEqual(
      idle.reader.urgent(DUE_START, Number.MAX_SAFE_INTEGER, 100),
      [],
      'of all of them none is before the others',
    )
    for (let i = 0; i < 2; i++) t.like(await idle.writer.act('flush', [meant.id]), { count: 1 })
    t.is(idle.reader.urgent(DUE_START, Number.MAX_SAFE_INTEGER, 100).length, 2)
  }
  const deliverer = new FakeDeliverer(({ message }) =>
    message.id === meant.id ? { kind: 'deferred', dsn: '4.0.0', reply: '450 no' } : {},
  )
  deliverer.room = 1
  await using queue = await startQueue(paths, { deliverer, router, activeRecipientsMax: 20 })
  await until(() => queue.deliverer.deliveries.length === 61)
  t.is(queue.deliverer.deliveries[0]?.id, meant.id)
  await until(() => queue.reader.urgent(DUE_START, Number.MAX_SAFE_INTEGER, 100).length === 0)
})
