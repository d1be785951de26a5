import test from 'ava'
import * as fc from 'fast-check'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { data, EICAR, LIMITS, ndb, scanWith } from './support.ts'

const hex = (text: string): string => Buffer.from(text).toString('hex')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

const signatures = SignatureSet.build([
  ndb(
    `Far:0:*:${hex('first part')}{-3000}${hex('second part')}`,
    `Start:0:0:${hex('MZ')}??${hex('start')}`,
    `Text:7:*:${hex('some words')}`,
    `End:0:EOF-8:${hex('the end!')}`,
  ),
])
const scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })

const MESSAGE = Buffer.from(
  data(
    'Received: a',
    'DKIM-Signature: h=from',
    'Content-Type: multipart/mixed;',
    ' boundary="b"',
    '',
    'preamble',
    '--x',
    'Content-Type: text/plain; name=guess.txt',
    '',
    'SOME',
    'Words',
    '--b',
    'Content-Type: application/octet-stream',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename*0="ev"; filename*1="il.exe"',
    '',
    base64(`MZ.start first part ${'.'.repeat(100)} second part ${EICAR} the end!`).replaceAll(
      /.{60}/g,
      '$&\r\n',
    ),
    '--b',
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Subject: =3D?utf-8?q?x?=3D',
    '',
    'begin 644 a.txt',
    '#8V%T',
    'end',
    '--bx',
    'X: y',
    '',
    '..dot',
    '--b--',
    'epilogue',
    '--b',
    '',
    `first part ${EICAR}`,
  ),
  'latin1',
)

test('a message cut at any one place gives the same report and output', (t) => {
  const whole = scanWith(scanner, MESSAGE)
  t.deepEqual(whole.report.hits.map((hit) => hit.signature).toSorted(), [
    'Eicar-Test-Signature',
    'Eicar-Test-Signature',
    'End',
    'Far',
    'Start',
    'Text',
  ])
  for (let cut = 1; cut < MESSAGE.length; cut++) {
    t.deepEqual(
      scanWith(scanner, MESSAGE, { cuts: [cut, MESSAGE.length], recheckCuts: [cut, MESSAGE.length] }),
      whole,
    )
  }
})

const lines = fc.array(
  fc.constantFrom(
    '--b',
    '--b--',
    '--bc',
    '--B',
    '--x',
    '--',
    'Content-Type: multipart/mixed; boundary=b',
    'Content-Type: multipart/mixed; boundary=x',
    'Content-Type: message/rfc822',
    'Content-Type: text/plain; name="a',
    'Content-Transfer-Encoding: base64',
    'Content-Transfer-Encoding: quoted-printable',
    'Content-Transfer-Encoding: x-uuencode',
    '',
    '',
    '',
    ' folded',
    'no field',
    '.',
    '..',
    base64(EICAR),
    EICAR,
    'begin 644 f.exe',
    '#8V%T',
    'end',
    '=4d=5a=',
    base64('Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n--b\r\n'),
  ),
  { maxLength: 30 },
)
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r')

test('any structure cut in any way gives the same report and output', (t) => {
  fc.assert(
    fc.property(
      lines,
      lineEnd,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom('data', 'bdat'),
      (all, end, cuts, framing) => {
        const message = Buffer.from(`${all.join(end)}\r\n.\r\n`, 'latin1')
        t.deepEqual(
          scanWith(scanner, message, { framing, cuts, recheckCuts: cuts.toReversed() }),
          scanWith(scanner, message, { framing }),
        )
      },
    ),
    { numRuns: 3000 },
  )
})
