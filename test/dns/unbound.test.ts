import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { Resolver } from '#src/dns/resolver.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Unbound, unboundLacks } from '#test/support/unbound.ts'

const lacks = unboundLacks()
const withUnbound = lacks === undefined ? test : test.skip

withUnbound('a validating resolver proves what it says, and what it cannot prove is not known', async (t) => {
  using folder = tempFolder('unbound')
  await using unbound = await Unbound.start(folder.path, [
    {
      name: 'signed.test',
      signed: true,
      records: `
signed.test. 300 IN MX 10 mx1.signed.test.
mx1.signed.test. 300 IN A 192.0.2.25
mx1.signed.test. 300 IN AAAA 2001:db8::25
alias.signed.test. 300 IN CNAME mx1.signed.test.
away.signed.test. 300 IN CNAME host.plain.test.
_25._tcp.mx1.signed.test. 300 IN TLSA 3 1 1 ${'ab'.repeat(32)}
big.signed.test. 300 IN TXT ${Array.from({ length: 40 }, (_, i) => `"${String(i).padStart(200, 'x')}"`).join(' ')}
`,
    },
    {
      name: 'bogus.test',
      signed: true,
      records: 'bogus.test. 300 IN MX 10 mx.bogus.test.\nmx.bogus.test. 300 IN A 192.0.2.66',
      spoil: (text) => text.replaceAll('192.0.2.66', '192.0.2.67'),
    },
    { name: 'plain.test', signed: false, records: 'host.plain.test. 300 IN A 192.0.2.80' },
  ])
  const resolver = new Resolver({
    servers: [{ address: '127.0.0.1', port: unbound.port }],
    clock: systemClock,
    // Times that a busy machine does not reach.
    limits: { budgetMs: 90_000, firstTryMs: 80_000, exchangesMax: 10 },
  })

  const mx = await resolver.lookup('signed.test', 'MX')
  t.like(mx, { kind: 'found', secure: true, canonicalName: 'signed.test' })
  t.deepEqual(mx.kind === 'found' && mx.records, [{ preference: 10, host: 'mx1.signed.test' }])
  t.like(await resolver.lookup('mx1.signed.test', 'A'), {
    kind: 'found',
    secure: true,
    records: ['192.0.2.25'],
  })
  t.like(await resolver.lookup('mx1.signed.test', 'AAAA'), {
    kind: 'found',
    secure: true,
    records: ['2001:db8::25'],
  })
  const tlsa = await resolver.lookup('_25._tcp.mx1.signed.test', 'TLSA')
  t.like(tlsa, { kind: 'found', secure: true })
  t.like(tlsa.kind === 'found' ? tlsa.records[0] : {}, { usage: 3, selector: 1, matchingType: 1 })

  t.like(await resolver.lookup('nobody.signed.test', 'A'), { kind: 'none', why: 'nxdomain', secure: true })
  t.like(await resolver.lookup('mx1.signed.test', 'MX'), { kind: 'none', why: 'nodata', secure: true })

  // An alias is as good as its weakest step.
  t.like(await resolver.lookup('alias.signed.test', 'A'), {
    kind: 'found',
    secure: true,
    canonicalName: 'mx1.signed.test',
  })
  t.like(await resolver.lookup('away.signed.test', 'A'), {
    kind: 'found',
    secure: false,
    canonicalName: 'host.plain.test',
  })
  t.like(await resolver.lookup('host.plain.test', 'A'), { kind: 'found', secure: false })

  t.like(await resolver.lookup('mx.bogus.test', 'A'), { kind: 'unknown', cause: 'bogus' })
  t.like(await resolver.lookup('bogus.test', 'MX'), { kind: 'found', secure: true })

  // 8 KiB do not fit a datagram of 1232 octets: this came over TCP.
  const big = await resolver.lookup('big.signed.test', 'TXT')
  t.is(big.kind === 'found' && big.records[0]?.length, 8000)
})
