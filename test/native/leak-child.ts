/**
 * Does one kind of work over and over and prints by how many octets resident memory grew. A process of its own:
 * other tests run in threads of the process that ava runs in.
 */
import assert from 'node:assert/strict'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { base64, data, EICAR, EICAR_NAME, LIMITS, ndb, scanWith } from '#test/match/support.ts'

const MAIL = Buffer.from(
  data(
    'Subject: x',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: a/b; name="=?utf-16?q?a?="',
    'Content-Transfer-Encoding: base64',
    '',
    base64(EICAR),
    '--b',
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: base64',
    '',
    base64(`Subject: x\n\n${EICAR}`),
    '--bx',
    'X: y',
    '',
    'begin 644 a.b',
    '#8V%T',
    'end',
    '--b--',
  ),
)

/** Resident memory after `rounds` of `work`, garbage collected as far as it goes without flags. */
function grownBytes(rounds: number, work: () => void): number {
  const warm = Math.ceil(rounds / 2)
  for (let i = 0; i < warm; i++) work()
  const before = process.memoryUsage.rss()
  for (let i = 0; i < rounds; i++) work()
  return process.memoryUsage.rss() - before
}

function messages(): number {
  using signatures = SignatureSet.build([ndb('A:0:*:6162636465*7a7a7a7a')])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  return grownBytes(20_000, () => scanWith(scanner, MAIL))
}

function sets(): number {
  const lines = Array.from(
    { length: 50 },
    (_, i) => `A.${i}:0:*:${Buffer.from(`signature number ${i}`).toString('hex')}`,
  )
  return grownBytes(300, () => {
    using signatures = SignatureSet.build([ndb(...lines)])
    using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
    scanWith(scanner, MAIL)
  })
}

function large(): number {
  using signatures = SignatureSet.build([])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  const head = Buffer.from(
    'Content-Type: application/x; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n',
  )
  const block = Buffer.from(`${'QUJD'.repeat(19)}\r\n`.repeat(800))
  const end = Buffer.from(`${base64(EICAR)}\r\n.\r\n`)
  const out = Buffer.alloc(MessageScanner.outputMax(block.length))
  const blocks = Math.ceil(50_000_000 / block.length)
  const before = process.memoryUsage.rss()
  scanner.begin('data')
  for (const bytes of [head, ...Array.from({ length: blocks }, () => block), end]) {
    scanner.write(bytes, 0, bytes.length, out, 0)
  }
  assert(scanner.ended && scanner.finish().needsRecheck)
  scanner.beginRecheck()
  for (const bytes of [head, ...Array.from({ length: blocks }, () => block), end.subarray(0, -3)])
    scanner.recheck(bytes)
  assert.deepEqual(scanner.finishRecheck().hits, [{ signature: EICAR_NAME, path: '1' }])
  return process.memoryUsage.rss() - before
}

const WORK: Readonly<Record<string, () => number>> = { messages, sets, large }
process.stdout.write(String(WORK[process.argv[2] ?? '']?.()))
