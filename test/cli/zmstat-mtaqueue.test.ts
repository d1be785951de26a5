import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { MtaQueueMonitor } from '#src/cli/zmstat-mtaqueue.ts'
import { zmstatTime } from '#src/base/local-time.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { tempFolder } from '#test/support/temp.ts'

/** Noon of a day, wherever the test runs. */
const NOON_MS = new Date(2026, 10, 22, 12, 0, 0).getTime()

function monitor(file: string, sizes: (number | Error)[]) {
  const clock = new VirtualClock(NOON_MS)
  const ending = new AbortController()
  const warned: string[] = []
  const options = { intervalSeconds: 30, sizeMax: 1000, backoffSeconds: 30, intervalMaxSeconds: 100, file }
  const made = new MtaQueueMonitor(options, {
    clock,
    totals: () => {
      const size = sizes.shift() ?? 0
      return size instanceof Error
        ? Promise.reject(size)
        : Promise.resolve({ kilobytes: size * 2, messages: size })
    },
    warn: (text) => warned.push(text),
    signal: ending.signal,
  })
  const running = made.run()
  const end = async (): Promise<void> => {
    ending.abort()
    await running
  }
  return { made, clock, warned, end }
}

/** The lines of a file behind its heading: seconds since noon, size and count. */
function lines(file: string): string[] {
  const [heading, ...rest] = readFileSync(file, 'utf8').trimEnd().split('\n')
  if (heading !== 'timestamp, KBytes, requests') throw new Error(heading)
  return rest.map((line) => {
    const [at = '', kilobytes, messages] = line.split(', ')
    return `${(Date.parse(at) - NOON_MS) / 1000} ${kilobytes} ${messages}`
  })
}

test('times are those of zmstat', (t) => {
  t.is(zmstatTime(new Date(2026, 0, 2, 3, 4, 5).getTime()), '01/02/2026 03:04:05')
})

test('a line comes each interval, more seldom while the queue is large, and none for what could not be counted', async (t) => {
  using folder = tempFolder('zmstat')
  const file = join(folder.path, 'zmstat', 'mtaqueue.csv')
  const run = monitor(file, [1, new Error('busy'), 1001, 5000, 5000, 1000, 7])
  await run.clock.advance(500)
  await run.clock.advance(30_000 + 30_000 + 60_000 + 90_000 + 100_000 + 30_000)
  await run.end()
  t.deepEqual(lines(file), [
    '0 2 1',
    '60 2002 1001',
    '120 10000 5000',
    '210 10000 5000',
    '310 2000 1000',
    '340 14 7',
  ])
  t.deepEqual(run.warned, ['zmstat-mtaqueue: busy'])
})

test('the file of a day is set aside under that day, and none over another', async (t) => {
  using folder = tempFolder('zmstat-day')
  const file = join(folder.path, 'mtaqueue.csv')
  const run = monitor(file, [1, 2, 3])
  await run.clock.advance(500)
  run.made.rotate()
  await run.clock.advance(30_000)
  t.deepEqual(lines(file), ['30 4 2'])
  run.clock.leap(86_400_000)
  await run.clock.advance(30_000)
  await run.end()
  t.deepEqual(lines(file), ['86460 6 3'])
  const aside = join(folder.path, '2026-11-22')
  t.deepEqual(readdirSync(aside).toSorted(), ['mtaqueue.csv', 'mtaqueue.csv.1'])
  t.deepEqual(lines(join(aside, 'mtaqueue.csv.1')), ['30 4 2'])
})

test('a file that is there is gone on with', async (t) => {
  using folder = tempFolder('zmstat-again')
  const file = join(folder.path, 'zmstat', 'mtaqueue.csv')
  mkdirSync(join(folder.path, 'zmstat'))
  for (const size of [1, 2]) {
    const run = monitor(file, [size])
    await run.clock.advance(500)
    await run.end()
  }
  t.deepEqual(lines(file), ['0 2 1', '0 4 2'])
})
