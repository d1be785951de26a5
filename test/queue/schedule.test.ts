import test from 'ava'
import { LeapGuard, POSTFIX_TIMES, retryDelayMs } from '#src/queue/schedule.ts'

const MINUTE = 60_000
const DAY = 86_400_000

test('the wait is the age of the message, no less than 300 s and no more than 4000 s', (t) => {
  for (const [ageMs, delayMs] of [
    [0, 300_000],
    [1, 300_000],
    [300_000, 300_000],
    [10 * MINUTE, 10 * MINUTE],
    [4_000_000, 4_000_000],
    [4_000_001, 4_000_000],
    [5 * DAY - 1, 4_000_000],
  ] as const) {
    t.is(retryDelayMs(ageMs, false, POSTFIX_TIMES), delayMs, `age ${ageMs}`)
  }
})

test('a message is given up at its lifetime and not a millisecond before', (t) => {
  const times = { ...POSTFIX_TIMES, maximalQueueLifetimeMs: 5 * DAY, bounceQueueLifetimeMs: DAY }
  t.not(retryDelayMs(5 * DAY - 1, false, times), undefined)
  t.is(retryDelayMs(5 * DAY, false, times), undefined)
  t.not(retryDelayMs(DAY - 1, true, times), undefined)
  t.is(retryDelayMs(DAY, true, times), undefined)
})

test('a lifetime of nothing means one attempt', (t) => {
  t.is(retryDelayMs(0, false, { ...POSTFIX_TIMES, maximalQueueLifetimeMs: 0 }), undefined)
})

test('after the wall clock has leapt ahead nothing expires for a day', (t) => {
  const guard = new LeapGuard(1000, 0)
  t.true(guard.mayExpire(1000 + DAY, DAY))
  const leapt = 3650 * DAY
  t.false(guard.mayExpire(leapt, DAY + 1000))
  t.false(guard.mayExpire(leapt + DAY - 2000, 2 * DAY - 1000))
  t.true(guard.mayExpire(leapt + DAY, 2 * DAY + 1000))
})

test('a clock that is set back, or gains a little, is no leap', (t) => {
  const guard = new LeapGuard(10 * DAY, 0)
  t.true(guard.mayExpire(9 * DAY, 1000))
  t.true(guard.mayExpire(9 * DAY + 30 * MINUTE, 2000))
})
