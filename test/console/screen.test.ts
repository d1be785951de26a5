import test from 'ava'
import { Grid } from '#src/console/grid.ts'
import type { Frame } from '#src/console/diff.ts'
import { Screen } from '#src/console/screen.ts'
import { Vt100 } from './support.ts'
import { until } from '#test/support/wait.ts'

const SIZE = { rows: 24, columns: 80 }

function frameOf(text: string): Frame {
  const grid = new Grid(SIZE)
  for (let row = 0; row < SIZE.rows; row += 1) grid.put(row, 0, `${text} ${row}`)
  return { grid, cursor: { row: 0, column: 0 } }
}

/** A line that takes so many octets, and then none until it is given more. */
class SlowLine {
  readonly terminal = new Vt100(SIZE)
  room: number
  taken = 0

  constructor(room: number) {
    this.room = room
  }

  readonly send = (octets: Uint8Array): number => {
    const some = octets.subarray(0, this.room)
    if (some.length === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' })
    this.room -= some.length
    this.taken += some.length
    this.terminal.write(Buffer.from(some).toString('latin1'))
    return some.length
  }
}

test('a line that stalls gets the rest of its frame and then the newest, and none in between', async (t) => {
  const line = new SlowLine(30)
  using screen = new Screen(line.send, (error) => t.fail(String(error)))
  screen.show(frameOf('first'))
  t.true(screen.stalled)
  for (let n = 0; n < 1000; n += 1) screen.show(frameOf(`number ${n}`))
  t.is(line.taken, 30)
  line.room = 1_000_000
  await until('the line has everything', () => (screen.stalled ? undefined : true))
  t.is(line.terminal.lines()[3], 'number 999 3')
  t.deepEqual(line.terminal.strange, [])
  t.true(line.taken < 1500, `two frames, and not a thousand: ${line.taken}`)
  t.is(screen.sent, line.taken)
})

function brokenLine(): number {
  throw Object.assign(new Error('i/o error'), { code: 'EIO' })
}

test('a line that is gone is told once, and nothing waits for it', (t) => {
  const gone: unknown[] = []
  using screen = new Screen(brokenLine, (error) => gone.push(error))
  screen.show(frameOf('x'))
  t.is(gone.length, 1)
})

test('after it was forgotten the whole frame is sent again', (t) => {
  const line = new SlowLine(1_000_000)
  using screen = new Screen(line.send, (error) => t.fail(String(error)))
  screen.show(frameOf('same'))
  const once = line.taken
  screen.show(frameOf('same'))
  t.is(line.taken, once)
  screen.forget()
  screen.show(frameOf('same'))
  t.is(line.taken, 2 * once)
})
