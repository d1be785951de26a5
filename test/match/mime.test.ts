import test from 'ava'
import { createHash } from 'node:crypto'
import { base64, data, EICAR, EICAR_NAME, scan, type ScanOptions, uuencode } from './support.ts'
import type { ScanReport } from '#src/match/types.ts'

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex')
const report = (text: string, options: ScanOptions = {}): ScanReport => scan(text, options).report
const paths = (of: ScanReport): string[] => of.parts.map((part) => part.path)
const hits = (of: ScanReport): string[] => of.hits.map((hit) => hit.signature)
const allNames = (of: ScanReport): string[] => of.parts.flatMap((part) => [...part.names])

const EXE_PART = [
  'Content-Type: application/octet-stream; name=evil.exe',
  'Content-Transfer-Encoding: base64',
  '',
  base64(EICAR),
]

test('parts are numbered as IMAP does and their octets end before the delimiter', (t) => {
  const found = report(
    data(
      'Content-Type: multipart/mixed; boundary="b 1"',
      '',
      'preamble',
      '--b 1',
      '',
      'one',
      '--b 1',
      'Content-Type: multipart/alternative; boundary=b2',
      '',
      '--b2',
      'Content-Type: text/html',
      '',
      '<html>two',
      '',
      '--b2--',
      '--b 1',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      'Content-Type: multipart/mixed; boundary=b3',
      '',
      '--b3',
      '',
      'three',
      '--b3--',
      '--b 1',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      '',
      'four',
      '--b 1--',
      'epilogue',
    ),
  )
  t.deepEqual(
    found.parts.map((part) => [part.path, part.type, part.size]),
    [
      ['1', 'text/plain', 3],
      ['2.1', 'text/html', 11],
      ['3', 'message/rfc822', 83],
      ['3.1', 'text/plain', 5],
      ['4', 'message/rfc822', 22],
      ['4.1', 'text/plain', 4],
    ],
  )
  t.is(found.parts[0]?.sha256, sha256('one'))
  t.is(found.parts[1]?.sha256, sha256('<html>two\r\n'))
  t.is(found.parts[4]?.sha256, sha256('Subject: inner\r\n\r\nfour'))
  t.deepEqual(found.defects, [])
  t.deepEqual(found.limits, [])
})

test('a message without MIME is one part', (t) => {
  const found = report(data('Subject: x', '', 'hello', ''))
  t.deepEqual(found.parts, [
    { path: '1', type: 'text/plain', magic: 'text', names: [], size: 9, sha256: sha256('hello\r\n\r\n') },
  ])
})

test('an empty message has an empty part', (t) => {
  t.deepEqual(
    report('.\r\n').parts.map((part) => [part.path, part.size, part.sha256]),
    [['1', 0, sha256('')]],
  )
})

const ENCODINGS: readonly (readonly [title: string, encoding: string, body: string, decoded: string])[] = [
  ['base64', 'base64', base64('hello world'), 'hello world'],
  ['base64 in odd lines', 'BASE64', 'aGVs\r\nbG8\r\n=', 'hello'],
  ['base64 with dirt', 'base64', 'aG!V*s bG8=', 'hello'],
  ['base64 without padding', 'base64', 'aGVsbG8', 'hello'],
  ['base64 padded in the middle', 'base64', 'aGVsbG8=IHdvcmxk', 'hello world'],
  ['base64 in a comment', ' base64 (so they say)', 'aGVsbG8=', 'hello'],
  ['misspelt base64', '"base64"', 'aGVsbG8=', 'hello'],
  ['quoted-printable', 'quoted-printable', 'h=65llo=20=\r\nworld =3D', 'hello world ='],
  [
    'quoted-printable with blanks at line ends',
    'Quoted-Printable',
    'hello  \r\nworld=  \r\n!',
    'hello\r\nworld!',
  ],
  ['quoted-printable with a stray equals sign', 'quoted-printable', 'a=zb=4', 'a=zb=4'],
  ['quoted-printable in small letters', 'quoted-printable', '=e4=bd=a0', '你'],
  ['8bit', '8bit', 'hello', 'hello'],
  ['x-uuencode', 'x-uuencode', uuencode('a.txt', 'hello world').join('\r\n'), 'hello world'],
]

for (const [title, encoding, body, decoded] of ENCODINGS) {
  test(`${title} is decoded, however it is cut`, (t) => {
    const message = data(
      `Content-Transfer-Encoding: ${encoding}`,
      'Content-Type: multipart-x/y; boundary=b',
      '',
      '--b',
      `Content-Transfer-Encoding: ${encoding}`,
      '',
      body,
      '--b--',
    )
    for (const cuts of [[], [1], [3], [7]]) {
      const part = report(message, { cuts }).parts.find((candidate) => candidate.path === '1')
      t.is(part?.size, Buffer.byteLength(decoded))
      t.is(part?.sha256, sha256(decoded))
    }
  })
}

test('the name of a uuencoded file is a name of its part', (t) => {
  const found = report(data('Content-Transfer-Encoding: x-uuencode', '', ...uuencode('evil.exe', EICAR)))
  t.deepEqual(allNames(found), ['evil.exe'])
  t.deepEqual(hits(found), [EICAR_NAME])
})

test('a uuencoded file inside of plain text is a part', (t) => {
  const found = report(
    data(
      'Subject: x',
      '',
      'see below',
      ...uuencode('evil.exe', EICAR),
      'that was it',
      ...uuencode('two.txt', 'x'),
    ),
  )
  t.deepEqual(found.parts.map((part) => [part.path, part.names, part.size]).slice(1), [
    ['1.uu1', ['evil.exe'], 68],
    ['1.uu2', ['two.txt'], 1],
  ])
  t.deepEqual(found.hits, [{ signature: EICAR_NAME, path: '1.uu1' }])
})

const TYPES: readonly (readonly [magic: string, bytes: string | Uint8Array])[] = [
  ['exe', 'MZ\x90\0'],
  ['elf', '\x7fELF\x02'],
  ['zip', 'PK\x03\x04'],
  ['rar', 'Rar!\x1a\x07\x01\0'],
  ['7z', Buffer.from('377abcaf271c0004', 'hex')],
  ['pdf', '%PDF-1.7'],
  ['pdf', 'junk before %PDF-1.4'],
  ['ole2', Buffer.from('d0cf11e0a1b11ae1', 'hex')],
  ['gzip', Buffer.from('1f8b0800', 'hex')],
  ['png', Buffer.from('89504e470d0a1a0a', 'hex')],
  ['java', Buffer.from('cafebabe00000034', 'hex')],
  ['macho', Buffer.from('cafebabe00000002', 'hex')],
  ['html', '  <!DOCTYPE html><p>'],
  ['text', 'just text'],
  ['tar', `${'x'.repeat(257)}ustar`],
  ['', Buffer.from('0001020304', 'hex')],
]

for (const [magic, bytes] of TYPES) {
  const raw = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes)
  test(`octets ${raw.subarray(0, 12).toString('hex')} are ${magic === '' ? 'unknown' : magic}`, (t) => {
    const part = report(data('Content-Type: image/png', 'Content-Transfer-Encoding: base64', '', base64(raw)))
      .parts[0]
    t.is(part?.magic, magic)
    t.is(part?.type, 'image/png')
  })
}

test('nesting beyond the limit is told, and what is inside is still scanned', (t) => {
  const lines: string[] = []
  for (let i = 0; i < 30; i++) lines.push(`Content-Type: multipart/mixed; boundary=b${i}_`, '', `--b${i}_`)
  const found = report(data(...lines, '', EICAR))
  t.deepEqual(found.limits, ['depth'])
  t.deepEqual(hits(found), [EICAR_NAME])
})

test('messages in messages in base64 beyond the limit are told', (t) => {
  let inner = `Subject: x\r\n\r\n${EICAR}`
  for (let i = 0; i < 25; i++)
    inner = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(inner)}`
  t.true(report(`${inner}\r\n.\r\n`).limits.includes('depth'))
})

test('more parts than the limit are told', (t) => {
  const lines = ['Content-Type: multipart/mixed; boundary=b', '']
  for (let i = 0; i < 1200; i++) lines.push('--b', '', 'x')
  const found = report(data(...lines, '--b--'))
  t.deepEqual(found.limits, ['parts'])
  t.is(found.parts.length, 1000)
})

test('a header longer than the limit is told, and its rest is body', (t) => {
  const fields = Array.from({ length: 3000 }, (_, i) => `X-Field-${i}: ${'x'.repeat(40)}`)
  const found = report(data(...fields, `X: ${EICAR}`, '', 'x'))
  t.deepEqual(found.limits, ['header'])
  t.deepEqual(hits(found), [EICAR_NAME])
  t.true(found.header.bytes <= 102_400)
})

test('one header line longer than the limit is told', (t) => {
  t.deepEqual(report(data(`X: ${'x'.repeat(200_000)}`, '', 'x')).limits, ['header'])
})

test('the outermost header is reported', (t) => {
  const { header } = report(
    data(
      'Received: one',
      'Received: two',
      'From: a',
      'To: b',
      'Date: c',
      'Message-ID: <1@x>',
      'Subject: =?utf-8?q?=C3=BC?=',
      ' b',
      'DKIM-Signature: v=1; h=From:To :',
      ' Message-ID; b=abc',
      'DKIM-Signature: h=date',
      '',
      'Received: not',
      'Subject: not',
    ),
  )
  t.deepEqual(header, {
    receivedCount: 2,
    hasFrom: true,
    hasDate: true,
    hasMessageId: true,
    hasRecipient: true,
    messageId: '<1@x>',
    subject: 'ü b',
    dkimSigned: ['date', 'from', 'message-id', 'to'],
    bytes: 187,
  })
  t.false(report(data('Subject: x', '', 'From: y')).header.hasFrom)
})

test('a header without an end counts as far as it goes', (t) => {
  t.is(report(data('From: a', 'To: b')).header.bytes, 16)
  t.is(report(data('From: a', 'no field', '', 'x')).header.bytes, 9)
})

test('ordinary mail has no defects', (t) => {
  const found = report(
    data(
      'Content-Type: multipart/mixed; boundary="=_1"',
      '',
      'This is a multi-part message in MIME format.',
      '',
      '--=_1',
      'Content-Type: text/plain',
      '',
      'text',
      '-- ',
      'signature',
      '--',
      'x',
      '',
      '--=_1',
      ...EXE_PART,
      '',
      '--=_1--',
      '',
    ),
  )
  t.deepEqual(found.defects, [])
  t.deepEqual(paths(found), ['1', '2'])
})
