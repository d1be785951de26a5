import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:https'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { PeerMemory } from '#src/delivery/peer-memory.ts'
import { StsPolicies, isStsHost, parseStsPolicy, stsId } from '#src/delivery/mta-sts.ts'
import { stsFetch } from '#src/delivery/mta-sts-fetch.ts'
import { asksSts, withSts } from '#src/delivery/tls-policy.ts'
import { fakeDns, fakeHosts } from '#test/support/fake-names.ts'
import { tempFolder } from '#test/support/temp.ts'
import { never } from './requests.ts'
import { testPki } from './tls-peer.ts'
import { TLS_RULES } from './tls-world.ts'
import type { TlsFailure } from '#src/delivery/tls-outcome.ts'
import type { StsFetch } from '#src/delivery/mta-sts.ts'
import { NO_TLS } from '#src/delivery/tls.ts'
import { NO_POLICY } from '#src/delivery/tls-outcome.ts'
import { USUAL_SESSION } from '#src/delivery/tls-session.ts'
import type { TlsPolicy } from '#src/delivery/tls.ts'
import type { TlsDecision, TlsRules, TlsTarget } from '#src/delivery/tls-policy.ts'

const folder = tempFolder('mta-sts')
const PKI = await testPki(folder.path)
test.after.always(() => folder[Symbol.dispose]())

const POLICY =
  'version: STSv1\r\nmode: enforce\r\nmx: mx.far.example\r\nmx: *.mail.example\r\nmax_age: 86400\r\n'

test('a policy is read by RFC 8461, and half of one is none', (t) => {
  t.deepEqual(parseStsPolicy(POLICY), {
    mode: 'enforce',
    mx: ['mx.far.example', '*.mail.example'],
    maxAgeSeconds: 86_400,
  })
  t.is(parseStsPolicy('version: STSv1\nmode: none\nmax_age: 9999999999\n')?.maxAgeSeconds, 31_557_600)
  for (const wrong of [
    '',
    '<html>not found</html>',
    POLICY.replace('STSv1', 'STSv2'),
    POLICY.replace('enforce', 'strict'),
    POLICY.replace('86400', 'a day'),
    POLICY.replaceAll(/mx: .*\r\n/g, ''),
  ]) {
    t.is(parseStsPolicy(wrong), undefined, wrong)
  }
})

test('one record names the policy, several name none', (t) => {
  t.is(stsId(['v=STSv1; id=20260101T000000;']), '20260101T000000')
  t.is(stsId(['v=spf1 -all', 'v=STSv1;id=1']), '1')
  t.is(stsId(['v=STSv1; id=1', 'v=STSv1; id=2']), undefined)
  t.is(stsId(['v=STSv10; id=1']), undefined)
  t.is(stsId([]), undefined)
})

test('a pattern fits one label, and no more', (t) => {
  const patterns = ['mx.far.example', '*.mail.example']
  t.true(isStsHost(patterns, 'MX.far.example'))
  t.true(isStsHost(patterns, 'a.mail.example'))
  t.false(isStsHost(patterns, 'a.b.mail.example'))
  t.false(isStsHost(patterns, 'mail.example'))
  t.false(isStsHost(patterns, 'evil.example'))
})

/** A domain whose record and policy host the test changes, with a clock that stands, and a memory that may be an older one's. */
function world(path = ':memory:') {
  const records: Record<string, string> = { '_mta-sts.far.example TXT': 'v=STSv1; id=1' }
  const state = { text: POLICY as string | undefined, fetches: 0, at: 0, records }
  const fetch: StsFetch = () => {
    state.fetches += 1
    const { text } = state
    return Promise.resolve(
      text === undefined
        ? { kind: 'failed', reason: 'down', type: 'sts-policy-fetch-error' }
        : { kind: 'text', text },
    )
  }
  const clock = { nowMs: () => state.at, monotonicMs: () => state.at, sleep: () => Promise.resolve() }
  const dns = fakeDns(records)
  const log = memoryLog()
  const memory = new PeerMemory(path, log)
  const failures: string[] = []
  const onFailure = (domain: string, { type }: TlsFailure): void => {
    failures.push(`${domain} ${type}`)
  }
  const make = (): StsPolicies => new StsPolicies({ dns, fetch, clock, log, memory, onFailure })
  return { state, policies: make(), make, failures, [Symbol.dispose]: () => memory[Symbol.dispose]() }
}

test('a policy is fetched once for an id, by however many deliveries, and holds although DNS and host go away', async (t) => {
  using given = world()
  const { state, policies } = given
  const found = await Promise.all([1, 2, 3].map(async () => await policies.policyOf('far.example', never)))
  t.deepEqual(
    found.map((policy) => policy?.mode),
    ['enforce', 'enforce', 'enforce'],
  )
  t.is(state.fetches, 1)
  state.records['_mta-sts.far.example TXT'] = 'SERVFAIL'
  state.text = undefined
  t.is((await policies.policyOf('far.example', never))?.mode, 'enforce')
  state.records['_mta-sts.far.example TXT'] = 'v=STSv1; id=2'
  t.is((await policies.policyOf('far.example', never))?.mode, 'enforce', 'what cannot be renewed still holds')
  state.at = 86_400_000
  t.is(await policies.policyOf('far.example', never), undefined, 'until its time is over')
})

test('a new id brings a new policy; a policy host that fails is left alone for five minutes', async (t) => {
  using given = world()
  const { state, policies, failures } = given
  state.text = undefined
  for (let n = 0; n < 3; n += 1) t.is(await policies.policyOf('far.example', never), undefined)
  t.is(state.fetches, 1)
  t.deepEqual(failures, ['far.example sts-policy-fetch-error'])
  state.at = 300_001
  state.text = POLICY
  t.is((await policies.policyOf('far.example', never))?.mode, 'enforce')
  state.records['_mta-sts.far.example TXT'] = 'v=STSv1; id=2'
  state.text = POLICY.replace('enforce', 'testing')
  t.is((await policies.policyOf('far.example', never))?.mode, 'testing')
})

test('a policy outlives a restart, as long as it said and no longer', async (t) => {
  const path = join(folder.path, 'peers.db')
  {
    using first = world(path)
    t.is((await first.policies.policyOf('far.example', never))?.mode, 'enforce')
  }
  using second = world(path)
  second.state.at = 80_000_000
  second.state.text = undefined
  second.state.records['_mta-sts.far.example TXT'] = 'SERVFAIL'
  t.deepEqual(await second.make().policyOf('far.example', never), parseStsPolicy(POLICY))
  t.is(second.state.fetches, 0)
  second.state.at = 86_400_001
  t.is(await second.make().policyOf('far.example', never), undefined)
})

test('a policy is renewed before it ends, while it holds', async (t) => {
  using given = world()
  const { state, policies } = given
  await policies.policyOf('far.example', never)
  state.at = 43_000_000
  await policies.policyOf('far.example', never)
  t.is(state.fetches, 1, 'not before half of its time')
  state.at = 50_000_000
  await policies.policyOf('far.example', never)
  t.is(state.fetches, 2)
  state.at = 90_000_000
  state.records['_mta-sts.far.example TXT'] = 'SERVFAIL'
  t.is((await policies.policyOf('far.example', never))?.mode, 'enforce')
})

test('a memory that is damaged is made anew', async (t) => {
  const path = join(folder.path, 'damaged.db')
  writeFileSync(path, 'this is no database at all, '.repeat(100))
  using given = world(path)
  t.is((await given.policies.policyOf('far.example', never))?.mode, 'enforce')
  given.state.text = undefined
  t.is((await given.make().policyOf('far.example', never))?.mode, 'enforce', 'and is of use again')
})

test('a policy comes over HTTPS with a good certificate, as plain text, and no redirect is followed', async (t) => {
  const answers: readonly (readonly [number, string, string])[] = [
    [200, 'text/plain; charset=utf-8', POLICY],
    [302, 'text/plain', ''],
    [200, 'text/html', POLICY],
    [200, 'text/plain', 'x'.repeat(70_000)],
  ]
  let n = 0
  const seen: string[] = []
  const server = createServer({ key: PKI.key, cert: PKI.policyHost }, (asked, answer) => {
    seen.push(`${asked.headers.host ?? ''}${asked.url ?? ''}`)
    const [status, type, text] = answers[n] ?? [500, '', '']
    answer.writeHead(status, { 'content-type': type, location: 'https://elsewhere.example/' }).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dns = fakeDns({ 'mta-sts.far.example A': '127.0.0.1', 'mta-sts.other.example A': '127.0.0.1' })
  const sources = { dns, native: fakeHosts({}), order: ['dns'], families: [4] } as const
  const fetch = stsFetch({ sources, port, ca: PKI.ca })
  t.deepEqual(await fetch('far.example', never), { kind: 'text', text: POLICY })
  t.deepEqual(seen, ['mta-sts.far.example/.well-known/mta-sts.txt'])
  for (n = 1; n < answers.length; n += 1) t.is((await fetch('far.example', never)).kind, 'failed', String(n))
  n = 0
  t.is((await fetch('other.example', never)).kind, 'failed', 'the certificate is for another name')
  t.is((await stsFetch({ sources, port, ca: PKI.otherCa })('far.example', never)).kind, 'failed')
  t.is((await fetch('gone.example', never)).kind, 'failed')
  server.close()
  server.closeAllConnections()
})

const RULES: TlsRules = {
  ...TLS_RULES,
  policies: { kind: 'table', entries: new Map([['named.example', 'may']]) },
}

function target(host: string, domain: string, role: 'domain' | 'relayhost' = 'domain'): TlsTarget {
  const hop = { text: domain, host: domain, port: 25, bracketed: false, role, reason: '' }
  const place = { address: '192.0.2.1', family: 4 as const, port: 25, hop: 0, secure: false }
  const candidate = { ...place, host, canonicalHost: host, preference: 10 }
  return { hop: { hop, mxSecure: false, via: 'mx' }, candidate }
}

const session = USUAL_SESSION
const MAY: TlsDecision = { kind: 'use', policy: { level: 'may', session }, source: NO_POLICY }

test('an enforced policy wants its hosts, with certificates that everybody trusts; a tested one wants nothing', (t) => {
  const policy = parseStsPolicy(POLICY)
  if (policy === undefined) throw new Error('no policy')
  const strings = POLICY.trim().split('\r\n')
  const source = { type: 'sts', strings, mxHosts: policy.mx } as const
  const wanted = { level: 'secure', names: ['mx.far.example'], ca: undefined, session } as const
  t.deepEqual(withSts(MAY, target('mx.far.example', 'far.example'), policy), {
    kind: 'use',
    policy: wanted,
    source,
  })
  t.deepEqual(withSts(MAY, target('evil.example', 'far.example'), policy), {
    kind: 'deferred',
    dsn: '4.7.5',
    reason: 'host evil.example is not in the MTA-STS policy of far.example',
    failed: { source, type: 'validation-failure' },
  })
  const tested = withSts(MAY, target('evil.example', 'far.example'), { ...policy, mode: 'testing' })
  t.deepEqual(tested.kind === 'use' && tested.policy, MAY.policy)
  t.is(
    tested.kind === 'use' && tested.audit,
    'host evil.example is not in the MTA-STS policy of far.example',
    'but it is told of',
  )
  t.is(withSts(MAY, target('evil.example', 'far.example'), { ...policy, mode: 'none' }), MAY)
})

const use = (policy: TlsPolicy): TlsDecision => ({ kind: 'use', policy, source: NO_POLICY })

test('relay hosts, domains of the policy table and DANE are not asked about', (t) => {
  const dane = use({ level: 'dane', records: [], base: 'x', names: [], session })
  t.true(asksSts(MAY, target('mx.far.example', 'far.example'), RULES))
  t.false(asksSts(MAY, target('mx.far.example', 'far.example', 'relayhost'), RULES))
  t.false(asksSts(MAY, target('mx.named.example', 'named.example'), RULES))
  t.false(asksSts(dane, target('mx.far.example', 'far.example'), RULES))
  t.false(asksSts(use(NO_TLS), target('mx.far.example', 'far.example'), RULES))
})
