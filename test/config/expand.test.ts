import * as fc from 'fast-check'
import test from 'ava'
import { expand } from '#src/config/expand.ts'

const KNOWN: ReadonlyMap<string, string> = new Map([
  ['a', 'A'],
  ['empty', ''],
  ['b', '<$a>'],
  ['self', '$self'],
  ['one', '$two'],
  ['two', '${one}'],
  ['grows', '$doubles$doubles'],
  ['doubles', '$a'.repeat(40_000)],
])
const lookup = (name: string) => KNOWN.get(name)

for (const [text, expected] of [
  ['plain', 'plain'],
  ['', ''],
  ['$a', 'A'],
  ['x$a.y', 'xA.y'],
  ['${a}b', 'Ab'],
  ['$(a)b', 'Ab'],
  ['$b', '<A>'],
  ['$$a', '$a'],
  ['${a?set}', 'set'],
  ['${empty?set}', ''],
  ['${a:unset}', ''],
  ['${empty:unset}', 'unset'],
  ['${a?{x}:{y}}', 'x'],
  ['${empty?{x}:{y}}', 'y'],
  ['${empty ? {x} : {$b}}', '<A>'],
  // Zimbra's own defaults.
  ['${stress?3}${stress:5}', '5'],
  ['${no_such_ttl?{$no_such_ttl}:{1}}h', '1h'],
  ['$default_transport_rate_delay', '0s'],
] as const) {
  test(`${JSON.stringify(text)} is ${JSON.stringify(expected)}`, (t) => {
    t.deepEqual(expand(text, lookup), { kind: 'text', text: expected })
  })
}

for (const [text, reason] of [
  ['$nothing', 'refers to $nothing, which is not known'],
  ['${nothing}', 'refers to $nothing, which is not known'],
  ['$', 'has a $ without a name behind it; a dollar is written $$'],
  ['a $ b', 'has a $ without a name behind it; a dollar is written $$'],
  ['${a', 'has a brace that is not closed'],
  ['${a?{x}:{y}', 'has a brace that is not closed'],
  ['${a+b}', 'has "a+b" in braces'],
  ['${a?{x}y}', 'has "y" behind braces'],
  ['$self', 'refers to itself'],
  ['$one', 'refers to itself'],
  ['$grows', 'grows too long'],
] as const) {
  test(`${JSON.stringify(text)} cannot be expanded`, (t) => {
    t.deepEqual(expand(text, lookup), { kind: 'wrong', reason })
  })
}

test('whatever the text, it is expanded or refused', (t) => {
  const piece = fc.constantFrom(
    '$',
    '{',
    '}',
    '(',
    ')',
    '?',
    ':',
    'a',
    'empty',
    'self',
    ' ',
    '$a',
    '${',
    '$$',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const done = expand(pieces.join(''), lookup)
      return done.kind === 'text' || done.reason !== ''
    }),
  )
  t.pass()
})
