import test from 'ava'
import {
  PARENT_DOMAINS_MAX,
  applyEntry,
  parseTransport,
  transportKeys,
} from '#src/delivery/routing/transport.ts'
import { routeRecipient } from '#src/delivery/routing/route.ts'
import type { DomainClass, Routing, RoutingSettings } from '#src/delivery/routing/route.ts'

const SETTINGS: RoutingSettings = {
  ownName: 'mx.own.example',
  recipientDelimiters: '+',
  localTransport: 'lmtp:[127.0.0.1]:7025',
  virtualTransport: 'error',
  relayTransport: 'relay',
  defaultTransport: 'smtp',
  relayHost: '',
  fallbackRelayHost: '',
  smtpPort: 25,
}

const CLASSES: Readonly<Record<string, DomainClass | 'unknown'>> = {
  'mx.own.example': 'local',
  '[192.0.2.1]': 'local',
  'hosted.example': 'virtual',
  'alias.example': 'alias',
  'relayed.example': 'relay',
  'silent.example': 'unknown',
}

async function route(
  recipient: string,
  table: Readonly<Record<string, string>> = {},
  more: Partial<RoutingSettings> = {},
): Promise<Routing> {
  return routeRecipient(
    recipient,
    { ...SETTINGS, ...more },
    {
      domainClass: (domain) => CLASSES[domain] ?? 'default',
      transport: (key) => {
        const value = table[key]
        if (value === undefined) return { kind: 'none' }
        return value === 'DOWN' ? { kind: 'unknown' } : { kind: 'found', value }
      },
    },
  )
}

/** `protocol host:port` of each hop, brackets where MX is not looked up, and the role where it is not the domain's. */
function brief(routing: Routing): string {
  if (routing.kind !== 'deliver') return `${routing.kind} ${routing.dsn} ${routing.reason}`
  const hops = routing.hops.map(({ host, port, bracketed, role }) => {
    const name = bracketed ? `[${host}]` : host
    return `${name}:${port}${role === 'domain' ? '' : ` ${role}`}`
  })
  return `${routing.protocol} ${hops.join(', ')}`
}

test('a transport is parted from its next hop by the first colon', (t) => {
  t.deepEqual(parseTransport('lmtp:store.example.com:7025'), {
    channel: 'lmtp',
    nexthop: 'store.example.com:7025',
  })
  t.deepEqual(parseTransport(' error: 5.1.1 no: such '), { channel: 'error', nexthop: '5.1.1 no: such' })
  t.deepEqual(parseTransport('smtp'), { channel: 'smtp', nexthop: '' })
  t.deepEqual(parseTransport(':'), { channel: '', nexthop: '' })
})

test('the keys are those of transport(5), in its order', (t) => {
  t.deepEqual(transportKeys('User+ext@a.b.example', '+'), [
    'user+ext@a.b.example',
    'user@a.b.example',
    'a.b.example',
    '.b.example',
    '.example',
    '*',
  ])
  t.deepEqual(transportKeys('user-x=y@example.com', '-='), [
    'user-x=y@example.com',
    'user@example.com',
    'example.com',
    '.com',
    '*',
  ])
  t.deepEqual(transportKeys('+user@[192.0.2.1]', '+'), ['+user@[192.0.2.1]', '[192.0.2.1]', '*'])
  t.deepEqual(transportKeys('a@b@example.com', ''), ['a@b@example.com', 'example.com', '.com', '*'])
  t.is(transportKeys(`u@${'x.'.repeat(100)}example`, '+').length, 2 + PARENT_DOMAINS_MAX + 1)
})

test('an entry changes what it names and nothing else', (t) => {
  const before = { channel: 'smtp', nexthop: 'relay.example' }
  const cases: readonly (readonly [string, string, string])[] = [
    [':', 'smtp', 'relay.example'],
    [':[other.example]', 'smtp', '[other.example]'],
    ['lmtp:', 'lmtp', 'd.example'],
    ['smtp', 'smtp', 'd.example'],
    ['smtp:[h.example]:26', 'smtp', '[h.example]:26'],
    ['error:', 'error', 'Address is undeliverable'],
    ['retry', 'retry', 'Address is undeliverable'],
    ['discard:', 'discard', 'd.example'],
  ]
  for (const [entry, channel, nexthop] of cases) {
    t.deepEqual(applyEntry(parseTransport(entry), 'd.example', before), { channel, nexthop }, entry)
  }
})

test('without a table the class of the domain decides', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['u@other.example', 'smtp other.example:25'],
    ['u@relayed.example', 'smtp relayed.example:25'],
    ['u@hosted.example', 'bounced 5.0.0 Address is undeliverable'],
    ['u@alias.example', 'bounced 5.1.1 User unknown in virtual alias table'],
    ['u@silent.example', 'deferred 4.3.0 address resolver failure'],
    ['u@mx.own.example', 'lmtp [127.0.0.1]:7025 table'],
    ['u@[192.0.2.1]', 'lmtp [127.0.0.1]:7025 table'],
    ['postmaster', 'lmtp [127.0.0.1]:7025 table'],
    ['u@[192.0.2.99]', 'smtp [192.0.2.99]:25'],
    ['u@[IPv6:2001:db8::9]', 'smtp [2001:db8::9]:25'],
    ['u@', 'bounced 5.1.3 bad address syntax'],
    ['@example.com', 'bounced 5.1.3 bad address syntax'],
  ]
  for (const [recipient, expected] of cases) t.is(brief(await route(recipient)), expected, recipient)
})

test('two users of one domain may live on two stores', async (t) => {
  const table = {
    'a@hosted.example': 'lmtp:store1.own.example:7025',
    'b@hosted.example': 'lmtp:[store2.own.example]:7025',
  }
  t.is(brief(await route('A@hosted.example', table)), 'lmtp store1.own.example:7025 table')
  t.is(brief(await route('b+news@hosted.example', table)), 'lmtp [store2.own.example]:7025 table')
})

test('the table goes before class and relay host, the longest key before the shorter', async (t) => {
  const more = { relayHost: '[relay.example]:587' }
  const table = {
    'u+x@other.example': 'smtp:[exact.example]',
    'u@other.example': 'smtp:[user.example]',
    'other.example': 'smtp:[domain.example]',
    '.other.example': 'smtp:[parent.example]',
    '*': 'smtp:[any.example]',
  }
  const cases: readonly (readonly [string, string])[] = [
    ['u+x@other.example', 'smtp [exact.example]:25 table'],
    ['u+y@other.example', 'smtp [user.example]:25 table'],
    ['v@other.example', 'smtp [domain.example]:25 table'],
    ['v@sub.other.example', 'smtp [parent.example]:25 table'],
    ['v@elsewhere.example', 'smtp [any.example]:25 table'],
  ]
  for (const [recipient, expected] of cases)
    t.is(brief(await route(recipient, table, more)), expected, recipient)
  t.is(
    brief(await route('u@alias.example', table, more)),
    'bounced 5.1.1 User unknown in virtual alias table',
  )
})

test('a relay host takes what is not ours, unless the table names a transport', async (t) => {
  const more = { relayHost: '[relay.example]:587' }
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{}, 'smtp [relay.example]:587 relayhost'],
    [{ 'other.example': ':' }, 'smtp [relay.example]:587 relayhost'],
    [{ 'other.example': 'smtp:' }, 'smtp other.example:25'],
    [{ 'other.example': 'relay:' }, 'smtp other.example:25'],
    [{ 'other.example': ':[h.example]' }, 'smtp [h.example]:25 table'],
    [{ 'other.example': 'lmtp:' }, 'lmtp other.example:24'],
  ]
  for (const [table, expected] of cases)
    t.is(brief(await route('u@other.example', table, more)), expected, JSON.stringify(table))
  t.is(brief(await route('u@relayed.example', {}, more)), 'smtp [relay.example]:587 relayhost')
  t.is(brief(await route('u@mx.own.example', {}, more)), 'lmtp [127.0.0.1]:7025 table')
  t.is(
    brief(await route('u@other.example', {}, { relayHost: 'relay.example:26' })),
    'smtp relay.example:26 relayhost',
  )
  t.is(
    brief(await route('u@other.example', {}, { relayHost: 'r1.example, [r2.example]' })),
    'smtp r1.example:25 relayhost, [r2.example]:25 relayhost',
  )
  t.is(
    brief(await route('u@other.example', {}, { ...more, defaultTransport: 'smtp:[gate.example]' })),
    'smtp [gate.example]:25 table',
  )
})

test('the fallback relay is the last of the hops of smtp, and of nothing else', async (t) => {
  const more = { fallbackRelayHost: '[last.example]:26' }
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{}, 'smtp other.example:25, [last.example]:26 fallback'],
    [{ 'other.example': 'smtp:[h.example]' }, 'smtp [h.example]:25 table, [last.example]:26 fallback'],
    [{ 'other.example': 'lmtp:h.example' }, 'lmtp h.example:24 table'],
    [{ 'other.example': 'relay:h.example' }, 'smtp h.example:25 table'],
  ]
  for (const [table, expected] of cases) t.is(brief(await route('u@other.example', table, more)), expected)
  t.is(brief(await route('u@relayed.example', {}, more)), 'smtp relayed.example:25')
})

test('error, retry and discard give their text and their status', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['error:5.7.1 no mail here', 'bounced 5.7.1 no mail here'],
    ['error:no mail here', 'bounced 5.0.0 no mail here'],
    ['error:4.7.1 no mail here', 'bounced 5.0.0 no mail here'],
    ['error:', 'bounced 5.0.0 Address is undeliverable'],
    ['error:5.1.1', 'bounced 5.1.1 Address is undeliverable'],
    ['retry:4.7.1 later', 'deferred 4.7.1 later'],
    ['retry:', 'deferred 4.0.0 Address is undeliverable'],
    ['discard:', 'discarded 2.0.0 other.example'],
    ['discard:thrown away', 'discarded 2.0.0 thrown away'],
  ]
  for (const [entry, expected] of cases)
    t.is(brief(await route('u@other.example', { 'other.example': entry })), expected, entry)
})

test('a table that cannot be asked, or holds what cannot be used, defers', async (t) => {
  t.is(
    brief(await route('u@other.example', { 'other.example': 'DOWN' })),
    'deferred 4.3.0 address resolver failure',
  )
  t.is(brief(await route('u@other.example', { '*': 'DOWN' })), 'deferred 4.3.0 address resolver failure')
  const cases: readonly (readonly [string, RegExp])[] = [
    ['uucp:host', /^deferred 4\.3\.0 mail transport unavailable: "uucp"/],
    [
      'smtp:[broken',
      /^deferred 4\.3\.5 missing "\]" in "\[broken" \(transport table: other\.example smtp:\[broken\)/,
    ],
    ['lmtp:unix:run/lmtp', /^deferred 4\.3\.5 the path of a socket begins with "\/"/],
    ['smtp:unix:/run/smtp', /^deferred 4\.3\.5 unknown service: \/run\/smtp/],
  ]
  for (const [entry, expected] of cases)
    t.regex(brief(await route('u@other.example', { 'other.example': entry })), expected)
  t.regex(
    brief(await route('u@other.example', {}, { relayHost: 'a:b:c' })),
    /^deferred 4\.3\.5 .*relayhost a:b:c/,
  )
  t.regex(
    brief(await route('u@other.example', {}, { fallbackRelayHost: '[' })),
    /^deferred 4\.3\.5 .*smtp_fallback_relay/,
  )
})
