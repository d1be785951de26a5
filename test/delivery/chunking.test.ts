import test from 'ava'
import { Transaction } from '#src/delivery/transaction.ts'
import { FakePeer, LHLO_ALL, greeted } from './fake-peer.ts'
import { addressesOf, body, deliverer, message, never, PATIENT, request } from './requests.ts'
import type { Envelope } from '#src/delivery/envelope.ts'
import type { Conversation, Script } from './fake-peer.ts'

const CHUNKING = LHLO_ALL.replace('250 ENH', '250-CHUNKING\r\n250 ENH')
const ONE_BY_ONE = CHUNKING.replace('250-PIPELINING\r\n', '')

/** What a peer has heard of one message. */
interface Heard {
  readonly commands: string[]
  readonly chunks: string[]
  /** Whether a command came before the answer to the chunk before it. */
  early: boolean
}

/** Octets, by their count: what RFC 3030 makes of a chunk. */
async function take(c: Conversation, count: number): Promise<string> {
  await c.bytes(count)
  return c.read(count)
}

/** A peer that takes chunks; `answer` is said to the nth chunk of a message, the last one by the number of recipients. */
function chunked(heard: Heard[], hello: string, answer: (n: number, last: boolean) => string): Script {
  return greeted(async (c) => {
    let now: Heard = { commands: [], chunks: [], early: false }
    let recipients = 0
    for (;;) {
      const line = await c.line()
      if (line === '') return
      const [verb = '', count = '', word] = line.split(' ')
      if (verb !== 'BDAT') {
        now.commands.push(line)
        if (verb === 'RCPT') recipients += 1
        c.say(verb === 'RCPT' && line.includes('<no') ? '550 5.1.1 no\r\n' : '250 2.0.0 ok\r\n')
        if (line.includes('<no')) recipients -= 1
        continue
      }
      now.chunks.push(await take(c, Number(count)))
      if (!hello.includes('PIPELINING')) now.early ||= c.waiting > 0
      const said = answer(now.chunks.length - 1, word === 'LAST')
      c.say(word === 'LAST' && said.startsWith('250') ? said.repeat(recipients) : said)
      if (word !== 'LAST') continue
      heard.push(now)
      now = { commands: [], chunks: [], early: false }
      recipients = 0
    }
  }, hello)
}

const ALL_WELL = (): string => '250 2.0.0 taken\r\n'
const FULL_LATER = (n: number): string => (n === 0 ? '250 ok\r\n' : '452 4.3.1 full\r\n')
const LARGE = `Subject: large\r\n\r\n${`.${'0123456789'.repeat(7)}\r\n`.repeat(12_000)}`

test('a message goes in one counted chunk, without DATA, dots as they are', async (t) => {
  const heard: Heard[] = []
  await using peer = await FakePeer.listen(chunked(heard, CHUNKING, ALL_WELL))
  await using delivery = deliverer()
  const given = request(peer.port, ['a@x.test', 'b@x.test'], {
    message: message({ prefix: 'A: b\r\n' }),
    body: body('S: x\r\n\r\n.\r\n..two\r\nend'),
  })
  const outcomes = await delivery.deliver(given, never)
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['sent', 'sent'],
  )
  t.deepEqual(heard, [
    {
      commands: ['MAIL FROM:<sender@example.org> SIZE=200', 'RCPT TO:<a@x.test>', 'RCPT TO:<b@x.test>'],
      chunks: ['A: b\r\nS: x\r\n\r\n.\r\n..two\r\nend\r\n'],
      early: false,
    },
  ])
  t.deepEqual(peer.failures, [])
})

for (const [title, hello] of [
  ['one after another without waiting where there is PIPELINING', CHUNKING],
  ['each after the answer to the one before where there is none', ONE_BY_ONE],
] as const) {
  test(`a large message goes in several chunks, ${title}`, async (t) => {
    const heard: Heard[] = []
    await using peer = await FakePeer.listen(chunked(heard, hello, ALL_WELL))
    await using delivery = deliverer()
    for (const _ of [1, 2]) {
      const given = request(peer.port, ['a@x.test'], {
        message: message({ prefix: '' }),
        body: body(LARGE, 65_536),
      })
      const [outcome] = await delivery.deliver(given, never)
      t.is(outcome?.kind, 'sent')
    }
    t.is(heard.length, 2)
    t.is(peer.conversations.length, 1, 'the connection is good for the next message')
    for (const { chunks, early } of heard) {
      t.true(chunks.length > 1)
      t.is(chunks.join(''), LARGE)
      t.false(early)
    }
  })
}

test('nothing is sent of a message that nobody may have', async (t) => {
  const heard: Heard[] = []
  await using peer = await FakePeer.listen(chunked(heard, CHUNKING, ALL_WELL))
  await using delivery = deliverer()
  const [refused] = await delivery.deliver(request(peer.port, ['no@x.test']), never)
  t.is(refused?.kind, 'bounced')
  const [taken] = await delivery.deliver(request(peer.port, ['a@x.test']), never)
  t.is(taken?.kind, 'sent')
  t.is(heard.length, 1)
  t.true(heard[0]?.commands.includes('RSET'))
})

test('a chunk that is refused is the answer for everyone, and no other one is sent', async (t) => {
  const heard: Heard[] = []
  await using peer = await FakePeer.listen(chunked(heard, ONE_BY_ONE, FULL_LATER))
  await using delivery = deliverer()
  const given = request(peer.port, ['a@x.test', 'no@x.test', 'b@x.test'], { body: body(LARGE, 65_536) })
  const outcomes = await delivery.deliver(given, never)
  t.deepEqual(
    outcomes.map(({ kind, dsn }) => `${kind} ${dsn}`),
    ['deferred 4.3.1', 'bounced 5.1.1', 'deferred 4.3.1'],
  )
  await peer.conversations[0]?.closed()
  t.deepEqual(heard, [], 'LAST was never said')
})

for (const hops of ['one address', 'hosts that are looked up'] as const) {
  test(`a peer that does not know the BDAT it offered gets DATA over another connection: ${hops}`, async (t) => {
    const messages: (string | undefined)[] = []
    await using peer = await FakePeer.listen(
      greeted(async (c) => {
        for (let line = await c.line(); line !== ''; line = await c.line()) {
          if (line.startsWith('BDAT')) c.say('502 5.5.1 what is that\r\n')
          else if (line === 'DATA') {
            c.say('354 go\r\n')
            messages.push(await c.message())
            c.say('250 2.0.0 taken\r\n')
          } else c.say('250 2.0.0 ok\r\n')
        }
      }, CHUNKING),
    )
    const looked = hops !== 'one address'
    await using delivery = deliverer({ tls: 'none' }, { planner: addressesOf(['127.0.0.1']) })
    const destination = {
      protocol: 'smtp',
      host: looked ? 'mx.test' : '127.0.0.1',
      port: peer.port,
    } as const
    for (const _ of [1, 2]) {
      const [outcome] = await delivery.deliver(request(peer.port, ['a@x.test'], { destination }), never)
      t.is(outcome?.kind, 'sent')
    }
    t.is(messages.length, 2)
    t.is(peer.conversations.length, 2, 'it is remembered')
    t.true(delivery.log.lines.some((line) => JSON.stringify(line).includes('no-chunks')))
  })
}

test('what an operator does not want is not used', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
      bodies.push((await c.message()) ?? '')
      c.say('250 ok\r\n')
    }, CHUNKING),
  )
  await using delivery = deliverer({ ignored: ['CHUNKING', 'PIPELINING'] })
  const [outcome] = await delivery.deliver(request(peer.port, ['a@x.test']), never)
  t.is(outcome?.kind, 'sent')
  t.is(bodies.length, 1)
})

test('a peer that is gone in the middle of a chunk gets the message again', async (t) => {
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '250 ok\r\n')
      await c.bytes(100_000)
      c.socket.destroy()
    }, CHUNKING),
  )
  await using delivery = deliverer({ timeouts: PATIENT })
  const given = request(peer.port, ['a@x.test'], { body: body(Buffer.alloc(20_000_000, 'x\r\n'), 65_536) })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'deferred')
  t.is(outcome?.reply, 'lost connection with 127.0.0.1[127.0.0.1] while sending message body')
})

function envelope(change: Partial<Envelope> = {}): Envelope {
  const recipients = [0, 1].map((index) => ({ index, command: `RCPT TO:<r${index}@x>\r\n` }))
  const mail = 'MAIL FROM:<s@x>\r\n'
  return {
    protocol: 'lmtp',
    peer: 'h[1.2.3.4]',
    pipelining: true,
    chunking: true,
    mail,
    recipients,
    ...change,
  }
}

const OPEN = ['250 ok', '250 ok', '250 ok'] as const

for (const [title, events, results, end] of [
  [
    'a chunk that was refused when LAST was out already, and LAST is refused too',
    ['chunk', 'last', '552 5.3.4 too big', '503 5.5.1 no'],
    ['bounced 5.3.4', 'bounced 5.3.4'],
    'end drop',
  ],
  [
    'a chunk that was refused and a LAST that was taken',
    ['chunk', 'last', '451 4.3.0 oh', '250 2.0.0 ok'],
    ['deferred 4.5.0', 'deferred 4.5.0'],
    'end drop',
  ],
  [
    'a chunk that was refused, then the peer hangs up',
    ['chunk', 'last', '552 5.3.4 too big', 'lost'],
    ['bounced 5.3.4', 'bounced 5.3.4'],
    'end drop',
  ],
  [
    'each recipient has an answer to LAST of its own in LMTP',
    ['chunk', '250 ok', 'last', '250 2.1.5 ok', '452 4.2.2 full'],
    ['sent 2.1.5', 'deferred 4.2.2'],
    'end clean',
  ],
  ['a BDAT that is not known', ['last', '500 5.5.1 what'], [], 'end stale'],
  [
    'a 502 after a chunk that was taken',
    ['chunk', '250 ok', 'last', '502 5.5.1 no', '502 5.5.1 no'],
    ['bounced 5.5.1', 'bounced 5.5.1'],
    'end clean',
  ],
  [
    'a peer that is lost after LAST',
    ['chunk', '250 ok', 'last', 'lost'],
    ['deferred 4.4.2', 'deferred 4.4.2'],
    'end drop',
  ],
  [
    'an acceptance of a chunk that was not sent',
    ['250 ok'],
    ['deferred 4.5.0', 'deferred 4.5.0'],
    'end drop',
  ],
] as const) {
  test(`${title} ends as it should`, (t) => {
    const transaction = new Transaction(envelope(), { reused: false, reset: false })
    t.is(transaction.start(), 'MAIL FROM:<s@x>\r\nRCPT TO:<r0@x>\r\nRCPT TO:<r1@x>\r\n')
    let last = ''
    for (const event of [...OPEN, ...events]) {
      if (event === 'chunk') transaction.chunkSent()
      else if (event === 'last') transaction.bodySent()
      else {
        const step =
          event === 'lost'
            ? transaction.broken('lost')
            : transaction.reply({ code: Number(event.slice(0, 3)), lines: [event] })
        last = step.kind === 'end' ? `end ${step.keep}` : step.kind
      }
    }
    t.is(last, end)
    const told = [...transaction.results].toSorted(([a], [b]) => a - b)
    t.deepEqual(
      told.map(([, { kind, dsn }]) => `${kind} ${dsn}`),
      [...results],
    )
  })
}
