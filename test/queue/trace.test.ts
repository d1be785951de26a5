import { rmSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { documentOf, holds, matchText, readTraceFilter } from '#src/queue/trace-document.ts'
import type { TraceFilter } from '#src/queue/trace-document.ts'
import { TraceHandle } from '#src/queue/trace-handle.ts'
import { TRACE_LIMITS, TraceIndex, traceIndexPath } from '#src/queue/trace-index.ts'
import { searchNow } from '#src/queue/trace-search.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { openStore } from '#src/store/sqlite.ts'
import { memoryLog } from '#src/base/log.ts'
import { newMessage, recipient, scratch } from './support.ts'

const DAY_MS = 86_400_000
const T0 = Date.UTC(2026, 10, 1)

/** Three messages, one of them delivered, one refused, one deferred with two reasons. */
function fill(queueDir: string): void {
  using db = new QueueDb(openStore(databasePath(queueDir), { pageBytes: PAGE_BYTES }))
  const mails = [
    { id: 'AAAAAA1', sender: 'ann@one.example', to: ['bob@two.example'], subject: 'Lunch on Friday' },
    { id: 'AAAAAA2', sender: '', to: ['carl@two.example', 'dora@sub.two.example'], subject: 'Überraschung' },
    { id: 'AAAAAA3', sender: 'ann.x@one.example', to: ['bob@three.example'], subject: 'Lunch, Friday?' },
  ]
  for (const [i, { id, sender, to, subject }] of mails.entries()) {
    const recipients = to.map((address) => recipient(address))
    const verdict = { verdict: 'clean', subject }
    const inserted = db.insert(newMessage({ id, sender, recipients, verdict }), T0 + i * DAY_MS)
    if (inserted.kind === 'clash') throw new Error('clash')
    const base = {
      seq: inserted.seq,
      id,
      atMs: T0 + i * DAY_MS + 1000,
      corrupt: '',
      reports: [],
      leaves: true,
    }
    const [address = ''] = to
    const done = { n: 0, address, relay: 'mx', dsn: '2.0.0', reply: '250 2.0.0 Stored in box 77' }
    if (i === 0) db.apply({ ...base, done: [{ ...done, event: 'sent' }], deferred: [] }, 0)
    if (i === 1)
      db.apply(
        { ...base, done: [{ ...done, event: 'bounced', reply: '550 5.1.1 no such user' }], deferred: [] },
        0,
      )
    for (const reply of i === 2 ? ['connection timed out', 'connection timed out', '450 4.2.0 busy'] : []) {
      const deferred = [{ n: 0, address, dueMs: T0, attempts: 1, reply, dsn: '4.0.0' }]
      db.apply({ ...base, done: [], deferred }, 0)
    }
  }
}

const SEARCHES: readonly (readonly [TraceFilter, readonly string[]])[] = [
  [{ sender: 'ann@one.example' }, ['AAAAAA1']],
  [{ sender: 'ONE.example' }, ['AAAAAA3', 'AAAAAA1']],
  [{ sender: '<>' }, ['AAAAAA2']],
  [{ recipient: 'dora@sub.two.example' }, ['AAAAAA2']],
  [{ recipient: 'two.example' }, ['AAAAAA2', 'AAAAAA1']],
  [{ recipient: '@two.example' }, ['AAAAAA2', 'AAAAAA1']],
  [{ client: '192.0.2.1' }, ['AAAAAA3', 'AAAAAA2', 'AAAAAA1']],
  [{ client: '192.0.2.11' }, []],
  [{ subject: 'lunch' }, ['AAAAAA3', 'AAAAAA1']],
  [{ subject: 'lunch on friday' }, ['AAAAAA1']],
  [{ subject: 'uberraschung' }, ['AAAAAA2']],
  [{ verdict: 'clean', recipient: 'bob' }, ['AAAAAA3', 'AAAAAA1']],
  [{ verdict: 'bounced' }, ['AAAAAA2']],
  [{ reply: 'timed out' }, ['AAAAAA3']],
  [{ reply: 'box 77', sender: 'one.example' }, ['AAAAAA1']],
  [{ reply: 'no such user' }, ['AAAAAA2']],
  [{ reply: 'user such' }, []],
  [{ sinceMs: T0 + DAY_MS, untilMs: T0 + 2 * DAY_MS }, ['AAAAAA2']],
  [{ sender: 'one.example', untilMs: T0 + 1 }, ['AAAAAA1']],
  [{ subject: '" OR sender : "ann' }, []],
  [{ subject: '*' }, []],
]

test('a message is found by each thing that its trace says of it, the newest first', (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  using index = new TraceIndex(paths.queueDir)
  for (const [filter, ids] of SEARCHES) {
    const { ids: found, complete } = searchNow(index, filter, 10)
    t.deepEqual([found, complete], [ids, true], JSON.stringify(filter))
  }
  t.deepEqual(index.search({ client: '192.0.2.1' }, 2).ids, ['AAAAAA3', 'AAAAAA2'])
})

test('what happens to a message later is found too, in whatever steps it came', (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  using index = new TraceIndex(paths.queueDir)
  while (index.catchUp(1) > 0);
  for (const [filter, ids] of SEARCHES) t.deepEqual(index.search(filter, 10).ids, ids, JSON.stringify(filter))
})

test('a reason is in the trace once, however often it is met in a row', (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  using index = new TraceIndex(paths.queueDir)
  const events = index.rows('AAAAAA3').map(({ event, facts }) => [event, facts['reply']])
  t.deepEqual(events, [
    ['queued', undefined],
    ['deferred', 'connection timed out'],
    ['deferred', '450 4.2.0 busy'],
  ])
})

test('what the trace has forgotten leaves the index, also while new mail comes with every step', (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  using index = new TraceIndex(paths.queueDir)
  while (index.catchUp(100) > 0);
  using db = new QueueDb(openStore(databasePath(paths.queueDir)))
  const atMs = T0 + 60 * DAY_MS
  db.insert(newMessage({ id: 'AAAAAA9', sender: 'new@one.example' }), atMs)
  t.is(db.pruneTrace(atMs - DAY_MS, 1_000_000, 2), 2)
  t.true(db.pruneTrace(atMs - DAY_MS, 1_000_000, 500) > 2)
  t.true(index.catchUp(1) > 1, 'one row came, and the others went')
  t.deepEqual(index.search({ client: '192.0.2.1' }, 10).ids, ['AAAAAA9'])
  db.insert(newMessage({ id: 'AAAAAB1', sender: 'new@one.example' }), atMs)
  db.insert(newMessage({ id: 'AAAAAB2', sender: 'new@one.example' }), atMs)
  t.is(db.pruneTrace(0, 1, 500), 2, 'all but the newest row')
})

test('an index that is lost, damaged or of another queue is made anew', (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  const found = () => {
    using index = new TraceIndex(paths.queueDir)
    return searchNow(index, { subject: 'lunch' }, 10).ids
  }
  t.is(found().length, 2)
  for (const suffix of ['', '-wal', '-shm']) rmSync(traceIndexPath(paths.queueDir) + suffix, { force: true })
  t.is(found().length, 2)
  for (const suffix of ['-wal', '-shm']) rmSync(traceIndexPath(paths.queueDir) + suffix, { force: true })
  writeFileSync(traceIndexPath(paths.queueDir), 'this is no database, whatever its name says'.repeat(500))
  t.is(found().length, 2)
  for (const suffix of ['', '-wal', '-shm']) rmSync(databasePath(paths.queueDir) + suffix, { force: true })
  new QueueDb(openStore(databasePath(paths.queueDir)))[Symbol.dispose]()
  t.is(found().length, 0)
})

test('the trace thread answers, and ends when it is told to', async (t) => {
  using paths = scratch()
  fill(paths.queueDir)
  const trace = new TraceHandle(
    { queueDir: paths.queueDir, socketPath: '', limits: TRACE_LIMITS },
    memoryLog(),
  )
  t.deepEqual((await trace.search({ subject: 'lunch' }, 1)).ids, ['AAAAAA3'])
  await trace.close()
  await t.throwsAsync(trace.search({ subject: 'lunch' }, 1), { message: /stops/ })
})

test('a filter is checked, and no value of it becomes part of the query language', (t) => {
  t.throws(() => readTraceFilter({ colour: 'red' }), { message: /"colour"/ })
  t.throws(() => readTraceFilter({ sender: 7 }), { message: /"sender"/ })
  t.throws(() => readTraceFilter([]), { instanceOf: TypeError })
  t.is(matchText({ sender: 'a"b', reply: 'x' }), 'sender : "a b" AND reply : "x"')
  t.is(documentOf([]), undefined)
  const document = documentOf([{ atMs: 1, event: 'queued', facts: { from: 'a-b@c.example' } }])
  t.true(document !== undefined && holds({ sender: 'a-b@c' }, document))
  t.false(document !== undefined && holds({ sender: 'a.b@c' }, document))
})
