import test from 'ava'
import { AttemptRate, FailureCounts } from '#src/directory/auth/limits.ts'

const RULE = { failuresMax: 3, windowMs: 60_000, lockMs: 10_000 }

const ACCOUNT = { scope: 'account' } as const

function fakeClock() {
  let nowMs = 0
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.resolve(),
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

function fail(counts: FailureCounts, times: number): void {
  for (let n = 0; n < times; n += 1) {
    counts.begin('a', RULE)
    counts.end('a', RULE, 'failed')
  }
}

test('the failure that reaches the limit locks, for as long as the rule says', (t) => {
  const clock = fakeClock()
  const counts = new FailureCounts(clock, ACCOUNT)
  fail(counts, 2)
  t.true(counts.begin('a', RULE))
  counts.end('a', RULE, 'failed')
  t.false(counts.begin('a', RULE))
  t.true(counts.begin('b', RULE), 'nobody else is locked')
  clock.pass(9999)
  t.false(counts.begin('a', RULE))
  clock.pass(1)
  t.true(counts.begin('a', RULE))
  counts.end('a', RULE, 'failed')
  t.true(counts.begin('a', RULE), 'after the lock it is counted from the beginning')
})

test('a success forgives, an attempt that nobody could decide does nothing', (t) => {
  const counts = new FailureCounts(fakeClock(), ACCOUNT)
  fail(counts, 2)
  counts.begin('a', RULE)
  counts.end('a', RULE, 'undecided')
  counts.begin('a', RULE)
  counts.end('a', RULE, 'forgive')
  fail(counts, 2)
  t.true(counts.begin('a', RULE))
})

test('failures further apart than the window do not add up', (t) => {
  const clock = fakeClock()
  const counts = new FailureCounts(clock, ACCOUNT)
  fail(counts, 2)
  clock.pass(60_001)
  fail(counts, 2)
  t.true(counts.begin('a', RULE))
})

test('attempts at once are no way round the limit', (t) => {
  const counts = new FailureCounts(fakeClock(), ACCOUNT)
  t.deepEqual(
    [1, 2, 3, 4, 5].map(() => counts.begin('a', RULE)),
    [true, true, true, false, false],
  )
  counts.end('a', RULE, 'forgive')
  t.true(counts.begin('a', RULE))
})

test('a lock without an end has none, and a limit of 0 is none', (t) => {
  const clock = fakeClock()
  const counts = new FailureCounts(clock, ACCOUNT)
  const forever = { ...RULE, failuresMax: 1, lockMs: 0 }
  counts.begin('a', forever)
  counts.end('a', forever, 'failed')
  clock.pass(1e12)
  t.false(counts.begin('a', forever))
  const off = { ...RULE, failuresMax: 0 }
  for (let n = 0; n < 100; n += 1) {
    t.true(counts.begin('b', off))
    counts.end('b', off, 'failed')
  }
})

test('names that are made up push nobody out who was counted lately', (t) => {
  const counts = new FailureCounts(fakeClock(), ACCOUNT)
  fail(counts, 2)
  for (let n = 0; n < 49_000; n += 1) counts.begin(`made up ${n}`, RULE)
  fail(counts, 1)
  t.false(counts.begin('a', RULE))
})

test('a rate counts each address within a minute', (t) => {
  const clock = fakeClock()
  const rate = new AttemptRate(clock, 'address-rate')
  t.deepEqual(
    [1, 2, 3].map(() => rate.admit('a', 2)),
    [true, true, false],
  )
  t.true(rate.admit('b', 2))
  clock.pass(60_000)
  t.true(rate.admit('a', 2))
  for (let n = 0; n < 1000; n += 1) t.true(rate.admit('c', 0))
})
