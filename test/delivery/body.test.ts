import { array, assert, asyncProperty, constantFrom, integer, oneof, string } from 'fast-check'
import test from 'ava'
import { readContentFacts, sendBody } from '#src/delivery/body.ts'
import { BodyEncoder } from '#src/match/encoder.ts'
import { FakePeer, wellBehaved } from './fake-peer.ts'
import { body, deliverer, message, never, PATIENT, request } from './requests.ts'

/** What a receiver makes of the wire: stuffed dots gone. */
function unstuffed(wire: string): string {
  return wire.replaceAll(/^\.(?=.)/gm, '')
}

/** What the wire should hold: a lone LF as CRLF, a bare CR as a space, a last line that ends, lines folded at 998 octets. */
function normal(content: string): string {
  const lines = content
    .replace(/\r$/, '')
    .replaceAll(/\r(?!\n)/g, ' ')
    .split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `${fold(line)}\r\n`).join('')
}

function fold(line: string): string {
  if (line.length <= 998) return line
  return `${line.slice(0, 998)}\r\n${fold(` ${line.slice(998)}`)}`
}

const octets = array(
  oneof(
    {
      weight: 3,
      arbitrary: constantFrom('.', '\r', '\n', '\r\n', '\r\n.', '\r\n.\r\n', '..', 'x'.repeat(997)),
    },
    string(),
  ),
  { maxLength: 200 },
).map((parts) => Buffer.from(parts.join('')))

test('whatever the body, the peer reads the same content', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies))
  await using delivery = deliverer()
  await assert(
    asyncProperty(octets, integer({ min: 1, max: 50 }), async (bytes, block) => {
      const given = request(peer.port, ['a@x.test'], {
        message: message({ prefix: 'X: y\r\n' }),
        body: body(bytes, block),
      })
      const [outcome] = await delivery.deliver(given, never)
      const got = unstuffed(bodies.at(-1) ?? '')
      return outcome?.kind === 'sent' && got === `X: y\r\n${normal(bytes.toString('latin1'))}`
    }),
    { numRuns: 200 },
  )
  t.is(peer.conversations.length, 1)
})

test('a large body goes out in blocks, whole, over one buffer', async (t) => {
  const line = `${'0123456789'.repeat(7)}\r\n`
  const text = `Subject: large\r\n\r\n${line.repeat(100_000)}`
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies))
  await using delivery = deliverer()
  for (const size of [Infinity, 65_536, 1000]) {
    const given = request(peer.port, ['a@x.test'], {
      message: message({ prefix: '' }),
      body: body(text, size),
    })
    t.is((await delivery.deliver(given, never))[0]?.kind, 'sent')
    t.true(bodies.pop() === text)
  }
})

test('a body that lies in memory is one write', async (t) => {
  const writes: number[] = []
  const content = { prefix: 'A: b\r\n', body: body('x'.repeat(60_000), 20_000) }
  let synchronous = false
  const sending = sendBody(content, new BodyEncoder(), 'data', (bytes, last) => {
    writes.push(bytes.length)
    synchronous = last
    return Promise.resolve(true)
  })
  t.true(synchronous, 'the dot goes out before anything else has its turn')
  await sending
  t.is(writes.length, 1)
})

test('a body that cannot be read ends without a dot and is tried again', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies))
  await using delivery = deliverer()
  const broken = {
    length: 1_000_000,
    async *blocks() {
      yield Buffer.alloc(300_000, 'x')
      throw new Error('a flipped bit')
    },
  }
  const [outcome] = await delivery.deliver(request(peer.port, ['a@x.test'], { body: broken }), never)
  t.is(outcome?.kind, 'deferred')
  t.is(outcome?.reply, 'local data error while talking to 127.0.0.1[127.0.0.1]')
  await peer.conversations[0]?.closed()
  t.deepEqual(bodies, [])
})

test('a peer that stops reading in the middle of a large message times out', async (t) => {
  await using peer = await FakePeer.listen(async (c) => {
    c.say('220 peer\r\n')
    await c.answer('250 peer\r\n', '250 ok\r\n', '250 ok\r\n', '354 go\r\n')
    c.socket.pause()
  })
  await using delivery = deliverer({
    timeouts: { ...PATIENT, dataXferMs: 50 },
  })
  const given = request(peer.port, ['a@x.test'], { body: body(Buffer.alloc(30_000_000, 'x\r\n'), 65_536) })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.reply, 'conversation with 127.0.0.1[127.0.0.1] timed out while sending message body')
})

for (const [title, text, facts] of [
  ['plain text', 'A: b\r\n\r\nx\r\n', { eightBit: false, eightBitHeader: false }],
  ['a body beyond ASCII', 'A: b\r\n\r\n\u00e9\r\n', { eightBit: true, eightBitHeader: false }],
  ['a header beyond ASCII', 'A: \u00e9\r\n\r\nx\r\n', { eightBit: true, eightBitHeader: true }],
  ['a message without a body', 'A: \u00e9', { eightBit: true, eightBitHeader: true }],
] as const) {
  test(`8-bit octets are found in ${title}, in blocks of any size`, async (t) => {
    for (const size of [1, 2, 3, Infinity]) {
      t.deepEqual(await readContentFacts({ prefix: 'P: q\r\n', body: body(text, size) }), facts)
    }
  })
}
