import test from 'ava'
import * as fc from 'fast-check'
import type { HeaderReport } from '#src/match/types.ts'
import { beginsWithHeader, missingHeaders, receivedHeader } from '#src/smtp/headers.ts'
import type { HeaderFacts } from '#src/smtp/headers.ts'

const FACTS: HeaderFacts = {
  hostname: 'mx.example.test',
  id: '4Test1',
  arrivedMs: 1_795_344_323_471,
  origin: {
    clientAddress: '192.0.2.1',
    clientPort: 4000,
    clientName: 'client.example',
    helo: 'helo.example',
    protocol: 'ESMTPS',
  },
  tls: 'TLSv1.3 with cipher TLS_AES_256_GCM_SHA384',
  user: '',
  onlyRecipient: 'user@example.test',
  priority: 0,
  sender: 'a@client.example',
}

const COMPLETE: HeaderReport = {
  receivedCount: 0,
  hasFrom: true,
  hasDate: true,
  hasMessageId: true,
  hasRecipient: true,
  messageId: '<a@b>',
  subject: '',
  dkimSigned: [],
  bytes: 100,
}

test('Received says who, how, when and, with one recipient, for whom', (t) => {
  const lines = receivedHeader(FACTS).split('\r\n')
  t.deepEqual(lines.slice(0, 3), [
    'Received: from helo.example (client.example [192.0.2.1])',
    '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)',
    '\tby mx.example.test (Postern) with ESMTPS id 4Test1',
  ])
  t.regex(lines[3] ?? '', /^\tfor <user@example\.test>; \w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/)
  t.deepEqual(lines.slice(4), [''])
})

test('Received is silent about recipients that could learn of each other', (t) => {
  const text = receivedHeader({ ...FACTS, onlyRecipient: '', tls: '' })
  t.notRegex(text, /for </)
  t.notRegex(text, /using/)
  t.regex(text, /id 4Test1;\r\n\t\w{3}, /)
})

function receivedFrom(user: string): readonly string[] {
  return receivedHeader({ ...FACTS, user }).split('\r\n')
}

test('the authenticated user stands in a comment that no name can end', (t) => {
  t.is(receivedFrom('alice@example.test')[2], '\t(Authenticated sender: alice@example.test)')
  t.is(receivedFrom('a) with SMTP (\\b\r\nX: y')[2], '\t(Authenticated sender: a? with SMTP ??b??X: y)')
})

test('an IPv6 address is an IPv6 literal', (t) => {
  const text = receivedHeader({ ...FACTS, origin: { ...FACTS.origin, clientAddress: '2001:db8::1' } })
  t.regex(text, /\[IPv6:2001:db8::1\]/)
})

test('whatever a client calls itself, Received keeps its lines and their length', (t) => {
  const lines = receivedHeader(FACTS).split('\r\n').length
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 255 }), (text) => {
      const origin = { ...FACTS.origin, helo: text, clientName: text }
      const header = receivedHeader({ ...FACTS, origin, onlyRecipient: text === '' ? 'x' : text })
      t.is(header.split(/\r\n|\r|\n|\u2028|\u0085/).length, lines)
      t.true(header.split('\r\n').every((line) => line.length <= 998))
      t.notRegex(header.split('\r\n')[0] ?? '', /\(.*\(/)
    }),
  )
})

test('a complete message gains nothing', (t) => {
  t.is(missingHeaders(FACTS, COMPLETE), '')
})

test('a message without anything gains all four', (t) => {
  const none = { ...COMPLETE, hasFrom: false, hasDate: false, hasMessageId: false, hasRecipient: false }
  const text = missingHeaders(FACTS, none)
  t.regex(text, /^Message-Id: <20261122104523\.4Test1@mx\.example\.test>\r\n/)
  t.regex(text, /\r\nDate: /)
  t.regex(text, /\r\nFrom: a@client\.example\r\n/)
  t.regex(text, /\r\nTo: undisclosed-recipients:;\r\n$/)
  t.regex(missingHeaders({ ...FACTS, sender: '' }, none), /\r\nFrom: MAILER-DAEMON@mx\.example\.test \(/)
})

test('nothing is added that a DKIM signature covers', (t) => {
  const none = { ...COMPLETE, hasFrom: false, hasDate: false, hasMessageId: false, hasRecipient: false }
  t.is(missingHeaders(FACTS, { ...none, dkimSigned: ['from', 'date', 'message-id', 'cc'] }), '')
})

const STARTS: readonly (readonly [string, boolean])[] = [
  ['', true],
  ['\r\nbody', true],
  ['Subject: x\r\n', true],
  ['Subject : x\r\n', true],
  ['X-9!:', true],
  ['hello world\r\n', false],
  ['hello\r\n', false],
  [' folded\r\n', false],
  ['\tfolded\r\n', false],
  [': x\r\n', false],
  ['From me Mon Jan 1\r\n', false],
  ['caf\u00e9: x', false],
  ['no end at all', false],
  ['noend', false],
]

for (const [start, header] of STARTS) {
  test(`${JSON.stringify(start)} ${header ? 'begins with a header' : 'is text that needs an empty line before it'}`, (t) => {
    t.is(beginsWithHeader(Buffer.from(start, 'latin1')), header)
  })
}

test('a priority that was granted is in the trace line', (t) => {
  t.regex(receivedHeader({ ...FACTS, priority: -3 }), /\r\n\tPRIORITY -3;/)
  t.notRegex(receivedHeader(FACTS), /PRIORITY/)
})
