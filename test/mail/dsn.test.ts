import test from 'ava'
import { dsnBoundary, formatDsn } from '#src/mail/dsn.ts'
import { readReport } from '#test/delivery/read-report.ts'
import type { DsnRecipient, DsnReport } from '#src/mail/dsn.ts'

const RECIPIENT: DsnRecipient = {
  address: 'a@x.test',
  orcpt: '',
  action: 'failed',
  status: '5.1.1',
  remoteMta: '',
  diagnosticType: 'smtp',
  diagnostic: '550 5.1.1 no',
  text: 'no',
}

function report(change: Partial<DsnReport> = {}, recipient: Partial<DsnRecipient> = {}): DsnReport {
  return {
    from: 'MAILER-DAEMON@mx.test',
    to: 's@x.test',
    subject: 'Subject',
    date: 'Sun, 22 Nov 2026 10:09:00 +0000',
    messageId: '<1@mx.test>',
    boundary: dsnBoundary(Buffer.alloc(16, 7)),
    reportingMta: 'mx.test',
    queueId: '4ZT',
    sender: 's@x.test',
    envid: '',
    arrivalDate: 'Sun, 22 Nov 2026 10:08:00 +0000',
    intro: 'Hello.\n',
    recipients: [{ ...RECIPIENT, ...recipient }],
    original: { kind: 'headers', bytes: Buffer.from('A: b\r\n') },
    international: false,
    ...change,
  }
}

test('a delay says until when it is tried', (t) => {
  const { status } = readReport(
    formatDsn(
      report({}, { action: 'delayed', status: '4.4.1', retryUntil: 'Fri, 27 Nov 2026 10:09:00 +0000' }),
    ).bytes,
  )
  t.is(status[1]?.get('action'), 'delayed')
  t.is(status[1]?.get('will-retry-until'), 'Fri, 27 Nov 2026 10:09:00 +0000')
})

test('an address beyond ASCII stands in an ASCII report as RFC 6533 writes it', (t) => {
  const formatted = formatDsn(report({}, { address: 'm\u00fcller\u{1f600}@x.test' }))
  t.false(formatted.eightBit)
  t.is(readReport(formatted.bytes).status[1]?.get('final-recipient'), 'utf-8; m\\x{FC}ller\\x{1F600}@x.test')
})

for (const [orcpt, shown] of [
  ['rfc822;a+2Bb@x.test', 'rfc822; a+b@x.test'],
  ['rfc822;a+0D+0Ax', 'rfc822; a+0D+0Ax'],
  ['rfc822;a+b', 'rfc822; a+b'],
  ['utf-8;a\\x{FC}b@x.test', 'utf-8; a\u00fcb@x.test'],
  ['x400;/c=gb', 'x400; /c=gb'],
] as const) {
  test(`ORCPT=${orcpt} is reported as ${shown}`, (t) => {
    const { status } = readReport(formatDsn(report({ international: true }, { orcpt })).bytes)
    t.is(status[1]?.get('original-recipient'), shown)
  })
}

test('lines are folded at 78 characters where there are spaces, and never longer than 998 octets', (t) => {
  const diagnostic = `550 ${'word '.repeat(300)}${'x'.repeat(3000)} end`
  const text = formatDsn(report({}, { diagnostic, text: diagnostic })).bytes.toString()
  const lines = text.split('\r\n')
  t.true(lines.filter((line) => !line.includes('xxx')).every((line) => line.length <= 78))
  t.true(lines.every((line) => Buffer.byteLength(line) <= 998))
  t.true(
    lines.every((line) => line === '' || line.trim() !== ''),
    'no line of spaces alone, which would end a header',
  )
})

test('a text of nothing but spaces makes no line of its own', (t) => {
  const spaces = ' '.repeat(5000)
  t.notThrows(() =>
    readReport(formatDsn(report({ envid: spaces }, { diagnostic: spaces, text: spaces })).bytes),
  )
})

test('the lines of a reply stand one below the other, and are what they were when they are unfolded', (t) => {
  const diagnostic = `550-5.1.1 ${'The email account does not exist. '.repeat(4)}550-5.1.1 Try again. 550 5.1.1 bye`
  const text = formatDsn(report({}, { diagnostic })).bytes.toString()
  const field = /^Diagnostic-Code: (.*\r\n(?: .*\r\n)*)/m.exec(text)?.[1] ?? ''
  t.is(field.replaceAll('\r\n', ''), `smtp; ${diagnostic}`)
  t.regex(field, /\r\n 550-5\.1\.1 Try again\.\r\n 550 5\.1\.1 bye\r\n$/)
  t.true(field.split('\r\n').every((line) => line.length <= 78))
})
