// Where in a mail something is found: never more by ClamAV's own clamscan than by us, but for what is listed here and
// in docs/scanner.md.

import test from 'ava'
import { compare, hasClamscan, HEADER, type Mail } from './clamscan.ts'
import { base64, uuencode } from './support.ts'

const withClamscan = hasClamscan() ? test : test.skip

const FILE = 'xx The-Marker-Zq81 yy and some more text, so that this fills a line or two of the file'
const BASE64 = base64(FILE).replaceAll(/.{76}/g, '$&\r\n')
const UU = `${uuencode('file.dat', FILE).join('\r\n')}\r\n`

const part = (type = 'application/octet-stream', encoding = 'base64', body = BASE64): string =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}\r\n`

interface Shape {
  readonly boundary?: string
  readonly second?: string
  readonly type?: string
}

function mail({
  boundary = 'B1',
  second = part(),
  type = `multipart/mixed; boundary="${boundary}"`,
}: Shape = {}): string {
  return `${HEADER}Content-Type: ${type}\r\n\r\n--${boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--${boundary}\r\n${second}--${boundary}--\r\n`
}

const typed = (type: string): string => mail({ type })
const second = (text: string): string => mail({ second: text })
const INNER = mail({ boundary: 'B2' })
const attached = (type: string, encoding = '7bit', body = INNER): string => second(part(type, encoding, body))
const harmless = mail({ second: 'Content-Type: text/plain\r\n\r\nx\r\n' })

function deep(levels: number): string {
  let inside = part()
  for (let i = 0; i < levels; i++)
    inside = `Content-Type: multipart/mixed; boundary=N${i}\r\n\r\n--N${i}\r\n${inside}--N${i}--\r\n`
  return HEADER + inside
}

/** Both find it. */
const BOTH: Readonly<Record<string, string>> = {
  'a part': mail(),
  'no close delimiter': mail().replace('--B1--\r\n', ''),
  'cut in the part': mail().replace('\r\n--B1--\r\n', ''),
  'a wrong boundary': mail().replace('boundary="B1"', 'boundary="XX"'),
  'no boundary': typed('multipart/mixed'),
  'an empty boundary': typed('multipart/mixed; boundary=""'),
  'a boundary by RFC 2231': typed("multipart/mixed; boundary*=us-ascii''B1"),
  'a boundary in pieces': typed('multipart/mixed; boundary*0="B"; boundary*1="1"'),
  'two boundaries': typed('multipart/mixed; boundary="XX"; boundary="B1"'),
  'two boundaries, the other way': typed('multipart/mixed; boundary="B1"; boundary="XX"'),
  'a boundary in other case': typed('multipart/mixed; BOUNDARY="b1"'),
  'blanks around the equals sign': typed('multipart/mixed; boundary = "B1"'),
  'a comment before the boundary': typed('multipart/mixed; boundary=(c)"B1"'),
  'an open quote': typed('multipart/mixed; boundary="B1'),
  'no semicolon': typed('multipart/mixed boundary="B1"'),
  'a folded boundary': typed('multipart/mixed;\r\n\tboundary="B1"'),
  'a boundary behind a blank fold': typed('multipart/mixed;\r\n \r\n\tboundary="B1"'),
  'something behind the boundary': mail().replaceAll('--B1\r\n', '--B1x\r\n'),
  'an inner boundary that begins like the outer': second(
    `Content-Type: multipart/mixed; boundary="B12"\r\n\r\n--B12\r\n${part()}--B12--\r\n`,
  ),
  'the same boundary inside': second(
    `Content-Type: multipart/mixed; boundary="B1"\r\n\r\n--B1\r\n${part()}--B1--\r\n`,
  ),
  'a part in the epilogue': `${harmless}--B1\r\n${part()}--B1--\r\n`,
  'two types': mail().replace(
    'Content-Type: multipart',
    'Content-Type: text/plain\r\nContent-Type: multipart',
  ),
  'a multipart of no known kind': typed('multipart/zork; boundary=B1'),
  'a blank before the colon': mail().replace('Content-Type: multipart', 'Content-Type : multipart'),
  'an encoding in quotes': attached('application/x', '"base64"', BASE64),
  'an encoding with a comment': attached('application/x', '(so they say) base64', BASE64),
  'two encodings': attached('application/x', '7bit\r\nContent-Transfer-Encoding: base64', BASE64),
  'dirt in base64': attached('application/x', 'base64', BASE64.replaceAll(/(.{10})/g, '$1!@ ')),
  'base64 of one line': attached('application/x', 'base64', BASE64.replaceAll('\r\n', '')),
  'soft line ends': attached('text/plain', 'quoted-printable', FILE.replaceAll(/.{9}/g, '$&=\r\n')),
  'an attached mail': attached('message/rfc822'),
  'an attached mail in base64': attached('message/rfc822', 'base64', base64(INNER)),
  'an attached mail in quoted-printable': attached(
    'message/rfc822',
    'quoted-printable',
    INNER.replaceAll('=', '=3D'),
  ),
  'a digest': mail({ type: 'multipart/digest; boundary=B1', second: `\r\n${INNER}` }),
  'a saved mail': attached('application/octet-stream', 'base64', base64(INNER)),
  'a saved mail as text': attached('text/plain'),
  'a saved mailbox': attached(
    'application/mbox',
    '7bit',
    `From x@y.example Sun Nov 22 10:00:00 2026\r\n${INNER}`,
  ),
  'a saved mail as some message': attached('message/x-other'),
  'a part of a mail': attached('message/partial; number=1; total=2; id=x'),
  'the header of a mail that is more': attached('text/rfc822-headers'),
  'a mail where a part should be': second(`\r\n${INNER}`),
  'uuencode in text': `${HEADER}\r\ntext\r\n${UU}\r\nbye\r\n`,
  'uuencode as an encoding': attached('application/octet-stream', 'x-uuencode', UU),
  'uuencode in a text part': attached('text/plain', '7bit', UU),
  'uuencode in a part of any type': attached('application/x', '7bit', UU),
  'uuencode in HTML': attached('text/html', '7bit', UU),
  'uuencode before the parts': harmless.replace('\r\n--B1', `\r\n${UU}\r\n--B1`),
  'uuencode behind the parts': `${harmless}\r\n${UU}`,
  'uuencode in a multipart without a boundary': `${HEADER}Content-Type: multipart/mixed\r\n\r\n${UU}\r\n`,
  'an encoded body': HEADER + part(),
  alternatives: typed('multipart/alternative; boundary=B1'),
  'ten levels': deep(10),
}

/** We find it and ClamAV does not. */
const OURS: Readonly<Record<string, string>> = {
  'base64 padded in the middle': attached(
    'application/x',
    'base64',
    `${base64(FILE.slice(0, 10))}\r\n${base64(FILE.slice(10))}`,
  ),
  'base64 behind an equals sign': attached('application/x', 'base64', `=${BASE64}`),
  'blanks behind a soft line end': attached(
    'text/plain',
    'quoted-printable',
    FILE.replaceAll(/.{9}/g, '$&= \t\r\n'),
  ),
  'no blank line behind the header': `${HEADER}Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n${BASE64}\r\n`,
  'signed mail': typed('multipart/signed; boundary=B1; protocol="x"'),
}

/** ClamAV finds it and we do not: no header says that there are parts. */
const THEIRS: Readonly<Record<string, string>> = {
  'parts in text that says nothing of them': mail().replace(/Content-Type: multipart[^\r]*\r\n/, ''),
  'a mail quoted in text': `${HEADER}\r\nYour mail came back:\r\n\r\n${INNER}`,
  'a header before the first part': harmless.replace('\r\n--B1', `\r\n${part()}--B1`),
}

const NEITHER: Readonly<Record<string, string>> = {
  nothing: harmless,
  'base64 that says nothing of it': second(`Content-Type: application/x\r\n\r\n${BASE64}\r\n`),
}

const listed = (cases: Readonly<Record<string, string>>): Mail[] =>
  Object.entries(cases).map(([title, text]) => ({ title, text }))

withClamscan('what clamscan finds in malformed and nested mail is found, and more', (t) => {
  const hex = Buffer.from('The-Marker-Zq81').toString('hex')
  const found = compare(
    [{ name: 'test.ndb', kind: 'ndb', text: Buffer.from(`Marker:0:*:${hex}\n`) }],
    [BOTH, OURS, THEIRS, NEITHER].flatMap((cases) => listed(cases)),
  )
  for (const [cases, ours, theirs] of [
    [BOTH, true, true],
    [OURS, true, false],
    [THEIRS, false, true],
    [NEITHER, false, false],
  ] as const) {
    for (const title of Object.keys(cases)) {
      const both = found.get(title)
      t.deepEqual(
        { ours: both?.ours.length === 1, theirs: both?.theirs.length === 1 },
        { ours, theirs },
        title,
      )
    }
  }
})

/** Signature and page; where `theirs`, ClamAV takes out of HTML what is no text before it looks. */
const PAGES: readonly (readonly [pattern: string, page: string, theirs: boolean])[] = [
  ['evil words here', 'Evil  words\n here', false],
  ['<a href="http://bad.example/">', '<A HREF="http://bad.example/">x</A>', false],
  ['iframe src="http://bad', '<IFRAME  SRC="http://bad.example/" width=0>', false],
  ['evil words here', 'Evil words <b>here</b>', true],
  ['evil words here', 'Evil <!-- x -->words here', true],
  ['evil words here', '&#69;vil words here', true],
  ['<a href="http://bad.example/">', "<A\nHREF = 'http://bad.example/'>x</A>", true],
  ['document.write("x")', '<script>document.write( "x" )</script>', true],
]

withClamscan(
  'HTML is looked at as it stands, in lower case with single blanks, and not as clamscan rewrites it',
  (t) => {
    const lines = PAGES.map(([pattern], i) => `Page.${i}:3:*:${Buffer.from(pattern).toString('hex')}\n`)
    const found = compare(
      [{ name: 'test.ndb', kind: 'ndb', text: Buffer.from(lines.join('')) }],
      PAGES.map(([, page], i) => ({
        title: String(i),
        text: `${HEADER}Content-Type: text/html\r\n\r\n<html><body>${page}</body></html>\r\n`,
      })),
    )
    PAGES.forEach(([, page, theirsOnly], i) => {
      const both = found.get(String(i))
      t.is(both?.ours.includes(`Page.${i}`), !theirsOnly, page)
      t.true(both?.theirs.includes(`Page.${i}`), page)
    })
  },
)
