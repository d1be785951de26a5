import test from 'ava'
import {
  replyLine,
  ReplyReader,
  replyStatus,
  REPLY_LINE_MAX,
  REPLY_LINES_MAX,
  REPLY_TEXT_MAX,
} from '#src/delivery/replies.ts'

function read(text: string): { readonly lines: string[]; readonly garbage: boolean } {
  const { replies, garbage } = new ReplyReader().push(Buffer.from(text))
  return { lines: replies.map((reply) => `${reply.code} ${replyLine(reply)}`), garbage }
}

for (const [text, lines] of [
  ['250 ok\r\n', ['250 250 ok']],
  ['250\r\n', ['250 250']],
  ['250 ok\n', ['250 250 ok']],
  ['250-a\r\n250 b\r\n', ['250 250-a 250 b']],
  ['250-a\r\n550 b\r\n', ['550 250-a 550 b']],
  ['250 a\r\n354 b\r\n', ['250 250 a', '354 354 b']],
  ['250 caf\u00e9\r\n', ['250 250 caf\u00e9']],
  ['250 a\tb\u007f\u0085\u2028c\r\n', ['250 250 a?b???c']],
] as const) {
  test(`${JSON.stringify(text)} is read, whole and cut at every offset`, (t) => {
    t.deepEqual(read(text), { lines: [...lines], garbage: false })
    const bytes = Buffer.from(text)
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const reader = new ReplyReader()
      const found = [reader.push(bytes.subarray(0, cut)), reader.push(bytes.subarray(cut))].flatMap(
        ({ replies }) => replies,
      )
      t.deepEqual(
        found.map((reply) => `${reply.code} ${replyLine(reply)}`),
        [...lines],
      )
      t.false(reader.partial)
    }
  })
}

for (const text of [
  '\r\n',
  'ok\r\n',
  '25\r\n',
  '25x ok\r\n',
  '150 ok\r\n',
  '650 ok\r\n',
  '250ok\r\n',
  '250_ok\r\n',
  ' 250 ok\r\n',
  '2500 ok\r\n',
]) {
  test(`${JSON.stringify(text)} is no reply`, (t) => {
    t.deepEqual(read(text), { lines: [], garbage: true })
  })
}

test('what came before garbage was said', (t) => {
  t.deepEqual(read('250 ok\r\ngarbage\r\n'), { lines: ['250 250 ok'], garbage: true })
})

test('a line has its limit, whether it ends or not', (t) => {
  const longest = `250 ${'x'.repeat(REPLY_LINE_MAX - 4)}`
  t.false(read(`${longest}\r\n`).garbage)
  t.true(read(`${longest}x\r\n`).garbage)
  t.true(read(`${longest}xx`).garbage)
  t.false(read(longest).garbage)
})

test('a reply has its limit of lines', (t) => {
  t.false(read(`${'250-x\r\n'.repeat(REPLY_LINES_MAX - 1)}250 x\r\n`).garbage)
  t.true(read('250-x\r\n'.repeat(REPLY_LINES_MAX)).garbage)
})

test('the text that is kept is bounded', (t) => {
  const line = replyLine({ code: 550, lines: Array.from({ length: 99 }, () => `550-${'x'.repeat(1000)}`) })
  t.is(line.length, REPLY_TEXT_MAX)
})

test('what is not UTF-8 is shown as far as it is ASCII', (t) => {
  const { replies } = new ReplyReader().push(Buffer.from('250 caf\u00e9\r\n', 'latin1'))
  t.deepEqual(replies[0]?.lines, ['250 caf?'])
})

for (const [line, status] of [
  ['550 5.1.1 x', '5.1.1'],
  ['550 5.1.1', '5.1.1'],
  ['550-5.7.26 x', '5.7.26'],
  ['550 4.1.1 x', '5.0.0'],
  ['550 5.1 x', '5.0.0'],
  ['550 5.1.1000 x', '5.0.0'],
  ['450 x', '4.0.0'],
  ['250 2.1.5 x', '2.1.5'],
] as const) {
  test(`the status of ${JSON.stringify(line)} is ${status}`, (t) => {
    t.is(replyStatus({ code: Number(line.slice(0, 3)), lines: [line] }), status)
  })
}

test('of several lines the last status counts, wherever it stands', (t) => {
  for (const [lines, status] of [
    [['550-We do not like this', '550 5.7.1 at all'], '5.7.1'],
    [['550-5.1.1 Nobody', '550 here'], '5.1.1'],
    [['450-4.2.0 Greylisted', '450 4.7.1 for an hour'], '4.7.1'],
    [['450-4.2.0 Greylisted', '450 5.7.1 in another class'], '4.2.0'],
    [['550-no', '550 such'], '5.0.0'],
  ] as const) {
    t.is(replyStatus({ code: Number(lines[0].slice(0, 3)), lines }), status)
  }
})
