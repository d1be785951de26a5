// What ClamAV's own clamscan finds under the same signatures: never more than we do, but for what is listed here
// and in docs/scanner.md.

import test from 'ava'
import { createHash } from 'node:crypto'
import type { SignatureSource } from '#src/match/types.ts'
import { compare, hasClamscan, HEADER, type Mail } from './clamscan.ts'
import { base64 } from './support.ts'

const lacks = !hasClamscan()
if (lacks) process.stderr.write('Parity with clamscan is skipped: it is not installed.\n')
const withClamscan = lacks ? test.skip : test

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
const digest = (name: string, text: string): string =>
  createHash(name).update(Buffer.from(text, 'latin1')).digest('hex')
const crlf = (text: string): string => text.replaceAll(/\r?\n/g, '\r\n')
const inBase64 = (text: string): string => base64(Buffer.from(text, 'latin1')).replaceAll(/.{76}/g, '$&\r\n')
const octet = (c: string): string => `=${hex(c).toUpperCase()}`
const quoted = (text: string): string => text.replaceAll(/[^]/g, octet).replaceAll(/.{60}/g, '$&=\r\n')
const quotedText = (text: string): string => crlf(text).replaceAll(/[^\r\n -<>-~]/g, octet)
const source = (kind: SignatureSource['kind'], lines: readonly string[]): SignatureSource => ({
  name: `test.${kind}`,
  kind,
  text: Buffer.from(`${lines.join('\n')}\n`),
})

const part = (type: string, encoding: string, body: string): string =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\nContent-Disposition: attachment; filename="f.dat"\r\n\r\n${body}\r\n`
const multipart = (
  second: string,
  boundary = 'B1',
  type = `multipart/mixed; boundary="${boundary}"`,
): string =>
  `${HEADER}Content-Type: ${type}\r\n\r\n--${boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--${boundary}\r\n${second}--${boundary}--\r\n`

/** Ways to send a file that is any octets. */
const BINARY: readonly (readonly [way: string, mail: (file: string, type: string) => string])[] = [
  ['base64 attachment', (file, type) => multipart(part(type, 'base64', inBase64(file)))],
  ['quoted-printable attachment', (file, type) => multipart(part(type, 'quoted-printable', quoted(file)))],
  [
    'base64 inside of an attached mail',
    (file, type) =>
      multipart(
        `Content-Type: message/rfc822\r\n\r\n${multipart(part(type, 'base64', inBase64(file)), 'B2')}`,
      ),
  ],
]

/** And more that only text has. */
const TEXT: typeof BINARY = [
  ['plain attachment', (file, type) => multipart(part(type, '7bit', crlf(file)))],
  ['plain body', (file, type) => `${HEADER}Content-Type: ${type}\r\n\r\n${crlf(file)}\r\n`],
  ['quoted-printable body', (file, type) => `${HEADER}${part(type, 'quoted-printable', quotedText(file))}`],
  ['base64 body', (file, type) => `${HEADER}${part(type, 'base64', inBase64(file))}`],
]

interface Form {
  readonly title: string
  /** Of the line, what follows the name. */
  readonly ndb?: string
  readonly hash?: (file: string) => string
  readonly type?: string
  readonly found: readonly string[]
  readonly clean?: readonly string[]
  /** Why we find it where ClamAV does not; it does so in one of the ways at least. */
  readonly oursOnly?: string
}

const pe = `MZ${'\0'.repeat(60)}`
const LINES = 'hash me\nsecond line\n'

const FORMS: readonly Form[] = [
  { title: 'octets', ndb: `0:*:${hex('Lit-Zq81-eral')}`, found: ['Lit-Zq81-eral'], clean: ['lit-zq81-eral'] },
  {
    title: 'any octet',
    ndb: `0:*:${hex('An1-')}??${hex('-Wq92')}`,
    found: ['An1-x-Wq92'],
    clean: ['An1--Wq92'],
  },
  {
    title: 'high nibble',
    ndb: `0:*:${hex('Nb1-')}7?${hex('-Wq93')}`,
    found: ['Nb1-q-Wq93'],
    clean: ['Nb1-Q-Wq93'],
  },
  {
    title: 'low nibble',
    ndb: `0:*:${hex('Nb2-')}?2${hex('-Wq94')}`,
    found: ['Nb2-b-Wq94'],
    clean: ['Nb2-a-Wq94'],
  },
  {
    title: 'any gap',
    ndb: `0:*:${hex('StarA-Xq1')}*${hex('StarB-Xq2')}`,
    found: ['StarA-Xq1 and StarB-Xq2'],
    clean: ['StarB-Xq2 and StarA-Xq1'],
  },
  {
    title: 'gap of n',
    ndb: `0:*:${hex('GapA-Xq3')}{3}${hex('GapB-Xq3')}`,
    found: ['GapA-Xq3abcGapB-Xq3'],
    clean: ['GapA-Xq3abGapB-Xq3'],
  },
  {
    title: 'gap up to n',
    ndb: `0:*:${hex('GapA-Xq4')}{-4}${hex('GapB-Xq4')}`,
    found: ['GapA-Xq4abGapB-Xq4'],
    clean: ['GapA-Xq4abcdeGapB-Xq4'],
  },
  {
    title: 'gap from n',
    ndb: `0:*:${hex('GapA-Xq5')}{4-}${hex('GapB-Xq5')}`,
    found: ['GapA-Xq5abcdeGapB-Xq5'],
    clean: ['GapA-Xq5abcGapB-Xq5'],
  },
  {
    title: 'gap of n to m',
    ndb: `0:*:${hex('GapA-Xq6')}{2-4}${hex('GapB-Xq6')}`,
    found: ['GapA-Xq6abcGapB-Xq6'],
    clean: ['GapA-Xq6aGapB-Xq6', 'GapA-Xq6abcdeGapB-Xq6'],
  },
  { title: 'gap in brackets', ndb: `0:*:${hex('BrkA-Xq7')}[2-4]${hex('B')}`, found: ['BrkA-Xq7abcBcd'] },
  {
    title: 'alternative octets',
    ndb: `0:*:${hex('AltA-Xq8')}(41|42|43)${hex('AltB-Xq8')}`,
    found: ['AltA-Xq8BAltB-Xq8'],
    clean: ['AltA-Xq8DAltB-Xq8'],
  },
  {
    title: 'alternative strings',
    ndb: `0:*:${hex('AltA-Xq9')}(4141|42|434343)${hex('AltB-Xq9')}`,
    found: ['AltA-Xq9CCCAltB-Xq9'],
    clean: ['AltA-Xq9CCAltB-Xq9'],
  },
  {
    title: 'no such octet',
    ndb: `0:*:${hex('AltA-Xq0')}!(41|42)${hex('AltB-Xq0')}`,
    found: ['AltA-Xq0ZAltB-Xq0'],
    clean: ['AltA-Xq0AAltB-Xq0'],
  },
  {
    title: 'no such string',
    ndb: `0:*:${hex('AltA-Xqq')}!(4141|4242)${hex('AltB-Xqq')}`,
    found: ['AltA-XqqACAltB-Xqq'],
  },
  { title: 'octets behind NULs', ndb: `0:*:00000000${hex('Nul-Yq20')}`, found: ['\0\0\0\0Nul-Yq20'] },
  { title: 'at the start', ndb: `0:0:${hex('Off0-Yq1')}`, found: ['Off0-Yq1'], clean: ['xOff0-Yq1'] },
  { title: 'at an offset', ndb: `0:5:${hex('Off5-Yq2')}`, found: ['12345Off5-Yq2'], clean: ['1234Off5-Yq2'] },
  {
    title: 'about an offset',
    ndb: `0:5,3:${hex('OffS-Yq3')}`,
    found: ['1234567OffS-Yq3'],
    clean: ['123456789OffS-Yq3'],
  },
  {
    title: 'at the end',
    ndb: `0:EOF-8:${hex('Eof-Yq04')}`,
    found: ['xxEof-Yq04'],
    oursOnly: 'ClamAV ends each text with a line end',
  },
  { title: 'about the end', ndb: `0:EOF-12,4:${hex('EofSYq05')}`, found: ['some text EofSYq05a'] },
  { title: 'a program', ndb: `1:*:${hex('Pe-Yq06')}`, found: [`${pe}Pe-Yq06`], clean: ['Pe-Yq06'] },
  {
    title: 'an OLE file',
    ndb: `2:*:${hex('Ole-Yq24')}`,
    found: ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1Ole-Yq24'],
  },
  {
    title: 'HTML',
    ndb: `3:*:${hex('html-yq07 click here')}`,
    type: 'text/html',
    found: ['<html><body>Html-Yq07 \n Click\tHere</body></html>'],
  },
  {
    title: 'a tag',
    ndb: `3:*:${hex('<a href="http://yq08.example/">')}`,
    type: 'text/html',
    found: ['<html><A HREF="http://yq08.example/">x</a></html>'],
  },
  { title: 'mail', ndb: `4:*:${hex('MailBody-Yq11')}`, found: ['MailBody-Yq11'] },
  { title: 'a picture', ndb: `5:*:${hex('Png-Yq12')}`, found: ['\x89PNG\r\n\x1a\nPng-Yq12'] },
  { title: 'ELF', ndb: `6:*:${hex('Elf-Yq13')}`, found: ['\x7fELF Elf-Yq13'] },
  { title: 'text', ndb: `7:*:${hex('text-yq14 in text')}`, found: ['Text-Yq14  in\n  text'] },
  {
    title: 'text in capitals',
    ndb: `7:*:${hex('TextUp-Yq15')}`,
    found: ['textup-yq15'],
    oursOnly: 'the pattern is folded as the text is; in ClamAV it never matches',
  },
  { title: 'Mach-O', ndb: `9:*:${hex('Mach-Yq25')}`, found: ['\xcf\xfa\xed\xfeMach-Yq25'] },
  { title: 'PDF', ndb: `10:*:${hex('Pdf-Yq16')}`, found: ['%PDF-1.4\nPdf-Yq16'] },
  { title: 'Flash', ndb: `11:*:${hex('Swf-Yq26')}`, found: ['FWSSwf-Yq26'] },
  { title: 'Java', ndb: `12:*:${hex('Java-Yq27')}`, found: ['\xca\xfe\xba\xbe\0\0\0\x34Java-Yq27'] },
  {
    title: 'two lines',
    ndb: `0:*:${hex('LineA-Yq17\nLineB')}`,
    found: ['LineA-Yq17\nLineB\n'],
    clean: ['LineA-Yq17 LineB'],
  },
  {
    title: 'two lines of mail',
    ndb: `4:*:${hex('LineA-Yq19\nLineB')}`,
    found: ['LineA-Yq19\nLineB\n'],
    oursOnly: 'ClamAV looks at a mail with the line ends that it is given: CRLF here, LF in a mailbox',
  },
  {
    title: 'lines with a gap',
    ndb: `0:*:${hex('LineA-Yq18')}{1-9}0A${hex('LineB')}`,
    found: ['LineA-Yq18, and\nLineB\n'],
  },
  { title: 'encoded octets', ndb: `0:*:${hex(base64('RawBase64-Yq19-raw'))}`, found: ['RawBase64-Yq19-raw'] },
  { title: 'a level up to now', ndb: `0:*:${hex('Lev-Yq21')}:51:255`, found: ['Lev-Yq21'] },
  { title: 'a level of old', ndb: `0:*:${hex('Old-Yq22')}:10:20`, found: ['Old-Yq22'] },
  { title: 'a level to come', ndb: `0:*:${hex('Far-Yq23')}:10000`, found: ['Far-Yq23'] },
  {
    title: 'MD5 of octets',
    hash: (file) => `${digest('md5', file)}:${file.length}`,
    found: ['bin\0ary\x01'],
    clean: ['bin\0ary\x02'],
    oursOnly: 'ClamAV ends each text with a line end',
  },
  {
    title: 'MD5 of any size',
    hash: (file) => `${digest('md5', file)}:*`,
    found: ['any size\0'],
    oursOnly: 'ClamAV ends each text with a line end',
  },
]

const DIGESTS: readonly Form[] = ['md5', 'sha1', 'sha256'].map((name) => ({
  title: `${name} of lines`,
  hash: () => `${digest(name, `${name} ${LINES}`)}:${`${name} ${LINES}`.length}`,
  found: [`${name} ${LINES}`],
  clean: [`${name} ${LINES}x\n`],
  oursOnly: 'ClamAV ends each text with a line end, one that has one too',
}))

interface Case extends Mail {
  readonly form: Form
}

const nameOf = (form: Form): string => `Test.${form.title.replaceAll(/[^A-Za-z0-9]/g, '-')}`

function casesOf(form: Form): Case[] {
  const type = form.type ?? 'application/octet-stream'
  return [...form.found, ...(form.clean ?? [])].flatMap((file, i) => {
    const ways = /[^\t\r\n -~]/.test(file) ? BINARY : [...BINARY, ...TEXT]
    return ways.map(([way, mail]) => ({
      form,
      title: `${form.title}, text ${i}, ${way}`,
      // Each file is sent as MIME programs do: the last line end of a text is that before the delimiter.
      text: mail(way.startsWith('plain') ? file.replace(/\n$/, '') : file, type),
    }))
  })
}

withClamscan(
  'each form of a signature is found where clamscan finds it, and where it does not for a reason',
  (t) => {
    const forms = [...FORMS, ...DIGESTS]
    const cases = forms.flatMap((form) => casesOf(form))
    const hashes = forms.flatMap((form) => {
      const line = form.hash?.(form.found[0] ?? '')
      return line === undefined ? [] : [`${line}:${nameOf(form)}${line.includes('*') ? ':73' : ''}`]
    })
    const sources = [
      source(
        'ndb',
        forms.flatMap((form) => (form.ndb === undefined ? [] : [`${nameOf(form)}:${form.ndb}`])),
      ),
      source(
        'hdb',
        hashes.filter((line) => line.indexOf(':') === 32),
      ),
      source(
        'hsb',
        hashes.filter((line) => line.indexOf(':') !== 32),
      ),
    ]
    const found = compare(sources, cases)
    const more = new Set<string>()
    for (const { form, title } of cases) {
      const { ours, theirs } = found.get(title) ?? { ours: [], theirs: [] }
      t.deepEqual(
        theirs.filter((one) => !ours.includes(one)),
        [],
        `clamscan only: ${title}`,
      )
      const extra = ours.filter((one) => !theirs.includes(one))
      if (extra.length > 0) more.add(form.title)
      if (form.oursOnly === undefined) t.deepEqual(extra, [], `ours only: ${title}`)
    }
    t.deepEqual(
      [...more],
      forms.filter((form) => form.oursOnly !== undefined).map((form) => form.title),
    )
    // Nothing of this is true because nothing is found.
    const silent = forms.filter(
      (form) =>
        !form.title.startsWith('a level ') &&
        !casesOf(form).some(({ title }) => found.get(title)?.ours.includes(nameOf(form))),
    )
    t.deepEqual(
      silent.map((form) => form.title),
      [],
    )
  },
)
