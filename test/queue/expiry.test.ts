import test from 'ava'
import type { RecipientOutcome } from '#src/queue/ports.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { OVERDUE_SQL } from '#src/queue/queue-reader.ts'
import { databasePath } from '#src/queue/paths.ts'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import type { RetryTimes } from '#src/queue/schedule.ts'
import { openStore } from '#src/store/sqlite.ts'
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

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Ten hours instead of five days, so that the clock has less to run through. */
const TEN_HOURS: RetryTimes = { ...POSTFIX_TIMES, maximalQueueLifetimeMs: 10 * HOUR_MS }
interface Told {
  readonly sender: string
  readonly replies: readonly string[]
}

/** A queue under a clock that stands still, and what its senders are told of failures. */
async function start(paths: ReturnType<typeof scratch>, clock: VirtualClock, choice: QueueChoice = {}) {
  const told: Told[] = []
  const queue = await startQueue(paths, {
    clock,
    composeReports: reporting(({ message, about }) => {
      told.push({ sender: message.sender, replies: about.map(({ outcome }) => outcome.reply) })
      return undefined
    }),
    ...choice,
  })
  return { queue, told }
}

async function idle(queue: Queue): Promise<void> {
  await until(() => queue.scheduler.activeRecipients === 0)
}

/** Hour by hour, so that what one hour brings about is done before the next. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= HOUR_MS) {
    await clock.advance(Math.min(left, HOUR_MS))
    await settle()
  }
}

test('the predicate of expiry is answered from its index, in order, without a scan or a sort', (t) => {
  using paths = scratch()
  using db = new QueueDb(openStore(databasePath(paths.queueDir)))
  const plan = db.store.prepare<[], { detail: string }>(
    `EXPLAIN QUERY PLAN ${OVERDUE_SQL.replaceAll('?', '0')}`,
  )
  const steps = plan.all().map(({ detail }) => detail)
  t.regex(steps[0] ?? '', /^SEARCH message USING (?:COVERING )?INDEX message_age \(<expr>=\? AND /)
  t.true(steps.some((step) => step.startsWith('SEARCH recipient USING PRIMARY KEY (seq=?)')))
  t.false(
    steps.some((step) => step.startsWith('SCAN') || step.includes('TEMP B-TREE')),
    steps.join('; '),
  )
})

test('a message that never got its place at its destination goes back when its time has been up for long', async (t) => {
  using paths = scratch()
  const clock = new VirtualClock(Date.now())
  const deliverer = new FakeDeliverer()
  deliverer.room = 0
  const { queue, told } = await start(paths, clock, { deliverer, times: TEN_HOURS })
  t.is(await queue.client.submit(newMessage({ arrivedMs: clock.nowMs() })), 'queued')
  await until(() => queue.scheduler.activeRecipients === 1)
  await pass(clock, 10 * HOUR_MS)
  t.deepEqual(told, [])
  await pass(clock, 4 * HOUR_MS)
  await idle(queue)
  t.deepEqual(told, [
    { sender: 'sender@example.test', replies: ['delivery time expired before an attempt could be made'] },
  ])
  t.is(deliverer.deliveries.length, 0)
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})

test('what is on hold never expires', async (t) => {
  using paths = scratch()
  const clock = new VirtualClock(Date.now())
  const deliverer = new FakeDeliverer(() => DEFERRED)
  const { queue, told } = await start(paths, clock, { deliverer, times: TEN_HOURS })
  const message = newMessage({ arrivedMs: clock.nowMs() })
  t.is(await queue.client.submit(message), 'queued')
  await until(() => queue.deliverer.deliveries.length === 1)
  await idle(queue)
  await queue.writer.act('hold', [message.id])
  await pass(clock, 20 * HOUR_MS)
  t.deepEqual(told, [])
  t.is(queue.deliverer.deliveries.length, 1)
  await queue.stop()
  t.is(rowCounts(paths).messages, 1)
})

test('a full mailbox, whose attempts are hours apart, is tried once more when the time is up', async (t) => {
  using paths = scratch()
  const clock = new VirtualClock(Date.now())
  const arrivedMs = clock.nowMs()
  const triedMs: number[] = []
  const deliverer = new FakeDeliverer(() => {
    triedMs.push(clock.nowMs() - arrivedMs)
    return { kind: 'deferred', reply: '452 4.2.2 full', dsn: '4.2.2' } satisfies Partial<RecipientOutcome>
  })
  const { queue, told } = await start(paths, clock, { deliverer, times: TEN_HOURS })
  t.is(await queue.client.submit(newMessage({ arrivedMs })), 'queued')
  for (const tries of [1, 2, 3, 4, 5]) {
    await until(() => triedMs.length === tries)
    await idle(queue)
    await pass(clock, tries === 4 ? 3 * HOUR_MS : 2 ** (tries - 1) * HOUR_MS)
  }
  t.deepEqual(
    triedMs.map((ms) => ms / HOUR_MS),
    [0, 1, 3, 7, 10],
  )
  t.deepEqual(told, [{ sender: 'sender@example.test', replies: ['452 4.2.2 full'] }])
  await queue.stop()
})

test('after a month without power all is tried once: what goes through is sent, what does not is bounced', async (t) => {
  using paths = scratch()
  const clock = new VirtualClock(Date.now())
  const messages = Array.from({ length: 60 }, (_, i) =>
    newMessage({
      arrivedMs: clock.nowMs(),
      sender: i % 3 === 0 ? '' : `s${i}@example.test`,
      recipients: [recipient(`${i % 2 === 0 ? 'good' : 'bad'}${i}@example.test`)],
    }),
  )
  {
    const { queue } = await start(paths, clock, { deliverer: new FakeDeliverer(() => DEFERRED) })
    const outcomes = await Promise.all(messages.map((message) => queue.client.submit(message)))
    t.true(outcomes.every((outcome) => outcome === 'queued'))
    await until(() => queue.deliverer.deliveries.length === messages.length)
    await idle(queue)
    await queue.stop()
  }
  const later = new VirtualClock(clock.nowMs() + 30 * DAY_MS)
  const tries: string[] = []
  const deliverer = new FakeDeliverer((request, n) => {
    const address = request.recipients.find((each) => each.n === n)?.address ?? ''
    tries.push(address)
    return address.startsWith('good') ? {} : DEFERRED
  })
  const { queue, told } = await start(paths, later, { deliverer, activeRecipientsMax: 10 })
  await until(() => tries.length === messages.length)
  await idle(queue)
  await pass(later, 2 * HOUR_MS)
  t.is(new Set(tries).size, messages.length)
  t.is(tries.length, messages.length)
  t.is(told.length, 30)
  t.true(told.every(({ replies }) => replies.every((reply) => reply === DEFERRED.reply)))
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})
