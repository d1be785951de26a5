import { Buffer } from 'node:buffer'
import test from 'ava'
import { MessageScanner } from '#src/match/scanner.ts'
import type { ScanReport } from '#src/match/types.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { LIMITS } from '#test/match/support.ts'

const MESSAGE = [
  'Subject: outer',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain;',
  '\tcharset="caf\u00e9"',
  'X-Odd : 1',
  '',
  'text',
  '--b',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'From: a@b.example',
  '',
  'body',
  '--b--',
  '',
].join('\r\n')

function scan(keepHeaders: boolean, cut: number): ScanReport {
  using signatures = SignatureSet.build([], {})
  using scanner = new MessageScanner(signatures, {
    limits: { ...LIMITS, keepHeaders },
    bareNewline: 'normalize',
  })
  const message = Buffer.from(MESSAGE, 'latin1')
  const out = Buffer.alloc(MessageScanner.outputMax(message.length))
  scanner.begin('bdat')
  scanner.write(message, 0, cut, out, 0)
  scanner.write(message, cut, message.length, out, 0)
  return scanner.finish()
}

test('the headers of parts are reported as they stand, wherever the message is cut, and only when asked for', (t) => {
  for (let cut = 0; cut <= MESSAGE.length; cut += 1)
    t.deepEqual(scan(true, cut).headers, [
      { message: false, text: 'Content-Type: text/plain;\r\n\tcharset="caf\u00e9"\r\nX-Odd : 1\r\n' },
      { message: false, text: 'Content-Type: message/rfc822\r\n' },
      { message: true, text: 'Subject: inner\r\nFrom: a@b.example\r\n' },
    ])
  t.is(scan(false, 0).headers, undefined)
})
