import test from 'ava'
import type { Answer, NameLookup, RecordData, RecordType } from '#src/dns/records.ts'
import { reverseName, selfTest } from '#src/dns/self-test.ts'
import type { SelfTestSubject } from '#src/dns/self-test.ts'

const SUBJECT: SelfTestSubject = { host: 'mx.example.test', domains: ['example.test'], selectors: ['s1'] }

const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  'mx.example.test A': ['192.0.2.1'],
  'mx.example.test AAAA': ['2001:db8::1'],
  '1.2.0.192.in-addr.arpa PTR': ['mx.example.test'],
  [`${'1.' + '0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa PTR`]: ['other.example.test', 'mx.example.test'],
  'example.test MX': [{ preference: 10, host: 'mx.example.test' }],
  'example.test TXT': ['site-verification=1', 'v=spf1 mx -all'],
  's1._domainkey.example.test TXT': ['v=DKIM1; k=rsa; p=MIIB'],
  '_dmarc.example.test TXT': ['v=DMARC1; p=reject; rua=mailto:x@example.test'],
}

/** A DNS of a few names; 'silent' is what no server answers. */
function zone(records: Readonly<Record<string, readonly unknown[] | 'silent'>>): NameLookup {
  return {
    async lookup<T extends RecordType>(name: string, type: T): Promise<Answer<RecordData[T]>> {
      const found = records[`${name} ${type}`]
      if (found === 'silent') return { kind: 'unknown', cause: 'timeout', detail: '' }
      if (found === undefined) {
        const exists = Object.keys(records).some((key) => key.split(' ')[0]?.endsWith(name) === true)
        const why = exists ? 'nodata' : 'nxdomain'
        return { kind: 'none', why, canonicalName: name, secure: false, ttlSeconds: 60 }
      }
      // oxlint-disable-next-line no-unsafe-type-assertion -- the tables above hold what their keys say
      const data = found as readonly RecordData[T][]
      return { kind: 'found', records: data, canonicalName: name, secure: false, ttlSeconds: 60 }
    },
  }
}

async function states(
  records: Readonly<Record<string, readonly unknown[] | 'silent'>>,
  subject = SUBJECT,
): Promise<readonly string[]> {
  const findings = await selfTest(zone(records), subject, AbortSignal.timeout(60_000))
  return findings.map(({ check, state }) => `${check} ${state}`)
}

const ALL_RIGHT = ['A right', 'PTR right', 'PTR right', 'MX right', 'SPF right', 'DKIM right', 'DMARC right']

test('a host and a domain as others want them are right', async (t) => {
  t.deepEqual(await states(GOOD), ALL_RIGHT)
})

for (const [what, change, expected] of [
  ['no address', { 'mx.example.test A': undefined, 'mx.example.test AAAA': undefined }, ['A missing']],
  ['an address without a name', { '1.2.0.192.in-addr.arpa PTR': undefined }, ['PTR missing']],
  ['a name that leads elsewhere', { '1.2.0.192.in-addr.arpa PTR': ['dsl.example.net'] }, ['PTR wrong']],
  ['no MX', { 'example.test MX': undefined }, ['MX missing']],
  ["another's MX", { 'example.test MX': [{ preference: 0, host: 'mx.example.net' }] }, ['MX wrong']],
  ['a null MX', { 'example.test MX': [{ preference: 0, host: '' }] }, ['MX wrong']],
  ['no SPF', { 'example.test TXT': ['v=spf10 mx'] }, ['SPF missing']],
  ['two SPF records', { 'example.test TXT': ['v=spf1 mx -all', 'v=spf1 -all'] }, ['SPF wrong']],
  ['SPF for everybody', { 'example.test TXT': ['v=spf1 mx +all'] }, ['SPF wrong']],
  ['no DKIM key', { 's1._domainkey.example.test TXT': undefined }, ['DKIM missing']],
  ['a revoked key', { 's1._domainkey.example.test TXT': ['v=DKIM1; p='] }, ['DKIM wrong']],
  ['something else for a key', { 's1._domainkey.example.test TXT': ['hello'] }, ['DKIM wrong']],
  ['no DMARC', { '_dmarc.example.test TXT': ['v=spf1 -all'] }, ['DMARC missing']],
  [
    'DMARC without a policy',
    { '_dmarc.example.test TXT': ['v=DMARC1; rua=mailto:x@y.test'] },
    ['DMARC wrong'],
  ],
  ['an MX that nobody can tell', { 'example.test MX': 'silent' }, ['MX unknown']],
  ['TXT that nobody can tell', { 'example.test TXT': 'silent' }, ['SPF unknown']],
] as const) {
  test(`${what} is told, and nothing else`, async (t) => {
    const records: Record<string, readonly unknown[] | 'silent'> = { ...GOOD }
    for (const [key, value] of Object.entries(change)) {
      if (value === undefined) delete records[key]
      else records[key] = value
    }
    t.deepEqual(
      (await states(records)).filter((state) => !state.endsWith(' right')),
      [...expected],
    )
  })
}

test('without a selector it is known whether there are keys at all', async (t) => {
  const subject = { ...SUBJECT, selectors: [] }
  t.deepEqual(await states(GOOD, subject), ALL_RIGHT)
  const { 's1._domainkey.example.test TXT': _key, ...without } = GOOD
  t.true((await states(without, subject)).includes('DKIM missing'))
})

for (const [address, name] of [
  ['192.0.2.10', '10.2.0.192.in-addr.arpa'],
  ['::1', `1.${'0.'.repeat(31)}ip6.arpa`],
  ['2001:db8::', `${'0.'.repeat(24)}8.b.d.0.1.0.0.2.ip6.arpa`],
  ['2001:db8:1:2:3:4:5:6', '6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
] as const) {
  test(`the way back from ${address} is asked at ${name}`, (t) => {
    t.is(reverseName(address), name)
  })
}
