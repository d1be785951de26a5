import test from 'ava'
import { Progress } from '#src/queue/progress.ts'
import type { QueueReader } from '#src/queue/queue-reader.ts'
import { memoryLog } from '#src/base/log.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { newMessage, recipient, scratch, startQueue } from './support.ts'

const HALF_AN_HOUR_MS = 1_800_000

function watching(reader: QueueReader, clock: VirtualClock, tried: ReadonlySet<number>) {
  const log = memoryLog()
  const progress = new Progress({
    reader,
    clock,
    log,
    isTried: (seq) => tried.has(seq),
    onError: (error) => log.write('error', 'qmgr.store_error', { reason: String(error) }),
  })
  const said = (): string[] => log.lines.map(({ facts }) => String(facts['state']))
  return { log, progress, said }
}

test('mail that is due and not tried is told of once, with the way out, and once when it moves again', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const message = newMessage({ recipients: [recipient('slow@far.example')] })
  t.is(await queue.client.submit(message), 'queued')
  const clock = new VirtualClock(Date.now() + 1000)
  const tried = new Set<number>()
  const { log, progress, said } = watching(queue.reader, clock, tried)
  progress.start()
  await clock.advance(HALF_AN_HOUR_MS - 60_000)
  t.deepEqual(said(), [])
  t.true(progress.report().oldestDueMs > HALF_AN_HOUR_MS - 120_000)
  await clock.advance(600_000)
  t.deepEqual(said(), ['stalled'])
  t.like(log.lines[0]?.facts, { id: message.id, to: 'slow@far.example' })
  t.regex(String(log.lines[0]?.facts['reason']), /postern queue domains/)
  t.like(progress.report(), { oldestDueId: message.id, stalled: true })
  await clock.advance(600_000)
  t.deepEqual(said(), ['stalled'], 'and not again')
  tried.add(1)
  await clock.advance(60_000)
  t.deepEqual(said(), ['stalled', 'moving'])
  t.deepEqual(progress.report(), { oldestDueMs: 0, oldestDueId: '', stalled: false })
  progress.stop()
})

test('what is being delivered is not behind, however much of it there is', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  for (let n = 0; n < 5; n += 1) t.is(await queue.client.submit(newMessage()), 'queued')
  const clock = new VirtualClock(Date.now() + 5000)
  const tried = new Set([1, 2, 3])
  const { progress } = watching(queue.reader, clock, tried)
  t.is(progress.report().oldestDueId, queue.reader.idOf(4))
  for (const seq of [4, 5]) tried.add(seq)
  t.is(progress.report().oldestDueMs, 0)
})
