import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { SpaceWatch, spaceOpen } from '#src/queue/space.ts'
import type { Room } from '#src/queue/space.ts'
import { newMessage, rowCounts, scratch, startQueue, until } from './support.ts'

const MIB = 1_048_576

function room(freeBytes: number, freeInodes = 1000): Room {
  return { freeBytes, freeInodes }
}

test('space closes below the least and opens again a tenth above it', (t) => {
  t.true(spaceOpen(room(100), 100, true))
  t.false(spaceOpen(room(99), 100, true))
  t.false(spaceOpen(room(105), 100, false))
  t.true(spaceOpen(room(111), 100, false))
  t.false(spaceOpen(room(1e9, 3), 100, true))
})

test('a disk without room is told to clients before they send, and so is room that comes back', async (t) => {
  let freeBytes = 100 * MIB
  const heard: boolean[] = []
  const watch = new SpaceWatch({
    dir: '/',
    minFreeBytes: 10 * MIB,
    clock: { ...systemClock, sleep: async (_, signal) => await systemClock.sleep(1, signal) },
    log: memoryLog(),
    room: () => Promise.resolve({ freeBytes, freeInodes: Infinity }),
    onChange: (open) => heard.push(open),
  })
  await watch.start()
  t.true(watch.open)
  freeBytes = MIB
  await until(() => !watch.open)
  freeBytes = 50 * MIB
  await until(() => watch.open)
  t.deepEqual(heard, [false, true])
  watch.stop()
})

test('a queue without the free space that it is to keep takes nothing', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { minFreeBytes: 2 ** 60 })
  t.is(queue.client.admission(), 'full')
  t.is(await queue.client.openSpool(), 'full')
  t.is(await queue.client.submit(newMessage()), 'full')
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})

test('a disk that is full at the commit refuses the whole group, keeps what it has, and recovers by itself', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { pagesMax: 120, idle: true })
  const text = 'x'.repeat(20_000)
  let queued = 0
  let outcome = 'queued'
  while (outcome === 'queued') {
    outcome = await queue.client.submit(newMessage({ text }))
    if (outcome === 'queued') queued++
  }
  t.is(outcome, 'full')
  t.true(queued > 10)
  await until(() => queue.client.admission() === 'full')
  t.is(rowCounts(paths).messages, queued)
  // An operator makes room; the queue takes mail again without being told.
  t.is((await queue.writer.act('delete', null)).count, queued)
  await until(() => queue.client.admission() === 'open')
  t.is(await queue.client.submit(newMessage({ text })), 'queued')
})

test('outcomes that found the disk full are written when there is room', async (t) => {
  using paths = scratch()
  await using queue = await startQueue(paths, { pagesMax: 60 })
  const text = 'x'.repeat(20_000)
  let queued = 0
  for (let i = 0; i < 60; i++) if ((await queue.client.submit(newMessage({ text }))) === 'queued') queued++
  t.true(queued > 0)
  await until(() => queue.deliverer.deliveries.length === queued && queue.scheduler.activeRecipients === 0)
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})
