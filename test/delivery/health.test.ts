import test from 'ava'
import { Health } from '#src/delivery/health.ts'
import { FakePeer, greeted, wellBehaved } from './fake-peer.ts'
import { deliverer, never, PATIENT, request, shown } from './requests.ts'

const LIMITS = { failuresMax: 3, restMs: 1000, pauseMs: 100 }

test('a destination is rested after so many failures in a row, probed after its rest, and rested again', (t) => {
  const health = new Health(() => LIMITS)
  t.deepEqual(
    [health.failed(0, 'a', '4.4.1'), health.failed(1, 'b', '4.4.1'), health.failed(2, 'c', '4.4.1')],
    [false, false, true],
  )
  t.deepEqual(health.state(1001), { at: 'resting', untilMs: 1002, reason: 'c', dsn: '4.4.1' })
  t.is(health.state(1002).at, 'probing')
  t.true(health.failed(1003, 'd', '4.4.1'))
  t.deepEqual(health.state(1004), { at: 'resting', untilMs: 2003, reason: 'd', dsn: '4.4.1' })
})

test('a success in between starts the count anew', (t) => {
  const health = new Health(() => LIMITS)
  health.failed(0, 'a', '4.4.1')
  health.failed(0, 'a', '4.4.1')
  t.false(health.succeeded())
  t.false(health.failed(0, 'a', '4.4.1'))
  t.is(health.state(0).at, 'well')
})

test('failures that were on their way when the rest began do not prolong it', (t) => {
  const health = new Health(() => LIMITS)
  for (let i = 0; i < 3; i += 1) health.failed(0, 'a', '4.4.1')
  t.false(health.failed(900, 'late', '4.4.1'))
  t.is(health.state(1000).at, 'probing')
  t.true(health.succeeded())
  t.is(health.state(1000).at, 'well')
})

test('a pause is not prolonged by further 421s, so it ends', (t) => {
  const health = new Health(() => LIMITS)
  t.true(health.pause(0))
  t.false(health.pause(50))
  t.is(health.pauseMs(60), 40)
  t.is(health.pauseMs(100), 0)
})

/** A clock whose monotonic time a test moves. */
function clock(): { nowMs(): number; monotonicMs(): number; sleep(): Promise<void>; at: number } {
  return {
    at: 0,
    nowMs: () => Date.now(),
    monotonicMs() {
      return this.at
    },
    sleep: () => Promise.resolve(),
  }
}

test('a dead destination is not hammered, and is used again once it lives', async (t) => {
  const dead = await FakePeer.listen(() => {})
  const { port } = dead
  await dead[Symbol.asyncDispose]()
  const time = clock()
  await using delivery = deliverer({ failuresMax: 3, restMs: 60_000 }, { clock: time })
  const given = request(port, ['a@x.test'])
  const refused = `deferred 4.4.1 connect to PEER:${port}: Connection refused`
  for (let i = 0; i < 3; i += 1) t.deepEqual(shown(await delivery.deliver(given, never)), [refused])

  await using peer = await FakePeer.listen(wellBehaved(), port)
  const suspended = `deferred 4.4.1 delivery temporarily suspended: connect to PEER:${port}: Connection refused`
  for (let i = 0; i < 100; i += 1) t.deepEqual(shown(await delivery.deliver(given, never)), [suspended])
  t.is(peer.conversations.length, 0)
  t.true(delivery.hasRoom(given.destination), 'they are answered at once')

  time.at = 60_000
  const probe = delivery.deliver(given, never)
  t.false(delivery.hasRoom(given.destination), 'one connection probes')
  const behind = delivery.deliver(given, never)
  t.deepEqual(shown([...(await probe), ...(await behind)]), [
    'sent 2.0.0 250 2.0.0 taken',
    'sent 2.0.0 250 2.0.0 taken',
  ])
  t.deepEqual(
    delivery.log.lines
      .filter(({ event }) => event === 'delivery.connection')
      .map(({ facts }) => facts['state']),
    ['resting', 'recovered'],
  )
})

test('a destination that takes connections and stalls is rested too', async (t) => {
  await using peer = await FakePeer.listen(greeted((c) => c.closed()))
  await using delivery = deliverer({ failuresMax: 2, timeouts: { ...PATIENT, mailMs: 20 } })
  const given = request(peer.port, ['a@x.test'])
  for (let i = 0; i < 2; i += 1) await delivery.deliver(given, never)
  t.regex(
    shown(await delivery.deliver(given, never))[0] ?? '',
    /^deferred 4\.4\.2 delivery temporarily suspended: conversation with PEER timed out/,
  )
  t.is(peer.conversations.length, 2)
})

test('refused recipients do not make a destination dead', async (t) => {
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      for (;;) {
        const line = await c.line()
        if (line === '') return
        c.say(/^(?:RCPT|DATA)/.test(line) ? '550 5.1.1 no\r\n' : '250 ok\r\n')
      }
    }),
  )
  await using delivery = deliverer({ failuresMax: 2 })
  for (let i = 0; i < 5; i += 1) {
    t.deepEqual(shown(await delivery.deliver(request(peer.port, ['a@x.test']), never)), [
      'bounced 5.1.1 550 5.1.1 no',
    ])
  }
  t.is(peer.conversations.length, 1)
})

test('after a 421 no new delivery starts until the pause is over, and then room is told', async (t) => {
  await using peer = await FakePeer.listen((c) => {
    if (c.number > 0) return wellBehaved()(c)
    c.socket.end('421 4.3.2 too many\r\n')
    return undefined
  })
  await using delivery = deliverer({ pauseMs: 30 })
  const given = request(peer.port, ['a@x.test'])
  t.deepEqual(shown(await delivery.deliver(given, never)), ['deferred 4.3.2 421 4.3.2 too many'])
  t.false(delivery.hasRoom(given.destination))
  const told = Promise.withResolvers<void>()
  delivery.onRoom(() => {
    if (delivery.hasRoom(given.destination)) told.resolve()
  })
  // Asked all the same, it waits instead of failing.
  const waited = delivery.deliver(given, never)
  await told.promise
  t.deepEqual(shown(await waited), ['sent 2.0.0 250 2.0.0 taken'])
})

test('a delivery that waits for room ends when it is cancelled', async (t) => {
  await using peer = await FakePeer.listen(greeted((c) => c.closed()))
  await using delivery = deliverer({ concurrencyMax: 1 })
  const given = request(peer.port, ['a@x.test'])
  const first = delivery.deliver(given, never)
  const abort = new AbortController()
  const second = delivery.deliver(given, abort.signal)
  abort.abort()
  t.deepEqual(shown(await second), ['deferred 4.3.2 mail system is shutting down'])
  await delivery.close()
  t.is((await first)[0]?.kind, 'deferred')
})

test('a destination that is revived is tried at once, whatever it did before', (t) => {
  const health = new Health(() => ({ failuresMax: 2, restMs: 60_000, pauseMs: 1000 }))
  health.failed(0, 'refused', '4.4.1')
  health.failed(0, 'refused', '4.4.1')
  health.pause(0)
  t.is(health.state(1).at, 'resting')
  health.revive()
  t.deepEqual(health.state(1), { at: 'well', failures: 0 })
  t.is(health.pauseMs(1), 0)
})
