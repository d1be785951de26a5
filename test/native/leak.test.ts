import test from 'ava'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import { data, EICAR, LIMITS, ndb, scanWith } from '#test/match/support.ts'

const base64 = Buffer.from(EICAR).toString('base64')
const MAIL = Buffer.from(
  data(
    'Subject: x',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: a/b; name="=?utf-16?q?a?="',
    'Content-Transfer-Encoding: base64',
    '',
    base64,
    '--b',
    'Content-Type: message/rfc822',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(`Subject: x\n\n${EICAR}`).toString('base64'),
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

/** A leak of a hundred octets a message would be more. */
const NOISE_BYTES = 24 * 1024 * 1024

test.serial('memory does not grow with the number of messages', (t) => {
  using signatures = SignatureSet.build([ndb('A:0:*:6162636465*7a7a7a7a')])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  t.true(grownBytes(20_000, () => scanWith(scanner, MAIL)) < NOISE_BYTES)
})

test.serial('memory does not grow with the number of scanners and signature sets', (t) => {
  const text = ndb(
    ...Array.from(
      { length: 50 },
      (_, i) => `A.${i}:0:*:${Buffer.from(`signature number ${i}`).toString('hex')}`,
    ),
  )
  const grown = grownBytes(300, () => {
    using signatures = SignatureSet.build([text])
    using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
    scanWith(scanner, MAIL)
  })
  t.true(grown < NOISE_BYTES)
})

test.serial('a message of 50 MB is scanned, twice, in the memory of a small one', (t) => {
  using signatures = SignatureSet.build([])
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  const head = Buffer.from(
    'Content-Type: application/x; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n',
  )
  const block = Buffer.from(`${'QUJD'.repeat(19)}\r\n`.repeat(800))
  const end = Buffer.from(`${base64}\r\n.\r\n`)
  const out = Buffer.alloc(MessageScanner.outputMax(block.length))
  const blocks = Math.ceil(50_000_000 / block.length)
  const before = process.memoryUsage.rss()
  scanner.begin('data')
  scanner.write(head, 0, head.length, out, 0)
  for (let i = 0; i < blocks; i++) scanner.write(block, 0, block.length, out, 0)
  scanner.write(end, 0, end.length, out, 0)
  t.true(scanner.ended)
  t.true(scanner.finish().needsRecheck)
  scanner.beginRecheck()
  scanner.recheck(head)
  for (let i = 0; i < blocks; i++) scanner.recheck(block)
  scanner.recheck(end.subarray(0, -3))
  t.deepEqual(
    scanner.finishRecheck().hits.map((hit) => hit.path),
    ['1'],
  )
  t.true(process.memoryUsage.rss() - before < NOISE_BYTES)
})
