import test from 'ava'
import { shapeText } from '#src/cli/qshape.ts'

const ZEROS = Array<number>(11).fill(0)

/** What Postfix 3.7's own qshape printed for such queues. */
const TABLES = [
  {
    title: 'an empty queue',
    layout: { buckets: 10, bucketMinutes: 5, linear: false, width: 80 },
    rows: [['TOTAL', ZEROS]] as const,
    text: [
      '                                         T  5 10 20 40 80 160 320 640 1280 1280+',
      '                                  TOTAL  0  0  0  0  0  0   0   0   0    0     0',
    ],
  },
  {
    title: 'three recipients in two domains',
    layout: { buckets: 10, bucketMinutes: 5, linear: false, width: 80 },
    rows: [
      ['x.example.net', [1, 1]],
      ['TOTAL', [3, 3]],
      ['example.net', [2, 2]],
    ] as const,
    text: [
      '                                         T  5 10 20 40 80 160 320 640 1280 1280+',
      '                                  TOTAL  3  3  0  0  0  0   0   0   0    0     0',
      '                            example.net  2  2  0  0  0  0   0   0   0    0     0',
      '                          x.example.net  1  1  0  0  0  0   0   0   0    0     0',
    ],
  },
  {
    title: 'one bucket',
    layout: { buckets: 1, bucketMinutes: 5, linear: false, width: 80 },
    rows: [['TOTAL', [0, 0]]] as const,
    text: [
      '                                                                            T 0+',
      '                                                                     TOTAL  0  0',
    ],
  },
  {
    title: 'four linear buckets',
    layout: { buckets: 4, bucketMinutes: 5, linear: true, width: 80 },
    rows: [['TOTAL', [0, 0, 0, 0, 0]]] as const,
    text: [
      '                                                                  T  5 10 15 15+',
      '                                                           TOTAL  0  0  0  0   0',
    ],
  },
  {
    title: 'three buckets of seven minutes',
    layout: { buckets: 3, bucketMinutes: 7, linear: false, width: 80 },
    rows: [['TOTAL', [0, 0, 0, 0]]] as const,
    text: [
      '                                                                     T  7 14 14+',
      '                                                              TOTAL  0  0  0   0',
    ],
  },
]

for (const { title, layout, rows, text } of TABLES) {
  test(`qshape prints ${title} as Postfix’s does`, (t) => {
    t.is(shapeText(rows, layout), `${text.join('\n')}\n`)
  })
}

test('a domain longer than its column keeps its end, a column grows with its largest number', (t) => {
  const long = `${'a'.repeat(70)}.example`
  const [, total = '', row = ''] = shapeText(
    [
      ['TOTAL', [123456, 123456, 0]],
      [long, [123456, 123456, 0]],
    ],
    { buckets: 2, bucketMinutes: 5, linear: false, width: 80 },
  ).split('\n')
  t.is(row.length, 80)
  t.regex(row, /^\+a+\.example 123456 123456 {2}0$/)
  t.regex(total, / TOTAL 123456 123456 {2}0$/)
})
