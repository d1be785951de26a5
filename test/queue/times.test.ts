import test from 'ava'
import type { RetryTimes } from '#src/queue/schedule.ts'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import { VirtualClock, settle } from '#test/simulate/virtual-clock.ts'
import {
  DEFERRED,
  FakeDeliverer,
  newMessage,
  recipient,
  reporting,
  rowCounts,
  scratch,
  startQueue,
  until,
} from './support.ts'
import type { Queue, QueueChoice } from './support.ts'

interface Bounce {
  readonly sender: string
  readonly told: readonly string[]
}

/** A queue whose peer defers everything, under a clock that stands still. */
async function startDeferring(paths: ReturnType<typeof scratch>, choice: QueueChoice = {}) {
  const clock = new VirtualClock(Date.now())
  const bounces: Bounce[] = []
  const queue = await startQueue(paths, {
    deliverer: new FakeDeliverer(({ message }) => (message.prefix === '' ? {} : DEFERRED)),
    clock,
    composeReports: reporting(({ message: { sender }, about }) => {
      bounces.push({ sender, told: about.map((each) => each.recipient.address) })
      const bounce = newMessage({ sender: '', recipients: [recipient(sender)], prefix: '' })
      return sender === '' ? undefined : bounce
    }),
    ...choice,
  })
  return { queue, clock, bounces }
}

async function tried(queue: Queue, attempts: number): Promise<void> {
  await until(() => queue.deliverer.deliveries.length >= attempts && queue.scheduler.activeRecipients === 0)
}

test('a deferred message is due at its time and not a millisecond before', async (t) => {
  using paths = scratch()
  const { queue, clock } = await startDeferring(paths)
  const message = newMessage({ arrivedMs: clock.nowMs() })
  t.is(await queue.client.submit(message), 'queued')
  await tried(queue, 1)
  await clock.advance(299_999)
  await settle()
  t.is(queue.deliverer.deliveries.length, 1)
  await clock.advance(1)
  await tried(queue, 2)
  t.is(queue.deliverer.deliveries.length, 2)
  await queue.stop()
})

const LIFETIME: RetryTimes = {
  ...POSTFIX_TIMES,
  maximalQueueLifetimeMs: 600_000,
  bounceQueueLifetimeMs: 600_000,
}

test('a message that is too old is bounced after its last attempt, once, and leaves nothing behind', async (t) => {
  using paths = scratch()
  const { queue, clock, bounces } = await startDeferring(paths, { times: LIFETIME })
  const recipients = ['a@example.test', 'b@example.test'].map(recipient)
  t.is(await queue.client.submit(newMessage({ arrivedMs: clock.nowMs(), recipients })), 'queued')
  await tried(queue, 1)
  for (let attempt = 2; attempt <= 3; attempt++) {
    t.deepEqual(bounces, [])
    await clock.advance(300_000)
    await until(() => queue.deliverer.deliveries.length >= attempt)
  }
  await tried(queue, 4)
  t.deepEqual(bounces, [{ sender: 'sender@example.test', told: ['a@example.test', 'b@example.test'] }])
  t.true(queue.log.lines.some(({ event }) => event === 'qmgr.expired'))
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})

test('a message from the null sender that is too old is dropped, with a line in the log', async (t) => {
  using paths = scratch()
  const { queue, clock } = await startDeferring(paths, { times: { ...LIFETIME, bounceQueueLifetimeMs: 0 } })
  t.is(await queue.client.submit(newMessage({ arrivedMs: clock.nowMs(), sender: '' })), 'queued')
  await tried(queue, 1)
  t.true(queue.log.lines.some(({ event, facts }) => event === 'qmgr.bounced' && facts['bounce'] === 'none'))
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})

test('a clock that leaps ten years ahead bounces nothing', async (t) => {
  using paths = scratch()
  const { queue, clock, bounces } = await startDeferring(paths, { times: LIFETIME })
  for (let i = 0; i < 5; i++)
    t.is(await queue.client.submit(newMessage({ arrivedMs: clock.nowMs() })), 'queued')
  await tried(queue, 5)
  clock.leap(3650 * 86_400_000)
  await clock.advance(300_000)
  await tried(queue, 10)
  t.deepEqual(bounces, [])
  t.is(queue.deliverer.deliveries.length, 10)
  await queue.stop()
  t.is(rowCounts(paths).messages, 5)
})

test('a clock that is set back keeps no message waiting for longer than a backoff and a rescan', async (t) => {
  using paths = scratch()
  const { queue, clock } = await startDeferring(paths)
  t.is(await queue.client.submit(newMessage({ arrivedMs: clock.nowMs() })), 'queued')
  await tried(queue, 1)
  clock.leap(-100_000)
  await clock.advance(400_000)
  await tried(queue, 2)
  t.is(queue.deliverer.deliveries.length, 2)
  await queue.stop()
})

test('more than fits into memory is delivered all the same, and memory stays bounded', async (t) => {
  using paths = scratch()
  let most = 0
  const deliverer = new FakeDeliverer(() => {
    most = Math.max(most, queue.scheduler.activeRecipients)
    return {}
  })
  await using queue = await startQueue(paths, { deliverer, activeRecipientsMax: 20 })
  const messages = Array.from({ length: 500 }, () => newMessage())
  const outcomes = await Promise.all(messages.map((message) => queue.client.submit(message)))
  t.true(outcomes.every((outcome) => outcome === 'queued'))
  await until(() => deliverer.deliveries.length >= 500 && queue.scheduler.activeRecipients === 0)
  t.is(new Set(deliverer.deliveries.map(({ id }) => id)).size, 500)
  t.is(deliverer.deliveries.length, 500)
  t.true(most <= 22, `${most} in memory`)
})

test('a router that fails defers, and one that refuses bounces, without a delivery', async (t) => {
  using paths = scratch()
  const bounced: string[] = []
  await using queue = await startQueue(paths, {
    router: (address) => {
      if (address.startsWith('throws')) throw new Error('directory is away')
      if (address.startsWith('rejects')) return Promise.reject(new Error('directory is away'))
      return Promise.resolve({ kind: 'bounced', dsn: '5.1.2', reason: 'no such host' })
    },
    composeReports: reporting(({ about }) => {
      bounced.push(...about.map((each) => each.recipient.address))
      return undefined
    }),
  })
  const addresses = ['throws@example.test', 'rejects@example.test', 'nowhere@example.test']
  t.is(await queue.client.submit(newMessage({ recipients: addresses.map(recipient) })), 'queued')
  await until(() => bounced.length === 1 && queue.scheduler.activeRecipients === 0)
  t.deepEqual(bounced, ['nowhere@example.test'])
  t.is(queue.deliverer.deliveries.length, 0)
  t.deepEqual(
    queue.log.lines
      .filter(({ event }) => event === 'delivery.recipient')
      .map(({ facts }) => [facts['to'], facts['status']]),
    [
      ['throws@example.test', 'deferred'],
      ['rejects@example.test', 'deferred'],
      ['nowhere@example.test', 'bounced'],
    ],
  )
  await queue.stop()
  t.is(rowCounts(paths).recipients, 2)
})
