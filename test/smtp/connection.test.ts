import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { serve, timeIsUp } from './support/serve.ts'
import type { Serving } from './support/serve.ts'
import { Talk } from './support/talk.ts'

const TO_DATA = 'MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n'

/** Waits until something that the server does by itself is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

function events(serving: Serving): string[] {
  return serving.log.lines.map((line) => line.event)
}

test('a client that talks before the greeting is cut and logged', async (t) => {
  await using serving = await serve()
  const socket = connect(serving.port, '127.0.0.1')
  socket.write('EHLO spammer.example\r\n')
  const [said]: unknown[] = await once(socket, 'data')
  t.is(String(said), '521 5.5.1 Protocol error\r\n')
  await once(socket, 'close')
  await until(() => events(serving).includes('smtpd.disconnect'))
  t.true(events(serving).includes('smtpd.early_talker'))
  t.is(serving.policy.connected, 1)
  t.is(serving.policy.disconnected, 1)
})

test('a client that waits for the greeting is not an early talker, however quickly it answers', async (t) => {
  await using serving = await serve()
  for (let n = 0; n < 50; n += 1) {
    await using talk = await Talk.open(serving.port)
    t.regex(await talk.reply(), /^220/)
    t.regex(await talk.ask('EHLO client.example'), /^250/)
  }
  t.false(events(serving).includes('smtpd.early_talker'))
})

test('replies to a group come in one write', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  let writes = 0
  talk.socket.on('data', () => {
    writes += 1
  })
  talk.write(`${'NOOP\r\n'.repeat(20)}${TO_DATA}`)
  await talk.replies(23)
  t.is(writes, 1)
})

test('policy may refuse a client before the greeting', async (t) => {
  await using serving = await serve()
  serving.policy.refuseConnect = {
    code: 421,
    dsn: '4.7.0',
    text: 'mx.example.test Error: too many connections',
    close: true,
  }
  await using talk = await Talk.open(serving.port)
  t.is(await talk.rest(), '421 4.7.0 mx.example.test Error: too many connections\r\n')
  t.is(serving.policy.disconnected, 0)
})

test('one connection more than the limit is sent away', async (t) => {
  await using serving = await serve({ connectionsMax: 2 })
  await using one = await Talk.greeted(serving.port)
  await using two = await Talk.greeted(serving.port)
  await using three = await Talk.open(serving.port)
  t.is(await three.rest(), '421 4.3.2 All server ports are busy\r\n')
  t.is(await one.ask('QUIT'), '221 2.0.0 Bye')
  t.is(await one.rest(), '')
  await using four = await Talk.greeted(serving.port)
  t.is(await four.ask('NOOP'), '250 2.0.0 Ok')
  t.is(await two.ask('NOOP'), '250 2.0.0 Ok')
})

test('under stress a new client is cut at its first error, and those who came before go on', async (t) => {
  await using serving = await serve({ connectionsMax: 5 })
  await using first = await Talk.greeted(serving.port)
  const others = await Promise.all([1, 2, 3].map(() => Talk.greeted(serving.port)))
  await using last = await Talk.greeted(serving.port)
  t.is(serving.server.environment.settings.timeoutMs, 10_000)
  last.write('NONSENSE\r\n')
  t.regex(await last.rest(), /421 4\.7\.0 .*too many errors/)
  t.regex(await first.ask('NONSENSE'), /^500 5\.5\.2 /)
  t.is(await first.ask('NOOP'), '250 2.0.0 Ok')
  for (const other of others) await other[Symbol.asyncDispose]()
  await until(() => serving.server.connections.size === 1)
  await using calm = await Talk.greeted(serving.port)
  t.regex(await calm.ask('NONSENSE'), /^500 5\.5\.2 /)
  t.is(await calm.ask('NOOP'), '250 2.0.0 Ok')
})

test('a silent client is told and cut, between commands and within a message', async (t) => {
  await using serving = await serve()
  await using idle = await Talk.greeted(serving.port)
  await using half = await Talk.greeted(serving.port)
  half.write(TO_DATA)
  await half.replies(3)
  half.write('Subject: half a message\r\n')
  const sent = half.socket.bytesWritten
  // oxlint-disable-next-line no-underscore-dangle -- smtp-server's member is named so
  await until(() => [...serving.server.connections].some(({ _socket }) => _socket.bytesRead === sent))
  timeIsUp(serving)
  t.is(await idle.rest(), '421 4.4.2 mx.example.test Error: timeout exceeded\r\n')
  t.is(await half.rest(), '421 4.4.2 mx.example.test Error: timeout exceeded\r\n')
  await until(
    () =>
      serving.server.connections.size === 0 &&
      events(serving).filter((one) => one === 'smtpd.disconnect').length === 2,
  )
  const lost = serving.log.lines.find((line) => line.event === 'smtpd.lost')
  t.is(lost?.facts['bytes'], 25)
  t.is(lost?.facts['id'], '4Test1')
  t.is(serving.scanners.out, 0)
})

test('a client that waits for us is not idle, and is again once it has its answer', async (t) => {
  await using serving = await serve()
  const gate = Promise.withResolvers<void>()
  serving.queue.gate = gate.promise
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  talk.write('\r\n.\r\n')
  await until(() => serving.queue.submissions === 1)
  for (const _ of [1, 2, 3]) timeIsUp(serving)
  gate.resolve()
  t.regex(await talk.reply(), /^250 2\.0\.0 Ok: queued as/)
  timeIsUp(serving)
  t.is(await talk.rest(), '421 4.4.2 mx.example.test Error: timeout exceeded\r\n')
})

test('with a deadline for requests an octet now and then does not help', async (t) => {
  t.timeout(60_000)
  // Long enough for the greeting on a machine that is busy; the octets keep the idle time from ending.
  await using serving = await serve({ timeoutMs: 3000, requestDeadline: true })
  await using talk = await Talk.greeted(serving.port)
  const drip = setInterval(() => talk.write('N'), 50)
  t.is(await talk.rest(), '421 4.4.2 mx.example.test Error: timeout exceeded\r\n')
  clearInterval(drip)
})

test('a client that ends its side still gets its replies', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  talk.write('Subject: x\r\n\r\n.\r\n')
  talk.end()
  t.regex(await talk.rest(), /^250 2\.0\.0 Ok: queued as 4Test1\r\n$/)
})

test('a line without its CRLF is no command when the client ends its side', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  talk.write('NOOP')
  talk.end()
  t.is(await talk.rest(), '')
})

test('a message that was cut short is not queued', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  talk.write('Subject: x\r\n\r\n.\r')
  talk.end()
  t.is(await talk.rest(), '')
  await until(() => events(serving).includes('smtpd.disconnect'))
  t.is(serving.queue.messages.length, 0)
  t.true(events(serving).includes('smtpd.lost'))
  t.is(serving.scanners.out, 0)
})

test('a message whose client is gone while it is committed is queued and logged all the same', async (t) => {
  await using serving = await serve()
  const gate = Promise.withResolvers<void>()
  serving.queue.gate = gate.promise
  const talk = await Talk.greeted(serving.port)
  talk.write(TO_DATA)
  await talk.replies(3)
  talk.write('Subject: x\r\n\r\n.\r\n')
  await until(() => serving.queue.submissions === 1)
  talk.socket.resetAndDestroy()
  await until(() => events(serving).includes('smtpd.disconnect'))
  gate.resolve()
  await until(() => events(serving).includes('smtpd.queued'))
  t.is(serving.queue.messages.length, 1)
})

const STORE: readonly (readonly [string, (serving: Serving) => void, string])[] = [
  ['full at MAIL', (s) => (s.queue.open = 'full'), '452 4.3.1 Insufficient system storage'],
  [
    'away at MAIL',
    (s) => (s.queue.open = 'unavailable'),
    '451 4.3.0 Error: queue service unavailable, try again later',
  ],
]

for (const [what, set, reply] of STORE) {
  test(`a queue that is ${what} is told before anything is sent`, async (t) => {
    await using serving = await serve()
    set(serving)
    await using talk = await Talk.greeted(serving.port)
    t.is(await talk.ask('MAIL FROM:<a@client.example>'), reply)
    serving.queue.open = 'open'
    t.is(await talk.ask('MAIL FROM:<a@client.example>'), '250 2.1.0 Ok')
  })
}

for (const [outcome, reply] of [
  ['full', '452 4.3.1 Insufficient system storage'],
  ['failed', '451 4.3.0 Error: queue file write error'],
  ['unavailable', '451 4.3.0 Error: queue service unavailable, try again later'],
] as const) {
  test(`a submission that ends as ${outcome} is answered ${reply.slice(0, 9)}, and the session goes on`, async (t) => {
    await using serving = await serve()
    serving.queue.outcome = outcome
    await using talk = await Talk.greeted(serving.port)
    talk.write(TO_DATA)
    await talk.replies(3)
    t.is(await talk.ask('x\r\n.'), reply)
    t.regex(await talk.ask('RCPT TO:<user@example.test>'), /^503/)
    serving.queue.outcome = 'queued'
    talk.write(TO_DATA)
    await talk.replies(3)
    t.regex(await talk.ask('x\r\n.'), /^250 2\.0\.0 Ok: queued as/)
  })
}

test('a stop lets a transaction end, and tells the idle at once', async (t) => {
  const serving = await serve({ stopGraceMs: 5000 })
  await using idle = await Talk.greeted(serving.port)
  await using busy = await Talk.greeted(serving.port)
  busy.write(TO_DATA)
  await busy.replies(3)
  const stopped = serving.server.stop()
  t.is(await idle.rest(), '421 4.3.2 mx.example.test Service shutting down, try again later\r\n')
  t.regex(await busy.ask('Subject: last\r\n\r\n.'), /^250 2\.0\.0 Ok: queued as/)
  t.is(await busy.rest(), '421 4.3.2 mx.example.test Service shutting down, try again later\r\n')
  await stopped
  t.is(serving.queue.messages.length, 1)
  const late = connect(serving.port, '127.0.0.1')
  await t.throwsAsync(once(late, 'connect'), { code: 'ECONNREFUSED' })
})

test('a stop cuts a transaction that does not end', async (t) => {
  const serving = await serve({ stopGraceMs: 50 })
  await using busy = await Talk.greeted(serving.port)
  await busy.ask('MAIL FROM:<a@client.example>')
  const stopped = serving.server.stop()
  t.is(await busy.rest(), '421 4.3.2 mx.example.test Service shutting down, try again later\r\n')
  await stopped
  t.is(serving.queue.messages.length, 0)
})

test('a new generation holds for the next session and not for the one under way', async (t) => {
  await using serving = await serve()
  await using before = await Talk.greeted(serving.port)
  serving.server.adopt(
    {
      ...serving.environment,
      settings: { ...serving.environment.settings, messageBytesMax: 4711, generation: 2 },
    },
    undefined,
  )
  await using after = await Talk.open(serving.port)
  await after.reply()
  t.regex(await after.ask('EHLO client.example'), /250-SIZE 4711/)
  t.regex(await before.ask('EHLO client.example'), /250-SIZE 10240000/)
})

test('the log of a session has one id, its counts, and the queue id once it is known', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.greeted(serving.port)
  await talk.askAll(
    'MAIL FROM:<a@client.example>',
    'RCPT TO:<unknown@example.test>',
    'RCPT TO:<user@example.test>',
    'DATA',
  )
  await talk.ask('Message-Id: <m@client.example>\r\n\r\n.')
  await talk.ask('QUIT')
  await talk.rest()
  await until(() => events(serving).includes('smtpd.disconnect'))
  t.deepEqual(events(serving), ['smtpd.connect', 'smtpd.reject', 'smtpd.queued', 'smtpd.disconnect'])
  t.is(new Set(serving.log.lines.map((line) => line.facts['session'])).size, 1)
  const [, reject, queued, disconnect] = serving.log.lines
  t.like(reject?.facts, {
    client: '127.0.0.1',
    command: 'RCPT',
    from: 'a@client.example',
    to: 'unknown@example.test',
    proto: 'ESMTP',
    helo: 'client.example',
    reply: '550 5.1.1 <unknown@example.test>: Recipient address rejected: User unknown',
  })
  t.like(queued?.facts, { id: '4Test1', from: 'a@client.example', nrcpt: 1, messageId: '<m@client.example>' })
  t.is(disconnect?.facts['commands'], 'ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6')
})

test('what a client says makes no line of the log or of a reply', async (t) => {
  await using serving = await serve({ hardErrorLimit: 100, softErrorLimit: 100 })
  await using talk = await Talk.greeted(serving.port, 'a"b\\c<d>(e)\u2028f')
  await talk.ask('MAIL FROM:<"a\\"b"@client.example>')
  t.regex(
    await talk.ask('RCPT TO:<x@elsewhere.example> FOO=\u2028BAR'),
    /^555 5\.5\.4 Unsupported option: FOO=\?BAR$/,
  )
  const reject = serving.log.lines.find((line) => line.event === 'smtpd.reject')
  t.is(reject?.facts['helo'], 'a?b?c?d??e??f')
})

test('a client that never reads gets no more than the kernel holds for it', async (t) => {
  await using serving = await serve({ junkCommandLimit: 10_000_000 })
  await using talk = await Talk.greeted(serving.port)
  talk.socket.pause()
  let written = 0
  const group = Buffer.from('NOOP\r\n'.repeat(1000))
  for (let n = 0; n < 20_000 && !talk.socket.writableNeedDrain; n += 1) {
    talk.socket.write(group)
    written += group.length
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  t.true(talk.socket.writableNeedDrain, `${written} octets were taken`)
})
