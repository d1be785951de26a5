import test from 'ava'
import { createQueueIds } from '#src/queue/queue-id.ts'

test('ids have the long form of Postfix', (t) => {
  const makeId = createQueueIds(4711)
  const id = makeId(1_795_344_616_123)
  t.regex(id, /^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{10}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+$/)
  // Postfix gave 4jXQp0… to a message of that second.
  t.true(id.startsWith('4jXQp0'), id)
})

test('no id comes twice, though the clock stands still or goes back', (t) => {
  const makeId = createQueueIds(1)
  const ids = [1000, 1000, 1000, 999, 500, 1001, 1000].flatMap((second) =>
    Array.from({ length: 2000 }, () => makeId(second * 1000)),
  )
  t.is(new Set(ids).size, ids.length)
  t.deepEqual(ids.toSorted(), ids)
})

test('two processes make different ids at the same time', (t) => {
  t.not(createQueueIds(50)(5), createQueueIds(51)(5))
  t.not(createQueueIds(51)(5), createQueueIds(4_194_304)(5))
})
