import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { readFilter } from '#src/queue/list-filter.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import { findIds, findPages } from '#src/queue/list-find.ts'
import { bodyBlocks, insideOf } from '#src/queue/list-inside.ts'
import { countDomains, countQueues, shape } from '#src/queue/list-shape.ts'
import { NONE_ACTIVE } from '#src/queue/listing.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, scratch } from './support.ts'

const MINUTE_MS = 60_000

/** Four messages in four states; BBBBBB2 has a recipient in each of two domains. */
function fill(paths: QueuePaths, nowMs: number): void {
  using db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
  const mails = [
    { id: 'BBBBBB1', sender: 'ann@one.example', to: ['a@x.example'], age: 1, reply: '' },
    { id: 'BBBBBB2', sender: '', to: ['b@x.example', '"c@d"@y.example'], age: 7, reply: '451 timed out' },
    { id: 'BBBBBB3', sender: 'ann@ONE.example', to: ['d@x.example'], age: 25, reply: '450 busy' },
    { id: 'BBBBBB4', sender: 'eve@two.example', to: ['e@z.example'], age: 500, reply: '451 Timed out' },
  ]
  for (const { id, sender, to, age, reply } of mails) {
    const arrivedMs = nowMs - age * MINUTE_MS
    const message = newMessage({ id, sender, arrivedMs, recipients: to.map((each) => recipient(each)) })
    const inserted = db.insert(message, arrivedMs)
    if (inserted.kind === 'clash') throw new Error('clash')
    const deferred = to.flatMap((address, n) =>
      reply === '' ? [] : [{ n, address, dueMs: nowMs + MINUTE_MS, attempts: 1, reply, dsn: '4.0.0' }],
    )
    const { seq } = inserted
    db.apply({ seq, id, atMs: nowMs, done: [], deferred, corrupt: '', reports: [], leaves: true }, 0)
    if (id === 'BBBBBB4') db.transact(false, () => db.act('hold', seq, nowMs))
  }
}

function open(paths: QueuePaths): QueueReader {
  return new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
}

function last<T>(steps: Iterable<T | undefined>): T | undefined {
  let value: T | undefined
  for (const step of steps) value = step
  return value
}

const FILTERS: readonly (readonly [QueueFilter, readonly string[]])[] = [
  [{ queues: ['incoming'] }, ['BBBBBB1']],
  [{ queues: ['deferred'] }, ['BBBBBB2', 'BBBBBB3']],
  [{ queues: ['hold', 'incoming'] }, ['BBBBBB1', 'BBBBBB4']],
  [{ sender: 'ann@one.example' }, ['BBBBBB1', 'BBBBBB3']],
  [{ sender: '' }, ['BBBBBB2']],
  [{ senderDomain: 'one.example' }, ['BBBBBB1', 'BBBBBB3']],
  [{ recipientDomain: 'x.example' }, ['BBBBBB2', 'BBBBBB3', 'BBBBBB1']],
  [{ recipientDomain: 'Y.example' }, ['BBBBBB2']],
  [{ recipientDomain: 'example' }, []],
  [{ recipientDomain: 'x.example', reason: 'timed out' }, ['BBBBBB2']],
  [{ reason: 'TIMED out' }, ['BBBBBB2', 'BBBBBB4']],
  [{ recipient: 'd@X.example' }, ['BBBBBB3']],
  [{ client: '192.0.2.1', queues: ['hold'] }, ['BBBBBB4']],
  [{ client: '192.0.2.2' }, []],
]

test('a filter means exactly those messages in which all of it holds', (t) => {
  using paths = scratch()
  const nowMs = systemClock.nowMs()
  fill(paths, nowMs)
  using reader = open(paths)
  const times: QueueFilter = { beforeMs: nowMs - 5 * MINUTE_MS, afterMs: nowMs - 60 * MINUTE_MS }
  for (const [filter, ids] of [...FILTERS, [times, ['BBBBBB2', 'BBBBBB3']] as const]) {
    const found = [...findPages(reader, filter, NONE_ACTIVE)].flat().map(({ id }) => id)
    t.deepEqual(found, ids, JSON.stringify(filter))
    t.deepEqual([...findIds(reader, filter, NONE_ACTIVE)].flat(), ids, JSON.stringify(filter))
  }
  const seq = reader.seqOf('BBBBBB2')
  const active = [...findPages(reader, { queues: ['active'] }, new Set([seq ?? 0]))].flat()
  t.deepEqual(
    active.map(({ id }) => id),
    ['BBBBBB2'],
  )
})

test('a message with several recipients in a domain is found once, before it was tried as behind it', (t) => {
  using paths = scratch()
  const nowMs = systemClock.nowMs()
  const to = ['a@x.example', 'b@x.example', 'c@x.example'].map((each) => recipient(each))
  const message = newMessage({ arrivedMs: nowMs - MINUTE_MS, recipients: to })
  using db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
  const inserted = db.insert(message, nowMs - MINUTE_MS)
  using reader = open(paths)
  const found = (): number[] =>
    [...findPages(reader, { recipientDomain: 'x.example' }, NONE_ACTIVE)]
      .flat()
      .map(({ recipients }) => recipients.length)
  t.deepEqual(found(), [3])
  if (inserted.kind === 'clash') throw new Error('clash')
  db.transact(false, () => db.act('hold', inserted.seq, nowMs))
  t.deepEqual(found(), [3])
})

test('the counts by domain and by queue are those of the rows, through every move', (t) => {
  using paths = scratch()
  const nowMs = systemClock.nowMs()
  fill(paths, nowMs)
  const counted = () => {
    using reader = open(paths)
    const rows = last(countDomains(reader)) ?? []
    return rows.map(({ domain, state, recipients }) => `${domain} ${state} ${recipients}`).toSorted()
  }
  t.deepEqual(counted(), [
    'x.example deferred 2',
    'x.example incoming 1',
    'y.example deferred 1',
    'z.example hold 1',
  ])
  {
    using reader = open(paths)
    t.deepEqual(last(countQueues(reader, NONE_ACTIVE)), {
      incoming: 1,
      active: 0,
      deferred: 2,
      hold: 1,
      corrupt: 0,
    })
  }
  {
    using db = new QueueDb(openStore(databasePath(paths.queueDir)))
    for (const [id, action] of [
      ['BBBBBB1', 'hold'],
      ['BBBBBB2', 'delete'],
      ['BBBBBB4', 'release'],
    ] as const)
      db.transact(false, () => db.act(action, db.seqOf(id) ?? 0, nowMs))
  }
  t.deepEqual(counted(), ['x.example deferred 1', 'x.example hold 1', 'z.example deferred 1'])
})

test('qshape counts recipients by domain and age, or messages by sender; its totals are those of the rows', (t) => {
  using paths = scratch()
  const nowMs = systemClock.nowMs()
  fill(paths, nowMs)
  using reader = open(paths)
  const base = { bySender: false, buckets: 4, bucketMinutes: 5, linear: false, nowMs }
  const rows = (options: object) =>
    Object.fromEntries(last(shape(reader, { ...base, filter: {}, ...options }, NONE_ACTIVE)) ?? [])
  t.deepEqual(rows({}), {
    TOTAL: [5, 1, 2, 0, 2],
    'x.example': [3, 1, 1, 0, 1],
    'y.example': [1, 0, 1, 0, 0],
    'z.example': [1, 0, 0, 0, 1],
  })
  t.deepEqual(rows({ filter: { queues: ['deferred'] } })['TOTAL'], [3, 0, 2, 0, 1])
  t.deepEqual(rows({ bySender: true, linear: true, buckets: 6 }), {
    TOTAL: [4, 1, 1, 0, 0, 0, 2],
    'one.example': [2, 1, 0, 0, 0, 0, 1],
    'MAILER-DAEMON': [1, 0, 1, 0, 0, 0, 0],
    'two.example': [1, 0, 0, 0, 0, 0, 1],
  })
})

test('a damaged message can be looked into, and what is wrong with it is said', async (t) => {
  using paths = scratch()
  fill(paths, systemClock.nowMs())
  {
    const store = openStore(databasePath(paths.queueDir))
    store.exec(
      `UPDATE body SET bytes = x'41420a' WHERE seq = 2; UPDATE message SET sender = 'x' WHERE seq = 3`,
    )
    store.close()
  }
  using reader = open(paths)
  const read = async (seq: number) => {
    const inside = insideOf(reader, seq)
    if (inside === undefined) return undefined
    const blocks = bodyBlocks(reader, paths.spoolDir, seq, inside)
    let text = ''
    for (;;) {
      const { done, value } = await blocks.next()
      if (done === true) return { text, damage: value, prefix: inside.prefix }
      text += value.toString()
    }
  }
  t.is((await read(1))?.damage, '')
  t.regex((await read(2))?.damage ?? '', /octets instead of|cannot be read/)
  t.regex((await read(3))?.text ?? '', /hello/)
  t.regex((await read(3))?.prefix ?? '', /^Received:/)
  t.is(await read(9), undefined)
})

test('a filter that came as JSON is checked', (t) => {
  for (const wrong of [
    { colour: 'red' },
    { sender: 1 },
    { queues: ['none'] },
    { queues: 'hold' },
    { beforeMs: -1 },
    7,
  ]) {
    t.throws(() => readFilter(wrong), { instanceOf: TypeError }, JSON.stringify(wrong))
  }
  t.deepEqual(readFilter({ sender: 'a', queues: ['hold'] }), { sender: 'a', queues: ['hold'] })
  t.deepEqual(readFilter(null), {})
})
