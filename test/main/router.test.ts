import test from 'ava'
import { createRouter, withSelfTest } from '#src/main/router.ts'
import type { Routes } from '#src/main/router.ts'
import { parseTable } from '#src/delivery/table.ts'
import type { RoutingTables } from '#src/delivery/routing/tables.ts'
import type { RoutingSettings } from '#src/delivery/routing/route.ts'
import type { Route } from '#src/queue/ports.ts'

const SETTINGS: RoutingSettings = {
  ownName: 'mx.example.test',
  recipientDelimiters: '+',
  localTransport: 'lmtp:[127.0.0.1]:2424',
  virtualTransport: 'lmtp:[127.0.0.1]:2424',
  relayTransport: 'relay',
  defaultTransport: 'smtp',
  relayHost: '',
  fallbackRelayHost: '',
  smtpPort: 25,
}

function routed(
  address: string,
  table: Readonly<Record<string, string>> = {},
  more: Partial<RoutingSettings> = {},
  { tables, sender = '' }: { readonly tables?: RoutingTables; readonly sender?: string } = {},
) {
  const directory: Routes = {
    epoch: 1,
    domain: (name) => (name === 'example.test' ? 'local' : name === 'down.test' ? 'unavailable' : 'foreign'),
    transport: (key) => {
      const value = table[key]
      return value === undefined ? { kind: 'none' } : { kind: 'found', value }
    },
  }
  const route = createRouter(directory, { ...SETTINGS, ...more }, tables)(address, sender)
  if (route instanceof Promise) throw new Error('a route has to be there at once')
  return route
}

/** Protocol, name and port of the line it waits in; its hops; or what happens instead. */
function brief(route: Route): string {
  if (route.kind !== 'destination') return `${route.kind} ${route.dsn} ${route.reason}`
  const { protocol, host, port, hops } = route.destination
  const way = hops === undefined ? '' : ` via ${hops.map((hop) => `${hop.role} ${hop.host}`).join(', ')}`
  return `${protocol} ${host}:${port}${way}`
}

const STORE = 'lmtp 127.0.0.1:2424'

const CASES: readonly (readonly [
  string,
  string,
  Readonly<Record<string, string>>?,
  Partial<RoutingSettings>?,
])[] = [
  ['alice@example.test', STORE],
  ['alice@example.test', 'lmtp store7:7025 via table store7', { 'alice@example.test': 'lmtp:store7:7025' }],
  ['alice@example.test', 'lmtp 192.0.2.7:7025', { 'example.test': 'lmtp:[192.0.2.7]:7025' }],
  ['alice@example.test', STORE, { '.test': 'error:no', '*': 'error:no' }],
  ['alice@example.test', 'bounced 5.1.6 moved', { 'alice@example.test': 'error:5.1.6 moved' }],
  ['alice@example.test', 'discarded 2.0.0 gone', { 'alice@example.test': 'discard:gone' }],
  ['alice@example.test', 'smtp [old]:26 via table old', { 'alice@example.test': 'smtp:[old]:26' }],
  [
    'alice@example.test',
    'deferred 4.3.0 mail transport unavailable: "lmpt" (transport table: alice@example.test lmpt:x)',
    { 'alice@example.test': 'lmpt:x' },
  ],
  ['alice@down.test', 'deferred 4.3.0 address resolver failure'],
  ['x@elsewhere.test', 'smtp elsewhere.test:25 via domain elsewhere.test'],
  ['x@[192.0.2.9]', 'smtp [192.0.2.9]:25 via domain 192.0.2.9'],
  ['x@elsewhere.test', 'smtp [relay]:587 via relayhost relay', {}, { relayHost: '[relay]:587' }],
  ['alice@example.test', STORE, {}, { relayHost: '[relay]:587' }],
  [
    'x@elsewhere.test',
    'smtp elsewhere.test,[last]:26:25 via domain elsewhere.test, fallback last',
    {},
    { fallbackRelayHost: '[last]:26' },
  ],
]

for (const [address, expected, table, more] of CASES) {
  const named = { ...table, ...more }
  test(`${address} with ${JSON.stringify(named)} goes to ${expected}`, (t) => {
    t.is(brief(routed(address, table, more)), expected)
  })
}

test('an answer is kept until the directory changes', (t) => {
  let asked = 0
  let epoch = 1
  const directory: Routes = {
    get epoch() {
      return epoch
    },
    domain: () => {
      asked += 1
      return 'local'
    },
    transport: () => ({ kind: 'none' }),
  }
  const router = createRouter(directory, SETTINGS)
  t.is(router('a@example.test', ''), router('a@example.test', ''))
  t.is(asked, 1)
  epoch += 1
  void router('a@example.test', '')
  t.is(asked, 2)
})

function tableOf(text: string): RoutingTables['transport'] {
  return [{ kind: 'table', entries: parseTable(text) }]
}

const FILE = tableOf(
  `
  .far.example   smtp:[parent.example]
  far.example    relay:[gate.example]:2525
  vip@example.test lmtp:[192.0.2.9]:7025
  list@far.example error:5.7.1 closed
  *              smtp:[star.example]
`.replaceAll(/^ +/gm, ''),
)

for (const [address, expected, directory] of [
  ['a@far.example', 'smtp [gate.example]:2525 via table gate.example'],
  ['a@below.far.example', 'smtp [parent.example]:25 via table parent.example'],
  ['list@far.example', 'bounced 5.7.1 closed'],
  ['list+x@far.example', 'bounced 5.7.1 closed'],
  ['a@elsewhere.example', 'smtp [star.example]:25 via table star.example'],
  ['vip@example.test', 'lmtp 192.0.2.9:7025'],
  // Key by key: what the directory says of an address goes before what a file says of everybody.
  ['alice@example.test', 'lmtp 192.0.2.7:7025', { 'alice@example.test': 'lmtp:[192.0.2.7]:7025' }],
  ['vip@example.test', 'lmtp 192.0.2.9:7025', { 'vip@example.test': 'lmtp:[192.0.2.7]:7025' }],
] as const) {
  test(`with transport_maps ${address}${directory === undefined ? '' : ' of the directory'}: ${expected}`, (t) => {
    t.is(brief(routed(address, directory, {}, { tables: { transport: FILE, relayHosts: [] } })), expected)
  })
}

const RELAYS = tableOf(
  'boss@example.test [own.example]:587\n@example.test [theirs.example]\n<> DUNNO\nusual@example.test DUNNO\n',
)

for (const [sender, to, expected] of [
  ['boss@example.test', 'a@far.example', 'smtp [own.example]:587 via relayhost own.example'],
  ['Boss+x@Example.test', 'a@far.example', 'smtp [own.example]:587 via relayhost own.example'],
  ['other@example.test', 'a@far.example', 'smtp [theirs.example]:25 via relayhost theirs.example'],
  ['usual@example.test', 'a@far.example', 'smtp [relay.example]:25 via relayhost relay.example'],
  ['', 'a@far.example', 'smtp [relay.example]:25 via relayhost relay.example'],
  ['guest@far.example', 'a@far.example', 'smtp [relay.example]:25 via relayhost relay.example'],
  ['boss@example.test', 'alice@example.test', STORE],
] as const) {
  test(`mail from <${sender}> to ${to} goes to ${expected}`, (t) => {
    const tables = { transport: [], relayHosts: RELAYS }
    t.is(brief(routed(to, {}, { relayHost: '[relay.example]' }, { tables, sender })), expected)
  })
}

test('a table that cannot be read keeps the mail', (t) => {
  const gone = [{ kind: 'unreadable' as const, reason: 'gone' }]
  for (const tables of [
    { transport: gone, relayHosts: [] },
    { transport: [], relayHosts: gone },
  ])
    t.is(brief(routed('a@far.example', {}, {}, { tables })), 'deferred 4.3.0 address resolver failure')
})

test('routes of two senders do not mix', (t) => {
  const directory: Routes = { epoch: 1, domain: () => 'foreign', transport: () => ({ kind: 'none' }) }
  const router = createRouter(directory, SETTINGS, { transport: [], relayHosts: RELAYS })
  const told = ['boss@example.test', 'x@y.example', 'boss@example.test'].map((sender) => {
    const route = router('a@far.example', sender)
    return route instanceof Promise ? '' : brief(route)
  })
  t.is(told[0], told[2])
  t.not(told[0], told[1])
})

test('mail of the self-test goes to its socket, past every table and relay host', (t) => {
  const directory: Routes = { epoch: 1, domain: () => 'unavailable', transport: () => ({ kind: 'none' }) }
  const router = withSelfTest(
    createRouter(directory, { ...SETTINGS, relayHost: '[relay.example]' }),
    '/run/s',
  )
  const route = router('postern@selftest.postern.invalid', '')
  t.deepEqual(route, { kind: 'destination', destination: { protocol: 'lmtp', host: '/run/s', port: 0 } })
  t.like(router('a@far.example', ''), { kind: 'deferred' })
})
