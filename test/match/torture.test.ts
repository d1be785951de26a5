import test from 'ava'
import { base64, data, EICAR, EICAR_NAME, LIMITS, scan, uuencode } from './support.ts'

const EXE_PART = [
  'Content-Type: application/octet-stream; name=evil.exe',
  'Content-Transfer-Encoding: base64',
  '',
  base64(EICAR),
]

/** Structures that some program or other takes apart: in each the name and the test virus must be found. */
const TORTURE: readonly (readonly [title: string, defect: string, message: string])[] = [
  [
    'no boundary parameter',
    'no-boundary',
    data('Content-Type: multipart/mixed', '', '--x', ...EXE_PART, '--x--'),
  ],
  ['an empty type with a boundary', '', data('Content-Type: ; boundary=x', '', '--x', ...EXE_PART, '--x--')],
  [
    'a wrong boundary',
    'boundary-never-seen',
    data('Content-Type: multipart/mixed; boundary=declared', '', '--other', ...EXE_PART, '--other--'),
  ],
  [
    'two wrong boundaries',
    'boundary-never-seen',
    data(
      'Content-Type: multipart/mixed; boundary=declared',
      '',
      '--one',
      'Content-Type: text/plain',
      '',
      'x',
      '--two',
      ...EXE_PART,
    ),
  ],
  [
    'a part in the preamble',
    'guessed-part',
    data('Content-Type: multipart/mixed; boundary=b', '', '--x', ...EXE_PART, '--b', '', 'x', '--b--'),
  ],
  [
    'a part in the epilogue',
    'guessed-part',
    data('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b--', '--y', ...EXE_PART),
  ],
  [
    'a part behind the close delimiter',
    'epilogue-part',
    data('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b--', '--b', ...EXE_PART),
  ],
  [
    'white space behind delimiters',
    '',
    data('Content-Type: multipart/mixed; boundary=b', '', '--b \t ', ...EXE_PART, '--b-- '),
  ],
  [
    'no close delimiter',
    'unclosed-multipart',
    data('Content-Type: multipart/mixed; boundary=b', '', '--b', ...EXE_PART),
  ],
  [
    'an inner multipart without its close',
    'unclosed-multipart',
    data(
      'Content-Type: multipart/mixed; boundary=a',
      '',
      '--a',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      'x',
      '--a',
      ...EXE_PART,
      '--a--',
    ),
  ],
  [
    'no blank line behind the header',
    'no-blank-line',
    data('Content-Type: multipart/mixed; boundary=b', '--b', ...EXE_PART, '--b--'),
  ],
  [
    'junk inside of the header',
    'no-blank-line',
    data(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'junk that is no field',
      ...EXE_PART,
      '--b--',
    ),
  ],
  [
    'junk inside of the outermost header',
    'no-blank-line',
    data(
      'Subject: x',
      'junk that is no field',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      ...EXE_PART,
      '--b--',
    ),
  ],
  [
    'a boundary with something behind it',
    'ambiguous-boundary',
    data('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--bcd', ...EXE_PART, '--b--'),
  ],
  [
    'a boundary in other case',
    'ambiguous-boundary',
    data(
      'Content-Type: multipart/mixed; boundary=Abc',
      '',
      '--Abc',
      '',
      'x',
      '--aBC',
      ...EXE_PART,
      '--Abc--',
    ),
  ],
  [
    'two boundaries',
    '',
    data('Content-Type: multipart/mixed; boundary=a; boundary=b', '', '--b', ...EXE_PART, '--b--'),
  ],
  [
    'two types',
    'several-content-types',
    data(
      'Content-Type: text/plain',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      ...EXE_PART,
      '--b--',
    ),
  ],
  [
    'two encodings',
    'several-encodings',
    data(
      'Content-Type: application/x; name=evil.exe',
      'Content-Transfer-Encoding: 7bit',
      'Content-Transfer-Encoding: base64',
      '',
      base64(EICAR),
    ),
  ],
  [
    'a boundary in quotes with a backslash',
    '',
    data(String.raw`Content-Type: multipart/mixed; boundary="a\b"`, '', '--ab', ...EXE_PART, '--ab--'),
  ],
  [
    'a boundary in RFC 2231 pieces',
    '',
    data('Content-Type: multipart/mixed; boundary*0=a; boundary*1=b', '', '--ab', ...EXE_PART, '--ab--'),
  ],
  [
    'BOUNDARY in capitals',
    '',
    data('CONTENT-TYPE: MULTIPART/MIXED; BOUNDARY=B', '', '--B', ...EXE_PART, '--B--'),
  ],
  [
    'a blank before the colon',
    '',
    data('Content-Type : multipart/mixed; boundary=b', '', '--b', ...EXE_PART, '--b--'),
  ],
  [
    'an mbox line before the header',
    '',
    data('From a@b Mon Jan 1', 'Content-Type: multipart/mixed; boundary=b', '', '--b', ...EXE_PART, '--b--'),
  ],
  [
    'line ends of LF alone',
    '',
    `${['Content-Type: multipart/mixed; boundary=b', '', '--b', ...EXE_PART, '--b--'].join('\n')}\r\n.\r\n`,
  ],
  [
    'a message in base64',
    '',
    data(
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      base64(['Subject: x', ...EXE_PART].join('\r\n')),
    ),
  ],
  [
    'a message in base64 with LF',
    '',
    data(
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      base64(['Subject: x', ...EXE_PART].join('\n')),
    ),
  ],
  [
    'a message that only says that it is in base64',
    '',
    data('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', 'Subject: x', ...EXE_PART),
  ],
  [
    'a message in quoted-printable',
    '',
    data(
      'Content-Type: message/global',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      ['Subject: x', ...EXE_PART].join('\r\n').replaceAll('=', '=3D'),
    ),
  ],
  [
    'a multipart in base64',
    'encoded-multipart',
    data(
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Transfer-Encoding: base64',
      '',
      base64(['--b', ...EXE_PART, '--b--'].join('\r\n')),
    ),
  ],
  [
    'a digest',
    '',
    data('Content-Type: multipart/digest; boundary=b', '', '--b', '', 'Subject: x', ...EXE_PART, '--b--'),
  ],
  [
    'a part that is all header',
    '',
    data(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      ...EXE_PART,
      '--b',
      'Content-Type: text/plain',
    ),
  ],
]

const SAVED = ['Subject: saved', 'Content-Type: multipart/mixed; boundary=s', '', '--s', ...EXE_PART, '--s--']

const attached = (header: readonly string[], body: readonly string[]): string =>
  data('Content-Type: multipart/mixed; boundary=b', '', '--b', ...header, '', ...body, '--b--')
const inBase64 = (text: string): string => base64(text).replaceAll(/.{70}/g, '$&\r\n')

/** Parts that mail programs open as mail, and files where they look for files, whatever the header says. */
const OTHERWISE: readonly (readonly [title: string, message: string])[] = [
  ['a mail saved as a file', attached(['Content-Type: application/octet-stream'], SAVED)],
  [
    'a mail saved as a file in base64, with LF',
    attached(
      ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: base64'],
      [inBase64(SAVED.join('\n'))],
    ),
  ],
  ['a mail saved as text', attached(['Content-Type: text/plain'], SAVED)],
  ['a mail as the text', data('Subject: outside', '', ...SAVED)],
  [
    'a mail behind a byte order mark and an empty line',
    attached(
      ['Content-Type: text/plain', 'Content-Transfer-Encoding: base64'],
      [inBase64(`\uFEFF\r\n${SAVED.join('\r\n')}`)],
    ),
  ],
  ['a mailbox', attached(['Content-Type: application/mbox'], ['From x@y.example Sun Nov 22', ...SAVED])],
  ['a file .eml that begins oddly', attached(['Content-Type: a/b; name="x.EML "'], ['Odd: yes', ...SAVED])],
  ['a page .mht', attached(['Content-Type: a/b; name="x.mht"'], ['Snapshot: yes', ...SAVED])],
  ['a part of a message', attached(['Content-Type: message/partial; number=1; total=2'], SAVED)],
  ['a message of no known kind', attached(['Content-Type: message/odd'], ['Odd: yes', ...SAVED])],
  [
    'a saved mail in two encodings',
    attached(
      ['Content-Type: a/b', 'Content-Transfer-Encoding: 7bit', 'Content-Transfer-Encoding: quoted-printable'],
      SAVED.map((line) => line.replaceAll('=', '=3D')),
    ),
  ],
  [
    'a saved mail in a saved mail',
    attached(['Content-Type: a/b'], ['To: x', '', 'Received: y', '', ...SAVED]),
  ],
  [
    'uuencode before the parts',
    data(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...uuencode('evil.exe', EICAR),
      '--b',
      '',
      'x',
      '--b--',
    ),
  ],
  [
    'uuencode behind the parts',
    data(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      'x',
      '--b--',
      ...uuencode('evil.exe', EICAR),
    ),
  ],
  ['uuencode in a part that is no text', attached(['Content-Type: a/b'], uuencode('evil.exe', EICAR))],
]

for (const [title, message] of OTHERWISE) {
  test(`${title} is looked into, however it is cut`, (t) => {
    const whole = scan(message).report
    t.true(whole.parts.flatMap((part) => [...part.names]).includes('evil.exe'))
    t.true(whole.hits.some((hit) => hit.signature === EICAR_NAME && hit.path !== ''))
    t.deepEqual(whole.limits, [])
    for (const cuts of [[1], [2], [3], [5, 1, 11]])
      t.deepEqual(scan(message, { cuts, recheckCuts: cuts }).report, whole)
  })
}

/** A text in so many messages, each the text of the one around it. */
const levels = (count: number): string =>
  data(...Array.from({ length: count }, () => 'Subject: x\r\n'), 'text')

test('mail in mail in mail is looked into as deep as the limit, which is told', (t) => {
  t.deepEqual(scan(levels(LIMITS.depthMax)).report.limits, [])
  t.deepEqual(scan(levels(LIMITS.depthMax + 2)).report.limits, ['depth'])
})

test('text that only speaks of a header, and notes about mail, are no mail', (t) => {
  for (const message of [
    data('', 'Hello,', 'Subject: x', '', 'y'),
    data('', 'Note: this', '', 'x'),
    data('', 'http://example.org/ is new'),
    attached(
      ['Content-Type: message/delivery-status'],
      ['Reporting-MTA: dns; a.example', '', 'Action: failed'],
    ),
  ])
    t.false(
      scan(message).report.parts.some((part) => part.path.includes('m')),
      message,
    )
})

for (const [title, defect, message] of TORTURE) {
  test(`${title} hides nothing, however it is cut`, (t) => {
    const whole = scan(message).report
    t.true(whole.parts.flatMap((part) => [...part.names]).includes('evil.exe'))
    t.true(whole.hits.some((hit) => hit.signature === EICAR_NAME))
    if (defect !== '') t.true(whole.defects.includes(defect), JSON.stringify(whole.defects))
    for (const cuts of [[1], [2], [3], [5, 1, 11]])
      t.deepEqual(scan(message, { cuts, recheckCuts: cuts }).report, whole)
  })
}

/** Input that a look-up for each octet of it, over all that follows, would take hours for; the test has a minute. */
const ENDLESS: readonly (readonly [title: string, message: string])[] = [
  ['CR after CR', '\r'.repeat(4_000_000)],
  ['LF after LF', `\n${'\n'.repeat(4_000_000)}`],
  ['one parameter after the other', `Content-Type: ${'name='.repeat(20_000)}`],
  ['one open quote after the other', `Content-Type: a/b; ${'name*0="'.repeat(12_000)}`],
  ['one open comment after the other', `Content-Type: a/b; ${'name('.repeat(20_000)}`],
  ['one encoded word after the other', `Subject: ${'=?iso-8859-2?q?a?= '.repeat(5000)}`],
  ['one empty encoded word after the other', `Subject: ${'=?u?q??='.repeat(12_000)}`],
  [
    'thousands of charsets',
    `Subject: ${Array.from({ length: 3000 }, (_, i) => `=?iso-8859-${i}?q?a?=`).join(' ')}`,
  ],
  [
    'thousands of second readings',
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--bX\r\n'.repeat(400_000)}`,
  ],
  ['thousands of guesses', `Content-Type: multipart/mixed\r\n\r\n${'--g\r\nX: y\r\n\r\n'.repeat(200_000)}`],
  ['stray equals signs', `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'= '.repeat(2_000_000)}`],
]

for (const [title, message] of ENDLESS) {
  test(`${title} comes to an end`, (t) => {
    t.true(scan(`${message}\r\n.\r\n`).ended)
  })
}

test('a comment before a name that is longer than any is told', (t) => {
  const field = `Content-Type: a/b; name (${'x'.repeat(2000)}) = "evil.exe"`
  t.deepEqual(scan(data(field, '', 'x')).report.limits, ['names'])
})

test('a name of more than four kilobytes is told', (t) => {
  t.deepEqual(scan(data(`Content-Type: a/b; name="${'x'.repeat(5000)}.exe"`, '', 'x')).report.limits, [
    'names',
  ])
})

test('more than a megabyte of names in one message is told', (t) => {
  const part = ['--b', `Content-Type: a/b; name="${'x'.repeat(4000)}"`, '', 'x']
  const lines = Array.from({ length: 300 }, () => part).flat()
  t.deepEqual(scan(data('Content-Type: multipart/mixed; boundary=b', '', ...lines, '--b--')).report.limits, [
    'names',
  ])
})
