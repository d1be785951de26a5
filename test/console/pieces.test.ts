import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { BARS, Charts } from '#src/console/charts.ts'
import { queueWords, traceWords } from '#src/console/filter-words.ts'
import { Canvas, Grid } from '#src/console/grid.ts'
import { isManaged } from '#src/console/manager.ts'
import { Pager, Picker } from '#src/console/pager.ts'
import { isPrefix } from '#src/console/pages/network.ts'
import { shortLine } from '#src/console/pages/log.ts'
import { Tail } from '#src/console/tail.ts'
import { EMPTY_STATE } from '#src/health/read-state.ts'
import { tempFolder } from '#test/support/temp.ts'

const NOW_MS = Date.UTC(2026, 10, 22)
const HOUR_MS = 3_600_000

const QUEUE_WORDS = [
  ['', {}],
  ['from:a@example.org', { sender: 'a@example.org' }],
  ['from:<>', { sender: '' }],
  ['from:@example.org to:b@example.test', { senderDomain: 'example.org', recipient: 'b@example.test' }],
  ['b@example.test', { recipient: 'b@example.test' }],
  ['TO:@example.test', { recipientDomain: 'example.test' }],
  [
    'subject:"two words" client:192.0.2.1 verdict:clean',
    { subject: 'two words', client: '192.0.2.1', verdict: 'clean' },
  ],
  ['reply:refused', { reason: 'refused' }],
  ['queue:hold', { queues: ['hold'] }],
  ['older:2h newer:1d', { beforeMs: NOW_MS - 2 * HOUR_MS, afterMs: NOW_MS - 24 * HOUR_MS }],
] as const
for (const [text, filter] of QUEUE_WORDS)
  test(`these words mean messages of the queue: ${JSON.stringify(text)}`, (t) => {
    t.deepEqual(queueWords(text, NOW_MS), { kind: 'filter', filter })
  })

for (const [text, reason] of [
  ['older:soon', /is followed by a time/],
  ['older:', /is followed by a time/],
  ['queue:nowhere', /there is no queue "nowhere": incoming/],
  ['colour:red', /"colour:" is none of from:/],
] as const)
  test(`these words mean nothing, and it is said what would: ${text}`, (t) => {
    const read = queueWords(text, NOW_MS)
    t.regex(read.kind === 'wrong' ? read.reason : '', reason)
  })

test('a search says which message, and times are of the past', (t) => {
  t.deepEqual(traceWords('alice since:1h id:4jXZ', NOW_MS), {
    kind: 'filter',
    filter: { recipient: 'alice', sinceMs: NOW_MS - HOUR_MS, id: '4jXZ' },
  })
  t.is(traceWords('  ', NOW_MS).kind, 'wrong')
  t.is(traceWords('until:later', NOW_MS).kind, 'wrong')
  t.is(traceWords('queue:hold', NOW_MS).kind, 'wrong')
})

test('a bar is the mean of all that was seen in its quarter of a minute, the newest at the right', (t) => {
  const charts = new Charts()
  const { rates } = EMPTY_STATE
  for (const [atMs, accepted] of [
    [0, 1],
    [5000, 2],
    [10_000, 6],
    [15_000, 4],
  ] as const)
    charts.add(atMs, { ...rates, accepted })
  t.deepEqual(charts.of('accepted').slice(-3), [0, 3, 4])
  t.is(charts.of('accepted').length, BARS)
  for (let n = 2; n < 100; n += 1) charts.add(n * 15_000, { ...rates, accepted: n })
  t.is(charts.of('accepted').length, BARS)
  t.is(charts.of('accepted')[0], 100 - BARS)
})

function drawn(rows: number, draw: (canvas: Canvas) => void): readonly string[] {
  const grid = new Grid({ rows, columns: 20 })
  draw(new Canvas(grid, 0, rows))
  return grid.lines()
}

test('a text that is longer than the page says how much is above and below, and covers nothing', (t) => {
  const pager = new Pager()
  pager.set(['1', '2', '3', '4', '5'])
  const lines = (): readonly string[] => drawn(4, (canvas) => pager.draw(canvas))
  t.deepEqual(lines(), ['1', '2', '3', '            2 below'])
  pager.press({ kind: 'down' })
  t.deepEqual(lines(), ['2', '3', '4', '   1 above, 1 below'])
  pager.press({ kind: 'end' })
  t.deepEqual(lines(), ['3', '4', '5', '            2 above'])
  pager.press({ kind: 'down' })
  t.deepEqual(lines(), ['3', '4', '5', '            2 above'])
  pager.follow(['1', '2', '3', '4', '5', '6'])
  t.deepEqual(lines().slice(0, 3), ['4', '5', '6'], 'who looks at the end goes on to do so')
  pager.press({ kind: 'home' })
  pager.follow(['1', '2', '3', '4', '5', '6', '7'])
  t.deepEqual(lines().slice(0, 3), ['1', '2', '3'], 'and who looks elsewhere too')
  t.false(pager.press({ kind: 'enter' }))
})

test('a list keeps the chosen row in sight, and on the list', (t) => {
  const picker = new Picker<number>()
  picker.set([0, 1, 2, 3, 4])
  const lines = (): readonly string[] => drawn(3, (canvas) => picker.draw(canvas, 1, String))
  t.deepEqual(lines(), ['', '0', '1'])
  picker.press({ kind: 'end' })
  t.deepEqual(lines(), ['', '3', '4'])
  picker.press({ kind: 'page-up' })
  t.is(picker.chosen, 3)
  picker.set([7])
  t.is(picker.chosen, 7)
  picker.set([])
  t.is(picker.chosen, undefined)
  t.deepEqual(lines(), ['', '', ''])
})

test('nothing is drawn outside of a canvas, nor beyond the end of a row', (t) => {
  const grid = new Grid({ rows: 3, columns: 5 })
  const canvas = new Canvas(grid, 1, 1)
  for (const row of [-1, 1, 2]) canvas.put(row, 0, 'outside')
  canvas.put(0, 3, 'long')
  canvas.put(0, -1, 'left')
  canvas.part(0, 5).put(1, 0, 'below')
  t.deepEqual(grid.lines(), ['', '   lo', ''])
})

test('a file is followed as it grows, is set aside and begun anew, and comes in pieces', async (t) => {
  using folder = tempFolder('tail')
  const file = join(folder.path, 'log')
  const tail = new Tail(file)
  t.regex(await tail.read(), /there is no .*log yet/)
  writeFileSync(file, 'one\ntw')
  t.is(await tail.read(), '')
  t.deepEqual(tail.lines, ['one'])
  appendFileSync(file, 'o\nthree\n')
  await tail.read()
  t.deepEqual(tail.lines, ['one', 'two', 'three'])
  renameSync(file, `${file}.1`)
  writeFileSync(file, 'four\n')
  await tail.read()
  t.deepEqual(tail.lines, ['one', 'two', 'three', 'four'])
  appendFileSync(file, `${'x'.repeat(9999)}\n${'y\n'.repeat(100_000)}last\n`)
  await tail.read()
  t.is(tail.lines.at(-1), 'last')
  t.true(tail.lines.length <= 2000)
  t.true(tail.lines.every((line) => line.length <= 2000))
})

test('a line of the log is shown by its time of day, process and text, and any other as it is', (t) => {
  const at = new Date('2026-11-22T16:43:51.691Z')
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((one) => String(one).padStart(2, '0'))
    .join(':')
  t.is(
    shortLine('2026-11-22T16:43:51.691Z vm postern/qmgr[2631]: ABC: to=<a@b>'),
    `${time} qmgr: ABC: to=<a@b>`,
  )
  for (const other of ['', '{"event":"x"}', '9999-99-99TZ vm postern/qmgr[1]: x', 'Z vm postern/qmgr[1]: x'])
    t.is(shortLine(other), other)
})

test('an address has a prefix that its family can have', (t) => {
  for (const right of ['192.0.2.5/24', '2001:db8::5/64', '192.0.2.5/32', '::1/128'])
    t.true(isPrefix(right), right)
  for (const wrong of ['192.0.2.5', '192.0.2.5/33', '192.0.2.5/0', '::1/129', 'a/24', '192.0.2.5/24/1', '/'])
    t.false(isPrefix(wrong), wrong)
})

test('systemd looks after the Postern of its unit alone, and only where it runs', (t) => {
  using folder = tempFolder('manager')
  const file = '/etc/postern/postern.toml'
  mkdirSync(join(folder.path, 'usr/lib/systemd/system'), { recursive: true })
  writeFileSync(join(folder.path, 'usr/lib/systemd/system/postern.service'), '')
  t.false(isManaged(file, folder.path))
  mkdirSync(join(folder.path, 'run/systemd/system'), { recursive: true })
  t.true(isManaged(file, folder.path))
  t.false(isManaged('/home/me/postern.toml', folder.path))
  t.false(isManaged('', folder.path))
})
