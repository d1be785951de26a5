import test from 'ava'
import { age, duration, typedMs } from '#src/admin/durations.ts'

const AGES: readonly (readonly [number, string])[] = [
  [999, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [7_200_000, '2 h'],
  [86_400_000 * 2 + 3_600_000 * 3, '2 d 3 h'],
  [86_400_000, '1 d'],
]
for (const [ms, wanted] of AGES) test(`${ms} ms are ${wanted}`, (t) => void t.is(age(ms), wanted))

test('a duration has its two largest units', (t) => {
  t.deepEqual([0, 10_000, 250_000, 86_400_000 * 2 + 3_600_000 * 3 + 60_000].map(duration), [
    'less than 1 s',
    '10 s',
    '4 min 10 s',
    '2 d 3 h',
  ])
})

test('what is typed needs its unit', (t) => {
  t.deepEqual(
    ['90s', '15m', '2h', '3d', '1w'].map(typedMs),
    [90_000, 900_000, 7_200_000, 259_200_000, 604_800_000],
  )
  t.deepEqual(['', '5', 'h', '-1h', '1.5h', '2 h', '2h ago'].map(typedMs), Array(7).fill(undefined))
})
