import test from 'ava'
import { zmqactionOn } from '#src/cli/zmqaction.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import { idsLike } from '#src/queue/list-ids.ts'
import { PAGE_BYTES } from '#src/queue/limits.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, rowCounts, scratch } from './support.ts'

const IDS = ['4Zb1b2b3b4zBq', '4Zb1b2B3b4zBq', '4Zb1b2b3b5zBq', 'BBBBBB1']

const LIKE: readonly (readonly [string, readonly string[]])[] = [
  ['4ZB1B2B3B5ZBQ', ['4Zb1b2b3b5zBq']],
  ['4zb1b2b3b5zbq', ['4Zb1b2b3b5zBq']],
  ['BBBBBB1', ['BBBBBB1']],
  ['4ZB1B2B3B4ZBQ', ['4Zb1b2B3b4zBq', '4Zb1b2b3b4zBq']],
  ['4Zb1b2b3b4zBq', ['4Zb1b2b3b4zBq']],
  ['4ZB1B2B3B5ZB', []],
  ['4ZB1B2B3B5ZBQQ', []],
  ['', []],
  ['%', []],
  ["' OR 1", []],
]

test('an id is found in capitals; the very id is meant before those that differ in case', async (t) => {
  using paths = scratch()
  {
    using db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
    for (const id of IDS) db.insert(newMessage({ id }), 1)
  }
  {
    using reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
    for (const [id, found] of LIKE) t.deepEqual(idsLike(reader, id), found, id)
  }
  await using access = await openQueue(paths)
  await t.throwsAsync(zmqactionOn(access, ['delete', 'incoming', '4ZB1B2B3B5ZBQ,4ZB1B2B3B4ZBQ']), {
    message: /4ZB1B2B3B4ZBQ in other letters/,
  })
  t.is(rowCounts(paths).messages, 4, 'nothing was done')
  t.is(
    await zmqactionOn(access, ['delete', 'incoming', '4ZB1B2B3B5ZBQ,GONE11']),
    'postsuper: Deleted: 1 message\n',
  )
})
