import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { Maintenance } from '#src/queue/maintenance.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, scratch } from './support.ts'

const DAY_MS = 86_400_000

test('the trace is kept within its days and rows, in steps that say when they fall behind', (t) => {
  using paths = scratch()
  using db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
  const nowMs = systemClock.nowMs()
  const maintenance = (keepMs: number, rowsMax: number) =>
    new Maintenance({
      db,
      trace: { keepMs, rowsMax },
      clock: systemClock,
      log: memoryLog(),
      spaceOpen: () => true,
      onError: (error) => t.fail(String(error)),
    })
  const rows = () => Number(db.store.prepare('SELECT count(*) FROM trace').pluck().get())
  db.transact(false, () => {
    for (let n = 0; n < 1210; n++) db.insert(newMessage(), n < 1205 ? nowMs : nowMs + DAY_MS)
  })
  const few = maintenance(DAY_MS, 10)
  t.deepEqual(
    [few.step(), few.step(), few.step(), few.step()],
    ['behind', 'behind', 'busy', 'idle'],
    'the newest ten stay',
  )
  t.is(rows(), 10)
  const young = maintenance(-DAY_MS / 2, 1000)
  t.deepEqual([young.step(), young.step()], ['busy', 'idle'])
  t.is(rows(), 5, 'what is of tomorrow stays')
})
