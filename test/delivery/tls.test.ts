import { generateKeyPairSync } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import test from 'ava'
import { selfSigned } from '#src/net/certificate.ts'
import { Conversation, FakePeer, greeted, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { deliverer, never, request, shown } from './requests.ts'
import type { TlsLevel } from '#src/delivery/settings.ts'
import type { Script } from './fake-peer.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const KEY = privateKey.export({ type: 'pkcs8', format: 'pem' })
const CERT = await selfSigned(privateKey, 'peer.test', Date.now())

const HELLO = LHLO_ALL.replace('250-PIPE', '250-STARTTLS\r\n250-PIPE')

interface Tls {
  /** What was heard inside TLS. */
  readonly inside: string[]
  readonly bodies: string[]
}

/** Greets, takes STARTTLS, and goes on inside with the same dialogue. */
function withTls(seen: Tls, before: string = '220 2.0.0 go\r\n'): Script {
  return greeted(async (c) => {
    const line = await c.line()
    if (line !== 'STARTTLS') throw new Error(`not STARTTLS but ${line}`)
    c.socket.removeAllListeners('data')
    c.say(before)
    const secure = new TLSSocket(c.socket.setEncoding(), { isServer: true, key: KEY, cert: CERT })
    const inner = new Conversation(secure, 0)
    inner.say('')
    await inner.line()
    inner.say(HELLO.replace('250-STARTTLS\r\n', ''))
    await inner.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
    seen.bodies.push((await inner.message()) ?? '')
    inner.say('250 2.0.0 taken inside\r\n')
    seen.inside.push(...inner.heard)
    await inner.closed()
  }, HELLO)
}

async function deliver(
  script: Script,
  level: TlsLevel,
): Promise<{ readonly outcomes: string[]; readonly heard: string[][] }> {
  await using peer = await FakePeer.listen(script)
  await using delivery = deliverer({ tls: level })
  const outcomes = shown(
    await delivery.deliver(request(peer.port, ['a@x.test'], { protocol: 'smtp' }), never),
  )
  return { outcomes, heard: peer.conversations.map(({ heard }) => heard) }
}

for (const level of ['may', 'encrypt'] as const) {
  test(`at level ${level} what is offered is used, and EHLO is said again inside`, async (t) => {
    const seen: Tls = { inside: [], bodies: [] }
    const { outcomes, heard } = await deliver(withTls(seen), level)
    t.deepEqual(outcomes, ['sent 2.0.0 250 2.0.0 taken inside'])
    t.deepEqual(heard, [['EHLO mx.test', 'STARTTLS']])
    t.is(seen.inside[0], 'EHLO mx.test')
    t.is(seen.bodies.length, 1)
  })
}

/** Plays `first` on the first connection and is a plain peer from then on. */
function once(first: Script): Script {
  return (c) => (c.number === 0 ? first(c) : wellBehaved([], LHLO_ALL, 'smtp')(c))
}

const INJECTED = '220 2.0.0 go\r\n250-injected\r\n250 PIPELINING\r\n'

test('plaintext behind the reply to STARTTLS is never taken for what was said inside', async (t) => {
  const seen: Tls = { inside: [], bodies: [] }
  t.deepEqual(await deliver(withTls(seen, INJECTED), 'encrypt'), {
    outcomes: ['deferred 4.7.5 Cannot start TLS: plaintext from PEER behind its reply to STARTTLS'],
    heard: [['EHLO mx.test', 'STARTTLS']],
  })
  t.deepEqual(seen.bodies, [])
})

test('at level may a TLS that cannot be started is tried without, on a new connection', async (t) => {
  const broken: readonly Script[] = [
    withTls({ inside: [], bodies: [] }, INJECTED),
    greeted(async (c) => {
      await c.line()
      c.say('220 2.0.0 go\r\n')
      await c.bytes(1)
      c.socket.end('this is no TLS\r\n')
    }, HELLO),
    greeted(async (c) => {
      await c.line()
      c.socket.end()
    }, HELLO),
  ]
  for (const first of broken) {
    const { outcomes, heard } = await deliver(once(first), 'may')
    t.deepEqual(outcomes, ['sent 2.0.0 250 2.0.0 taken'])
    t.deepEqual(heard[0], ['EHLO mx.test', 'STARTTLS'])
    t.is(heard.length, 2)
  }
})

test('at level may a refused STARTTLS goes on in plaintext', async (t) => {
  const script = greeted(async (c) => {
    await c.answer('454 4.7.0 not now\r\n', '250 ok\r\n', '250 ok\r\n', '354 go\r\n')
    await c.message()
    c.say('250 2.0.0 taken\r\n')
  }, HELLO)
  t.deepEqual((await deliver(script, 'may')).outcomes, ['sent 2.0.0 250 2.0.0 taken'])
})

test('at level encrypt nothing goes in plaintext', async (t) => {
  t.deepEqual((await deliver(wellBehaved([], LHLO_ALL, 'smtp'), 'encrypt')).outcomes, [
    'deferred 4.7.4 TLS is required, but was not offered by host PEER',
  ])
  const refusing = greeted((c) => c.answer('454 4.7.0 not now\r\n'), HELLO)
  t.deepEqual((await deliver(refusing, 'encrypt')).outcomes, [
    'deferred 4.7.0 TLS is required, but host PEER refused to start TLS: 454 4.7.0 not now',
  ])
})

test('LMTP on loopback uses no TLS at level may', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved([], HELLO))
  await using delivery = deliverer()
  t.is((await delivery.deliver(request(peer.port, ['a@x.test']), never))[0]?.kind, 'sent')
  t.is(peer.conversations[0]?.heard[1]?.slice(0, 4), 'MAIL')
})
