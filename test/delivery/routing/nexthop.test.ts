import test from 'ava'
import * as fc from 'fast-check'
import { NEXT_HOPS_MAX, parseNextHop, parseNextHops } from '#src/delivery/routing/nexthop.ts'

test('a next hop is host and port, and brackets mean no MX look-up', (t) => {
  const cases: readonly (readonly [string, 'smtp' | 'lmtp', string, number, boolean])[] = [
    ['mail.example.com', 'smtp', 'mail.example.com', 25, false],
    ['Mail.Example.COM.', 'smtp', 'mail.example.com', 25, false],
    ['mail.example.com:587', 'smtp', 'mail.example.com', 587, false],
    ['mail.example.com:', 'smtp', 'mail.example.com', 25, false],
    ['mail.example.com:submission', 'smtp', 'mail.example.com', 587, false],
    ['[mail.example.com]', 'smtp', 'mail.example.com', 25, true],
    ['[mail.example.com]:587', 'smtp', 'mail.example.com', 587, true],
    ['[mail.example.com]:', 'smtp', 'mail.example.com', 25, true],
    ['[192.0.2.1]', 'smtp', '192.0.2.1', 25, true],
    ['[192.0.2.1]:2525', 'smtp', '192.0.2.1', 2525, true],
    ['[2001:db8::1]', 'smtp', '2001:db8::1', 25, true],
    ['[IPv6:2001:db8::1]', 'smtp', '2001:db8::1', 25, true],
    ['[ipv6:2001:db8::1]:26', 'smtp', '2001:db8::1', 26, true],
    ['192.0.2.1:26', 'smtp', '192.0.2.1', 26, false],
    ['bücher.example', 'smtp', 'xn--bcher-kva.example', 25, false],
    ['store.example.com:7025', 'lmtp', 'store.example.com', 7025, false],
    ['[store.example.com]:7025', 'lmtp', 'store.example.com', 7025, true],
    ['inet:store.example.com:7025', 'lmtp', 'store.example.com', 7025, false],
    ['store.example.com', 'lmtp', 'store.example.com', 24, false],
  ]
  for (const [text, protocol, host, port, bracketed] of cases) {
    t.deepEqual(parseNextHop(text, protocol), { kind: 'ok', hop: { text, host, port, bracketed } }, text)
  }
})

test('what is no next hop is named in Postfix words', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'missing host information'],
    [':25', 'missing host information'],
    ['[]', 'missing host information'],
    ['[mail.example.com', 'missing "]"'],
    ['[mail.example.com]x', 'garbage after "]"'],
    ['[ipv6:192.0.2.1]', 'malformed IPv6 address'],
    ['2001:db8::1', 'valid hostname or network address required'],
    ['ex_ample..com', 'valid hostname or network address required'],
    ['[fe80::1%eth0]', 'valid hostname or network address required'],
    ['mail.example.com:0', 'bad network port: 0'],
    ['mail.example.com:65536', 'bad network port: 65536'],
    ['mail.example.com:25x', 'garbage after numerical service'],
    ['mail.example.com:telnet', 'unknown service: telnet'],
  ]
  for (const [text, error] of cases) t.deepEqual(parseNextHop(text, 'smtp'), { kind: 'bad', error }, text)
})

test('several next hops are parted by commas or spaces, and their number is bounded', (t) => {
  const parsed = parseNextHops('[a.example]:587, b.example  c.example', 'smtp')
  t.deepEqual(parsed.kind === 'ok' && parsed.hops.map((hop) => hop.text), [
    '[a.example]:587',
    'b.example',
    'c.example',
  ])
  t.like(parseNextHops(' , ', 'smtp'), { kind: 'bad' })
  t.deepEqual(parseNextHops('a.example, b.example:x', 'smtp'), {
    kind: 'bad',
    error: 'unknown service: x in "b.example:x"',
  })
  t.like(parseNextHops('a.example '.repeat(NEXT_HOPS_MAX + 1), 'smtp'), { kind: 'bad' })
})

test('no text is an exception, and every host that comes out can be asked for', (t) => {
  const word = fc.string({ unit: fc.constantFrom('[', ']', ':', '.', 'a', '1', 'ipv6:', '-', '%', 'é', ' ') })
  fc.assert(
    fc.property(word, (text) => {
      const parsed = parseNextHop(text, 'smtp')
      return parsed.kind === 'bad' || (/^[a-z0-9._:-]+$/.test(parsed.hop.host) && parsed.hop.port > 0)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
