import test from 'ava'
import * as fc from 'fast-check'
import { changes } from '#src/console/diff.ts'
import type { Frame } from '#src/console/diff.ts'
import { Grid } from '#src/console/grid.ts'
import { Vt100 } from './support.ts'

const SIZE = { rows: 6, columns: 20 }

function frameOf(lines: readonly string[], reversed = -1): Frame {
  const grid = new Grid(SIZE)
  for (const [row, line] of lines.entries()) grid.put(row, 0, line, row === reversed ? 'reverse' : 'plain')
  return { grid, cursor: { row: 0, column: 0 } }
}

test('what does not change sends nothing', (t) => {
  t.is(changes(frameOf(['one', 'two']), frameOf(['one', 'two'])), '')
})

test('one changed digit costs its address, itself, and the way back of the cursor', (t) => {
  t.is(changes(frameOf(['rate  1.0']), frameOf(['rate  1.2'])), '\u001b[1;9H2\u001b[1;1H')
})

test('changes that lie close together are sent as one run, and a long rest of a line is erased', (t) => {
  t.is(changes(frameOf(['abcdefgh']), frameOf(['aXcdeYgh'])), '\u001b[1;2HXcdeY\u001b[1;1H')
  t.is(changes(frameOf(['abcdefgh']), frameOf(['ab'])), '\u001b[1;3H\u001b[K\u001b[1;1H')
})

test('a terminal of which nothing is known gets all of it, and a resize is the same', (t) => {
  const next = frameOf(['one'], 0)
  t.true(changes(undefined, next).startsWith('\u000f\u001b[m\u001b[H\u001b[2J'))
  const other: Frame = { grid: new Grid({ rows: 5, columns: 20 }), cursor: { row: 0, column: 0 } }
  t.is(changes(other, next), changes(undefined, next))
})

const LINES = fc.array(fc.string({ maxLength: 24, unit: 'binary' }), { maxLength: 7 })

test('whatever was shown, afterwards the terminal shows the new frame but for its last cell', (t) => {
  const shows = fc.property(LINES, LINES, fc.integer({ min: -1, max: 5 }), (before, after, reversed) => {
    const terminal = new Vt100(SIZE)
    const [first, second] = [frameOf(before), frameOf(after, reversed)]
    terminal.write(changes(undefined, first))
    terminal.write(changes(first, second))
    const last = SIZE.rows - 1
    const wanted = second.grid.lines().map((line, row) => (row === last ? line.slice(0, 19).trimEnd() : line))
    t.deepEqual(terminal.lines(), wanted)
    t.deepEqual(terminal.strange, [])
    if (reversed >= 0 && (after[reversed] ?? '') !== '') t.true(terminal.isReversed(reversed))
  })
  fc.assert(shows, { numRuns: 300 })
})
