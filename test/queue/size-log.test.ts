import test from 'ava'
import { postfixLine } from '#src/base/postfix-line.ts'
import { memoryLog } from '#src/base/log.ts'
import { queueTotals } from '#src/cli/mailq.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import { SizeLog } from '#src/queue/size-log.ts'
import { openStore } from '#src/store/sqlite.ts'
import { databasePath } from '#src/queue/paths.ts'
import { VirtualClock } from '#test/simulate/virtual-clock.ts'
import { until } from '#test/support/wait.ts'
import { newMessage, recipient, scratch, startQueue } from './support.ts'

const TEN_MINUTES_MS = 600_000
/** Seven minutes past a full hour, wherever the test runs. */
const START_MS = new Date(2026, 10, 22, 12, 7, 0).getTime()

test('at each full ten minutes the log has the two numbers of mailq, as zmqueuelog writes them', async (t) => {
  using paths = scratch()
  {
    await using queue = await startQueue(paths, { idle: true })
    const large = `Subject: large\r\n\r\n${'x'.repeat(998)}\r\n`.repeat(40)
    for (const text of ['Subject: a\r\n\r\nb\r\n', large]) {
      const to = [recipient('one@example.test'), recipient('two@example.test')]
      t.is(await queue.client.submit(newMessage({ text, recipients: to })), 'queued')
    }
  }
  const store = openStore(databasePath(paths.queueDir), { readonly: true })
  t.teardown(() => store.close())
  const clock = new VirtualClock(START_MS)
  const log = memoryLog()
  const sizes = new SizeLog({
    store,
    clock,
    log,
    everyMs: TEN_MINUTES_MS,
    onError: (error) => t.fail(String(error)),
  })
  sizes.start()
  await clock.advance(179_999)
  t.is(log.lines.length, 0)
  await clock.advance(1)
  await until('the first line', () => log.lines.length === 1)
  // The clock is set back by an hour and some: it is the full ten minutes of the new time.
  clock.leap(-3_700_000)
  await clock.advance(TEN_MINUTES_MS)
  await until('the second line', () => log.lines.length === 2)
  sizes.stop()
  await clock.advance(TEN_MINUTES_MS)
  const { kilobytes, messages } = await (async () => {
    await using queue = await openQueue(paths)
    return await queueTotals(queue)
  })()
  t.is(messages, 2)
  const readable = log.lines.flatMap(({ event, facts }) => postfixLine(event, facts))
  t.deepEqual(
    readable.map((line) => line.slice(line.indexOf(','))),
    [`, QUEUE: ${kilobytes} 2`, `, QUEUE: ${kilobytes} 2`],
  )
  t.regex(readable[0] ?? '', /^2026-11-22 12:10:00,/)
})

test('an empty queue is told too, and with 0 nothing is', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { idle: true })
  const clock = new VirtualClock(START_MS)
  const log = memoryLog()
  const tools = { store: queue.reader.store, clock, log, onError: (error: unknown) => t.fail(String(error)) }
  new SizeLog({ ...tools, everyMs: 0 }).start()
  await clock.advance(TEN_MINUTES_MS)
  t.deepEqual(log.lines, [])
  const sizes = new SizeLog({ ...tools, everyMs: TEN_MINUTES_MS })
  sizes.start()
  await clock.advance(TEN_MINUTES_MS)
  sizes.stop()
  t.like(log.lines[0], { event: 'qmgr.size', facts: { kilobytes: 0, messages: 0 } })
})
