import test from 'ava'
import { FakePeer, greeted, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { body, deliverer, message, never, PATIENT, recipient, request } from './requests.ts'
import type { RecipientOutcome } from '#src/queue/ports.ts'
import type { DeliverySettings, DeliveryTimeouts } from '#src/delivery/settings.ts'
import type { Script } from './fake-peer.ts'

const OKS = '250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n'

/** Time-outs that a stall meets soon; only the peer's silence can make them ring. */
function hasty(change: Partial<DeliveryTimeouts>): Partial<DeliverySettings> {
  return { timeouts: { ...PATIENT, ...change } }
}

const SOON = 30

/** Reads the pipelined MAIL, three RCPTs and DATA. */
async function commands(conversation: Parameters<Script>[0]): Promise<void> {
  for (let i = 0; i < 5; i += 1) await conversation.line()
}

interface Case {
  readonly title: string
  readonly script: Script
  readonly settings?: Partial<DeliverySettings>
  /** `kind dsn reply` of each recipient, or of all. PEER stands for `127.0.0.1[127.0.0.1]`. */
  readonly outcomes: string | readonly string[]
}

const CASES: readonly Case[] = [
  {
    title: 'a peer that closes before its greeting',
    script: (c) => void c.socket.end(),
    outcomes: 'deferred 4.4.2 lost connection with PEER while receiving the initial server greeting',
  },
  {
    title: 'a peer that never greets',
    script: () => {},
    settings: hasty({ helloMs: SOON }),
    outcomes: 'deferred 4.4.2 conversation with PEER timed out while receiving the initial server greeting',
  },
  {
    title: 'a 4xx greeting',
    script: (c) => c.say('450 4.3.2 not now\r\n'),
    outcomes: 'deferred 4.3.2 450 4.3.2 not now',
  },
  {
    title: 'a 5xx greeting, which is about the host and not about the mail',
    script: (c) => c.say('554 5.3.2 no service\r\n'),
    outcomes: 'deferred 4.3.2 554 5.3.2 no service',
  },
  {
    title: 'a 421 greeting',
    script: (c) => c.say('421 4.3.2 too many\r\n'),
    outcomes: 'deferred 4.3.2 421 4.3.2 too many',
  },
  {
    title: 'a greeting that is no reply',
    script: (c) => c.say('hello there\r\n'),
    outcomes:
      'deferred 4.5.0 remote protocol error in reply from PEER while receiving the initial server greeting',
  },
  {
    title: 'a stall after LHLO',
    script: async (c) => {
      c.say('220 peer\r\n')
      await c.closed()
    },
    settings: hasty({ helloMs: SOON }),
    outcomes: 'deferred 4.4.2 conversation with PEER timed out while performing the LHLO handshake',
  },
  {
    title: 'LHLO refused for now',
    script: greeted(() => {}, '451 4.3.0 later\r\n'),
    outcomes: 'deferred 4.3.0 451 4.3.0 later',
  },
  {
    title: 'LHLO refused for good',
    script: greeted(() => {}, '550 5.7.1 not you\r\n'),
    outcomes: 'bounced 5.7.1 550 5.7.1 not you',
  },
  {
    title: 'a reply behind the greeting that nobody asked for',
    script: (c) => c.say(`220 peer\r\n${LHLO_ALL}`),
    outcomes: 'deferred 4.5.0 remote protocol error in reply from PEER while performing the LHLO handshake',
  },
  {
    title: 'a stall after MAIL',
    script: greeted((c) => c.closed()),
    settings: hasty({ mailMs: SOON }),
    outcomes: 'deferred 4.4.2 conversation with PEER timed out while sending MAIL FROM',
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
    settings: hasty({ dataDoneMs: SOON }),
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

function shown(outcomes: readonly RecipientOutcome[]): string[] {
  return outcomes.map(({ kind, dsn, reply }) =>
    `${kind} ${dsn} ${reply}`.replaceAll('127.0.0.1[127.0.0.1]', 'PEER'),
  )
}

test('a refused connection defers with the words of the system', async (t) => {
  const peer = await FakePeer.listen(() => {})
  const { port } = peer
  await peer[Symbol.asyncDispose]()
  await using delivery = deliverer()
  const [outcome] = await delivery.deliver(request(port, ['a@x.test']), never)
  t.deepEqual(outcome, {
    n: 0,
    kind: 'deferred',
    dsn: '4.4.1',
    reply: `connect to 127.0.0.1[127.0.0.1]:${port}: Connection refused`,
    relay: 'none',
    source: 'local',
  })
})

test('a name without addresses defers and never bounces', async (t) => {
  await using delivery = deliverer(
    {},
    { lookup: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) },
  )
  const given = request(1, ['a@x.test'], { destination: { protocol: 'lmtp', host: 'store.test', port: 24 } })
  t.deepEqual(shown(await delivery.deliver(given, never)), [
    'deferred 4.4.3 Host or domain name not found. Name service error for name=store.test type=A: Host not found',
  ])
})

test('the next address is tried when the first does not answer', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  // Nobody listens on 127.0.0.2 at that port: the peer is bound to 127.0.0.1.
  await using delivery = deliverer({}, { lookup: () => Promise.resolve(['127.0.0.2', '127.0.0.1']) })
  const given = request(1, ['a@x.test'], {
    destination: { protocol: 'lmtp', host: '[store.test]', port: peer.port },
  })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'sent')
  t.is(outcome?.relay, `store.test[127.0.0.1]:${peer.port}`)
})

test('replies cut at every byte mean what they mean whole', async (t) => {
  const all = `220-peer\r\n220 LMTP\r\n`
  const bytewise = async (c: Parameters<Script>[0], text: string): Promise<void> => {
    for (const char of text) {
      c.say(char)
      await new Promise(setImmediate)
    }
  }
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

test('connections are used again, and each message arrives once', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies))
  await using delivery = deliverer()
  for (let i = 0; i < 10; i += 1) {
    const given = request(peer.port, ['a@x.test', 'b@x.test'], { body: body(`Subject: ${i}\r\n\r\n..x\r\n`) })
    const outcomes = await delivery.deliver(given, never)
    t.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['sent', 'sent'],
    )
  }
  t.is(peer.conversations.length, 1)
  t.deepEqual(
    bodies.map((text) => /Subject: (\d+)/.exec(text)?.[1]),
    Array.from({ length: 10 }, (_, i) => String(i)),
  )
})

test('a pooled connection that has died is replaced at once, and the message goes out once', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(async (c) => {
    if (c.number > 0) return wellBehaved(bodies)(c)
    // Takes one message, then says 421 to the next MAIL.
    await greeted(async () => {
      await c.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
      bodies.push((await c.message()) ?? '')
      c.say('250 2.0.0 taken\r\n')
      await c.line()
      c.socket.end('421 4.4.2 idle\r\n')
    })(c)
  })
  await using delivery = deliverer()
  for (let i = 0; i < 2; i += 1) {
    t.deepEqual(shown(await delivery.deliver(request(peer.port, ['a@x.test']), never)), [
      'sent 2.0.0 250 2.0.0 taken',
    ])
  }
  t.is(peer.conversations.length, 2)
  t.is(bodies.length, 2)
})

test('words that nobody asked for on an idle connection close it', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(async (c) => {
    if (c.number > 0) return wellBehaved(bodies)(c)
    await greeted(async () => {
      await c.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
      bodies.push((await c.message()) ?? '')
      c.say('250 2.0.0 taken\r\n')
      await new Promise(setImmediate)
      // One answer too many: behind it a later message could be taken for delivered.
      c.say('250 2.0.0 taken again\r\n')
      await c.closed()
    })(c)
  })
  await using delivery = deliverer()
  t.is((await delivery.deliver(request(peer.port, ['a@x.test']), never))[0]?.kind, 'sent')
  await peer.conversations[0]?.closed()
  t.is((await delivery.deliver(request(peer.port, ['a@x.test']), never))[0]?.kind, 'sent')
  t.is(peer.conversations.length, 2)
  t.is(bodies.length, 2)
})

test('an idle connection says QUIT after its time', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  await using delivery = deliverer({ idleMs: SOON })
  await delivery.deliver(request(peer.port, ['a@x.test']), never)
  const [first] = peer.conversations
  await first?.closed()
  t.is(first?.heard.at(-1), 'QUIT')
})

test('a connection is not used for ever', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  await using delivery = deliverer({ usesMax: 2 })
  for (let i = 0; i < 6; i += 1) await delivery.deliver(request(peer.port, ['a@x.test']), never)
  t.is(peer.conversations.length, 3)
})

test('after refused recipients a RSET comes before the next message', async (t) => {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '550 5.1.1 no\r\n', '503 5.5.1 no\r\n')
      await c.answer('250 reset\r\n', '250 ok\r\n', '250 ok\r\n', '354 go\r\n')
      bodies.push((await c.message()) ?? '')
      c.say('250 2.0.0 taken\r\n')
    }),
  )
  await using delivery = deliverer()
  t.deepEqual(shown(await delivery.deliver(request(peer.port, ['a@x.test']), never)), [
    'bounced 5.1.1 550 5.1.1 no',
  ])
  t.deepEqual(shown(await delivery.deliver(request(peer.port, ['b@x.test']), never)), [
    'sent 2.0.0 250 2.0.0 taken',
  ])
  t.true(peer.conversations[0]?.heard.includes('RSET'))
  t.is(bodies.length, 1)
})

test('a peer that takes DATA without recipients gets a lone dot and QUIT', async (t) => {
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '550 5.1.1 no\r\n', '354 go\r\n')
      await c.line()
      await c.line()
    }),
  )
  await using delivery = deliverer()
  t.deepEqual(shown(await delivery.deliver(request(peer.port, ['a@x.test']), never)), [
    'bounced 5.1.1 550 5.1.1 no',
  ])
  const [first] = peer.conversations
  await first?.closed()
  t.deepEqual(first?.heard.slice(-2), ['.', 'QUIT'])
})

test('at most so many deliveries run at once, the others wait, and room is told', async (t) => {
  const gate = Promise.withResolvers<void>()
  let open = 0
  let most = 0
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      open += 1
      most = Math.max(most, open)
      await c.answer('250 ok\r\n', '250 ok\r\n')
      await gate.promise
      open -= 1
      await c.answer('354 go\r\n')
      await c.message()
      c.say('250 2.0.0 taken\r\n')
    }),
  )
  await using delivery = deliverer({ concurrencyMax: 3, usesMax: 1 })
  let told = 0
  delivery.onRoom(() => {
    told += 1
  })
  const given = request(peer.port, ['a@x.test'])
  t.true(delivery.hasRoom(given.destination))
  const running = Array.from({ length: 8 }, () => delivery.deliver(given, never))
  t.false(delivery.hasRoom(given.destination))
  gate.resolve()
  const outcomes = (await Promise.all(running)).flat()
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    Array.from({ length: 8 }, () => 'sent'),
  )
  t.true(most <= 3)
  t.true(told >= 8)
  t.true(delivery.hasRoom(given.destination))
})

test('recipients beyond the limit of one transaction go in another', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  await using delivery = deliverer({ recipientsMax: 2 })
  const addresses = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@x.test`)
  const outcomes = await delivery.deliver(request(peer.port, addresses), never)
  t.deepEqual(
    outcomes.map(({ n, kind }) => `${n} ${kind}`),
    ['0 sent', '1 sent', '2 sent', '3 sent', '4 sent'],
  )
  t.is(peer.conversations.length, 1)
  t.is(peer.conversations[0]?.heard.filter((line) => line.startsWith('MAIL')).length, 3)
})

test('close ends what runs within its bound and defers it', async (t) => {
  await using peer = await FakePeer.listen(greeted((c) => c.closed()))
  const delivery = deliverer()
  const running = delivery.deliver(request(peer.port, ['a@x.test']), never)
  while (peer.conversations[0]?.heard.length !== 1) await new Promise(setImmediate)
  await delivery.close()
  t.deepEqual(shown(await running), [
    'deferred 4.3.2 delivery to PEER was cut short: mail system is shutting down',
  ])
  t.deepEqual(shown(await delivery.deliver(request(peer.port, ['a@x.test']), never)), [
    'deferred 4.3.2 mail system is shutting down',
  ])
})

test('close waits for the answer to a message that was sent whole', async (t) => {
  const gate = Promise.withResolvers<void>()
  const sent = Promise.withResolvers<void>()
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '250 ok\r\n', '354 go\r\n')
      await c.message()
      sent.resolve()
      await gate.promise
      c.say('250 2.0.0 taken\r\n')
    }),
  )
  const delivery = deliverer({ closeMs: 20_000 })
  const running = delivery.deliver(request(peer.port, ['a@x.test']), never)
  await sent.promise
  const closing = delivery.close()
  gate.resolve()
  t.deepEqual(shown(await running), ['sent 2.0.0 250 2.0.0 taken'])
  await closing
})

test('the log has a line for each recipient in facts that Postfix prints', async (t) => {
  await using peer = await FakePeer.listen(
    greeted(async (c) => {
      await c.answer('250 ok\r\n', '250 ok\r\n', '550 5.1.1 <b@x.test> unknown\r\n', '354 go\r\n')
      await c.message()
      c.say('250 2.0.0 taken\r\n')
    }),
  )
  await using delivery = deliverer()
  const given = request(peer.port, [], {
    recipients: [recipient('a@x.test', { original: 'alias@x.test' }), recipient('b@x.test', { n: 1 })],
  })
  await delivery.deliver(given, never)
  const [first, second] = delivery.log.lines
    .filter(({ event }) => event === 'delivery.recipient')
    .map(({ facts }) => facts)
  t.like(first, {
    id: message().id,
    to: 'a@x.test',
    origTo: 'alias@x.test',
    relay: `127.0.0.1[127.0.0.1]:${peer.port}`,
    dsn: '2.0.0',
    status: 'sent',
    reply: '250 2.0.0 taken',
  })
  t.regex(String(first?.['delay']), /^[0-9]+(\.[0-9]{1,2})?$/)
  t.regex(String(first?.['delays']), /^[0-9.]+\/[0-9.]+\/[0-9.]+\/[0-9.]+$/)
  t.like(second, {
    to: 'b@x.test',
    origTo: undefined,
    status: 'bounced',
    reply: 'host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <b@x.test> unknown (in reply to RCPT TO command)',
  })
})
