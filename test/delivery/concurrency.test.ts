import test from 'ava'
import { Concurrency } from '#src/delivery/concurrency.ts'
import { FakePeer, greeted, wellBehaved } from './fake-peer.ts'
import { deliverer, never, request } from './requests.ts'
import type { DeliveryRequest } from '#src/queue/ports.ts'

function to(peer: FakePeer, protocol: 'lmtp' | 'smtp'): DeliveryRequest {
  return request(peer.port, ['a@x.test'], { protocol })
}

const LIMITS = { concurrencyFirst: 5, concurrencyMax: 20 }

test('a window grows by one with each success that used it, to its limit and no further', (t) => {
  const window = new Concurrency(() => LIMITS)
  t.is(window.size, 5)
  window.succeeded(1)
  t.is(window.size, 6)
  for (let n = 0; n < 100; n += 1) window.succeeded(1)
  t.is(window.size, 6, 'one at a time needs no more')
  for (let n = 0; n < 100; n += 1) window.succeeded(window.size)
  t.is(window.size, 20)
})

test('a window shrinks by one with each failure, to one, and begins afresh after a rest', (t) => {
  const window = new Concurrency(() => LIMITS)
  const sizes = Array.from({ length: 6 }, () => {
    window.failed()
    return window.size
  })
  t.deepEqual(sizes, [4, 3, 2, 1, 1, 1])
  window.restart()
  t.is(window.size, 5)
})

test('where the first number is the largest there is nothing to learn', (t) => {
  const window = new Concurrency(() => ({ concurrencyFirst: 20, concurrencyMax: 20 }))
  window.failed()
  t.is(window.size, 20)
})

test('a destination of SMTP begins with five at once and is given more as it proves itself', async (t) => {
  const held: (() => void)[] = []
  let open = false
  await using peer = await FakePeer.listen(async (c) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (!open) {
      held.push(resolve)
      await promise
    }
    await wellBehaved([], '250 peer\r\n', 'smtp')(c)
  })
  await using delivery = deliverer({ concurrencyFirst: 2, concurrencyMax: 4 })
  const given = request(peer.port, ['a@x.test'], { protocol: 'smtp' })
  const start = (count: number): Promise<unknown>[] =>
    Array.from({ length: count }, async () => await delivery.deliver(given, never))
  const first = start(2)
  t.false(delivery.hasRoom(given.destination), 'two are all, at first')
  while (held.length < 2) await new Promise(setImmediate)
  open = true
  for (const free of held) free()
  await Promise.all(first)
  const second = start(4)
  t.false(delivery.hasRoom(given.destination), 'two that went well make it four, which is the limit')
  await Promise.all(second)
})

test('a slow destination takes no place of another, and none of the mailbox servers', async (t) => {
  await using slow = await FakePeer.listen(greeted((c) => c.closed()))
  await using quick = await FakePeer.listen(wellBehaved([], undefined, 'smtp'))
  await using store = await FakePeer.listen(wellBehaved())
  await using delivery = deliverer({ concurrencyFirst: 2, concurrencyMax: 2, connectionsMax: 3 })
  const stop = new AbortController()
  const stuck = [1, 2].map(async () => await delivery.deliver(to(slow, 'smtp'), stop.signal))
  t.false(delivery.hasRoom(to(slow, 'smtp').destination))
  for (let n = 0; n < 5; n += 1) {
    t.true(delivery.hasRoom(to(quick, 'smtp').destination))
    t.is((await delivery.deliver(to(quick, 'smtp'), never))[0]?.kind, 'sent')
    t.is((await delivery.deliver(to(store, 'lmtp'), never))[0]?.kind, 'sent')
  }
  stop.abort()
  await Promise.all(stuck)
})

test('with a rate delay one delivery goes at a time, and the next only after the pause', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  const time = {
    at: 1000,
    nowMs: () => Date.now(),
    monotonicMs: () => time.at,
    sleep: () => Promise.resolve(),
  }
  await using delivery = deliverer({ rateDelayMs: 60_000 }, { clock: time })
  const given = request(peer.port, ['a@x.test'])
  const first = delivery.deliver(given, never)
  t.false(delivery.hasRoom(given.destination), 'one at a time')
  await first
  t.false(delivery.hasRoom(given.destination))
  time.at += 60_000
  t.true(delivery.hasRoom(given.destination))
})
