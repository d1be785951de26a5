import test from 'ava'
import * as fc from 'fast-check'
import { BodyEncoder } from '#src/match/encoder.ts'
import { scan } from './support.ts'

function encode(input: Uint8Array, sizes: readonly number[] = [], mode: 'data' | 'bdat' = 'data'): string {
  const encoder = new BodyEncoder()
  encoder.begin(mode)
  let out = ''
  for (let at = 0, i = 0; at < input.length; i++) {
    const end = Math.min(
      input.length,
      at + (sizes.length === 0 ? input.length : (sizes[i % sizes.length] ?? 1)),
    )
    const room = Buffer.alloc(BodyEncoder.outputMax(end - at))
    out += room.toString('latin1', 0, encoder.write(input, at, end, room, 0))
    at = end
  }
  const room = Buffer.alloc(BodyEncoder.finishMax)
  return out + room.toString('latin1', 0, encoder.finish(room, 0))
}

const CASES: readonly (readonly [title: string, input: string, output: string])[] = [
  ['an empty message is a dot', '', '.\r\n'],
  ['a plain message gets its dot', 'a\r\nb\r\n', 'a\r\nb\r\n.\r\n'],
  ['a missing last CRLF is added', 'a', 'a\r\n.\r\n'],
  ['dots at line starts are stuffed', '.\r\n..a\r\nb.\r\n', '..\r\n...a\r\nb.\r\n.\r\n'],
  ['a bare LF becomes CRLF and a dot behind it is stuffed', 'a\n.\nb', 'a\r\n..\r\nb\r\n.\r\n'],
  ['a bare CR becomes a space', 'a\rb\r\r\n', 'a b \r\n.\r\n'],
  ['a CR at the end is a line end', 'a\r', 'a\r\n.\r\n'],
  ['a line of 998 octets stays', `${'x'.repeat(998)}\r\n`, `${'x'.repeat(998)}\r\n.\r\n`],
  ['a line of 999 octets is folded', `${'x'.repeat(999)}\r\n`, `${'x'.repeat(998)}\r\n x\r\n.\r\n`],
  [
    'the space of a fold counts',
    'x'.repeat(998 + 997 + 1),
    `${'x'.repeat(998)}\r\n ${'x'.repeat(997)}\r\n x\r\n.\r\n`,
  ],
  ['a stuffed dot does not count', `.${'x'.repeat(997)}\r\n`, `..${'x'.repeat(997)}\r\n.\r\n`],
]

for (const [title, input, output] of CASES) {
  test(`${title}, however it is cut`, (t) => {
    for (const sizes of [[], [1], [2], [3], [997], [998], [999]]) {
      t.is(encode(Buffer.from(input, 'latin1'), sizes), output)
    }
  })
}

const text = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', 'a', 'x'.repeat(700), '\0', 'ü'), {
    maxLength: 30,
  })
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'))

test('the cut makes no difference, no line is too long, and only the end is an end', (t) => {
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), (input, sizes) => {
      const whole = encode(input)
      t.is(encode(input, sizes), whole)
      t.true(whole.endsWith('.\r\n'))
      t.notRegex(whole.replaceAll('\r\n', ''), /[\r\n]/)
      const lines = whole.slice(0, -2).split('\r\n')
      t.is(lines.indexOf('.'), lines.length - 1)
      for (const line of lines) t.true(line.length <= (line.startsWith('.') ? 999 : 998))
    }),
    { numRuns: 500 },
  )
})

test('what was encoded is read back as it was, where no line is long', (t) => {
  const short = fc
    .array(fc.constantFrom('\r\n', '\r\n.', 'a', '.', '..', 'text'), { maxLength: 40 })
    .map((pieces) => `${pieces.join('')}\r\n`)
  fc.assert(
    fc.property(short, (input) => {
      t.is(scan(encode(Buffer.from(input))).output.toString(), input)
    }),
  )
})

test('as chunks it is what the receiver makes of DATA: nothing stuffed, no dot, the same lines', (t) => {
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), (input, sizes) => {
      const lines = encode(input).slice(0, -'.\r\n'.length).split('\r\n')
      const unstuffed = lines.map((line) => (line.startsWith('.') ? line.slice(1) : line)).join('\r\n')
      t.is(encode(input, sizes, 'bdat'), unstuffed)
    }),
    { numRuns: 500 },
  )
})
