import test from 'ava'
import type { ExecutionContext } from 'ava'
import { createReportComposer } from '#src/delivery/bounce.ts'
import type { ReportClass } from '#src/delivery/bounce.ts'
import type { Arrival, RecipientOutcome } from '#src/queue/ports.ts'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import type { NewMessage, Notify } from '#src/queue/types.ts'
import { readReport } from '#test/delivery/read-report.ts'
import type { Report } from '#test/delivery/read-report.ts'
import {
  DESTINATION,
  FakeDeliverer,
  newId,
  newMessage,
  recipient,
  rowCounts,
  scratch,
  startQueue,
  until,
} from './support.ts'
import type { Queue, QueueChoice } from './support.ts'

const MINUTE_MS = 60_000

/** What the sender hears, for each NOTIFY: of success (where it is ours to tell), of a delay, of failure. */
const MATRIX: readonly (readonly [readonly Notify[], boolean, boolean, boolean])[] = [
  [[], false, true, true],
  [['NEVER'], false, false, false],
  [['SUCCESS'], true, false, false],
  [['FAILURE'], false, false, true],
  [['DELAY'], false, true, false],
  [['SUCCESS', 'FAILURE'], true, false, true],
  [['SUCCESS', 'DELAY'], true, true, false],
  [['FAILURE', 'DELAY'], false, true, true],
  [['SUCCESS', 'FAILURE', 'DELAY'], true, true, true],
]
const RETS = ['', 'FULL', 'HDRS'] as const

type Ending = 'sent' | 'late' | 'refused' | 'too old'
const ENDINGS: Readonly<Record<Ending, Partial<RecipientOutcome>>> = {
  sent: { kind: 'sent', reply: '250 2.1.5 Ok', dsn: '2.1.5' },
  late: { kind: 'deferred', reply: '450 4.2.1 Not now', dsn: '4.2.1' },
  refused: { kind: 'bounced', reply: '550 5.1.1 No such user', dsn: '5.1.1' },
  'too old': { kind: 'deferred', reply: '450 4.2.1 Not now', dsn: '4.2.1' },
}

/** The action that is reported; undefined where nothing is. */
function expected(
  [, success, delay, failure]: (typeof MATRIX)[number],
  ending: Ending,
  arrival: Arrival,
): string | undefined {
  switch (ending) {
    case 'sent':
      return success && arrival !== 'passed' ? arrival : undefined
    case 'late':
      return delay ? 'delayed' : undefined
    case 'refused':
    case 'too old':
      return failure ? 'failed' : undefined
  }
}

const POSTMASTERS = new Map<ReportClass, string>([
  ['bounce', 'bounces@example.test'],
  ['2bounce', 'double@example.test'],
  ['delay', 'delays@example.test'],
])

/** A queue that writes real reports; what has a sender ends as told, reports arrive. */
async function start(
  paths: ReturnType<typeof scratch>,
  ending: Partial<RecipientOutcome>,
  choice: QueueChoice & {
    readonly classes?: readonly ReportClass[]
    readonly reportsEnd?: typeof ending
  } = {},
): Promise<Queue> {
  const { classes = [], reportsEnd = {}, ...rest } = choice
  return await startQueue(paths, {
    deliverer: new FakeDeliverer(({ message }) =>
      message.origin.protocol === 'local' ? reportsEnd : { relay: 'mx.x.test[192.0.2.7]:25', ...ending },
    ),
    composeReports: createReportComposer({
      hostname: 'mx.test',
      makeId: newId,
      postmasters: (which) => (classes.includes(which) ? [POSTMASTERS.get(which) ?? ''] : []),
    }),
    ...rest,
  })
}

const TEXT = 'Subject: the original\r\n\r\nits body\r\n'

/** What has arrived at an address, read as a report. */
function reportsTo(queue: Queue, address: string): Report[] {
  return queue.deliverer.deliveries
    .filter(({ addresses, bytes }) => addresses.includes(address) && bytes.toString() !== TEXT)
    .map(({ bytes }) => readReport(bytes))
}

async function submitAll(t: ExecutionContext, queue: Queue, messages: readonly NewMessage[]): Promise<void> {
  const outcomes = await Promise.all(messages.map((message) => queue.client.submit(message)))
  t.true(outcomes.every((outcome) => outcome === 'queued'))
}

/** Until everything that was begun, reports included, has come to its end. */
async function quiet(queue: Queue, left: number): Promise<void> {
  await until(
    () => queue.scheduler.activeRecipients === 0 && queue.reader.seqsAfter(0, 10_000).length === left,
  )
}

for (const arrival of ['delivered', 'relayed', 'passed'] as const) {
  for (const ending of ['sent', 'late', 'refused', 'too old'] as const) {
    test(`every NOTIFY and RET gets its report and no other: ${arrival} there, ${ending}`, async (t) => {
      using paths = scratch()
      const lifetimeMs = ending === 'too old' ? 5 * MINUTE_MS : POSTFIX_TIMES.maximalQueueLifetimeMs
      const times = { ...POSTFIX_TIMES, maximalQueueLifetimeMs: lifetimeMs, delayWarningMs: MINUTE_MS }
      await using queue = await start(paths, { ...ENDINGS[ending], arrival }, { times })
      const cases = MATRIX.flatMap((row) =>
        RETS.map((ret) => ({ row, ret, sender: `${row[0].join('-')}_${ret}@s.test` })),
      )
      const arrivedMs = Date.now() - 10 * MINUTE_MS
      const messages = cases.map(({ row: [notify], ret, sender }) =>
        newMessage({
          sender,
          ret,
          arrivedMs,
          text: TEXT,
          recipients: [{ ...recipient('a@x.test'), notify }],
        }),
      )
      await submitAll(t, queue, messages)
      await until(() => queue.deliverer.deliveries.length >= cases.length)
      await quiet(queue, ending === 'late' ? cases.length : 0)
      for (const { row, ret, sender } of cases) {
        const action = expected(row, ending, arrival)
        const reports = reportsTo(queue, sender)
        t.deepEqual(
          reports.map(({ status }) => status[1]?.get('action')),
          action === undefined ? [] : [action],
          sender,
        )
        const type = reports[0]?.parts[2]?.fields.get('content-type')
        const whole = action === 'failed' && ret !== 'HDRS'
        if (action !== undefined) t.is(type, whole ? 'message/rfc822' : 'text/rfc822-headers', sender)
      }
    })
  }
}

test('a report says of each recipient what became of it, and nothing of those who want none', async (t) => {
  using paths = scratch()
  await using queue = await start(paths, ENDINGS.refused)
  const message = newMessage({
    envid: 'QQ+2B314',
    text: TEXT,
    recipients: [
      {
        address: 'a@x.test',
        original: 'alias@y.test',
        orcpt: 'rfc822;alias+2Bx@y.test',
        notify: ['FAILURE'],
      },
      { ...recipient('b@x.test'), notify: ['NEVER'] },
      { ...recipient('c@x.test'), notify: [] },
    ],
  })
  await submitAll(t, queue, [message])
  await quiet(queue, 0)
  const [report] = reportsTo(queue, message.sender)
  const [whole, a, c, none] = report?.status ?? []
  t.is(whole?.get('original-envelope-id'), 'QQ+314')
  t.is(whole?.get('reporting-mta'), 'dns; mx.test')
  t.is(whole?.get('received-from-mta'), 'dns; client.example')
  t.is(a?.get('original-recipient'), 'rfc822; alias+x@y.test')
  t.is(a?.get('final-recipient'), 'rfc822; a@x.test')
  t.is(a?.get('remote-mta'), 'dns; mx.x.test')
  t.is(a?.get('diagnostic-code'), 'smtp; 550 5.1.1 No such user')
  t.is(c?.get('final-recipient'), 'rfc822; c@x.test')
  t.false(c?.has('original-recipient'))
  t.is(none, undefined)
})

test('what arrives at several destinations at one time is told of in one report', async (t) => {
  using paths = scratch()
  await using queue = await start(paths, ENDINGS.sent, {
    router: (address) => {
      const host = address.slice(address.indexOf('@') + 1)
      return { kind: 'destination', destination: { ...DESTINATION, host } }
    },
  })
  const notify: Notify[] = ['SUCCESS']
  const recipients = ['a@a.test', 'b@b.test', 'c@c.test'].map((address) => {
    return { address, original: address, orcpt: '', notify }
  })
  const message = newMessage({ text: TEXT, recipients })
  await submitAll(t, queue, [message])
  await quiet(queue, 0)
  const [report, ...more] = reportsTo(queue, message.sender)
  t.deepEqual(more, [])
  const named = report?.status.slice(1).map((group) => group.get('final-recipient') ?? '')
  t.deepEqual(named?.toSorted(), ['rfc822; a@a.test', 'rfc822; b@b.test', 'rfc822; c@c.test'])
  t.is(queue.deliverer.deliveries.filter(({ id }) => id === message.id).length, 3)
})

test('an address that became several is reported as expanded, and its members are not named', async (t) => {
  using paths = scratch()
  await using queue = await start(paths, ENDINGS.sent)
  const message = newMessage({
    text: TEXT,
    recipients: [
      { address: 'one@x.test', original: 'list@x.test', orcpt: '', notify: ['NEVER'] },
      { address: 'two@x.test', original: 'list@x.test', orcpt: '', notify: ['NEVER'] },
      { address: 'list@x.test', original: 'list@x.test', orcpt: '', notify: ['EXPANDED'] },
    ],
  })
  await submitAll(t, queue, [message])
  await quiet(queue, 0)
  const reports = reportsTo(queue, message.sender)
  t.deepEqual(
    reports.map(({ status }) =>
      status.slice(1).map((group) => [group.get('final-recipient'), group.get('action')]),
    ),
    [[['rfc822; list@x.test', 'expanded']]],
  )
  const mail = queue.deliverer.deliveries.filter(({ id }) => id === message.id)
  t.deepEqual(
    mail.flatMap(({ addresses }) => addresses),
    ['one@x.test', 'two@x.test'],
  )
})

test('a delay is told once, also over attempts and a restart', async (t) => {
  using paths = scratch()
  const times = { ...POSTFIX_TIMES, delayWarningMs: MINUTE_MS }
  const message = newMessage({ arrivedMs: Date.now() - 2 * MINUTE_MS, text: TEXT })
  for (const life of [1, 2]) {
    await using queue = await start(paths, ENDINGS.late, { times })
    if (life === 1) await submitAll(t, queue, [message])
    else await queue.writer.act('flush', null)
    await until(() => queue.deliverer.deliveries.some(({ id }) => id === message.id))
    await quiet(queue, 1)
    const [report] = reportsTo(queue, message.sender)
    if (life === 2) t.is(report, undefined)
    else {
      t.is(report?.fields.get('subject'), 'Delayed Mail (still being retried)')
      t.is(report?.fields.get('auto-submitted'), 'auto-replied')
      t.regex(report?.status[1]?.get('will-retry-until') ?? '', /^\w{3}, \d{1,2} \w{3} \d{4} /)
      const before = queue.deliverer.deliveries.length
      await queue.writer.act('flush', null)
      await until(() => queue.deliverer.deliveries.length > before)
      await quiet(queue, 1)
      t.is(reportsTo(queue, message.sender).length, 1)
    }
  }
})

test('without delay_warning_time nobody is told of a delay', async (t) => {
  using paths = scratch()
  await using queue = await start(paths, ENDINGS.late, { classes: ['delay'] })
  const notify: Notify[] = ['DELAY']
  const recipients = [{ ...recipient('a@x.test'), notify }]
  await submitAll(t, queue, [newMessage({ arrivedMs: Date.now() - 600 * MINUTE_MS, recipients })])
  await until(() => queue.deliverer.deliveries.length === 1)
  await quiet(queue, 1)
  t.is(queue.deliverer.deliveries.length, 1)
})

interface Copies {
  readonly title: string
  readonly classes: readonly ReportClass[]
  readonly sender: string
  readonly ending: Ending
  /** Who hears of it, and under which subject. */
  readonly told: readonly (readonly [string, string])[]
}

const COPIES: readonly Copies[] = [
  {
    title: 'a bounce that cannot be delivered is dropped by default',
    classes: [],
    sender: '',
    ending: 'refused',
    told: [],
  },
  {
    title: 'class 2bounce sends it to postmaster',
    classes: ['2bounce'],
    sender: '',
    ending: 'refused',
    told: [['double@example.test', 'Postmaster Copy: Undelivered Mail']],
  },
  {
    title: 'class 2bounce copies no ordinary bounce',
    classes: ['2bounce'],
    sender: 's@s.test',
    ending: 'refused',
    told: [['s@s.test', 'Undelivered Mail Returned to Sender']],
  },
  {
    title: 'class bounce sends postmaster a copy of each bounce',
    classes: ['bounce'],
    sender: 's@s.test',
    ending: 'refused',
    told: [
      ['s@s.test', 'Undelivered Mail Returned to Sender'],
      ['bounces@example.test', 'Postmaster Copy: Undelivered Mail'],
    ],
  },
  {
    title: 'class delay sends postmaster a copy of each warning',
    classes: ['delay'],
    sender: 's@s.test',
    ending: 'late',
    told: [
      ['s@s.test', 'Delayed Mail (still being retried)'],
      ['delays@example.test', 'Postmaster Warning: Delayed Mail'],
    ],
  },
  {
    title: 'success is between the two of them',
    classes: ['bounce', '2bounce', 'delay'],
    sender: 's@s.test',
    ending: 'sent',
    told: [],
  },
]

for (const { title, classes, sender, ending, told } of COPIES) {
  test(title, async (t) => {
    using paths = scratch()
    const times = { ...POSTFIX_TIMES, delayWarningMs: MINUTE_MS }
    await using queue = await start(paths, ENDINGS[ending], { classes, times })
    await submitAll(t, queue, [newMessage({ sender, text: TEXT, arrivedMs: Date.now() - 2 * MINUTE_MS })])
    await until(() => queue.deliverer.deliveries.length > 0)
    await quiet(queue, ending === 'late' ? 1 : 0)
    const reports = queue.deliverer.deliveries.filter(({ bytes }) => bytes.toString() !== TEXT)
    t.deepEqual(
      reports.map(({ addresses, bytes }) => [addresses[0], readReport(bytes).fields.get('subject')]),
      told.map(([address, subject]) => [address, subject]),
    )
    const discarded = queue.log.lines.filter(({ event }) => event === 'qmgr.discarded')
    t.is(discarded.length, sender === '' && told.length === 0 ? 1 : 0)
  })
}

test('a notice to postmaster that fails is dropped and logged, and makes no further one', async (t) => {
  using paths = scratch()
  const classes: ReportClass[] = ['bounce', '2bounce', 'delay']
  await using queue = await start(paths, ENDINGS.refused, { classes, reportsEnd: ENDINGS.refused })
  await submitAll(t, queue, [newMessage({ text: TEXT })])
  await until(() => queue.log.lines.filter(({ event }) => event === 'qmgr.discarded').length === 2)
  await quiet(queue, 0)
  // Two notices fail: the copy of the bounce, and the one about the bounce that nobody takes.
  t.deepEqual(
    queue.log.lines.filter(({ event }) => event === 'qmgr.discarded').map(({ facts }) => facts['reason']),
    ['undeliverable postmaster notification discarded', 'undeliverable postmaster notification discarded'],
  )
  t.is(queue.deliverer.deliveries.length, 4)
  await queue.stop()
  t.is(rowCounts(paths).messages, 0)
})

test('what an operator lets expire goes back with the words of the last attempt, and without its date', async (t) => {
  using paths = scratch()
  await using queue = await start(paths, ENDINGS.late)
  const message = newMessage({ text: TEXT })
  await submitAll(t, queue, [message])
  await until(() => queue.deliverer.deliveries.length === 1)
  await quiet(queue, 1)
  await queue.writer.act('expire', [message.id])
  await until(() => queue.deliverer.deliveries.length === 2)
  await quiet(queue, 0)
  const [, a] = reportsTo(queue, message.sender)[0]?.status ?? []
  t.is(a?.get('action'), 'failed')
  t.is(a?.get('diagnostic-code'), 'smtp; 450 4.2.1 Not now')
  t.false(a?.has('remote-mta'))
  t.false(a?.has('last-attempt-date'))
})

test('what a transport discards is reported as delivered, as discard(8) does', async (t) => {
  using paths = scratch()
  await using queue = await start(
    paths,
    {},
    {
      router: (address) =>
        address === 'a@x.test'
          ? { kind: 'discarded', dsn: '2.0.0', reason: 'thrown away' }
          : { kind: 'destination', destination: DESTINATION },
    },
  )
  const notify: Notify[] = ['SUCCESS']
  const message = newMessage({ text: TEXT, recipients: [{ ...recipient('a@x.test'), notify }] })
  await submitAll(t, queue, [message])
  await until(() => queue.deliverer.deliveries.length === 1)
  await quiet(queue, 0)
  const [, a] = reportsTo(queue, message.sender)[0]?.status ?? []
  t.is(a?.get('action'), 'delivered')
  t.is(a?.get('diagnostic-code'), 'x-postern; thrown away')
})
