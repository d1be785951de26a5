import { crc32 } from 'node:zlib'
import { array, assert, asyncProperty, boolean, constantFrom, oneof, string } from 'fast-check'
import test from 'ava'
import { createReportComposer } from '#src/delivery/bounce.ts'
import { body, message, recipient } from './requests.ts'
import { readReport } from './read-report.ts'
import type {
  BodySource,
  QueuedMessage,
  QueuedRecipient,
  RecipientOutcome,
  ReportSubject,
} from '#src/queue/ports.ts'
import type { NewMessage } from '#src/queue/types.ts'
import type { Report } from './read-report.ts'

const composer = createReportComposer({ hostname: 'mx.test', makeId: () => '4ZBOUNCE01zTest' })

/** The bounce for these failures; undefined where there is none. */
async function compose(
  failed: QueuedMessage,
  about: readonly ReportSubject[],
  content: BodySource,
): Promise<NewMessage | undefined> {
  const reports = await composer({
    kind: 'failed',
    message: failed,
    about,
    body: content,
    attempted: true,
    retryUntilMs: 0,
  })
  return reports[0]?.message
}

const GONE: RecipientOutcome = {
  n: 0,
  kind: 'bounced',
  reply: '550 5.1.1 <a@x.test> User unknown',
  dsn: '5.1.1',
  relay: 'store.x.test[192.0.2.7]:7025',
  source: 'remote',
}

interface Given {
  readonly message?: Partial<QueuedMessage>
  readonly recipient?: Partial<QueuedRecipient>
  readonly outcome?: Partial<RecipientOutcome>
  readonly body?: string
}

async function bounce(given: Given = {}): Promise<{ readonly made: NewMessage; readonly report: Report }> {
  const failure = {
    recipient: recipient('a@x.test', given.recipient),
    outcome: { ...GONE, ...given.outcome },
  }
  const made = await compose(message(given.message), [failure], body(given.body))
  if (made === undefined) throw new Error('no bounce')
  if (made.body.kind !== 'inline') throw new Error('a spool file')
  return { made, report: readReport(made.body.bytes) }
}

test('a bounce is a message of its own from the null sender to the sender', async (t) => {
  const { made, report } = await bounce()
  t.like(made, {
    id: '4ZBOUNCE01zTest',
    sender: '',
    eightBit: false,
    smtpUtf8: false,
    messageId: '<4ZBOUNCE01zTest@mx.test>',
  })
  t.deepEqual(made.recipients, [
    { address: 'sender@example.org', original: 'sender@example.org', orcpt: '', notify: ['NEVER'] },
  ])
  t.is(made.bodyCrc32, made.body.kind === 'inline' ? crc32(made.body.bytes) : -1)
  t.regex(made.prefix, /^Received: by mx\.test \(Postern\)\r\n\tid 4ZBOUNCE01zTest; .+\r\n$/)
  t.is(report.fields.get('from'), 'MAILER-DAEMON@mx.test (Mail Delivery System)')
  t.is(report.fields.get('to'), 'sender@example.org')
  t.is(report.fields.get('subject'), 'Undelivered Mail Returned to Sender')
  t.is(report.fields.get('auto-submitted'), 'auto-replied')
  t.is(report.fields.get('mime-version'), '1.0')
})

test('the report says who failed, why, and in whose words', async (t) => {
  const { report } = await bounce({
    message: { envid: 'QQ+2B314' },
    recipient: { orcpt: 'rfc822;alias+2Bx@example.test' },
  })
  const [whole, one] = report.status
  t.is(report.parts[1]?.fields.get('content-type'), 'message/delivery-status')
  t.is(whole?.get('reporting-mta'), 'dns; mx.test')
  t.is(whole?.get('x-postern-queue-id'), '4ZTEST0001zTest')
  t.is(whole?.get('original-envelope-id'), 'QQ+314')
  t.regex(whole?.get('arrival-date') ?? '', /^\w{3}, \d{1,2} \w{3} \d{4} /)
  const { 'last-attempt-date': tried, ...fields } = Object.fromEntries(one ?? [])
  t.regex(tried ?? '', /^\w{3}, \d{1,2} \w{3} \d{4} /)
  t.is(whole?.get('received-from-mta'), 'dns; client')
  t.deepEqual(fields, {
    'final-recipient': 'rfc822; a@x.test',
    'original-recipient': 'rfc822; alias+x@example.test',
    action: 'failed',
    status: '5.1.1',
    'remote-mta': 'dns; store.x.test',
    'diagnostic-code': 'smtp; 550 5.1.1 <a@x.test> User unknown',
  })
  t.regex(report.parts[0]?.content ?? '', /^This is the mail system at host mx\.test\.\r\n/)
  t.true(
    unwrapped(report).includes(
      '<a@x.test>: host store.x.test[192.0.2.7] said: 550 5.1.1 <a@x.test> User unknown',
    ),
  )
})

function unwrapped(report: Report): string {
  return (report.parts[0]?.content ?? '').replaceAll('\r\n    ', ' ')
}

test('the text says to what a peer has answered, and the fields hold its own words alone', async (t) => {
  const sentence =
    'host store.x.test[192.0.2.7] refused to talk to me: 550 5.7.1 no (in reply to LHLO command)'
  const { report } = await bounce({ outcome: { reply: '550 5.7.1 no', dsn: '5.7.1', sentence } })
  t.true(unwrapped(report).includes(`<a@x.test>: ${sentence}`))
  t.is(report.status[1]?.get('diagnostic-code'), 'smtp; 550 5.7.1 no')
})

test('our own reasons are not put into the mouth of a peer', async (t) => {
  const { report } = await bounce({
    outcome: { source: 'local', relay: 'none', dsn: '4.4.7', reply: 'delivery time expired' },
  })
  const [, one] = report.status
  t.is(one?.get('diagnostic-code'), 'x-postern; delivery time expired')
  t.false(one?.has('remote-mta'))
  t.is(one?.get('status'), '4.4.7')
})

test('each failed recipient has a group of its own', async (t) => {
  const failures = ['a', 'b', 'c'].map((name, n) => ({
    recipient: recipient(`${name}@x.test`, { n }),
    outcome: { ...GONE, n },
  }))
  const made = await compose(message(), failures, body())
  const report = readReport(made?.body.kind === 'inline' ? made.body.bytes : Buffer.alloc(0))
  t.deepEqual(
    report.status.slice(1).map((group) => group.get('final-recipient')),
    ['rfc822; a@x.test', 'rfc822; b@x.test', 'rfc822; c@x.test'],
  )
})

test('the null sender never gets a bounce', async (t) => {
  t.is(
    await compose(message({ sender: '' }), [{ recipient: recipient('a@x.test'), outcome: GONE }], body()),
    undefined,
  )
})

for (const [notify, told] of [
  [[], true],
  [['FAILURE'], true],
  [['SUCCESS', 'FAILURE', 'DELAY'], true],
  [['NEVER'], false],
  [['SUCCESS'], false],
  [['DELAY', 'SUCCESS'], false],
] as const) {
  test(`NOTIFY=${notify.join(',') || '(not said)'} ${told ? 'gets' : 'gets no'} bounce`, async (t) => {
    const made = await compose(
      message(),
      [{ recipient: recipient('a@x.test', { notify }), outcome: GONE }],
      body(),
    )
    t.is(made !== undefined, told)
  })
}

test('a recipient that wants no bounce is not in that of the others', async (t) => {
  const failures = [
    { recipient: recipient('a@x.test', { notify: ['NEVER'] }), outcome: GONE },
    { recipient: recipient('b@x.test', { n: 1 }), outcome: { ...GONE, n: 1 } },
  ]
  const made = await compose(message(), failures, body())
  const text = made?.body.kind === 'inline' ? Buffer.from(made.body.bytes).toString() : ''
  t.deepEqual(
    readReport(Buffer.from(text))
      .status.slice(1)
      .map((group) => group.get('final-recipient')),
    ['rfc822; b@x.test'],
  )
})

const ORIGINAL = 'Subject: the original\r\nX-Other: y\r\n\r\nIts body.\r\n'

test('the whole original comes back where nothing speaks against it', async (t) => {
  for (const ret of ['', 'FULL'] as const) {
    const { report } = await bounce({ message: { ret }, body: ORIGINAL })
    t.is(report.parts[2]?.fields.get('content-type'), 'message/rfc822')
    t.is(report.parts[2]?.content, message().prefix + ORIGINAL)
  }
})

test('RET=HDRS brings back the header alone', async (t) => {
  const { report } = await bounce({ message: { ret: 'HDRS' }, body: ORIGINAL })
  t.is(report.parts[2]?.fields.get('content-type'), 'text/rfc822-headers')
  t.is(report.parts[2]?.content, `${message().prefix}Subject: the original\r\nX-Other: y\r\n`)
})

test('of a REQUIRETLS message the header alone comes back, whatever RET says, under REQUIRETLS too', async (t) => {
  const noticing = createReportComposer({
    hostname: 'mx.test',
    makeId: () => '4ZBOUNCE01zTest',
    postmasters: () => ['postmaster@mx.test'],
  })
  for (const sender of ['sender@example.org', '']) {
    const reports = await noticing({
      kind: 'failed',
      message: message({ ret: 'FULL', requireTls: true, sender }),
      about: [{ recipient: recipient('a@x.test'), outcome: GONE }],
      body: body(ORIGINAL),
      attempted: true,
      retryUntilMs: 0,
    })
    t.is(reports.length, sender === '' ? 1 : 2)
    for (const { message: made } of reports) {
      t.true(made.requireTls)
      const bytes = made.body.kind === 'inline' ? made.body.bytes : Buffer.alloc(0)
      t.is(readReport(bytes).parts[2]?.fields.get('content-type'), 'text/rfc822-headers')
    }
  }
})

test('a long original comes back as its header, and a long header is cut behind a line', async (t) => {
  const long = await bounce({ body: `${ORIGINAL}${'x'.repeat(70)}\r\n`.repeat(1000) })
  t.is(long.report.parts[2]?.content, `${message().prefix}Subject: the original\r\nX-Other: y\r\n`)
  const header = await bounce({ body: `${'X-Long: 0123456789\r\n'.repeat(10_000)}\r\nbody\r\n` })
  const content = header.report.parts[2]?.content ?? ''
  t.true(content.length > 49_900 && content.length <= 50_000)
  t.true(content.endsWith('X-Long: 0123456789\r\n'))
})

test('an original without a last line end does not swallow the boundary', async (t) => {
  const { report } = await bounce({ body: 'A: b\r\n\r\nno end' })
  t.is(report.parts[2]?.content, `${message().prefix}A: b\r\n\r\nno end\r\n`)
})

test('an internationalised original comes back in the forms of RFC 6533', async (t) => {
  const { made, report } = await bounce({
    message: { smtpUtf8: true, sender: 'jos\u00e9@example.org' },
    recipient: { address: 'm\u00fcller@x.test', orcpt: 'utf-8;m\\x{FC}ller@x.test' },
    body: 'Subject: \u00fc\r\n\r\nx\r\n',
  })
  t.true(made.smtpUtf8)
  t.true(made.eightBit)
  t.is(report.fields.get('to'), 'jos\u00e9@example.org')
  t.deepEqual(
    report.parts.map((part) => part.fields.get('content-type')),
    ['text/plain; charset=utf-8', 'message/global-delivery-status', 'message/global'],
  )
  t.is(report.status[1]?.get('final-recipient'), 'utf-8; m\u00fcller@x.test')
  t.is(report.status[1]?.get('original-recipient'), 'utf-8; m\u00fcller@x.test')
})

test('8-bit content makes the bounce 8-bit and says so', async (t) => {
  const { made, report } = await bounce({ body: 'A: b\r\n\r\ncaf\u00e9\r\n' })
  t.true(made.eightBit)
  t.false(made.smtpUtf8)
  t.is(report.parts[2]?.fields.get('content-transfer-encoding'), '8bit')
})

test('a reply beyond ASCII leaves an ASCII report', async (t) => {
  const { made, report } = await bounce({ outcome: { reply: '550 5.1.1 inconnu \u00e0 cette adresse' } })
  t.false(made.eightBit)
  t.is(report.status[1]?.get('diagnostic-code'), 'smtp; 550 5.1.1 inconnu ? cette adresse')
})

test('no text of a peer or a sender can make a header, a field, a line or a part', async (t) => {
  const nasty = array(
    oneof(
      constantFrom(
        '\r\n',
        '\n',
        '\r',
        '\u0000',
        '\u2028',
        '\u0085',
        '--',
        ' ',
        '\r\n\r\n',
        'X-Evil: 1',
        'x'.repeat(1200),
      ),
      string({ unit: 'binary' }),
    ),
    { maxLength: 12 },
  ).map((parts) => parts.join(''))
  await assert(
    asyncProperty(nasty, nasty, nasty, boolean(), async (reply, address, value, smtpUtf8) => {
      const { report } = await bounce({
        message: { envid: value, smtpUtf8, sender: `s${address}@example.org` },
        recipient: { address: `r${address}@x.test`, original: value, orcpt: `rfc822;${value}` },
        outcome: { reply: `550 ${reply}`, relay: `h${value}[192.0.2.1]:25` },
      })
      const allowed = new Set([
        'final-recipient',
        'original-recipient',
        'action',
        'status',
        'remote-mta',
        'diagnostic-code',
        'last-attempt-date',
      ])
      return (
        report.status.length === 2 &&
        [...(report.status[1]?.keys() ?? [])].every((name) => allowed.has(name)) &&
        [...report.fields.keys()].join(' ') ===
          'from subject to auto-submitted mime-version content-type message-id date'
      )
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('an original that holds what looks like our boundary does not end the part', async (t) => {
  const first = await bounce()
  const boundary = /boundary="([^"]+)"/.exec(first.report.fields.get('content-type') ?? '')?.[1] ?? ''
  const { report } = await bounce({ body: `A: b\r\n\r\n--${boundary}\r\n\r\nforged\r\n--${boundary}--\r\n` })
  t.true(report.parts[2]?.content.includes('forged'))
})

test('a sender that is an alias of ours gets its report in the mailboxes behind it, once each', async (t) => {
  const resolving = createReportComposer({
    hostname: 'mx.test',
    makeId: () => '4ZBOUNCE02zTest',
    mailboxes: (address) =>
      address === 'sender@example.org' ? ['one@example.org', 'two@example.org'] : [address],
  })
  const [made] = await resolving({
    kind: 'failed',
    message: message(),
    about: [{ recipient: recipient('a@x.test'), outcome: GONE }],
    body: body(),
    attempted: true,
    retryUntilMs: 0,
  })
  t.deepEqual(
    made?.message.recipients.map(({ address, original }) => [address, original]),
    [
      ['one@example.org', 'sender@example.org'],
      ['two@example.org', 'sender@example.org'],
    ],
  )
  const bytes = made?.message.body.kind === 'inline' ? made.message.body.bytes : Buffer.alloc(0)
  t.is(readReport(bytes).fields.get('to'), 'sender@example.org')
})

for (const [relay, shown] of [
  ['mx.x.test[192.0.2.7]:25', 'dns; mx.x.test'],
  ['192.0.2.7[192.0.2.7]:25', 'dns; [192.0.2.7]'],
  ['2001:db8::7[2001:db8::7]:25', 'dns; [IPv6:2001:db8::7]'],
] as const) {
  test(`the peer ${relay} is reported as ${shown}`, async (t) => {
    const { report } = await bounce({ outcome: { relay } })
    t.is(report.status[1]?.get('remote-mta'), shown)
  })
}

for (const kind of ['failed', 'delayed', 'arrived'] as const) {
  test(`of internationalised mail with RET=HDRS a report of what is ${kind} has the header in the form of RFC 6533`, async (t) => {
    const outcome = { ...GONE, kind: kind === 'arrived' ? ('sent' as const) : GONE.kind }
    const notify = ['SUCCESS', 'FAILURE', 'DELAY'] as const
    const [made] = await composer({
      kind,
      message: message({ smtpUtf8: true, ret: 'HDRS', sender: 'jos\u00e9@example.org' }),
      about: [{ recipient: recipient('m\u00fcller@x.test', { notify }), outcome }],
      body: body('Subject: \u00fc\r\n\r\nx\r\n'),
      attempted: true,
      retryUntilMs: Date.now(),
    })
    const report = readReport(
      made?.message.body.kind === 'inline' ? made.message.body.bytes : Buffer.alloc(0),
    )
    t.is(report.parts[1]?.fields.get('content-type'), 'message/global-delivery-status')
    t.is(report.parts[2]?.fields.get('content-type'), 'message/global-headers')
    t.is(report.status[1]?.get('final-recipient'), 'utf-8; m\u00fcller@x.test')
    t.true(made?.message.smtpUtf8)
  })
}
