import test from 'ava'
import type { Clock } from '#src/base/clock.ts'
import { systemClock } from '#src/base/clock.ts'
import { AnvilClient } from '#src/main/anvil-client.ts'
import { AnvilCounts } from '#src/main/anvil.ts'
import type { FromChild } from '#src/main/ipc.ts'

const MAX = 3

test('a client has as many connections as it may, over all processes together', (t) => {
  const counts = new AnvilCounts()
  t.true(counts.admit(1, '192.0.2.1', MAX))
  t.true(counts.admit(2, '192.0.2.1', MAX))
  t.true(counts.admit(2, '::ffff:192.0.2.1', MAX))
  t.false(counts.admit(1, '192.0.2.1', MAX))
  t.true(counts.admit(1, '192.0.2.2', MAX))
  counts.leave(2, '192.0.2.1')
  t.true(counts.admit(1, '192.0.2.1', MAX))
})

test('what a process counted goes away with it', (t) => {
  const counts = new AnvilCounts()
  counts.admit(1, '192.0.2.1', MAX)
  counts.admit(2, '192.0.2.1', MAX)
  counts.admit(2, '192.0.2.1', MAX)
  counts.forget(2)
  t.is(counts.count('192.0.2.1'), 1)
  counts.forget(2)
  counts.leave(2, '192.0.2.1')
  t.is(counts.count('192.0.2.1'), 1)
  counts.forget(1)
  t.is(counts.clients, 0)
})

test('an end that was never counted changes nothing', (t) => {
  const counts = new AnvilCounts()
  counts.admit(1, '192.0.2.1', MAX)
  counts.leave(1, '192.0.2.9')
  counts.leave(9, '192.0.2.1')
  t.is(counts.count('192.0.2.1'), 1)
})

test('IPv6 clients count by their network of 84 bits', (t) => {
  const counts = new AnvilCounts()
  for (const address of ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:1:0:fff::1'])
    t.true(counts.admit(1, address, MAX))
  t.false(counts.admit(1, '2001:db8:0:1::3', MAX))
  t.true(counts.admit(1, '2001:db8:0:1:0:1000::1', MAX))
  t.true(counts.admit(1, '2001:db8:0:2::1', MAX))
})

test('the limit 0 is none', (t) => {
  const counts = new AnvilCounts()
  for (let i = 0; i < 100; i += 1) t.true(counts.admit(1, '192.0.2.1', 0))
})

test('an smtpd hears the answer to its own question', async (t) => {
  const said: FromChild[] = []
  const client = new AnvilClient((message) => said.push(message), systemClock)
  const first = client.admit('192.0.2.1')
  const second = client.admit('192.0.2.2')
  t.deepEqual(said, [
    { kind: 'anvil', n: 1, address: '192.0.2.1' },
    { kind: 'anvil', n: 2, address: '192.0.2.2' },
  ])
  client.answered(2, false)
  client.answered(1, true)
  client.answered(7, true)
  t.deepEqual(await Promise.all([first, second]), [true, false])
})

test('a client is let in where master does not answer', async (t) => {
  const noPatience: Clock = { ...systemClock, sleep: () => Promise.resolve() }
  t.true(await new AnvilClient(() => {}, noPatience).admit('192.0.2.1'))
})
