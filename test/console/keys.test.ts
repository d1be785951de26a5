import test from 'ava'
import * as fc from 'fast-check'
import { KeyReader } from '#src/console/keys.ts'

const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ['a letter and Enter', 'a\r', ['a', 'enter']],
  ['both kinds of backspace', '\u0008\u007f', ['backspace', 'backspace']],
  ['arrows of a VT100 in either mode', '\u001b[A\u001bOB', ['up', 'down']],
  [
    'Page Up and Home of a VT220, and Home of xterm',
    '\u001b[5~\u001b[1~\u001b[H',
    ['page-up', 'home', 'home'],
  ],
  ['an arrow with Shift', '\u001b[1;2A', ['up']],
  ['Page Down with Ctrl', '\u001b[6;5~', ['page-down']],
  ['a function key of the Linux console presses nothing', '\u001b[[Ax', ['x']],
  ['a function key of xterm presses nothing', '\u001b[15~\u001bOPx', ['x']],
  ['Alt with a key presses nothing', '\u001bdx', ['x']],
  ['a title that a terminal reports presses nothing', '\u001b]lq\u0007\u001bPdq\u001b\\x', ['x']],
  ['the device attributes that a terminal reports press nothing', '\u001b[?1;2c', []],
  ['letters beyond ASCII press nothing', '\u00e4\u20acx', ['x']],
  ['Ctrl-L, Ctrl-C, Ctrl-U', '\u000c\u0003\u0015', ['redraw', 'interrupt', 'clear']],
  ['the answer to the question for the size', '\u001b[40;100R', ['size 40 100']],
]

function named(octets: Buffer, pieces: number): readonly string[] {
  const reader = new KeyReader()
  const keys: string[] = []
  for (let at = 0; at < octets.length; at += pieces)
    for (const key of reader.read(octets.subarray(at, at + pieces)))
      keys.push(
        key.kind === 'char' ? key.char : key.kind === 'size' ? `size ${key.rows} ${key.columns}` : key.kind,
      )
  return keys
}

for (const [what, text, wanted] of CASES)
  test(`keys, in one piece or octet by octet: ${what}`, (t) => {
    t.deepEqual(named(Buffer.from(text), 1000), wanted)
    t.deepEqual(named(Buffer.from(text), 1), wanted)
  })

test('ESC alone is a key when nothing follows, and a sequence that was cut off is none', (t) => {
  const reader = new KeyReader()
  t.deepEqual(reader.read(Buffer.from('\u001b')), [])
  t.true(reader.waiting)
  t.deepEqual(reader.rest(), [{ kind: 'escape' }])
  t.false(reader.waiting)
  reader.read(Buffer.from('\u001b[1;'))
  t.deepEqual(reader.rest(), [])
  t.deepEqual(reader.read(Buffer.from('x')), [{ kind: 'char', char: 'x' }])
})

test('whatever noise comes, a key that is pressed after a pause is that key', (t) => {
  const noise = fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    const reader = new KeyReader()
    reader.read(octets)
    reader.rest()
    t.deepEqual(reader.read(Buffer.from('q')), [{ kind: 'char', char: 'q' }])
  })
  fc.assert(noise, { numRuns: 500 })
})
