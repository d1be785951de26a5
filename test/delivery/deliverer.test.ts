import test from 'ava'
import { FakePeer, greeted, wellBehaved } from './fake-peer.ts'
import { addressesOf, body, deliverer, message, never, recipient, request, shown } from './requests.ts'

/** Short enough for a test to wait for. */
const SOON = 30

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
  await using delivery = deliverer({}, { planner: addressesOf('name=store.test type=A: Host not found') })
  const given = request(1, ['a@x.test'], { destination: { protocol: 'lmtp', host: 'store.test', port: 24 } })
  t.deepEqual(shown(await delivery.deliver(given, never)), [
    'deferred 4.4.3 name=store.test type=A: Host not found',
  ])
})

test('the next address is tried when the first does not answer', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved())
  // Nobody listens on 127.0.0.2 at that port: the peer is bound to 127.0.0.1.
  await using delivery = deliverer({}, { planner: addressesOf(['127.0.0.2', '127.0.0.1']) })
  const given = request(1, ['a@x.test'], {
    destination: { protocol: 'lmtp', host: '[store.test]', port: peer.port },
  })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'sent')
  t.is(outcome?.relay, `store.test[127.0.0.1]:${peer.port}`)
})

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
