import test from 'ava'
import type { MessageChange } from '#src/queue/changes.ts'
import type { Report } from '#src/queue/ports.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { databasePath } from '#src/queue/paths.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, rowCounts, scratch } from './support.ts'

type Kind = Report['kind']

const NOW_MS = 1_800_000_000_000

/** A message for two in a fresh store, and the change that is made once both have come to the end that `kind` tells of. */
function given(db: QueueDb, kind: Kind): { readonly seq: number; readonly change: MessageChange } {
  const message = newMessage({ recipients: ['a@x.test', 'b@x.test'].map(recipient) })
  const inserted = db.insert(message, NOW_MS)
  if (inserted.kind === 'clash') throw new Error('a clash')
  const { seq } = inserted
  const facts = { relay: 'mx', dsn: '2.0.0', reply: 'x' }
  const event = kind === 'failed' ? ('bounced' as const) : ('sent' as const)
  const { length } = message.recipients
  const done = Array.from({ length: kind === 'delayed' ? 0 : length }, (_, n) => ({
    n,
    event,
    address: `${n}@x.test`,
    ...facts,
  }))
  const later = { dueMs: NOW_MS, attempts: 1, reply: 'x', dsn: '4.0.0' }
  const deferred = Array.from({ length: kind === 'delayed' ? length : 0 }, (_, n) => ({
    n,
    address: `${n}@x.test`,
    ...later,
  }))
  const reports = [0, 1].map((n): Report => {
    const report = newMessage({ sender: '', recipients: [recipient('s@x.test')] })
    return { kind, audience: n === 0 ? 'sender' : 'postmaster', about: [0, 1], message: report }
  })
  const { id } = message
  return { seq, change: { seq, id, atMs: NOW_MS, done, deferred, corrupt: '', reports, leaves: true } }
}

for (const kind of ['failed', 'arrived', 'delayed'] as const) {
  test(`what is ${kind} is told in the transaction that writes it, and not by a second one`, (t) => {
    using paths = scratch()
    using db = new QueueDb(openStore(databasePath(paths.queueDir)))
    const { change } = given(db, kind)
    t.is(db.apply(change, NOW_MS).reportSeqs.filter((seq) => seq !== undefined).length, 2)
    const before = rowCounts(paths)
    // The same again, as after a crash: other ids, for they are made anew.
    const reports = change.reports.map((report) => ({ ...report, message: newMessage({ sender: '' }) }))
    t.deepEqual(db.apply({ ...change, reports }, NOW_MS).reportSeqs, [undefined, undefined])
    t.deepEqual(rowCounts(paths), before)
    t.is(before.messages, kind === 'delayed' ? 3 : 2)
  })

  test(`what is ${kind} is not told where an operator has deleted the message meanwhile`, (t) => {
    using paths = scratch()
    using db = new QueueDb(openStore(databasePath(paths.queueDir)))
    const { seq, change } = given(db, kind)
    db.act('delete', seq, NOW_MS)
    t.deepEqual(db.apply(change, NOW_MS).reportSeqs, [undefined, undefined])
    t.is(rowCounts(paths).messages, 0)
  })

  test(`a transaction that fails leaves neither the change nor the reports of what is ${kind}`, (t) => {
    using paths = scratch()
    using db = new QueueDb(openStore(databasePath(paths.queueDir)))
    const { change } = given(db, kind)
    t.throws(
      () =>
        db.transact(true, () => {
          db.apply(change, NOW_MS)
          throw new Error('killed here')
        }),
      { message: 'killed here' },
    )
    t.deepEqual(rowCounts(paths), { messages: 1, bodies: 1, recipients: 2 })
    t.is(db.apply(change, NOW_MS).reportSeqs.filter((seq) => seq !== undefined).length, 2)
  })
}
