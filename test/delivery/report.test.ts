import test from 'ava'
import { postfixSeconds } from '#src/delivery/report.ts'

for (const [ms, text] of [
  [0, '0'],
  [4, '0'],
  [5, '0.01'],
  [40, '0.04'],
  [123, '0.12'],
  [500, '0.5'],
  [999, '1'],
  [1000, '1'],
  [1234, '1.2'],
  [9960, '10'],
  [12_345, '12'],
  [100_000, '100'],
  [-3, '0'],
] as const) {
  test(`${ms} ms are logged as ${text}`, (t) => {
    t.is(postfixSeconds(ms), text)
  })
}
