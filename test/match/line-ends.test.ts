import test from 'ava'
import { createHash } from 'node:crypto'
import { MessageScanner } from '#src/match/scanner.ts'
import { SignatureSet } from '#src/match/signatures.ts'
import type { SignatureSource } from '#src/match/types.ts'
import { base64, data, LIMITS, ndb, scanWith, type ScanOptions } from './support.ts'

/** Names of what a scan finds. */
function hitsOf(sources: readonly SignatureSource[], message: string, options: ScanOptions = {}): string[] {
  using signatures = SignatureSet.build(sources)
  using scanner = new MessageScanner(signatures, { limits: LIMITS, bareNewline: 'normalize' })
  return scanWith(scanner, Buffer.from(message, 'latin1'), options).report.hits.map((hit) => hit.signature)
}

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
const file = (kind: 'hdb' | 'hsb', line: string): SignatureSource => ({
  name: `test.${kind}`,
  kind,
  text: Buffer.from(line),
})

/** One part of lines in an encoding. */
function mail(encoding: string, ...lines: string[]): string {
  const header = [`Content-Transfer-Encoding: ${encoding}`, 'Content-Type: a/b', '']
  return data('Content-Type: multipart/mixed; boundary=b', '', '--b', ...header, ...lines, '--b--')
}

const digest = (text: string): string =>
  `${createHash('sha1').update(text).digest('hex')}:${text.length}:Test.Sha1`

test('a file that came as lines is found by the digest that it had before, whatever its line ends were', (t) => {
  const cases: readonly (readonly [file: string, message: string, found: boolean])[] = [
    ['one\ntwo\n', mail('7bit', 'one', 'two'), true],
    ['one\ntwo', mail('7bit', 'one', 'two'), true],
    ['one\r\ntwo', mail('7bit', 'one', 'two'), true],
    ['one\ntwo\n', mail('quoted-printable', '=6fne', 't=', 'wo'), true],
    ['one\ntwo\n', mail('7bit', 'one', 'two', ''), true],
    ['one\ntwo\n\n', mail('7bit', 'one', 'two', ''), false],
    ['one\ntwo\n', mail('base64', base64('one\r\ntwo\r\n')), false],
    ['a\rb\n', mail('quoted-printable', 'a=0Db'), true],
  ]
  for (const [text, message, found] of cases) {
    for (const cuts of [[1], [1000]]) {
      const hits = hitsOf([file('hsb', digest(text))], message, { cuts, recheckCuts: cuts })
      t.is(hits.length > 0, found, JSON.stringify([text, message]))
    }
  }
})

test('an LF in a signature for mail is one of a mail as well, where each line ends with CRLF', (t) => {
  const cases: readonly (readonly [pattern: string, found: boolean])[] = [
    [hex('one\ntwo'), true],
    [`${hex('one')}0A${hex('two')}`, true],
    [hex('one\r\ntwo'), true],
    [`${hex('one')}(0a|20)${hex('two')}`, true],
    [`${hex('on')}{1-2}0a${hex('two')}`, true],
    [`${hex('one')}??0a${hex('two')}`, true],
    [`${hex('one')}!(0a|20)0a${hex('two')}`, true],
    [`${hex('one')}a0${hex('two')}`, false],
  ]
  for (const [pattern, found] of cases) {
    for (const target of [0, 4]) {
      const sources = [ndb(`Test.Sig:${target}:*:${pattern}`)]
      t.is(hitsOf(sources, data('Subject: x', '', 'one', 'two')).length > 0, found, pattern)
      using set = SignatureSet.build(sources)
      t.is(set.info.signatures, 2)
      t.deepEqual(set.info.problems, [])
    }
  }
})

test('a line for other versions of ClamAV is left out without a word', (t) => {
  using signatures = SignatureSet.build([
    ndb(
      `Test.A:0:*:${hex('marker')}:1`,
      `Test.B:0:*:${hex('marker')}:1:255`,
      `Test.C:0:*:${hex('marker')}::`,
      `Test.D:0:*:${hex('marker')}:1:100`,
      `Test.E:0:*:${hex('marker')}:9999`,
    ),
    file('hdb', `${'0'.repeat(32)}:1:Test.F:9999\n${'1'.repeat(32)}:*:Test.G:73\n`),
  ])
  t.is(signatures.info.signatures, 5)
  t.deepEqual(signatures.info.problems, [])
})
