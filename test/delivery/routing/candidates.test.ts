import test from 'ava'
import { deliveryPlan } from '#src/delivery/routing/candidates.ts'
import { SMTP_MX_ADDRESS_LIMIT, SMTP_MX_SESSION_LIMIT } from '#src/dns/mx.ts'
import { routeRecipient } from '#src/delivery/routing/route.ts'
import { fakeDns, fakeHosts } from '#test/support/fake-names.ts'
import type { Candidate, CandidateRules, DeliveryPlan, PlannedHop } from '#src/delivery/routing/candidates.ts'
import type { Routing, RoutingSettings } from '#src/delivery/routing/route.ts'

const DNS = {
  'example.com MX': '10 a.example, 20 b.example',
  'a.example A': '192.0.2.1',
  'b.example A': '192.0.2.2',
  'relay.example A': '192.0.2.50',
  'relay.example MX': '10 b.example',
  'last.example A': '192.0.2.60',
  'broken.example MX': 'SERVFAIL',
  'broken.example A': 'SERVFAIL',
  'looping.example MX': '10 mx.own.example',
  'backup.example MX': '10 a.example, 20 mx.own.example',
  'orphan.example MX': '10 gone.example, 20 mx.own.example',
  'null.example MX': '0 .',
  'mx.own.example A': '198.51.100.1',
  'store.example A': '192.0.2.70',
}

const RULES: CandidateRules = {
  dns: fakeDns(DNS),
  native: fakeHosts({ 'relay.example': '10.0.0.50', 'store.example': '10.0.0.70' }),
  dnsSupport: 'enabled',
  smtpHostLookup: ['dns'],
  lmtpHostLookup: ['dns'],
  families: [4, 6],
  addressPreference: 'any',
  addressesMax: SMTP_MX_ADDRESS_LIMIT,
  sessionsMax: SMTP_MX_SESSION_LIMIT,
  own: (port) =>
    port === 25 ? { names: new Set(['mx.own.example']), addresses: new Set(['198.51.100.1']) } : undefined,
  random: () => 0,
}

async function plan(
  recipient: string,
  settings: Partial<RoutingSettings> = {},
  rules: Partial<CandidateRules> = {},
): Promise<DeliveryPlan> {
  const routing: Routing = routeRecipient(
    recipient,
    {
      ownName: 'mx.own.example',
      recipientDelimiters: '+',
      localTransport: 'lmtp:store.example:7025',
      virtualTransport: 'error',
      relayTransport: 'relay',
      defaultTransport: 'smtp',
      relayHost: '',
      fallbackRelayHost: '',
      smtpPort: 25,
      ...settings,
    },
    {
      domainClass: (domain) => (domain === 'local.example' ? 'local' : 'default'),
      transport: () => ({ kind: 'none' }),
    },
  )
  if (routing.kind !== 'deliver') throw new Error(routing.reason)
  return await deliveryPlan(routing, { ...RULES, ...rules })
}

/** Each address with its port, in order; or what happens instead. */
function brief(found: DeliveryPlan): string {
  if (found.kind === 'try') return found.candidates.map(({ address, port }) => `${address}:${port}`).join(' ')
  return `${found.kind} ${found.dsn}`
}

test('hosts are tried in order, the fallback relay after them', async (t) => {
  const fallback = { fallbackRelayHost: '[last.example]:26' }
  t.is(brief(await plan('u@example.com')), '192.0.2.1:25 192.0.2.2:25')
  const found = await plan('u@example.com', fallback)
  t.is(brief(found), '192.0.2.1:25 192.0.2.2:25 192.0.2.60:26')
  t.deepEqual(found.kind === 'try' && found.candidates.map(({ hop }) => hop), [0, 0, 1])
  t.like(found, { protocol: 'smtp', sessionsMax: 2, alarm: '' })
})

test('brackets skip the MX look-up, no brackets do not', async (t) => {
  t.is(brief(await plan('u@example.com', { relayHost: '[relay.example]:587' })), '192.0.2.50:587')
  t.is(brief(await plan('u@example.com', { relayHost: 'relay.example:587' })), '192.0.2.2:587')
})

test('LMTP looks up addresses only, in the DNS or in the hosts file', async (t) => {
  t.is(brief(await plan('u@local.example')), '192.0.2.70:7025')
  t.is(brief(await plan('u@local.example', {}, { lmtpHostLookup: ['native'] })), '10.0.0.70:7025')
})

test('a domain that does not work bounces only when nothing else is left', async (t) => {
  const fallback = { fallbackRelayHost: '[last.example]' }
  const cases: readonly (readonly [string, string, string])[] = [
    ['u@nowhere.example', 'bounced 5.4.4', '192.0.2.60:25'],
    ['u@broken.example', 'deferred 4.4.3', '192.0.2.60:25'],
    ['u@null.example', 'bounced 5.1.10', '192.0.2.60:25'],
    // It leads back to us, or we are one of its MX: no fallback, it would go round.
    ['u@looping.example', 'bounced 5.4.6', 'bounced 5.4.6'],
    ['u@orphan.example', 'deferred 4.4.4', 'deferred 4.4.4'],
    ['u@backup.example', '192.0.2.1:25', '192.0.2.1:25'],
  ]
  for (const [recipient, without, withFallback] of cases) {
    t.is(brief(await plan(recipient)), without, recipient)
    t.is(brief(await plan(recipient, fallback)), withFallback, recipient)
  }
  t.like(await plan('u@null.example'), { replyCode: 556, alarm: '' })
})

test('what we wrote down ourselves and does not work defers, with an alarm', async (t) => {
  const cases: readonly (readonly [Partial<RoutingSettings>, RegExp])[] = [
    [{ relayHost: 'nowhere.example' }, /^relayhost configuration problem: Host or domain name not found/],
    [{ relayHost: 'null.example' }, /^relayhost configuration problem: .*nullMX/],
    [
      { relayHost: '[mx.own.example]' },
      /^relayhost configuration problem: mail for mx\.own\.example loops back to myself/,
    ],
    [
      { relayHost: '[198.51.100.1]' },
      /^relayhost configuration problem: mail for 198\.51\.100\.1 loops back to myself/,
    ],
    [
      { relayHost: 'looping.example' },
      /^relayhost configuration problem: mail for looping\.example loops back to myself/,
    ],
    [
      { defaultTransport: 'smtp:[gone.example]' },
      /^default_transport smtp:\[gone\.example\]: configuration problem/,
    ],
  ]
  for (const [settings, alarm] of cases) {
    const found = await plan('u@example.com', settings)
    t.is(brief(found), 'deferred 4.3.5', JSON.stringify(settings))
    t.regex(found.alarm, alarm)
  }
  const store = await plan('u@local.example', { localTransport: 'lmtp:gone.example:7025' })
  t.is(brief(store), 'deferred 4.3.5')
})

test('a fallback relay that does not exist keeps the mail, and does not hide behind a host that works', async (t) => {
  const settings = { fallbackRelayHost: 'nowhere.example' }
  t.is(brief(await plan('u@nobody.example', settings)), 'deferred 4.3.5')
  const works = await plan('u@example.com', settings)
  t.is(brief(works), '192.0.2.1:25 192.0.2.2:25')
  t.regex(works.alarm, /^smtp_fallback_relay configuration problem/)
})

test('on a port other than 25 a relay host may be this very machine', async (t) => {
  t.is(brief(await plan('u@example.com', { relayHost: '[198.51.100.1]:10025' })), '198.51.100.1:10025')
})

test('without DNS only the hosts file is asked, and a domain of others needs a relay host', async (t) => {
  const dns = fakeDns(DNS)
  const off = { dnsSupport: 'disabled', dns } as const
  t.is(brief(await plan('u@example.com', { relayHost: 'relay.example' }, off)), '10.0.0.50:25')
  t.is(brief(await plan('u@local.example', {}, off)), '10.0.0.70:7025')
  const none = await plan('u@example.com', {}, off)
  t.is(brief(none), 'deferred 4.3.5')
  t.regex(none.alarm, /zimbraMtaSmtpDnsSupportLevel is disabled and there is no zimbraMtaRelayHost/)
  t.is(brief(await plan('u@[192.0.2.200]', {}, off)), '192.0.2.200:25')
  t.deepEqual(dns.asked, [])
})

test('only with dnssec is anything proven', async (t) => {
  const dns = fakeDns(DNS, ['example.com', 'a.example', 'relay.example'])
  const secure = async (dnsSupport: 'enabled' | 'dnssec', relayHost = ''): Promise<unknown> => {
    const found = await plan('u@example.com', { relayHost }, { dns, dnsSupport })
    if (found.kind !== 'try') return found
    return [
      found.hops.map((one: PlannedHop) => one.mxSecure),
      found.candidates.map((one: Candidate) => one.secure),
    ]
  }
  t.deepEqual(await secure('dnssec'), [[true], [true, false]])
  t.deepEqual(await secure('enabled'), [[false], [false, false]])
  t.deepEqual(await secure('dnssec', '[relay.example]'), [[true], [true]])
})

test('each hop has its own limit of addresses', async (t) => {
  const many = Array.from({ length: 20 }, (_, i) => `10.0.0.${i}`).join(', ')
  const dns = fakeDns({ 'one.example A': many, 'two.example A': many })
  const found = await plan('u@example.com', { relayHost: '[one.example], [two.example]' }, { dns })
  t.is(found.kind === 'try' && found.candidates.length, 10)
})
