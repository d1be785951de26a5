import { join } from 'node:path'
import test from 'ava'
import { parseNextHop, parseNextHops } from '#src/delivery/routing/nexthop.ts'
import { tempFolder } from '#test/support/temp.ts'
import { FakePeer, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { addressesOf, deliverer, never, request, shown } from './requests.ts'

const OFFERED = LHLO_ALL.replace('250 ENH', '250-STARTTLS\r\n250 ENH')

test('LMTP over a socket in the file system is in plaintext whatever the level, and keeps its connection', async (t) => {
  using folder = tempFolder('socket')
  const path = join(folder.path, 'lmtp')
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies, OFFERED), 0, path)
  await using delivery = deliverer({ tls: 'encrypt' })
  const destination = { protocol: 'lmtp', host: path, port: 0 } as const
  for (const _ of [1, 2]) {
    const [outcome] = await delivery.deliver(request(0, ['a@x.test'], { destination }), never)
    t.is(outcome?.kind, 'sent')
    t.is(outcome?.relay, `mx.test[${path}]`)
  }
  t.is(bodies.length, 2)
  t.is(peer.conversations.length, 1)
})

test('a socket that is not there defers, with its path', async (t) => {
  await using delivery = deliverer()
  const destination = { protocol: 'lmtp', host: '/nowhere/lmtp', port: 0 } as const
  const outcomes = await delivery.deliver(request(0, ['a@x.test'], { destination }), never)
  t.deepEqual(shown(outcomes), [
    'deferred 4.4.1 connect to mx.test[/nowhere/lmtp]: No such file or directory',
  ])
})

for (const [text, protocol, expected] of [
  ['unix:/run/dovecot/lmtp', 'lmtp', '/run/dovecot/lmtp'],
  ['unix:private/lmtp', 'lmtp', 'the path of a socket begins with "/"'],
  [`unix:/${'x'.repeat(200)}`, 'lmtp', 'the path of the socket is too long'],
  ['unix:/run/smtp', 'smtp', 'unknown service: /run/smtp'],
] as const) {
  test(`${protocol}:${text.slice(0, 30)} is ${expected}`, (t) => {
    const parsed = parseNextHop(text, protocol)
    t.is(parsed.kind === 'ok' ? parsed.hop.host : parsed.error, expected)
  })
}

test('a socket in the file system stands alone', (t) => {
  t.deepEqual(parseNextHops('unix:/a [b]:24', 'lmtp'), {
    kind: 'bad',
    error: 'a socket in the file system stands alone',
  })
})

for (const [family, host, from] of [
  [4, '127.0.0.1', '127.0.0.7'],
  [6, '::1', '::1'],
] as const) {
  test(`a connection over IPv${family} comes from the address that was chosen`, async (t) => {
    await using peer = await FakePeer.listen(wellBehaved([], LHLO_ALL, 'smtp'), 0, host)
    const bind = { 4: '127.0.0.7', 6: '::1' }
    await using delivery = deliverer({ bind, tls: 'none' }, { planner: addressesOf([host]) })
    const destination = { protocol: 'smtp', host: 'mx.test', port: peer.port } as const
    const [outcome] = await delivery.deliver(request(0, ['a@x.test'], { destination }), never)
    t.is(outcome?.kind, 'sent')
    t.is(peer.conversations[0]?.from, from)
  })
}

test('an address that this machine does not have keeps the mail', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved([], LHLO_ALL, 'smtp'))
  await using delivery = deliverer({ bind: { 4: '192.0.2.77', 6: '' } })
  const given = request(peer.port, ['a@x.test'], { protocol: 'smtp' })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'deferred')
  t.regex(outcome?.reply ?? '', /Cannot assign requested address$/)
})

test('an offer of STARTTLS that is not used is told where that is wanted', async (t) => {
  for (const noteStartTls of [true, false]) {
    await using peer = await FakePeer.listen(wellBehaved([], OFFERED, 'smtp'))
    await using delivery = deliverer({ tls: 'none', noteStartTls }, { planner: addressesOf(['127.0.0.1']) })
    const destination = { protocol: 'smtp', host: 'mx.test', port: peer.port } as const
    await delivery.deliver(request(0, ['a@x.test'], { destination }), never)
    const told = delivery.log.lines.some(({ facts }) => facts['state'] === 'starttls-offered')
    t.is(told, noteStartTls)
  }
})
