import test from 'ava'
import { data, scan } from './support.ts'

/** The readings of the names of a single part with these fields. */
function names(...fields: readonly string[]): readonly string[] {
  return scan(data(...fields, '', 'x')).report.parts[0]?.names ?? []
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Each field must give (at least) each of the names. */
const CASES: readonly (readonly [title: string, field: string, expected: readonly string[]])[] = [
  ['a quoted name', 'Content-Disposition: attachment; filename="evil.exe"', ['evil.exe']],
  ['an unquoted name', 'Content-Disposition: attachment; filename=evil.exe', ['evil.exe']],
  [
    'an unquoted name with blanks',
    'Content-Disposition: attachment; filename=my evil.exe',
    ['my evil.exe', 'my'],
  ],
  [
    'a name behind blanks around the equals sign',
    'Content-Disposition: attachment; filename = "evil.exe"',
    ['evil.exe'],
  ],
  ['the name of the type', 'Content-Type: application/x; name=evil.exe', ['evil.exe']],
  ['any case of attribute', 'Content-Disposition: attachment; FileName="evil.exe"', ['evil.exe']],
  [
    'trailing dots and blanks are kept',
    'Content-Disposition: attachment; filename="evil.exe . "',
    ['evil.exe . '],
  ],
  ['a name without a disposition', 'Content-Disposition: filename="evil.exe"', ['evil.exe']],
  ['a missing semicolon', 'Content-Disposition: attachment filename="evil.exe"', ['evil.exe']],
  [
    'a quoted pair',
    String.raw`Content-Disposition: attachment; filename="e\vil.exe"`,
    ['evil.exe', String.raw`e\vil.exe`],
  ],
  [
    'a quoted quote',
    String.raw`Content-Disposition: attachment; filename="evil.exe\";.txt"`,
    ['evil.exe";.txt', 'evil.exe\\'],
  ],
  ['an unclosed quote', 'Content-Disposition: attachment; filename="evil.exe', ['evil.exe']],
  ['quotes in the middle', 'Content-Disposition: attachment; filename=ev"il".exe', ['evil.exe']],
  ['a comment', 'Content-Disposition: attachment; filename=evil(x).exe', ['evil.exe', 'evil(x).exe']],
  [
    'comments around the equals sign',
    'Content-Disposition: attachment; filename (x) = (y) evil.exe (z)',
    ['evil.exe'],
  ],
  [
    'comments in comments',
    'Content-Disposition: attachment; filename (a (b\\) c) d) (e)="evil.exe"',
    ['evil.exe'],
  ],
  [
    'a comment behind the asterisk',
    "Content-Disposition: attachment; filename*(x)=us-ascii''evil.exe",
    ['evil.exe'],
  ],
  [
    'a comment behind a number',
    'Content-Disposition: attachment; filename*0 (x) = ev; filename*1 (y) = il.exe',
    ['evil.exe'],
  ],
  ['a number in parentheses', 'Content-Disposition: attachment; filename=(1).exe', ['(1).exe']],
  ['two names', 'Content-Disposition: attachment; filename=a.txt; filename=evil.exe', ['a.txt', 'evil.exe']],
  [
    'a name cut at NUL',
    'Content-Disposition: attachment; filename="evil.exe\0.txt"',
    ['evil.exe', 'evil.exe\0.txt'],
  ],
  ['a semicolon inside of quotes', 'Content-Disposition: attachment; filename="a;evil.exe"', ['a;evil.exe']],
  ['a fold between parameters', 'Content-Disposition: attachment;\r\n filename="evil.exe"', ['evil.exe']],
  [
    'a fold inside of a name',
    'Content-Disposition: attachment; filename="evil.\r\n exe"',
    ['evil. exe', 'evil.exe'],
  ],
  [
    'a fold inside with a tab',
    'Content-Disposition: attachment; filename="evil\r\n\t.exe"',
    ['evil\t.exe', 'evil.exe'],
  ],
  // RFC 2231
  ['a charset', "Content-Disposition: attachment; filename*=utf-8''%e4%bd%a0.exe", ['你.exe']],
  [
    'a charset of one octet',
    "Content-Disposition: attachment; filename*=iso-8859-1'de'%fcbel.exe",
    ['übel.exe'],
  ],
  ['another charset', "Content-Disposition: attachment; filename*=windows-1251''%e2.exe", ['в.exe']],
  [
    'an extended value in quotes',
    'Content-Disposition: attachment; filename*="utf-8\'\'evil%2Eexe"',
    ['evil.exe'],
  ],
  [
    'an extended value without charset',
    'Content-Disposition: attachment; filename*=evil%2Eexe',
    ['evil.exe'],
  ],
  ['pieces', 'Content-Disposition: attachment; filename*0=evil; filename*1=.exe', ['evil.exe']],
  [
    'pieces out of order',
    'Content-Disposition: attachment; filename*1=.exe; filename*0=evil',
    ['evil.exe', '.exeevil'],
  ],
  [
    'extended pieces',
    "Content-Disposition: attachment; filename*0*=utf-8''ev%69; filename*1*=l%2Ee; filename*2=xe",
    ['evil.exe'],
  ],
  [
    'an escape cut between pieces',
    "Content-Disposition: attachment; filename*0*=utf-8''evil%2; filename*1*=Eexe",
    ['evil.exe'],
  ],
  [
    'a piece given twice',
    'Content-Disposition: attachment; filename*0=evil; filename*1=.txt; filename*1=.exe',
    ['evil.txt', 'evil.exe'],
  ],
  [
    'a character cut between pieces',
    "Content-Disposition: attachment; filename*0*=utf-8''%e4%bd; filename*1*=%a0.exe",
    ['你.exe'],
  ],
  ['a gap in the numbers', 'Content-Disposition: attachment; filename*0=evil; filename*5=.exe', ['evil.exe']],
  [
    'plain and extended',
    "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''evil.exe",
    ['a.txt', 'evil.exe'],
  ],
  ['pieces of the type', 'Content-Type: application/x; name*0="ev"; name*1="il.exe"', ['evil.exe']],
  [
    'percent signs without the asterisk',
    "Content-Disposition: attachment; filename=utf-8''evil%2Eexe",
    ['evil.exe'],
  ],
  // RFC 2047
  ['a Q word', 'Content-Type: application/x; name="=?utf-8?q?ev=69l=2Eexe?="', ['evil.exe']],
  ['a B word', `Content-Type: application/x; name="=?utf-8?b?${base64('evil.exe')}?="`, ['evil.exe']],
  [
    'a word outside of quotes',
    `Content-Type: application/x; name==?utf-8?B?${base64('evil.exe')}?=`,
    ['evil.exe'],
  ],
  [
    'two words',
    `Content-Type: application/x; name="=?utf-8?b?${base64('evil')}?= =?utf-8?b?${base64('.exe')}?="`,
    ['evil.exe'],
  ],
  [
    'words on two lines',
    `Content-Type: application/x; name="=?utf-8?b?${base64('evil')}?=\r\n =?utf-8?q?.exe?="`,
    ['evil.exe'],
  ],
  [
    'a quantum cut between words',
    'Content-Type: application/x; name="=?utf-8?b?ZXZpb?= =?utf-8?b?C5leGU=?="',
    ['evil.exe'],
  ],
  [
    'a character cut between words',
    'Content-Type: application/x; name="=?utf-8?q?=e4=bd?= =?utf-8?q?=a0.exe?="',
    ['你.exe'],
  ],
  ['a word with text around it', 'Content-Type: application/x; name="a=?utf-8?q?.e?=xe"', ['a.exe']],
  ['a word without its end', 'Content-Type: application/x; name="=?utf-8?q?evil.exe"', ['evil.exe']],
  ['a word with a language', 'Content-Type: application/x; name="=?utf-8*en?q?evil.exe?="', ['evil.exe']],
  [
    'a Q word that begins with an escape',
    'Content-Type: application/x; name="=?utf-8?Q?=65vil.exe?="',
    ['evil.exe'],
  ],
  ['a Latin-1 word', 'Content-Type: application/x; name="=?iso-8859-1?q?=FCbel.exe?="', ['übel.exe']],
  [
    'a UTF-16 word',
    `Content-Type: application/x; name="=?utf-16be?b?${Buffer.from('\0e\0v\0i\0l\0.\0e\0x\0e').toString('base64')}?="`,
    ['evil.exe'],
  ],
  ['a word of an unknown charset', 'Content-Type: application/x; name="=?x-none?q?evil.exe?="', ['evil.exe']],
  [
    'a word in RFC 2231 pieces',
    'Content-Disposition: attachment; filename*0="=?utf-8?q?evil"; filename*1=".exe?="',
    ['evil.exe'],
  ],
  // raw 8-bit
  [
    'raw UTF-8',
    `Content-Disposition: attachment; filename="${Buffer.from('übel.exe').toString('latin1')}"`,
    ['übel.exe'],
  ],
  ['raw Latin-1', 'Content-Disposition: attachment; filename="\xfcbel.exe"', ['übel.exe']],
]

for (const [title, field, expected] of CASES) {
  test(`${title} is read`, (t) => {
    const found = names(field)
    for (const name of expected) t.true(found.includes(name), `${name} is none of ${JSON.stringify(found)}`)
  })
}

test('names of two dispositions and of the type are all kept', (t) => {
  const found = names(
    'Content-Type: text/plain; name=one.txt',
    'Content-Disposition: inline; filename=two.txt',
    'Content-Disposition: attachment; filename=evil.exe',
  )
  t.deepEqual([...found].toSorted(), ['evil.exe', 'one.txt', 'two.txt'])
})

test('a plain name has one reading', (t) => {
  t.deepEqual(
    names(
      'Content-Type: application/pdf; name="a b.pdf"',
      'Content-Disposition: attachment;\r\n filename="a b.pdf"',
    ),
    ['a b.pdf'],
  )
})

test('more readings than the limit are told', (t) => {
  const many = Array.from({ length: 100 }, (_, i) => `filename=n${i}.txt`).join('; ')
  const { report } = scan(data(`Content-Disposition: attachment; ${many}`, '', 'x'))
  t.is(report.parts[0]?.names.length, 64)
  t.deepEqual(report.limits, ['names'])
})

test('every name is valid Unicode whatever the octets', (t) => {
  for (const octets of [
    '\xff\xfe',
    '\xc0\xaf',
    '\xed\xa0\x80',
    '=?utf-8?q?=ff=fe?=',
    '=?utf-16?q?=d8=00?=',
  ]) {
    for (const name of names(`Content-Type: application/x; name="${octets}.exe"`)) {
      t.true(name.isWellFormed())
      t.false(name.includes('\ufffd'))
    }
  }
})

test('a multipart and a message part have names too', (t) => {
  const { report } = scan(
    data(
      'Content-Type: multipart/mixed; boundary=b; name=outer.exe',
      '',
      '--b',
      'Content-Type: message/rfc822; name=inner.exe',
      '',
      'Subject: x',
      '',
      'y',
      '--b--',
    ),
  )
  t.deepEqual(
    report.parts.flatMap((part) => part.names),
    ['outer.exe', 'inner.exe'],
  )
})
