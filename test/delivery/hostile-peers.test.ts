import test from 'ava'
import { FakePeer, greeted, LHLO_ALL } from './fake-peer.ts'
import { deliverer, never, PATIENT, request, shown } from './requests.ts'
import type { AgentSettings, DeliveryTimeouts } from '#src/delivery/settings.ts'
import type { Script } from './fake-peer.ts'

const OKS = '250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n'

/** Time-outs that a stall meets soon; only the peer's silence can make them ring. */
function hasty(change: Partial<DeliveryTimeouts>): Partial<AgentSettings> {
  return { timeouts: { ...PATIENT, ...change } }
}

const SOON = 30
/** Where the peer says something first, which on a busy machine takes its time. */
const LATER = 1500

/** Reads the pipelined MAIL, three RCPTs and DATA. */
async function commands(conversation: Parameters<Script>[0]): Promise<void> {
  for (let i = 0; i < 5; i += 1) await conversation.line()
}

// What a peer may do beyond the table of reply-classes.test.ts.
interface Case {
  readonly title: string
  readonly script: Script
  readonly settings?: Partial<AgentSettings>
  /** `kind dsn reply` of each recipient, or of all. PEER stands for `127.0.0.1[127.0.0.1]`. */
  readonly outcomes: string | readonly string[]
}

const CASES: readonly Case[] = [
  {
    title: 'a reply behind the greeting that nobody asked for',
    script: (c) => c.say(`220 peer\r\n${LHLO_ALL}`),
    outcomes: 'deferred 4.5.0 remote protocol error in reply from PEER while performing the LHLO handshake',
  },
  {
    title: 'a stall after the first RCPT',
    script: greeted(async (c) => {
      await commands(c)
      c.say('250 2.1.0 ok\r\n550 5.1.1 no\r\n')
    }),
    settings: hasty({ rcptMs: SOON }),
    outcomes: [
      'bounced 5.1.1 550 5.1.1 no',
      'deferred 4.4.2 conversation with PEER timed out while sending RCPT TO',
      'deferred 4.4.2 conversation with PEER timed out while sending RCPT TO',
    ],
  },
  {
    title: 'a stall after DATA',
    script: greeted(async (c) => {
      await commands(c)
      c.say(OKS)
    }),
    settings: hasty({ dataInitMs: SOON }),
    outcomes: 'deferred 4.4.2 conversation with PEER timed out while sending DATA command',
  },
  {
    title: 'a stall after the dot',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n`)
      await c.message()
      c.say('250 2.0.0 mine\r\n')
    }),
    settings: hasty({ dataDoneMs: LATER }),
    outcomes: [
      'sent 2.0.0 250 2.0.0 mine',
      'deferred 4.4.2 conversation with PEER timed out while sending end of data -- message may be sent more than once',
      'deferred 4.4.2 conversation with PEER timed out while sending end of data -- message may be sent more than once',
    ],
  },
  {
    title: '250, 452 and 550 after the dot',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n`)
      await c.message()
      c.say('250 2.1.5 taken\r\n452 4.2.2 full\r\n550 5.2.1 closed\r\n')
    }),
    outcomes: [
      'sent 2.1.5 250 2.1.5 taken',
      'deferred 4.2.2 452 4.2.2 full',
      'bounced 5.2.1 550 5.2.1 closed',
    ],
  },
  {
    title: '250 for one and then the connection is closed',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n`)
      await c.message()
      c.socket.end('250 2.1.5 taken\r\n')
    }),
    outcomes: [
      'sent 2.1.5 250 2.1.5 taken',
      'deferred 4.4.2 lost connection with PEER while sending end of data -- message may be sent more than once',
      'deferred 4.4.2 lost connection with PEER while sending end of data -- message may be sent more than once',
    ],
  },
  {
    title: 'a reset in the middle of the message',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n`)
      await c.line()
      c.socket.resetAndDestroy()
    }),
    outcomes:
      'deferred 4.4.2 lost connection with PEER while sending end of data -- message may be sent more than once',
  },
  {
    title: 'a half-closed connection before the reply to DATA',
    script: greeted(async (c) => {
      await commands(c)
      c.say(OKS)
      c.socket.end()
      await c.closed()
    }),
    outcomes: 'deferred 4.4.2 lost connection with PEER while sending DATA command',
  },
  {
    title: 'garbage after the dot',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n`)
      await c.message()
      c.say('250 2.1.5 taken\r\n\u0000\u0001\u0002 what\r\n')
    }),
    outcomes: [
      'sent 2.1.5 250 2.1.5 taken',
      'deferred 4.5.0 remote protocol error in reply from PEER while sending end of data -- message may be sent more than once',
      'deferred 4.5.0 remote protocol error in reply from PEER while sending end of data -- message may be sent more than once',
    ],
  },
  {
    title: 'a 250 for the message in the packet of the 354',
    script: greeted(async (c) => {
      await commands(c)
      c.say(`${OKS}354 go\r\n250 2.0.0 a\r\n250 2.0.0 b\r\n250 2.0.0 c\r\n`)
      await c.closed()
    }),
    outcomes: 'deferred 4.5.0 remote protocol error in reply from PEER while sending message body',
  },
  {
    title: '421 to the second RCPT',
    script: greeted(async (c) => {
      await commands(c)
      c.say('250 2.1.0 ok\r\n550 5.1.1 no\r\n421 4.3.2 going down\r\n')
    }),
    outcomes: [
      'bounced 5.1.1 550 5.1.1 no',
      'deferred 4.3.2 421 4.3.2 going down',
      'deferred 4.3.2 421 4.3.2 going down',
    ],
  },
  {
    title: 'DATA refused after some recipients were accepted',
    script: greeted(async (c) => {
      await commands(c)
      c.say('250 2.1.0 ok\r\n250 2.1.5 ok\r\n450 4.2.1 later\r\n250 2.1.5 ok\r\n554 5.6.0 no\r\n')
    }),
    outcomes: ['bounced 5.6.0 554 5.6.0 no', 'deferred 4.2.1 450 4.2.1 later', 'bounced 5.6.0 554 5.6.0 no'],
  },
  {
    title: 'a reply of several lines comes verbatim in one',
    script: greeted(async (c) => {
      await commands(c)
      c.say(
        '550-5.7.1 first\r\n550-5.7.1 second\u0007\r\n550 5.7.1 third\r\n503 x\r\n503 x\r\n503 x\r\n503 x\r\n',
      )
    }),
    outcomes: 'bounced 5.7.1 550-5.7.1 first 550-5.7.1 second? 550 5.7.1 third',
  },
]

for (const each of CASES) {
  test(each.title, async (t) => {
    await using peer = await FakePeer.listen(each.script)
    await using delivery = deliverer(each.settings)
    const outcomes = await delivery.deliver(request(peer.port, ['a@x.test', 'b@x.test', 'c@x.test']), never)
    t.deepEqual(
      shown(outcomes),
      typeof each.outcomes === 'string' ? Array.from({ length: 3 }, () => each.outcomes) : each.outcomes,
    )
    t.deepEqual(
      outcomes.map(({ n }) => n),
      [0, 1, 2],
    )
    t.deepEqual(peer.failures, [])
  })
}

async function bytewise(c: Parameters<Script>[0], text: string): Promise<void> {
  for (const char of text) {
    c.say(char)
    await new Promise(setImmediate)
  }
}

test('replies cut at every byte mean what they mean whole', async (t) => {
  const all = `220-peer\r\n220 LMTP\r\n`
  await using peer = await FakePeer.listen(async (c) => {
    await bytewise(c, all)
    await c.line()
    await bytewise(c, LHLO_ALL)
    await commands(c)
    await bytewise(
      c,
      '250-2.1.0 a\r\n250 2.1.0 b\r\n250 2.1.5 ok\r\n550-5.1.1 x\r\n550 5.1.1 y\r\n250 2.1.5 ok\r\n354-go\r\n354 on\r\n',
    )
    await c.message()
    await bytewise(c, '250-2.0.0 a\r\n250 2.0.0 b\r\n452 4.2.2 c\r\n')
  })
  await using delivery = deliverer()
  t.deepEqual(
    shown(await delivery.deliver(request(peer.port, ['a@x.test', 'b@x.test', 'c@x.test']), never)),
    [
      'sent 2.0.0 250-2.0.0 a 250 2.0.0 b',
      'bounced 5.1.1 550-5.1.1 x 550 5.1.1 y',
      'deferred 4.2.2 452 4.2.2 c',
    ],
  )
})

for (const [title, start, endless] of [
  ['a reply line without an end', '250 ', 'x'.repeat(65_536)],
  ['a reply with lines without an end', '', '250-more\r\n'.repeat(6000)],
] as const) {
  test(`${title} is cut and costs no memory`, async (t) => {
    let written = 0
    await using peer = await FakePeer.listen(
      greeted(async (c) => {
        await c.line()
        c.say(start)
        const pour = (): void => {
          while (!c.socket.destroyed && written < 200_000_000 && c.socket.write(endless))
            written += endless.length
        }
        c.socket.on('drain', pour)
        pour()
        await c.closed()
      }),
    )
    await using delivery = deliverer()
    const outcomes = await delivery.deliver(request(peer.port, ['a@x.test']), never)
    t.regex(
      shown(outcomes)[0] ?? '',
      /^deferred 4\.5\.0 remote protocol error in reply from PEER while sending MAIL FROM$/,
    )
    // What was taken is what the kernel's buffers hold, so memory cannot have grown by more.
    t.true(written < 20_000_000, `the peer could write ${written} octets`)
  })
}
