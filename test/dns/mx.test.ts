import test from 'ava'
import * as fc from 'fast-check'
import { MX_HOSTS_MAX, hostsByAddress, mailHosts } from '#src/dns/mx.ts'
import { fakeDns, fakeHosts } from '#test/support/fake-names.ts'
import { seededRandom } from '#test/support/random.ts'
import type { HostSources } from '#src/dns/host-addresses.ts'
import type { MailHostRules, MailHosts } from '#src/dns/mx.ts'
import type { FakeDns } from '#test/support/fake-names.ts'

const chance = seededRandom(1)

function rules(dns: FakeDns, more: Partial<MailHostRules & HostSources> = {}): MailHostRules {
  const { order = ['dns'], families = [4, 6], native = fakeHosts({}), ...rest } = more
  return {
    sources: { dns, native, order, families },
    own: { names: new Set(['mx.own.example']), addresses: new Set(['198.51.100.1', '2001:db8::1']) },
    random: () => chance.fraction(),
    addressPreference: 'any',
    addressesMax: 5,
    dnssec: true,
    ...rest,
  }
}

async function hostsFor(
  records: Readonly<Record<string, string>>,
  more: Partial<MailHostRules & HostSources> = {},
): Promise<MailHosts> {
  return await mailHosts({ name: 'example.com', detectLoop: true }, rules(fakeDns(records), more))
}

function addresses(found: MailHosts): readonly string[] {
  return found.kind === 'found' ? found.hosts.map((host) => host.address) : [found.reason]
}

test('MX hosts come by preference, each with its addresses', async (t) => {
  const found = await hostsFor({
    'example.com MX': '20 b.example, 10 a.example',
    'a.example A': '192.0.2.1',
    'a.example AAAA': '2001:db8::a',
    'b.example A': '192.0.2.2',
  })
  t.like(found, { kind: 'found', via: 'mx', weAreMx: false })
  t.deepEqual(addresses(found).slice(0, 2).toSorted(), ['192.0.2.1', '2001:db8::a'])
  t.is(addresses(found)[2], '192.0.2.2')
  t.like(found.kind === 'found' ? found.hosts[2] : {}, {
    host: 'b.example',
    canonicalHost: 'b.example',
    preference: 20,
  })
})

test('equal preferences come in every order', async (t) => {
  const records = {
    'example.com MX': '10 a.example, 10 b.example, 10 c.example',
    'a.example A': '192.0.2.1',
    'b.example A': '192.0.2.2',
    'c.example A': '192.0.2.3',
  }
  const seen = new Set<string>()
  for (let n = 0; n < 200; n++) seen.add(addresses(await hostsFor(records)).join(' '))
  t.is(seen.size, 6)
})

test('the domain itself is used only where there is no MX record', async (t) => {
  const a = { 'example.com A': '192.0.2.1' }
  t.like(await hostsFor(a), { kind: 'found', via: 'address', weAreMx: false })
  t.deepEqual(addresses(await hostsFor(a)), ['192.0.2.1'])
  // RFC 5321 section 5.1: an MX that leads nowhere does not bring the address back, nor does one that is not known.
  t.deepEqual(await hostsFor({ ...a, 'example.com MX': '10 gone.example' }), {
    kind: 'bounced',
    dsn: '5.4.4',
    reason:
      'Host or domain name not found. Name service error for name=gone.example type=AAAA: Host not found',
    replyCode: 550,
    weAreMx: false,
    loop: false,
  })
  t.deepEqual(await hostsFor({ ...a, 'example.com MX': 'SERVFAIL' }), {
    kind: 'deferred',
    dsn: '4.4.3',
    reason:
      'Host or domain name not found. Name service error for name=example.com type=MX: Host not found, try again',
    replyCode: 450,
    weAreMx: false,
    loop: false,
  })
})

test('a null MX refuses mail at once, alone or among others', async (t) => {
  const a = { 'example.com A': '192.0.2.1', 'mx.example A': '192.0.2.2' }
  for (const mx of ['0 .', '10 .', '10 mx.example, 20 .']) {
    t.like(
      await hostsFor({ ...a, 'example.com MX': mx }),
      {
        kind: 'bounced',
        dsn: '5.1.10',
        reason: 'Domain example.com does not accept mail (nullMX)',
        replyCode: 556,
      },
      mx,
    )
  }
})

test('what is not found of an address bounces only if all of it is known', async (t) => {
  const mx = { 'example.com MX': '10 a.example, 20 b.example' }
  const cases: readonly (readonly [Readonly<Record<string, string>>, object])[] = [
    [{ 'b.example A': '192.0.2.2' }, { kind: 'found' }],
    [{ 'a.example A': 'SERVFAIL', 'b.example A': '192.0.2.2' }, { kind: 'found' }],
    [{ 'b.example A': '192.0.2.2', 'b.example AAAA': 'SERVFAIL' }, { kind: 'found' }],
    [{ 'a.example A': 'SERVFAIL' }, { kind: 'deferred', dsn: '4.4.3' }],
    [{ 'a.example AAAA': 'SERVFAIL' }, { kind: 'deferred', dsn: '4.4.3' }],
    [{}, { kind: 'bounced', dsn: '5.4.4' }],
    [
      { 'a.example TXT': 'x', 'b.example TXT': 'x' },
      { kind: 'bounced', dsn: '5.4.4' },
    ],
  ]
  for (const [records, expected] of cases)
    t.like(await hostsFor({ ...mx, ...records }), expected, JSON.stringify(records))
})

test('a domain that does not exist bounces, one that cannot be looked up waits', async (t) => {
  t.like(await hostsFor({}), { kind: 'bounced', dsn: '5.4.4', replyCode: 550 })
  t.like(await hostsFor({ 'example.com A': 'SERVFAIL' }), { kind: 'deferred', dsn: '4.4.3' })
  const bad = await mailHosts({ name: 'exa mple', detectLoop: true }, rules(fakeDns({})))
  t.like(bad, {
    kind: 'bounced',
    dsn: '5.4.4',
    reason: 'Name service error for exa mple: invalid host or domain name',
  })
})

test('an MX host may be an alias, and one that is a number is its own address', async (t) => {
  const found = await hostsFor({
    'example.com MX': '10 alias.example, 20 192.0.2.77, 30 bad..name',
    'alias.example CNAME': 'real.example',
    'real.example A': '192.0.2.1',
  })
  t.deepEqual(addresses(found), ['192.0.2.1', '192.0.2.77'])
  t.like(found.kind === 'found' ? found.hosts[0] : {}, {
    host: 'alias.example',
    canonicalHost: 'real.example',
  })
  t.like(await hostsFor({ 'example.com MX': '10 bad..name, 20 also bad' }), { kind: 'bounced', dsn: '5.4.4' })
})

test('ourselves, and whoever is not better, are left out', async (t) => {
  const a = { 'a.example A': '192.0.2.1', 'b.example A': '192.0.2.2', 'c.example A': '192.0.2.3' }
  const own = {
    'mx.own.example A': '203.0.113.1',
    'proxy.example A': '198.51.100.1',
    'six.example AAAA': '2001:0db8:0::1',
  }
  const cases: readonly (readonly [string, readonly string[]])[] = [
    // By name (behind NAT), by address, by an IPv6 address in another spelling.
    ['10 a.example, 20 mx.own.example, 20 b.example, 30 c.example', ['192.0.2.1']],
    ['10 a.example, 20 proxy.example, 20 b.example, 30 c.example', ['192.0.2.1']],
    ['10 a.example, 20 six.example, 30 c.example', ['192.0.2.1']],
    // Twice in the list: the better place counts.
    ['10 a.example, 20 proxy.example, 15 mx.own.example, 17 b.example', ['192.0.2.1']],
  ]
  for (const [mx, expected] of cases) {
    const found = await hostsFor({ ...a, ...own, 'example.com MX': mx })
    t.like(found, { kind: 'found', weAreMx: true }, mx)
    t.deepEqual(addresses(found), expected, mx)
  }
})

test('to be the best MX is a loop, to be the best that can be found is not', async (t) => {
  const own = {
    'mx.own.example A': '203.0.113.1',
    'proxy.example A': '198.51.100.1',
    'b.example A': '192.0.2.2',
  }
  const loop = {
    kind: 'bounced',
    dsn: '5.4.6',
    reason: 'mail for example.com loops back to myself',
    loop: true,
    weAreMx: true,
  }
  const wait = {
    kind: 'deferred',
    dsn: '4.4.4',
    reason: 'unable to find primary relay for example.com',
    loop: false,
    weAreMx: true,
  }
  const cases: readonly (readonly [string, object])[] = [
    ['10 mx.own.example', loop],
    ['10 proxy.example', loop],
    ['10 proxy.example, 10 b.example, 20 b.example', loop],
    ['5 gone.example, 10 proxy.example', wait],
    ['5 gone.example, 10 mx.own.example, 20 b.example', wait],
  ]
  for (const [mx, expected] of cases) t.like(await hostsFor({ ...own, 'example.com MX': mx }), expected, mx)
  t.like(await hostsFor({ 'example.com A': '198.51.100.1' }), { kind: 'bounced', dsn: '5.4.6', loop: true })
})

test('on another port we may talk to ourselves', async (t) => {
  const dns = fakeDns({ 'example.com MX': '10 mx.own.example', 'mx.own.example A': '198.51.100.1' })
  const found = await mailHosts({ name: 'example.com', detectLoop: false }, rules(dns))
  t.deepEqual(addresses(found), ['198.51.100.1'])
  const direct = await hostsByAddress({ name: 'mx.own.example', detectLoop: false }, rules(dns))
  t.deepEqual(addresses(direct), ['198.51.100.1'])
})

test('each step of the way has to be proven by itself', async (t) => {
  const records = {
    'example.com MX': '10 good.example.com, 20 other.example',
    'good.example.com A': '192.0.2.1',
    'other.example A': '192.0.2.2',
  }
  const dns = fakeDns(records, ['example.com'])
  const found = await mailHosts({ name: 'example.com', detectLoop: true }, rules(dns))
  t.like(found, { kind: 'found', mxSecure: true })
  t.deepEqual(found.kind === 'found' && found.hosts.map((host) => host.secure), [true, false])
  const without = await mailHosts({ name: 'example.com', detectLoop: true }, rules(dns, { dnssec: false }))
  t.like(without, { kind: 'found', mxSecure: false })
  t.deepEqual(without.kind === 'found' && without.hosts.map((host) => host.secure), [false, false])
  // No MX: its absence has to be proven as well.
  const bare = { 'example.com A': '192.0.2.1' }
  t.like(await mailHosts({ name: 'example.com', detectLoop: true }, rules(fakeDns(bare))), {
    kind: 'found',
    mxSecure: false,
  })
  t.like(await mailHosts({ name: 'example.com', detectLoop: true }, rules(fakeDns(bare, ['example.com']))), {
    mxSecure: true,
  })
})

test('an address is taken as it is, and a domain in any script', async (t) => {
  const dns = fakeDns({ 'xn--bcher-kva.example MX': '10 a.example', 'a.example A': '192.0.2.1' })
  t.deepEqual(addresses(await mailHosts({ name: 'Bücher.example', detectLoop: true }, rules(dns))), [
    '192.0.2.1',
  ])
  t.deepEqual(addresses(await mailHosts({ name: '192.0.2.9', detectLoop: true }, rules(dns))), ['192.0.2.9'])
  t.deepEqual(addresses(await hostsByAddress({ name: '2001:DB8:0::9', detectLoop: true }, rules(dns))), [
    '2001:db8::9',
  ])
  t.like(await hostsByAddress({ name: '198.51.100.1', detectLoop: true }, rules(dns)), {
    kind: 'bounced',
    dsn: '5.4.6',
  })
  t.like(await hostsByAddress({ name: '2001:db8::9', detectLoop: true }, rules(dns, { families: [4] })), {
    dsn: '5.4.4',
  })
})

test('the hosts file is asked where the settings say so, after what the DNS does not know', async (t) => {
  const native = fakeHosts({ 'store.example': '192.0.2.5', 'both.example': '192.0.2.6' })
  const dns = fakeDns({ 'both.example A': '192.0.2.7', 'broken.example A': 'SERVFAIL' })
  const ask = async (name: string, order: HostSources['order']): Promise<readonly string[]> =>
    addresses(await hostsByAddress({ name, detectLoop: false }, rules(dns, { native, order })))
  t.deepEqual(await ask('store.example', ['dns', 'native']), ['192.0.2.5'])
  t.deepEqual(await ask('both.example', ['dns', 'native']), ['192.0.2.7'])
  t.deepEqual(await ask('both.example', ['native']), ['192.0.2.6'])
  t.deepEqual(await ask('store.example', ['dns']), [
    'Host or domain name not found. Name service error for name=store.example type=AAAA: Host not found',
  ])
  t.deepEqual(await ask('nowhere.example', ['dns', 'native']), [
    'unable to look up host nowhere.example: Name or service not known',
  ])
  // What is not known is not looked for elsewhere.
  t.regex((await ask('broken.example', ['dns', 'native']))[0] ?? '', /try again/)
})

test('a domain with a thousand MX hosts costs a bounded number of questions', async (t) => {
  const records: Record<string, string> = {
    'example.com MX': Array.from({ length: 1000 }, (_, i) => `10 h${i}.example`).join(', '),
  }
  for (let i = 0; i < 1000; i++) records[`h${i}.example A`] = `10.0.${i >> 8}.${i & 255}`
  const dns = fakeDns(records)
  const found = await mailHosts({ name: 'example.com', detectLoop: true }, rules(dns))
  t.is(addresses(found).length, 5)
  t.is(dns.asked.length, 1 + 2 * MX_HOSTS_MAX)
})

test('whatever the records, no host at or behind our own preference is ever tried, and none twice', async (t) => {
  const host = fc.constantFrom(
    'a.example',
    'b.example',
    'c.example',
    'mx.own.example',
    'proxy.example',
    'gone.example',
  )
  const mx = fc.array(fc.tuple(fc.nat(4), host), { minLength: 1, maxLength: 8 })
  const zone = {
    'a.example A': '192.0.2.1, 192.0.2.2',
    'b.example AAAA': '2001:db8::b',
    'c.example A': '192.0.2.1',
    'mx.own.example A': '203.0.113.1',
    'proxy.example A': '198.51.100.1',
  }
  await fc.assert(
    fc.asyncProperty(mx, async (records) => {
      const text = records.map(([preference, name]) => `${preference} ${name}`).join(', ')
      const found = await hostsFor({ ...zone, 'example.com MX': text })
      const own = records.filter(([, name]) => name === 'mx.own.example' || name === 'proxy.example')
      const limit = Math.min(Infinity, ...own.map(([preference]) => preference))
      if (found.kind !== 'found')
        return own.length > 0 || records.every(([, name]) => name === 'gone.example')
      const order = found.hosts.map((one) => one.preference)
      return (
        order.every((preference) => preference < limit) &&
        order.every((preference, i) => i === 0 || preference >= (order[i - 1] ?? 0)) &&
        new Set(found.hosts.map((one) => one.address)).size === found.hosts.length
      )
    }),
    { numRuns: 500 },
  )
  t.pass()
})
