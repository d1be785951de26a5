import test from 'ava'
import type { Clock } from '#src/base/clock.ts'
import { PeerNames } from '#src/dns/peer-names.ts'
import type { ReverseResolver } from '#src/dns/peer-names.ts'

function setUp(
  ptr: Readonly<Record<string, readonly string[]>>,
  hosts: Readonly<Record<string, readonly string[]>>,
) {
  const asked: string[] = []
  const waiting: (() => void)[] = []
  const answer = async (table: Readonly<Record<string, readonly string[]>>, name: string) => {
    asked.push(name)
    await new Promise<void>((resolve) => waiting.push(resolve))
    const found = table[name]
    if (found === undefined) throw new Error('ENOTFOUND')
    return [...found]
  }
  const resolver: ReverseResolver = {
    reverse: (address) => answer(ptr, address),
    resolve4: (name) => answer(hosts, name),
    resolve6: (name) => answer(hosts, name),
    cancel: () => {},
  }
  const time = { nowMs: 0 }
  const clock: Clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    sleep: () => Promise.resolve(),
  }
  /** Answers all questions, and those that follow from them. */
  const settle = async () => {
    for (let quiet = 0; quiet < 20; quiet += 1) {
      for (const go of waiting.splice(0)) go()
      await Promise.resolve()
    }
  }
  return { names: new PeerNames(clock, resolver), asked, settle, time }
}

test('a name is unknown until its address leads back to the client', async (t) => {
  const { names, settle } = setUp(
    { '192.0.2.1': ['mail.example.test'] },
    { 'mail.example.test': ['192.0.2.1'] },
  )
  const peer = names.lookup('192.0.2.1')
  t.is(peer.name, 'unknown')
  await settle()
  t.is(peer.name, 'mail.example.test')
})

for (const [title, ptr, hosts] of [
  ['there is no PTR record', {}, {}],
  ['the name has no address', { '192.0.2.1': ['mail.example.test'] }, {}],
  [
    'the name leads elsewhere',
    { '192.0.2.1': ['mail.example.test'] },
    { 'mail.example.test': ['192.0.2.9'] },
  ],
  ['the name is an address', { '192.0.2.1': ['192.0.2.1'] }, { '192.0.2.1': ['192.0.2.1'] }],
  ['the name would break a header line', { '192.0.2.1': ['a\r\nb.test'] }, { 'a\r\nb.test': ['192.0.2.1'] }],
] as const) {
  test(`a name stays unknown if ${title}`, async (t) => {
    const { names, settle } = setUp(ptr, hosts)
    const peer = names.lookup('192.0.2.1')
    await settle()
    t.is(peer.name, 'unknown')
  })
}

test('the first name that is confirmed is taken', async (t) => {
  const { names, settle } = setUp(
    { '192.0.2.1': ['forged.test', 'Real.Test'] },
    { 'forged.test': ['192.0.2.9'], 'real.test': ['192.0.2.9', '192.0.2.1'] },
  )
  const peer = names.lookup('192.0.2.1')
  await settle()
  t.is(peer.name, 'real.test')
})

test('IPv6 addresses are compared as addresses, not as text', async (t) => {
  const { names, settle } = setUp({ '2001:db8::1': ['six.test'] }, { 'six.test': ['2001:0DB8:0:0:0:0:0:1'] })
  const peer = names.lookup('2001:db8::1')
  await settle()
  t.is(peer.name, 'six.test')
})

test('loopback is localhost, and nobody is asked', (t) => {
  const { names, asked } = setUp({}, {})
  for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])
    t.is(names.lookup(address).name, 'localhost')
  t.deepEqual(asked, [])
})

test('one client is asked for once, however many connections it opens, until the answer is old', async (t) => {
  const { names, asked, settle, time } = setUp({ '192.0.2.1': ['m.test'] }, { 'm.test': ['192.0.2.1'] })
  names.lookup('192.0.2.1')
  names.lookup('::ffff:192.0.2.1')
  await settle()
  t.is(names.lookup('192.0.2.1').name, 'm.test')
  t.deepEqual(asked, ['192.0.2.1', 'm.test'])
  time.nowMs = 300_001
  names.lookup('192.0.2.1')
  t.is(asked.length, 3)
})

test('a flood of clients is not followed by a flood of questions', (t) => {
  const { names, asked } = setUp({}, {})
  for (let i = 0; i < 2000; i += 1) names.lookup(`10.0.${i >> 8}.${i & 255}`)
  t.is(asked.length, 500)
})
