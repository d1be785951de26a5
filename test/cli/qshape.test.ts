import test from 'ava'
import { shapeText, withParents } from '#src/cli/qshape.ts'

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

// qshape(1): parent domains have a leading dot, and are shown with enough subdomains.
test('parent domains stand for enough subdomains, and top-level domains are none', (t) => {
  const rows = [
    ['TOTAL', [6, 6]],
    ['a.b.example.org', [1, 1]],
    ['c.b.example.org', [2, 2]],
    ['example.org', [1, 1]],
    ['x.other.net', [2, 2]],
  ] as const
  t.deepEqual(withParents(rows, 1).slice(rows.length), [
    ['.b.example.org', [3, 3]],
    ['.example.org', [3, 3]],
    ['.other.net', [2, 2]],
  ])
  t.deepEqual(withParents(rows, 2).slice(rows.length), [['.b.example.org', [3, 3]]])
  const narrow = shapeText(
    withParents(
      [
        ['TOTAL', [1, 1]],
        [`q.${'a'.repeat(80)}.org`, [1, 1]],
      ],
      1,
    ),
    {
      buckets: 1,
      bucketMinutes: 5,
      linear: false,
      width: 80,
      top: 3,
    },
  ).split('\n')
  t.is(narrow.length, 5)
  t.regex(narrow[2] ?? '', /^\.\+a+\.org {2}1 {2}1$/)
})
