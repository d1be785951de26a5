import test from 'ava'
import * as fc from 'fast-check'
import { data, scan } from './support.ts'

interface Case {
  readonly title: string
  readonly input: string
  readonly output: string
  readonly ended?: boolean
  /** What is left for the command stream. */
  readonly rest?: string
  readonly bareLf?: boolean
  readonly bareCr?: boolean
}

const DATA_CASES: readonly Case[] = [
  {
    title: 'CRLF.CRLF ends DATA',
    input: 'a\r\n.\r\nQUIT\r\n',
    output: 'a\r\n',
    ended: true,
    rest: 'QUIT\r\n',
  },
  {
    title: '.CRLF at the very start is an empty message',
    input: '.\r\nQUIT\r\n',
    output: '',
    ended: true,
    rest: 'QUIT\r\n',
  },
  {
    title: 'a dot line in the middle is unstuffed',
    input: 'a\r\n..\r\n.\r\n',
    output: 'a\r\n.\r\n',
    ended: true,
  },
  { title: 'only the first dot of a line goes', input: '...a\r\n.\r\n', output: '..a\r\n', ended: true },
  { title: 'LF.LF is text', input: 'a\n.\nb\r\n.\r\n', output: 'a\r\n.\r\nb\r\n', ended: true, bareLf: true },
  {
    title: 'LF.CRLF is text and keeps its dot',
    input: 'a\n.\r\nb\r\n.\r\n',
    output: 'a\r\n.\r\nb\r\n',
    ended: true,
    bareLf: true,
  },
  { title: 'CR.CR is text', input: 'a\r.\rb\r\n.\r\n', output: 'a . b\r\n', ended: true, bareCr: true },
  {
    title: 'CR.CRLF is text',
    input: 'a\r.\r\nb\r\n.\r\n',
    output: 'a .\r\nb\r\n',
    ended: true,
    bareCr: true,
  },
  {
    title: 'CRLF.LF does not end DATA',
    input: 'a\r\n.\nb\r\n.\r\n',
    output: 'a\r\n\r\nb\r\n',
    ended: true,
    bareLf: true,
  },
  {
    title: 'CRLF.CR does not end DATA',
    input: 'a\r\n.\rb\r\n.\r\n',
    output: 'a\r\n b\r\n',
    ended: true,
    bareCr: true,
  },
  {
    title: 'CRLF NUL.CRLF does not end DATA',
    input: 'a\r\n\0.\r\nb\r\n.\r\n',
    output: 'a\r\n\0.\r\nb\r\n',
    ended: true,
  },
  {
    title: 'CRLF.NUL CRLF does not end DATA',
    input: 'a\r\n.\0\r\nb\r\n.\r\n',
    output: 'a\r\n\0\r\nb\r\n',
    ended: true,
  },
  {
    title: 'CRLF.CRCRLF does not end DATA',
    input: 'a\r\n.\r\r\nb\r\n.\r\n',
    output: 'a\r\n \r\nb\r\n',
    ended: true,
    bareCr: true,
  },
  {
    title: 'CRCRLF.CRLF ends DATA behind a space',
    input: 'a\r\r\n.\r\n',
    output: 'a \r\n',
    ended: true,
    bareCr: true,
  },
  {
    title: 'LFCR.CRLF is text',
    input: 'a\n\r.\r\nb\r\n.\r\n',
    output: 'a\r\n .\r\nb\r\n',
    ended: true,
    bareLf: true,
    bareCr: true,
  },
  { title: 'CRLF. CRLF (a blank) is text', input: 'a\r\n. \r\n.\r\n', output: 'a\r\n \r\n', ended: true },
  { title: 'without its end DATA goes on', input: 'a\r\n.', output: 'a\r\n', ended: false },
  { title: 'a held CR waits for its LF', input: 'a\r', output: 'a', ended: false, bareCr: true },
  {
    title: 'a bare LF before a stuffed dot line keeps both',
    input: 'a\n..\r\n.\r\n',
    output: 'a\r\n..\r\n',
    ended: true,
    bareLf: true,
  },
]

const BDAT_CASES: readonly Case[] = [
  { title: 'a dot line is text', input: 'a\r\n.\r\nb\r\n', output: 'a\r\n.\r\nb\r\n' },
  { title: 'no dot is taken off', input: '..a\r\n', output: '..a\r\n' },
  {
    title: 'LF.LF becomes CRLF.CRLF, which is stuffed when it is sent',
    input: 'a\n.\nb',
    output: 'a\r\n.\r\nb',
    bareLf: true,
  },
  { title: 'a bare CR becomes a space', input: 'a\rb', output: 'a b', bareCr: true },
  { title: 'a CR that ends the message is dropped', input: 'a\r', output: 'a', bareCr: true },
  { title: 'an empty message is empty', input: '', output: '' },
]

for (const [framing, cases] of [
  ['data', DATA_CASES],
  ['bdat', BDAT_CASES],
] as const) {
  for (const { title, input, output, ended = false, rest = '', bareLf = false, bareCr = false } of cases) {
    test(`${framing}: ${title}, however it is cut`, (t) => {
      for (const cuts of [[], [1], [2], [3], [1, 5]]) {
        const scanned = scan(input, { framing, cuts })
        t.is(scanned.output.toString('latin1'), output)
        t.is(scanned.ended, ended)
        t.is(input.slice(scanned.consumed), rest)
        t.is(scanned.report.bareLf, bareLf)
        t.is(scanned.report.bareCr, bareCr)
        t.is(scanned.report.bytes, output.length)
      }
    })
  }
}

/** The same in the plainest form: an octet at a time over the whole input. */
function model(
  input: string,
  framing: 'data' | 'bdat',
): { output: string; consumed: number; ended: boolean } {
  let output = ''
  let lineStart = true
  for (let i = 0; i < input.length;) {
    const rest = input.slice(i)
    if (lineStart && framing === 'data' && rest.startsWith('.')) {
      if (rest.startsWith('.\r\n')) return { output, consumed: i + 3, ended: true }
      i += 1
      lineStart = false
      if (rest === '.' || rest === '.\r') return { output, consumed: input.length, ended: false }
      continue
    }
    lineStart = rest.startsWith('\r\n')
    if (lineStart) {
      output += '\r\n'
      i += 2
    } else if (rest === '\r') {
      i += 1
    } else {
      const [c = ''] = rest
      output += c === '\n' ? '\r\n' : c === '\r' ? ' ' : c
      i += 1
    }
  }
  return { output, consumed: input.length, ended: false }
}

const wire = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.\r\n', 'a', 'text', '\0', 'ü', '--b', ' '), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''))
const cutting = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 5 })

test('any octets in any cut come out as the plainest form says', (t) => {
  fc.assert(
    fc.property(wire, cutting, fc.constantFrom('data', 'bdat'), (input, cuts, framing) => {
      const { output, consumed, ended } = scan(input, { framing, cuts })
      t.deepEqual({ output: output.toString('latin1'), consumed, ended }, model(input, framing))
    }),
    { numRuns: 2000 },
  )
})

test('what comes out has neither bare CR nor bare LF', (t) => {
  fc.assert(
    fc.property(wire, cutting, fc.constantFrom('data', 'bdat'), (input, cuts, framing) => {
      const text = scan(input, { framing, cuts }).output.toString('latin1').replaceAll('\r\n', '')
      t.notRegex(text, /[\r\n]/)
    }),
    { numRuns: 500 },
  )
})

test('NUL, 8-bit octets and the longest line are reported', (t) => {
  const clean = scan(data('Subject: x', '', 'hello')).report
  t.deepEqual([clean.nul, clean.eightBit, clean.longestLine], [false, false, 10])
  const odd = scan(data('', `${'x'.repeat(70_000)}\0\xe4`, 'short')).report
  t.deepEqual([odd.nul, odd.eightBit, odd.longestLine], [true, true, 70_002])
})

test('what follows the end of DATA is not looked at', (t) => {
  const { report } = scan('a\r\n.\r\n\0\xff\n\r')
  t.deepEqual([report.nul, report.eightBit, report.bareLf, report.bareCr], [false, false, false, false])
})
