import { Buffer } from 'node:buffer'
import test from 'ava'
import { PatternTable } from '#src/scan/pattern-table.ts'

const found = (table: PatternTable, subject: string): string | undefined => {
  const result = table.lookUp(Buffer.from(subject))
  return result.kind === 'found' ? result.value : undefined
}

const CASES: readonly (readonly [what: string, table: string, subject: string, value: string | undefined])[] =
  [
    [
      'a pattern that matches gives its text',
      '/^Subject: offer/ REJECT no offers',
      'subject: OFFER',
      'REJECT no offers',
    ],
    ['one that does not gives nothing', '/^Subject: offer/ REJECT', 'Subject: an offer', undefined],
    ['the first that matches counts', '/a/ ONE\n/b/ TWO', 'b and a', 'ONE'],
    ['i turns the case on again', '/^X: a/i ONE', 'x: A', undefined],
    ['a dot matches a fold', '/^X:.*end$/ ONE', 'X: begin\n end', 'ONE'],
    ['s turns that off', '/^X:.*end$/s ONE', 'X: begin\n end', undefined],
    ['m finds the beginning of a folded line', '/^ end/m ONE', 'X: begin\n end', 'ONE'],
    ['x allows blanks in a pattern', '/^X: \\s* a  b/x ONE', 'X:ab', 'ONE'],
    ['U takes as little as it can', '/^X:(.*)b/U WARN $1', 'X:abab', 'WARN a'],
    ['any delimiter will do', '%^X:%i ONE\n|^Y:| TWO', 'Y: 1', 'TWO'],
    ['a backslash hides the delimiter', '/a\\/b/ ONE', 'a/b', 'ONE'],
    ['! turns a pattern round', '!/^X:/ ONE', 'Y:', 'ONE'],
    ['two ! are none', '!!/^X:/ ONE', 'Y:', undefined],
    ['groups are put in', '/^(\\w+): (.*)$/ WARN ${2}-$(1)-$$', 'X: a b', 'WARN a b-X-$'],
    ['a group that took no part is empty', '/^X: (a)?(b)/ WARN [$1][$2]', 'X: b', 'WARN [][b]'],
    ['comments and empty lines mean nothing', '# /a/ ONE\n\n  # more\n/a/ TWO', 'a', 'TWO'],
    [
      'a line that begins with a blank goes on with the one before',
      '/a/ WARN\n  one\n\ttwo',
      'a',
      'WARN  one\ttwo',
    ],
    ['what stands in if counts where it matches', 'if /^X:/\n/a/ ONE\nendif\n/a/ TWO', 'X: a', 'ONE'],
    ['and nowhere else', 'if /^X:/\n/a/ ONE\nendif\n/a/ TWO', 'Y: a', 'TWO'],
    ['if ! likewise', 'if !/^X:/\n/a/ ONE\nendif\n/a/ TWO', 'Y: a', 'ONE'],
    ['if within if', 'if /^X:/\nif /b/\n/a/ ONE\nendif\n/a/ TWO\nendif\n/a/ THREE', 'X: a', 'TWO'],
    ['octets that are no text are matched as they are', '/^X: ..$/ ONE', 'X: ab', 'ONE'],
  ]

for (const [what, text, subject, value] of CASES)
  test(what, (t) => {
    const table = new PatternTable(text, 'pcre')
    t.deepEqual(table.problems, [])
    t.is(found(table, subject), value)
  })

const POSIX: readonly (readonly [what: string, table: string, subject: string, value: string | undefined])[] =
  [
    ['extended by default', '/^X-(foo|bar)+:[[:space:]]*(.*)/ WARN $2', 'x-foobar:  here', 'WARN here'],
    ['x makes it basic', '/^X-\\(foo\\)*:/x ONE', 'X-foofoo:', 'ONE'],
    ['i minds the case', '/^x:/i ONE', 'X:', undefined],
    ['a dot matches a fold', '/^X:.*end$/ ONE', 'X: a\n end', 'ONE'],
    ['m: it does not', '/^X:.*end$/m ONE', 'X: a\n end', undefined],
  ]

for (const [what, text, subject, value] of POSIX)
  test(`regexp: ${what}`, (t) => {
    const table = new PatternTable(text, 'regexp')
    t.deepEqual(table.problems, [])
    t.is(found(table, subject), value)
  })

const WRONG: readonly (readonly [line: string, reason: RegExp])[] = [
  ['/a REJECT', /has no second \//],
  ['word REJECT', /no pattern/],
  ['/(a/ REJECT', /parenthes/],
  ['/a/q REJECT', /no flag "q"/],
  ['/a/i-REJECT', /blank is missing/],
  ['!/(a)/ REJECT $1', /no groups/],
  ['/a/ REJECT $', /names no group/],
  ['endif', /without "if"/],
  ['if /a/ REJECT', /ignored: REJECT/],
]

for (const [line, reason] of WRONG)
  test(`a wrong line is told by its number, and the others count: ${line}`, (t) => {
    const table = new PatternTable(
      `# one\n${line}\n/zzz/ FOUND\n${line.startsWith('if') ? 'endif' : ''}`,
      'pcre',
    )
    t.is(table.problems.length, 1)
    t.is(table.problems[0]?.line, 2)
    t.regex(table.problems[0]?.reason ?? '', reason)
    if (!line.startsWith('if')) t.is(found(table, 'zzz'), 'FOUND')
  })

test('what stands in an if that is none does not count, and what is behind it does', (t) => {
  const table = new PatternTable('if /(a/\n/b/ ONE\nif /c/\n/b/ TWO\nendif\nendif\n/b/ THREE', 'pcre')
  t.is(table.problems.length, 1)
  t.is(found(table, 'bc'), 'THREE')
})

test('an if without its endif is told, and holds to the end', (t) => {
  const table = new PatternTable('if /a/\n/b/ ONE', 'pcre')
  t.regex(table.problems[0]?.reason ?? '', /without "endif"/)
  t.is(found(table, 'ab'), 'ONE')
  t.is(found(table, 'b'), undefined)
})

test('a pattern that backtracks without end is given up, and nobody waits for it', (t) => {
  const table = new PatternTable('/^X: (a+)+$/ REJECT', 'pcre')
  const result = table.lookUp(Buffer.from(`X: ${'a'.repeat(50_000)}b`))
  t.is(result.kind, 'given-up')
  t.is(found(table, 'X: aaa'), 'REJECT')
})
