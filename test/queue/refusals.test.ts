import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { RefusalServer } from '#src/queue/refusal-server.ts'
import { RefusalSender, readRefusal, tracingLog } from '#src/queue/refusals.ts'
import type { Refusal } from '#src/queue/refusals.ts'
import { TraceIndex } from '#src/queue/trace-index.ts'
import type { TraceFilter } from '#src/queue/trace-document.ts'
import { openStore } from '#src/store/sqlite.ts'
import { scratch, until } from './support.ts'

const DAY_MS = 86_400_000

function refusal(
  id: string,
  atMs: number,
  facts: Refusal['facts'],
  event: Refusal['event'] = 'rejected',
): Refusal {
  return { id, atMs, event, facts: { client: '192.0.2.9', name: 'unknown', helo: 'spam.example', ...facts } }
}

/** What became of nobody's mail: refused at RCPT in one session, at the end of the data in another. */
function some(nowMs: number): Refusal[] {
  return [
    refusal('sessionone', nowMs - 2000, {
      from: 'eve@bad.example',
      to: 'nobody@our.example',
      reply: '550 5.1.1 <nobody@our.example>: Recipient address rejected',
    }),
    refusal('sessionone', nowMs - 1500, {
      from: 'eve@bad.example',
      to: 'nobody2@our.example',
      reply: '550 5.1.1 <nobody2@our.example>: Recipient address rejected',
    }),
    refusal(
      '4ZBBBBBBBBz1',
      nowMs - 1000,
      {
        from: 'mallory@bad.example',
        to: 'ann@our.example',
        reply: '550 5.7.1 Message refused',
        verdict: { verdict: 'infected', signatures: ['Eicar-Test-Signature'], subject: 'Your invoice' },
      },
      'refused',
    ),
  ]
}

const SEARCHES: readonly (readonly [TraceFilter, readonly string[]])[] = [
  [{ verdict: 'infected' }, ['4ZBBBBBBBBz1']],
  [{ verdict: 'eicar-test-signature' }, ['4ZBBBBBBBBz1']],
  [{ verdict: 'refused' }, ['4ZBBBBBBBBz1']],
  [{ verdict: 'rejected' }, ['sessionone']],
  [{ subject: 'invoice' }, ['4ZBBBBBBBBz1']],
  [{ recipient: 'nobody2@our.example' }, ['sessionone']],
  [{ sender: 'bad.example' }, ['4ZBBBBBBBBz1', 'sessionone']],
  [{ client: '192.0.2.9', reply: '5.7.1' }, ['4ZBBBBBBBBz1']],
  [{ id: 'sessionone' }, ['sessionone']],
]

function emptyQueue(queueDir: string): void {
  new QueueDb(openStore(databasePath(queueDir), { pageBytes: PAGE_BYTES }))[Symbol.dispose]()
}

test('what was refused is found by everything that is known of it, and survives a start', (t) => {
  using paths = scratch()
  emptyQueue(paths.queueDir)
  const nowMs = systemClock.nowMs()
  {
    using index = new TraceIndex(paths.queueDir)
    index.takeRefusals(some(nowMs).slice(0, 1), 0, nowMs)
    index.takeRefusals(some(nowMs).slice(1), 7, nowMs)
  }
  using index = new TraceIndex(paths.queueDir)
  t.is(index.catchUp(100), 0, 'nothing of it is pruned')
  for (const [filter, ids] of SEARCHES) t.deepEqual(index.search(filter, 10).ids, ids, JSON.stringify(filter))
  const found = index.search({ recipient: 'nobody@our.example' }, 10)
  t.deepEqual(
    found.refusals['sessionone']?.map(({ event, facts }) => [event, JSON.parse(facts).to]),
    [
      ['rejected', 'nobody@our.example'],
      ['rejected', 'nobody2@our.example'],
    ],
  )
  t.is(found.lost, 7)
  t.is(index.search({ sender: 'bad.example', untilMs: nowMs - DAY_MS }, 10).lost, 0)
})

test('refusals are kept as long and as many as the settings say, and of one session a hundred', (t) => {
  using paths = scratch()
  emptyQueue(paths.queueDir)
  const nowMs = systemClock.nowMs()
  using index = new TraceIndex(paths.queueDir, { keepMs: DAY_MS, rowsMax: 3 })
  index.takeRefusals([refusal('oldone', nowMs - 2 * DAY_MS, { from: 'old@bad.example' })], 0, nowMs)
  for (let i = 0; i < 5; i++)
    index.takeRefusals([refusal(`s${i}`, nowMs, { from: `f${i}@x.example` })], 0, nowMs)
  while (index.catchUp(100) > 0);
  t.deepEqual(index.search({ client: '192.0.2.9' }, 10).ids, ['s4', 's3', 's2'])
  const many = Array.from({ length: 150 }, (_, i) => refusal('flood', nowMs, { to: `u${i}@x.example` }))
  index.takeRefusals(many, 0, nowMs)
  const found = index.search({ recipient: 'u3@x.example' }, 10)
  t.is(found.refusals['flood']?.length, 100)
  t.is(found.lost, 50)
})

test('what smtpd refuses reaches the trace in batches; a flood is cut short and counted', async (t) => {
  using paths = scratch()
  const socketPath = join(paths.runDir, 'trace.sock')
  const taken: Refusal[] = []
  let lostTold = 0
  const server = new RefusalServer((refusals, lost) => {
    taken.push(...refusals)
    lostTold += lost
  })
  await server.listen(socketPath)
  const log = memoryLog()
  using sender = new RefusalSender({ socketPath, clock: systemClock, log })
  const traced = tracingLog(log, sender, systemClock)
  const facts = { session: 'abc', client: '192.0.2.9', reply: '550 5.7.1 no' }
  traced.write('info', 'smtpd.connect', facts)
  const verdict = JSON.stringify({ verdict: 'infected', subject: 'Geheim' })
  traced.write('info', 'smtpd.message_refused', { ...facts, id: 'ID1', verdict })
  for (let i = 0; i < 4000; i++) traced.write('info', 'smtpd.reject', { ...facts, to: `u${i}@x.example` })
  await until(() => taken.length + lostTold === 4001)
  t.true(taken.length >= 1000 && taken.length < 1500, `${taken.length} kept`)
  t.deepEqual([taken[0]?.id, taken[0]?.event], ['ID1', 'refused'])
  t.is(taken[1]?.id, 'abc')
  t.like(taken[0]?.facts['verdict'], { verdict: 'infected', subject: 'Geheim' })
  const lines = log.lines.filter(({ event }) => event !== 'smtpd.untraced')
  t.is(lines.length, 4002, 'the log has all of it')
  t.is(lines[1]?.facts['verdict'], '{"verdict":"infected"}', 'and no text of the message')
  t.is(log.lines.filter(({ event }) => event === 'smtpd.untraced').length, 1)
  server.close()
})

test('without anybody who listens nothing waits and nothing fails', async (t) => {
  using paths = scratch()
  mkdirSync(join(paths.runDir, 'x'))
  const sender = new RefusalSender({
    socketPath: join(paths.runDir, 'none.sock'),
    clock: systemClock,
    log: memoryLog(),
  })
  t.notThrows(() => {
    sender.add(refusal('a', 1, {}))
    sender[Symbol.dispose]()
    sender.add(refusal('b', 1, {}))
  })
})

test('a line that is no refusal is none', (t) => {
  for (const line of [
    '',
    'x',
    '[]',
    '{"id":1,"atMs":1}',
    '{"id":"a","atMs":-1,"event":"rejected","facts":{}}',
  ])
    t.is(readRefusal(line), undefined, line)
  t.deepEqual(readRefusal('{"lost":3,"atMs":9}'), { lost: 3, atMs: 9 })
})
