import test from 'ava'
import { FakePeer, LHLO_ALL, wellBehaved } from './fake-peer.ts'
import { body, deliverer, message, never, recipient, request } from './requests.ts'
import type { DeliveryRequest } from '#src/queue/ports.ts'

const PLAIN = '250-peer\r\n250 HELP\r\n'
const SMTP_ALL = `${LHLO_ALL.replace('250 ENH', '250-ENH')}250 DSN\r\n`

interface Seen {
  readonly outcome: string
  readonly commands: readonly string[]
}

/** Delivers to a peer that says this hello; the outcomes and the commands that it heard. */
async function deliver(
  hello: string,
  change: Parameters<typeof request>[2],
  addresses = ['a@x.test'],
): Promise<Seen> {
  const protocol = change?.protocol ?? 'lmtp'
  await using peer = await FakePeer.listen(wellBehaved([], hello, protocol))
  await using delivery = deliverer({ tls: 'none' })
  const given: DeliveryRequest = request(peer.port, addresses, change)
  const outcomes = await delivery.deliver(given, never)
  const heard = peer.conversations[0]?.heard ?? []
  return {
    outcome: outcomes.map(({ kind, dsn }) => `${kind} ${dsn}`).join(', '),
    commands: heard.filter((line) => /^(?:MAIL|RCPT) /.test(line)),
  }
}

test('no parameter is sent that the peer does not offer', async (t) => {
  const seen = await deliver(PLAIN, { message: message({ eightBit: true, ret: 'FULL', envid: 'x' }) })
  t.deepEqual(seen, {
    outcome: 'sent 2.0.0',
    commands: ['MAIL FROM:<sender@example.org>', 'RCPT TO:<a@x.test>'],
  })
})

test('LMTP recipients get no parameter even where DSN is offered', async (t) => {
  const given = {
    message: message({ eightBit: true, ret: 'FULL', envid: 'x' }),
    recipients: [recipient('a@x.test', { notify: ['NEVER'] })],
  }
  const seen = await deliver(SMTP_ALL, given)
  t.deepEqual(seen.commands, ['MAIL FROM:<sender@example.org> SIZE=200 BODY=8BITMIME', 'RCPT TO:<a@x.test>'])
})

test('SMTP passes DSN parameters on where they are offered', async (t) => {
  const given = {
    protocol: 'smtp',
    message: message({ ret: 'HDRS', envid: 'id+2B1' }),
    recipients: [recipient('a@x.test', { notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;b+2Bc@x.test' })],
  } as const
  t.deepEqual((await deliver(SMTP_ALL, given)).commands, [
    'MAIL FROM:<sender@example.org> SIZE=200 RET=HDRS ENVID=id+2B1',
    'RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+2Bc@x.test',
  ])
})

test('a stored value cannot add a command or a parameter', async (t) => {
  const hostile = {
    protocol: 'smtp',
    message: message({ envid: 'x\r\nRSET' }),
    recipients: [
      recipient('a@x.test', { orcpt: 'rfc822;a NOTIFY=NEVER' }),
      recipient('a@x.test>\r\nRCPT TO:<victim@x.test', { n: 1 }),
      recipient('b> NOTIFY=NEVER@x.test', { n: 2 }),
      recipient('"quoted > \\" local"@x.test', { n: 3 }),
    ],
  } as const
  const seen = await deliver(SMTP_ALL, hostile)
  t.is(seen.outcome, 'sent 2.0.0, bounced 5.1.3, bounced 5.1.3, sent 2.0.0')
  t.deepEqual(seen.commands, [
    'MAIL FROM:<sender@example.org> SIZE=200',
    'RCPT TO:<a@x.test>',
    'RCPT TO:<"quoted > \\" local"@x.test>',
  ])
})

test('a message longer than the peer takes bounces before it is sent', async (t) => {
  const limited = LHLO_ALL.replace('SIZE', 'SIZE 199')
  t.deepEqual(await deliver(limited, {}), { outcome: 'bounced 5.3.4', commands: [] })
  t.is((await deliver(LHLO_ALL.replace('SIZE', 'SIZE 200'), {})).outcome, 'sent 2.0.0')
  t.is((await deliver(LHLO_ALL.replace('SIZE', 'SIZE 0'), {})).outcome, 'sent 2.0.0')
})

const SEVEN_BIT = LHLO_ALL.replace('250-8BITMIME\r\n', '')
const NO_UTF8 = LHLO_ALL.replace('250-SMTPUTF8\r\n', '')
const EIGHT = 'Subject: x\r\n\r\ncaf\u00e9\r\n'
const EIGHT_HEADER = 'Subject: caf\u00e9\r\n\r\nx\r\n'

for (const [title, hello, change, outcome, mail] of [
  [
    '8-bit content and no 8BITMIME bounces',
    SEVEN_BIT,
    { message: message({ eightBit: true }), body: body(EIGHT) },
    'bounced 5.6.3',
    undefined,
  ],
  [
    'BODY=8BITMIME without 8-bit content needs no 8BITMIME',
    SEVEN_BIT,
    { message: message({ eightBit: true }) },
    'sent 2.0.0',
    '',
  ],
  [
    '8-bit content that was never declared is sent as it is',
    SEVEN_BIT,
    { body: body(EIGHT) },
    'sent 2.0.0',
    '',
  ],
  [
    '8-bit content is declared where the peer takes it',
    LHLO_ALL,
    { message: message({ eightBit: true }), body: body(EIGHT) },
    'sent 2.0.0',
    ' BODY=8BITMIME',
  ],
  [
    'SMTPUTF8 with an ASCII envelope and header needs no SMTPUTF8',
    NO_UTF8,
    { message: message({ smtpUtf8: true }), body: body(EIGHT) },
    'sent 2.0.0',
    '',
  ],
  [
    'SMTPUTF8 with a header beyond ASCII and no SMTPUTF8 bounces',
    NO_UTF8,
    { message: message({ smtpUtf8: true }), body: body(EIGHT_HEADER) },
    'bounced 5.6.7',
    undefined,
  ],
  [
    'a sender beyond ASCII and no SMTPUTF8 bounces',
    NO_UTF8,
    { message: message({ smtpUtf8: true, sender: 'jos\u00e9@example.org' }) },
    'bounced 5.6.7',
    undefined,
  ],
  [
    'SMTPUTF8 is said where it is offered',
    LHLO_ALL,
    { message: message({ smtpUtf8: true }) },
    'sent 2.0.0',
    ' SMTPUTF8',
  ],
] as const) {
  test(title, async (t) => {
    const seen = await deliver(hello, change)
    t.is(seen.outcome, outcome)
    t.is(seen.commands[0], mail === undefined ? undefined : `MAIL FROM:<sender@example.org> SIZE=200${mail}`)
  })
}

test('only the recipient beyond ASCII bounces where SMTPUTF8 is not offered', async (t) => {
  const seen = await deliver(NO_UTF8, {}, ['a@x.test', 'jos\u00e9@x.test', 'c@x.test'])
  t.is(seen.outcome, 'sent 2.0.0, bounced 5.6.7, sent 2.0.0')
})

test('the domain of a sender goes in A-labels where SMTPUTF8 is not offered', async (t) => {
  const seen = await deliver(NO_UTF8, {
    message: message({ smtpUtf8: true, sender: 'jose@b\u00fccher.example' }),
  })
  t.is(seen.commands[0], 'MAIL FROM:<jose@xn--bcher-kva.example> SIZE=200')
})

test('a peer without EHLO is spoken to with HELO', async (t) => {
  await using peer = await FakePeer.listen(async (c) => {
    c.say('220 old\r\n')
    await c.line()
    c.say('500 5.5.1 what\r\n')
    await c.answer('250 old\r\n', '250 ok\r\n', '250 ok\r\n', '354 go\r\n')
    await c.message()
    c.say('250 done\r\n')
  })
  await using delivery = deliverer()
  const [outcome] = await delivery.deliver(request(peer.port, ['a@x.test'], { protocol: 'smtp' }), never)
  t.is(outcome?.kind, 'sent')
  t.deepEqual(peer.conversations[0]?.heard.slice(0, 4), [
    'EHLO mx.test',
    'HELO mx.test',
    'MAIL FROM:<sender@example.org>',
    'RCPT TO:<a@x.test>',
  ])
})
