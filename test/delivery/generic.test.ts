import test from 'ava'
import { genericAddress } from '#src/delivery/generic.ts'
import { parseTable } from '#src/delivery/table.ts'
import { FakePeer, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { addressesOf, body, deliverer, message, never, request } from './requests.ts'
import type { GenericRules } from '#src/delivery/generic.ts'

const RULES: GenericRules = {
  tables: [
    {
      kind: 'table',
      entries: parseTable(
        'ann@in.test ann.smith@example.org\nroot hostmaster@example.org\n@in.test @example.net\n',
      ),
    },
  ],
  ownName: 'mx.in.test',
  delimiters: '+',
}

for (const [address, expected] of [
  ['ann@in.test', 'ann.smith@example.org'],
  ['Ann+list@IN.test', 'ann.smith@example.org'],
  ['Bob@in.test', 'Bob@example.net'],
  ['root@mx.in.test', 'hostmaster@example.org'],
  ['root@other.test', undefined],
  ['ann@sub.in.test', undefined],
  ['', undefined],
] as const) {
  test(`<${address}> becomes ${expected ?? 'nothing else'} outside`, (t) => {
    t.is(genericAddress(address, RULES), expected)
  })
}

const HEADER = [
  'From: "ann@in.test" <ann@in.test> (ann@in.test)',
  'To: bob@in.test,',
  '\tann@in.test, c@far.test',
  'Subject: ann@in.test',
  'Reply-To: root@mx.in.test',
].join('\r\n')
const TEXT = `${HEADER}\r\n\r\nFrom: ann@in.test\r\n`

async function deliver(text: string, blockBytes: number, protocol: 'lmtp' | 'smtp') {
  const bodies: string[] = []
  await using peer = await FakePeer.listen(wellBehaved(bodies, LHLO_ALL, protocol))
  await using delivery = deliverer(
    { tls: 'none' },
    { planner: addressesOf(['127.0.0.1']), generic: () => RULES },
  )
  const outcomes = await delivery.deliver(
    request(peer.port, ['bob@in.test', 'c@far.test'], {
      protocol,
      message: message({ sender: 'ann@in.test', prefix: 'Received: x\r\nSender: ann@in.test\r\n' }),
      body: body(text, blockBytes),
    }),
    never,
  )
  const heard = (peer.conversations[0]?.heard ?? []).filter((line) => /^(?:MAIL|RCPT)/.test(line))
  return { outcomes, heard, body: bodies[0] ?? '' }
}

test('envelope and header are rewritten on the way out, however the message is cut, and nothing else is', async (t) => {
  for (const size of [1, 7, 100, Infinity]) {
    const seen = await deliver(TEXT, size, 'smtp')
    t.deepEqual(
      seen.outcomes.map(({ kind }) => kind),
      ['sent', 'sent'],
    )
    t.deepEqual(seen.heard, [
      'MAIL FROM:<ann.smith@example.org> SIZE=200',
      'RCPT TO:<bob@example.net>',
      'RCPT TO:<c@far.test>',
    ])
    t.is(
      seen.body,
      [
        'Received: x',
        'Sender: ann.smith@example.org',
        'From: "ann@in.test" <ann.smith@example.org> (ann@in.test)',
        'To: bob@example.net,',
        '\tann.smith@example.org, c@far.test',
        'Subject: ann@in.test',
        'Reply-To: hostmaster@example.org',
        '',
        'From: ann@in.test',
        '',
      ].join('\r\n'),
    )
  }
})

test('a mailbox server is told the addresses as they are', async (t) => {
  const { heard, body: taken } = await deliver(TEXT, Infinity, 'lmtp')
  t.is(heard[0], 'MAIL FROM:<ann@in.test> SIZE=200')
  t.true(taken.endsWith(TEXT))
})

test('a message without a body, or without a header, is rewritten as far as there is one', async (t) => {
  t.regex((await deliver(`${HEADER}\r\n`, 5, 'smtp')).body, /Reply-To: hostmaster@example\.org\r\n$/)
  t.true(
    (await deliver('\r\nFrom: ann@in.test\r\n', 1, 'smtp')).body.endsWith('\r\n\r\nFrom: ann@in.test\r\n'),
  )
})

const UNREADABLE: GenericRules = { ...RULES, tables: [{ kind: 'unreadable', reason: 'gone' }] }

test('a table that cannot be read keeps the mail', async (t) => {
  await using peer = await FakePeer.listen(wellBehaved([], LHLO_ALL, 'smtp'))
  await using delivery = deliverer({ tls: 'none' }, { generic: () => UNREADABLE })
  const given = request(peer.port, ['a@x.test'], { protocol: 'smtp' })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'deferred')
  t.is(outcome?.reply, 'smtp_generic_maps: gone')
  t.is(peer.conversations.length, 0)
})
