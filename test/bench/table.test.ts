import test from 'ava'
import { parseSize, sizeText, table } from './table.ts'

test('columns are as wide as their widest cell, and only the first stands to the left', (t) => {
  t.is(
    table(
      ['load', 'rate'],
      [
        ['10 KiB', '5'],
        ['x', '12345'],
      ],
    ),
    ['| load   |  rate |', '| ------ | ----: |', '| 10 KiB |     5 |', '| x      | 12345 |'].join('\n'),
  )
})

test('a row that is too short has empty cells', (t) => {
  t.is(table(['a', 'b'], [['1']]).split('\n')[2], '| 1   |     |')
})

for (const [text, bytes, shown] of [
  ['512', 512, '512 B'],
  ['1k', 1024, '1 KiB'],
  ['10K', 10_240, '10 KiB'],
  ['1m', 1_048_576, '1 MiB'],
  ['1536', 1536, '1.5 KiB'],
] as const) {
  test(`the size ${text} is ${bytes} octets and shown as ${shown}`, (t) => {
    t.is(parseSize(text), bytes)
    t.is(sizeText(bytes), shown)
  })
}

for (const text of ['', 'k', '1g', '-1', '1.5k', '1k ', '12345678901']) {
  test(`'${text}' is no size`, (t) => {
    t.is(parseSize(text), undefined)
  })
}
