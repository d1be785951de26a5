import test from 'ava'
import * as fc from 'fast-check'
import { bars, bytes, columns, cut, gauge, plain, rate, wrap } from '#src/console/text.ts'

test('nothing but printable ASCII comes out, whatever goes in, and no sign becomes many', (t) => {
  const safe = fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
    const shown = plain(text)
    t.regex(shown, /^[ -~]*$/)
    t.true(shown.length <= 3 * Array.from(text).length)
  })
  fc.assert(safe, { numRuns: 200 })
})

const PLAIN: readonly (readonly [string, string])[] = [
  ['Grüße aus Łódź', 'Gru?e aus ?odz'],
  ['\u001b]0;title\u0007\u001b[2J', '?]0;title??[2J'],
  ['“quoted” — it’s', '"quoted" - it\'s'],
  ['a\tb\r\nc', 'a b??c'],
  ['\u202egnp.exe', '?gnp.exe'],
  ['日本', '??'],
  ['\u009b31m', '?31m'],
]
for (const [at, [given, wanted]] of PLAIN.entries())
  test(`what is no ASCII becomes plain, case ${at + 1}`, (t) => {
    t.is(plain(given), wanted)
  })

test('a text is wrapped between words, a long word within, and nothing is lost', (t) => {
  t.deepEqual(wrap('one two three', 7), ['one two', 'three'])
  t.deepEqual(wrap('abcdefghij', 4), ['abcd', 'efgh', 'ij'])
  t.deepEqual(wrap('', 4), [''])
})

test('what is cut says so, and columns keep their widths', (t) => {
  t.is(cut('abcdef', 4), 'abc~')
  t.is(columns(['a', '12', 'rest'], [3, -4, 3]), 'a     12 re~')
})

test('sizes have three digits that count, and a little is not nothing', (t) => {
  t.deepEqual([0, 999, 1500, 123_456_789, 4_200_000_000].map(bytes), [
    '0 B',
    '999 B',
    '1.5 kB',
    '123 MB',
    '4.2 GB',
  ])
  t.deepEqual([0, 0.01, 1.25, 250.4].map(rate), ['0.0', '<0.1', '1.3', '250'])
})

test('bars are as high as the highest, anything at all is seen, and a gauge is as long as it should be', (t) => {
  t.is(bars([0, 0.01, 4, 8], 0.5), ' .=#')
  t.is(bars([0, 0], 0.5), '  ')
  t.is(gauge(0.5, 10), '[#####-----]')
  t.is(gauge(7, 4), '[####]')
})
