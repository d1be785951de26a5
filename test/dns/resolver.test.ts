import test from 'ava'
import * as fc from 'fast-check'
import { systemClock } from '#src/base/clock.ts'
import { Resolver } from '#src/dns/resolver.ts'
import { ZoneServer, framed, honest } from '#test/support/dns-zone.ts'
import { freePorts } from '#test/support/temp.ts'
import { optWithErrors, txt, wireData, wireMessage, wireName } from '#test/support/dns-wire.ts'
import type { Clock } from '#src/base/clock.ts'
import type { ResolverLimits, ResolverOptions } from '#src/dns/resolver.ts'

const ZONE = `
example.com 3600 SOA ns.example.com root.example.com 1 2 3 4 120
example.com MX 10 mx1.example.com
example.com MX 20 mx2.example.com
mx1.example.com 600 A 192.0.2.1
mx1.example.com 300 A 192.0.2.2
www.example.com CNAME mx1.example.com
zero.example.com 0 A 192.0.2.3
`

/** Short times for servers that never answer; nothing is asserted about them. */
const HASTY: ResolverLimits = { budgetMs: 300, firstTryMs: 100, exchangesMax: 10 }

/** Times that a busy machine does not reach, so that no question is asked twice for its slowness. */
const PATIENT: ResolverLimits = { budgetMs: 90_000, firstTryMs: 80_000, exchangesMax: 200 }

/** A clock that a test moves on. */
function handClock(): Clock & { advance(ms: number): void } {
  let now = 1000
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    sleep: async () => {},
    advance: (ms) => {
      now += ms
    },
  }
}

function resolverAt(port: number, more: Partial<ResolverOptions> = {}): Resolver {
  return new Resolver({
    servers: [{ address: '127.0.0.1', port }],
    clock: systemClock,
    limits: PATIENT,
    ...more,
  })
}

test('what exists, what does not, and what is not known are told apart', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    broken: ['broken.example.com'],
    secure: ['www.example.com'],
  })
  const resolver = resolverAt(server.port)
  t.deepEqual(await resolver.lookup('Example.COM.', 'MX'), {
    kind: 'found',
    records: [
      { preference: 10, host: 'mx1.example.com' },
      { preference: 20, host: 'mx2.example.com' },
    ],
    canonicalName: 'example.com',
    secure: false,
    ttlSeconds: 300,
  })
  t.like(await resolver.lookup('www.example.com', 'A'), {
    kind: 'found',
    records: ['192.0.2.1', '192.0.2.2'],
    canonicalName: 'mx1.example.com',
    secure: true,
    ttlSeconds: 300,
  })
  t.deepEqual(await resolver.lookup('mx1.example.com', 'AAAA'), {
    kind: 'none',
    why: 'nodata',
    canonicalName: 'mx1.example.com',
    secure: false,
    ttlSeconds: 120,
  })
  t.like(await resolver.lookup('nobody.example.com', 'A'), { kind: 'none', why: 'nxdomain', ttlSeconds: 120 })
  t.like(await resolver.lookup('broken.example.com', 'MX'), { kind: 'unknown', cause: 'servfail' })
})

test('a name that cannot be asked for does not exist, and nobody is asked', async (t) => {
  await using server = await ZoneServer.start(ZONE)
  const resolver = resolverAt(server.port)
  for (const name of [
    '',
    'a..b',
    'x'.repeat(64),
    `${'x.'.repeat(127)}y`,
    'a b.example',
    'ä.example',
    '"q".example',
  ]) {
    t.like(await resolver.lookup(name, 'A'), { kind: 'none', why: 'nxdomain' }, name)
  }
  t.is(server.queries.length, 0)
})

test('ten thousand equal lookups cost one question per TTL', async (t) => {
  await using server = await ZoneServer.start(ZONE)
  const clock = handClock()
  const resolver = resolverAt(server.port, { clock })
  const many = async (): Promise<void> => {
    const answers = await Promise.all(
      Array.from({ length: 10_000 }, async () => await resolver.lookup('mx1.example.com', 'A')),
    )
    t.true(answers.every((answer) => answer.kind === 'found'))
  }
  await many()
  t.is(server.queries.length, 1)
  clock.advance(299_999)
  await many()
  t.is(server.queries.length, 1)
  clock.advance(1)
  await many()
  t.is(server.queries.length, 2)
})

test('absence is kept for the minimum of the SOA, failure for five seconds, TTL 0 not at all', async (t) => {
  await using server = await ZoneServer.start(ZONE, { broken: ['broken.example.com'] })
  const clock = handClock()
  const resolver = resolverAt(server.port, { clock })
  const asked = async (name: string, advanceMs: number): Promise<number> => {
    clock.advance(advanceMs)
    const before = server.queries.length
    await resolver.lookup(name, 'A')
    return server.queries.length - before
  }
  t.deepEqual(
    [
      await asked('no.example.com', 0),
      await asked('no.example.com', 119_999),
      await asked('no.example.com', 1),
    ],
    [1, 0, 1],
  )
  const broken = 'broken.example.com'
  t.deepEqual([await asked(broken, 0), await asked(broken, 4999), await asked(broken, 1)], [1, 0, 1])
  t.deepEqual([await asked('zero.example.com', 0), await asked('zero.example.com', 0)], [1, 1])
  t.is(await asked('no.example.com', 0), 0)
  resolver.clear()
  t.is(await asked('no.example.com', 0), 1)
})

test('an answer that does not fit a datagram is fetched over TCP', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) =>
      query.over === 'udp'
        ? [wireMessage({ ...zone.message(query), answers: [], truncated: true })]
        : honest(query, zone),
  })
  t.like(await resolverAt(server.port).lookup('example.com', 'MX'), { kind: 'found' })
  t.deepEqual(
    server.queries.map((query) => query.over),
    ['udp', 'tcp'],
  )
})

test('a TXT record of 64 KiB comes over TCP in pieces', async (t) => {
  const text = 'y'.repeat(64_000)
  await using server = await ZoneServer.start(ZONE, {
    answer: (query) => {
      const question = { name: query.name, type: 'TXT' as const }
      const answers =
        query.over === 'udp' ? [] : [{ name: query.name, type: 'TXT' as const, data: txt(text) }]
      const whole = framed(
        wireMessage({ id: query.id, question, answers, truncated: query.over === 'udp' }),
        query.over,
      )
      if (query.over === 'udp') return [whole]
      return Array.from({ length: Math.ceil(whole.length / 999) }, (_, i) =>
        whole.subarray(999 * i, 999 * (i + 1)),
      )
    },
  })
  const answer = await resolverAt(server.port).lookup('big.example.com', 'TXT')
  t.is(answer.kind === 'found' && answer.records[0], text)
})

test('a server that drips, hangs up, or cuts short over TCP too is not known to say anything', async (t) => {
  const truncated = { answers: [], truncated: true }
  const cases = {
    drip: { hangUp: false, limits: HASTY, over: (whole: Buffer) => [whole.subarray(0, 5)], cause: 'timeout' },
    'hang up': {
      hangUp: true,
      limits: PATIENT,
      over: (whole: Buffer) => [whole.subarray(0, 5)],
      cause: 'malformed',
    },
    'claims more': {
      hangUp: true,
      limits: PATIENT,
      over: (whole: Buffer) => [Buffer.from([255, 255]), whole],
      cause: 'malformed',
    },
  } as const
  for (const [what, { hangUp, limits, over, cause }] of Object.entries(cases)) {
    await using server = await ZoneServer.start(ZONE, {
      hangUp,
      answer: (query, zone) => {
        const message = wireMessage({ ...zone.message(query), ...(query.over === 'udp' ? truncated : {}) })
        return query.over === 'udp' ? [message] : over(framed(message, 'tcp'))
      },
    })
    t.like(
      await resolverAt(server.port, { limits }).lookup('example.com', 'MX'),
      { kind: 'unknown', cause },
      what,
    )
  }
  await using still = await ZoneServer.start(ZONE, {
    answer: (query, zone) => [framed(wireMessage({ ...zone.message(query), ...truncated }), query.over)],
  })
  t.like(await resolverAt(still.port).lookup('example.com', 'MX'), { kind: 'unknown', cause: 'malformed' })
})

test('forged datagrams before the answer change nothing', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => {
      const lie = { name: query.name, type: 'A' as const, data: wireData('A', '203.0.113.66') }
      const right = zone.message(query)
      return [
        wireMessage({ ...right, id: (query.id + 1) % 65_536, answers: [lie] }),
        wireMessage({ ...right, question: { name: 'other.example', type: 'A' }, answers: [lie] }),
        wireMessage({ ...right, question: { name: query.name, type: 'A', class: 3 }, answers: [lie] }),
        Buffer.alloc(0),
        wireMessage(right),
      ]
    },
  })
  t.like(await resolverAt(server.port).lookup('zero.example.com', 'A'), {
    kind: 'found',
    records: ['192.0.2.3'],
  })
})

test('records that were not asked for are not believed', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => {
      const right = zone.message(query)
      const lie = { name: 'bank.example', type: 'A' as const, ttl: 9999, data: wireData('A', '203.0.113.66') }
      return [
        wireMessage({
          ...right,
          answers: [lie, ...(right.answers ?? [])],
          additionals: [lie],
          authorities: [lie],
        }),
      ]
    },
  })
  const resolver = resolverAt(server.port)
  t.like(await resolver.lookup('zero.example.com', 'A'), { kind: 'found', records: ['192.0.2.3'] })
  const before = server.queries.length
  // It was not remembered either: the name is asked for.
  t.like(await resolver.lookup('bank.example', 'MX'), { kind: 'none' })
  t.is(server.queries.length, before + 1)
})

test('a broken answer is asked for a second time, a flood of strange datagrams is not waited out', async (t) => {
  await using broken = await ZoneServer.start(ZONE, {
    answer: (query, zone) => {
      const whole = wireMessage(zone.message(query))
      return [zone.queries.length === 1 ? whole.subarray(0, whole.length - 1) : whole]
    },
  })
  t.like(await resolverAt(broken.port).lookup('zero.example.com', 'A'), { kind: 'found' })
  t.is(broken.queries.length, 2)
  await using flood = await ZoneServer.start(ZONE, {
    answer: () => Array.from({ length: 150 }, () => Buffer.from('noise')),
  })
  t.like(await resolverAt(flood.port).lookup('zero.example.com', 'A'), {
    kind: 'unknown',
    cause: 'malformed',
  })
})

test('silence is not known', async (t) => {
  await using server = await ZoneServer.start(ZONE, { answer: () => [] })
  t.like(await resolverAt(server.port, { limits: HASTY }).lookup('example.com', 'MX'), {
    kind: 'unknown',
    cause: 'timeout',
  })
})

test('the first answer may be lost: the second question has an id of its own', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => (zone.queries.length === 1 ? [] : honest(query, zone)),
  })
  // Long enough for the second answer on a machine that is busy.
  const limits = { budgetMs: 60_000, firstTryMs: 1000, exchangesMax: 10 }
  t.like(await resolverAt(server.port, { limits }).lookup('example.com', 'MX'), { kind: 'found' })
  t.is(server.queries.length, 2)
  t.not(server.queries[0]?.id, server.queries[1]?.id)
})

test('no resolver, or none there, is not known, and is not remembered', async (t) => {
  t.like(await new Resolver({ servers: [], clock: systemClock }).lookup('example.com', 'A'), {
    kind: 'unknown',
    cause: 'unreachable',
  })
  const [port = 0] = await freePorts(1)
  const resolver = resolverAt(port)
  t.like(await resolver.lookup('example.com', 'A'), { kind: 'unknown', cause: 'unreachable' })
  const before = resolver.counters.exchanges
  await resolver.lookup('example.com', 'A')
  t.true(resolver.counters.exchanges > before)
})

test('a second server is asked where the first fails, refuses or is not there', async (t) => {
  await using good = await ZoneServer.start(ZONE)
  await using servfail = await ZoneServer.start(ZONE, { broken: ['example.com'] })
  await using refusing = await ZoneServer.start(ZONE, {
    answer: (query) => [wireMessage({ id: query.id, question: { name: query.name, type: 'MX' }, rcode: 5 })],
  })
  const [nobody = 0] = await freePorts(1)
  for (const first of [servfail.port, refusing.port, nobody]) {
    const servers = [first, good.port].map((port) => ({ address: '127.0.0.1', port }))
    const resolver = new Resolver({ servers, clock: systemClock, limits: PATIENT })
    t.like(await resolver.lookup('example.com', 'MX'), { kind: 'found' })
  }
  t.like(await resolverAt(refusing.port).lookup('example.com', 'MX'), { kind: 'unknown', cause: 'refused' })
})

test('a server that says why tells bogus from broken', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => {
      const { question } = zone.message(query)
      const errors = optWithErrors(query.name === 'bogus.example.com' ? 6 : 22)
      return [wireMessage({ id: query.id, ...(question && { question }), rcode: 2, additionals: [errors] })]
    },
  })
  const resolver = resolverAt(server.port)
  t.like(await resolver.lookup('bogus.example.com', 'A'), { kind: 'unknown', cause: 'bogus' })
  t.like(await resolver.lookup('lame.example.com', 'A'), { kind: 'unknown', cause: 'servfail' })
})

test('a server that only names other servers does not answer us', async (t) => {
  await using server = await ZoneServer.start('example.com NS ns.example.net', {
    answer: (query, zone) => {
      const ns = { name: 'com', type: 'NS' as const, data: wireName('ns.example.net') }
      return [wireMessage({ ...zone.message(query), rcode: 0, answers: [], authorities: [ns] })]
    },
  })
  t.like(await resolverAt(server.port).lookup('example.com', 'MX'), { kind: 'unknown', cause: 'refused' })
})

test('aliases that the server leaves open are asked for one by one, and each must be proven', async (t) => {
  const zone = `
example.com SOA ns.example.com root.example.com 1 2 3 4 5
a.example.com CNAME b.example.com
b.example.com CNAME c.example.com
c.example.com A 192.0.2.9
round.example.com CNAME trip.example.com
trip.example.com CNAME round.example.com
`
  const start = async (secure: readonly string[]): Promise<ZoneServer> =>
    await ZoneServer.start(zone, {
      secure,
      answer: (query, server) => {
        const message = server.message(query)
        return [wireMessage({ ...message, answers: (message.answers ?? []).slice(0, 1), authorities: [] })]
      },
    })
  await using proven = await start(['example.com'])
  t.like(await resolverAt(proven.port).lookup('a.example.com', 'A'), {
    kind: 'found',
    secure: true,
    canonicalName: 'c.example.com',
  })
  t.is(proven.queries.length, 3)
  t.like(await resolverAt(proven.port).lookup('round.example.com', 'A'), { kind: 'unknown', cause: 'loop' })
  await using half = await start(['a.example.com', 'c.example.com'])
  t.like(await resolverAt(half.port).lookup('a.example.com', 'A'), { kind: 'found', secure: false })
})

test('who gives up gets an answer at once, and the others theirs', async (t) => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  await using server = await ZoneServer.start(ZONE, {
    answer: async (query, zone) => {
      await held
      return await honest(query, zone)
    },
  })
  const resolver = resolverAt(server.port, {
    limits: { ...PATIENT, exchangesMax: 1 },
  })
  const patience = new AbortController()
  const impatient = resolver.lookup('example.com', 'MX', patience.signal)
  const patient = resolver.lookup('example.com', 'MX')
  patience.abort()
  t.like(await impatient, { kind: 'unknown', cause: 'cancelled' })
  release()
  t.like(await patient, { kind: 'found' })
  t.is(server.queries.length, 1)
  t.like(await resolver.lookup('mx1.example.com', 'A', AbortSignal.abort()), {
    kind: 'unknown',
    cause: 'cancelled',
  })
})

test('when nobody waits any more the question ends, and the next one is a new one', async (t) => {
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => (zone.queries.length === 1 ? [] : honest(query, zone)),
  })
  const resolver = resolverAt(server.port, {
    limits: { ...PATIENT, exchangesMax: 1 },
  })
  const patience = new AbortController()
  const first = resolver.lookup('example.com', 'MX', patience.signal)
  setImmediate(() => {
    patience.abort()
  })
  t.like(await first, { kind: 'unknown', cause: 'cancelled' })
  // The only place of the turnstile is free again.
  t.like(await resolver.lookup('mx1.example.com', 'A'), { kind: 'found' })
})

test('the AD bit of a server elsewhere is believed only if the administrator says so', async (t) => {
  await using server = await ZoneServer.start(ZONE, { secure: ['example.com'] })
  // On Linux 0.0.0.0 leads to this machine, but is no loopback address.
  const servers = [{ address: '0.0.0.0', port: server.port }]
  const secure = async (trustAd: boolean): Promise<unknown> =>
    await new Resolver({ servers, clock: systemClock, trustAd, limits: PATIENT }).lookup('example.com', 'MX')
  t.like(await secure(false), { kind: 'found', secure: false })
  t.like(await secure(true), { kind: 'found', secure: true })
  t.like(await resolverAt(server.port).lookup('example.com', 'MX'), { kind: 'found', secure: true })
})

test('a server that may not be reached, or is named and not numbered, is not known to say anything', async (t) => {
  // The kernel refuses to send to everybody.
  for (const address of ['255.255.255.255', 'localhost', '']) {
    const resolver = new Resolver({ servers: [{ address, port: 53 }], clock: systemClock })
    t.like(await resolver.lookup('example.com', 'A'), { kind: 'unknown', cause: 'unreachable' }, address)
  }
})

test('whatever a server sends behind the question, the lookup ends with one of the three answers', async (t) => {
  let spoil: readonly (readonly [number, number])[] = []
  await using server = await ZoneServer.start(ZONE, {
    answer: (query, zone) => {
      const message = zone.message(query)
      const whole = wireMessage(message)
      const questionEnd = 12 + query.name.length + 2 + 4
      for (const [at, octet] of spoil) whole[questionEnd + (at % (whole.length - questionEnd))] = octet
      return [whole]
    },
  })
  const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(changes, fc.constantFrom('MX', 'A', 'SOA'), async (chosen, type) => {
      spoil = chosen
      const resolver = resolverAt(server.port, { limits: HASTY })
      const answer = await resolver.lookup('example.com', type)
      return ['found', 'none', 'unknown'].includes(answer.kind)
    }),
    { numRuns: 200 },
  )
  t.pass()
})
