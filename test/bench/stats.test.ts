import test from 'ava'
import { digits, ratioOf, spreadOf, spreadText } from './stats.ts'

test('the median is the middle value, or the mean of the middle two', (t) => {
  t.deepEqual(spreadOf([3, 1, 2]), { median: 2, min: 1, max: 3 })
  t.deepEqual(spreadOf([40, 10, 20, 30]), { median: 25, min: 10, max: 40 })
  t.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7 })
})

test('no values have no median', (t) => {
  t.is(spreadOf([]), undefined)
})

test('a ratio is of the medians, its spread of the rounds', (t) => {
  // The second round was twice as slow for both: the ratio of that round is the same.
  t.deepEqual(ratioOf([400, 200, 600], [100, 50, 100]), { median: 4, min: 4, max: 6 })
})

test('a round that only one of the two finished counts in no ratio', (t) => {
  t.deepEqual(ratioOf([400, 300], [100]), { median: 3.5, min: 4, max: 4 })
  t.is(ratioOf([400], []), undefined)
  t.is(ratioOf([400], [0]), undefined)
})

for (const [value, text] of [
  [0, '0'],
  [1034.4, '1034'],
  [87.12, '87.1'],
  [9.999, '10.00'],
  [0.3524, '0.352'],
  [0.00123, '0.00123'],
  [Number.NaN, '-'],
] as const) {
  test(`${value} is shown as ${text}`, (t) => {
    t.is(digits(value), text)
  })
}

test('a spread of one value is shown without its ends', (t) => {
  t.is(spreadText({ median: 5, min: 5, max: 5 }, 'x'), '5.00x')
  t.is(spreadText({ median: 5, min: 4, max: 6 }), '5.00 (4.00-6.00)')
  t.is(spreadText(undefined), '-')
})
