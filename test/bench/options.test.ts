import test from 'ava'
import { loadText, parseOptions, UsageError } from './options.ts'

test('without options the whole matrix is measured for all three servers', (t) => {
  const options = parseOptions([])
  const plain = options?.loads.filter((load) => load.part === 'plain')
  t.is(plain?.length, 4 * 3 * 2)
  t.true(options?.loads.some((load) => load.part === 'slow' && load.sessions === 1))
  t.true(options?.loads.some((load) => load.part === 'mime'))
  t.deepEqual(options?.servers, ['postern', 'postfix-default', 'postfix-tuned'])
})

test('the quick form measures fewer loads, each part among them', (t) => {
  const options = parseOptions(['--quick'])
  t.true((options?.loads.length ?? 99) <= 8)
  t.deepEqual(new Set(options?.loads.map((load) => load.part)), new Set(['plain', 'mime', 'slow']))
})

test('sizes, sessions and reuse are crossed with each other', (t) => {
  const options = parseOptions(['--sizes', '1k,1m', '--sessions', '1,20', '--reuse', 'no'])
  t.deepEqual(
    options?.loads.map(loadText),
    ['1 KiB, 1 session', '1 KiB, 20 sessions', '1 MiB, 1 session', '1 MiB, 20 sessions'].map(
      (text) => `${text}, one per connection`,
    ),
  )
})

test('--slow leaves only the slow disk', (t) => {
  const options = parseOptions(['--slow', '--quick'])
  t.true((options?.loads.length ?? 0) > 0)
  t.true(options?.loads.every((load) => load.part === 'slow'))
})

test('a profile is of Postern alone', (t) => {
  const options = parseOptions(['--cpu-prof'])
  t.deepEqual(options?.servers, ['postern'])
  t.is(options?.loads.length, 1)
})

test('asking for help gives no options', (t) => {
  t.is(parseOptions(['--help']), undefined)
})

for (const argv of [
  ['--sizes', '10x'],
  ['--sizes', '0'],
  ['--sessions', '0'],
  ['--sessions', '1001'],
  ['--reuse', 'maybe'],
  ['--only', 'exim'],
  ['--parts', 'fast'],
  ['--rounds', '-1'],
  ['--rounds', 'x'],
  ['--no-such-option'],
  ['stray'],
]) {
  test(`'${argv.join(' ')}' is refused`, (t) => {
    t.throws(() => parseOptions(argv), { instanceOf: UsageError })
  })
}
