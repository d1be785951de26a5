import { closeSync, openSync, readdirSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { databasePath } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { markDamaged, rescueQueue } from '#src/queue/rescue.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, rowCounts, scratch, startQueue, until } from './support.ts'
import type { Queue } from './support.ts'

/** Puts messages into a queue that delivers nothing; returns their ids. */
async function fill(
  paths: QueuePaths,
  count: number,
  text = 'Subject: x\r\n\r\nhello\r\n',
): Promise<string[]> {
  await using queue = await startQueue(paths, { idle: true })
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    const message = newMessage({ text, recipients: [recipient(`a${i}@example.test`)] })
    if ((await queue.client.submit(message)) !== 'queued') throw new Error('not queued')
    ids.push(message.id)
  }
  return ids
}

async function fillSpool(
  paths: QueuePaths,
  text: string,
): Promise<{ readonly id: string; readonly file: string }> {
  await using queue = await startQueue(paths, { idle: true })
  const spool = await queue.client.openSpool()
  if (typeof spool === 'string') throw new Error(spool)
  await spool.write(Buffer.from(text))
  await spool.sync()
  const { bodyCrc32 } = newMessage({ text })
  const message = newMessage({ body: { kind: 'spool', file: spool.file, length: text.length }, bodyCrc32 })
  if ((await queue.client.submit(message)) !== 'queued') throw new Error('not queued')
  return { id: message.id, file: join(paths.spoolDir, spool.file) }
}

function change(paths: QueuePaths, sql: string, ...params: unknown[]): void {
  const store = openStore(databasePath(paths.queueDir))
  store.prepare(sql).run(...params)
  store.close()
}

function corruptIds(queue: Queue): string[] {
  return queue.log.lines
    .filter(({ event }) => event === 'qmgr.corrupt')
    .map(({ facts }) => String(facts['id']))
}

function delivered(queue: Queue): string[] {
  return queue.deliverer.deliveries.map(({ id }) => id).toSorted()
}

const ROW_DAMAGE: readonly (readonly [string, string])[] = [
  ['a flipped letter in the sender', `UPDATE message SET sender = 'x' || sender WHERE id = ?`],
  ['another size', 'UPDATE message SET body_bytes = body_bytes + 1 WHERE id = ?'],
  ['an envelope that is no JSON', `UPDATE message SET envelope = '{' WHERE id = ?`],
  ['a negative time', 'UPDATE message SET arrived_ms = -1 WHERE id = ?'],
  [
    'a flipped letter in a recipient',
    `UPDATE recipient SET address = 'b@example.test' WHERE seq = (SELECT seq FROM message WHERE id = ?)`,
  ],
  [
    'a state that is none',
    `UPDATE recipient SET state = 'incoming', notify = 'PERHAPS' WHERE seq = (SELECT seq FROM message WHERE id = ?)`,
  ],
  [
    'a flipped bit in the body',
    `UPDATE body SET bytes = replace(bytes, 'h', 'i') WHERE seq = (SELECT seq FROM message WHERE id = ?)`,
  ],
  [
    'a body that is too short',
    'UPDATE body SET bytes = substr(bytes, 2) WHERE seq = (SELECT seq FROM message WHERE id = ?)',
  ],
  ['a body that is gone', 'DELETE FROM body WHERE seq = (SELECT seq FROM message WHERE id = ?)'],
]

for (const [what, sql] of ROW_DAMAGE) {
  test(`${what} sets that message aside and the rest is delivered`, async (t) => {
    using paths = scratch()
    const ids = await fill(paths, 3)
    const [good, bad, better] = ids
    change(
      paths,
      sql.includes('replace(bytes')
        ? sql.replace('replace(bytes,', 'CAST(replace(CAST(bytes AS TEXT),').replace(`'i')`, `'i') AS BLOB)`)
        : sql,
      bad,
    )
    await using queue = await startQueue(paths)
    await until(() => queue.deliverer.deliveries.length === 2 && queue.scheduler.activeRecipients === 0)
    await until(() => corruptIds(queue).length === 1)
    t.deepEqual(delivered(queue), [good, better])
    t.deepEqual(corruptIds(queue), [bad])
    await queue.stop()
    t.deepEqual(rowCounts(paths).messages, 1)
  })
}

test('a damaged message is set aside for good, can be requeued once mended, and can be deleted', async (t) => {
  using paths = scratch()
  const [id = ''] = await fill(paths, 1)
  change(paths, `UPDATE message SET sender = 'x' || sender`)
  {
    await using queue = await startQueue(paths)
    await until(() => corruptIds(queue).length === 1)
    t.deepEqual(await queue.writer.act('requeue', [id]), { count: 1, missing: [] })
    // Looked at again, it is as damaged as before.
    await until(() => corruptIds(queue).length === 2)
  }
  {
    // A restart does not try it again.
    await using queue = await startQueue(paths)
    t.is(await queue.client.submit(newMessage()), 'queued')
    await until(() => queue.deliverer.deliveries.length === 1)
    t.deepEqual(corruptIds(queue), [])
  }
  change(paths, 'UPDATE message SET sender = substr(sender, 2)')
  await using queue = await startQueue(paths)
  await queue.writer.act('requeue', [id])
  await until(() => queue.deliverer.deliveries.length === 1 && queue.scheduler.activeRecipients === 0)
  t.deepEqual(delivered(queue), [id])
})

const FILE_DAMAGE: readonly (readonly [string, (file: string) => void])[] = [
  ['a flipped bit', (file) => overwrite(file, 70_000)],
  ['a flipped last octet', (file) => overwrite(file, 299_999)],
  ['a file that is cut', (file) => truncateSync(file, 200_000)],
  ['a file of no length', (file) => truncateSync(file, 0)],
  ['a file that is gone', (file) => rmSync(file)],
]

function overwrite(file: string, at: number): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.from([0xff]), 0, 1, at)
  closeSync(fd)
}

for (const [what, damage] of FILE_DAMAGE) {
  test(`${what} in spool/ sets that message aside and the rest is delivered`, async (t) => {
    using paths = scratch()
    const { id, file } = await fillSpool(paths, 'y'.repeat(300_000))
    const [good] = await fill(paths, 1)
    damage(file)
    await using queue = await startQueue(paths)
    await until(() => corruptIds(queue).length === 1 && queue.deliverer.deliveries.length === 1)
    t.deepEqual(corruptIds(queue), [id])
    t.deepEqual(delivered(queue), [good])
  })
}

/** Overwrites pages of queue.db, but for the first, with noise. */
function scribble(path: string, pages: readonly number[]): void {
  const fd = openSync(path, 'r+')
  for (const page of pages) writeSync(fd, Buffer.alloc(8192, 0xa5), 0, 8192, (page - 1) * 8192)
  closeSync(fd)
}

function leafPages(paths: QueuePaths, table: string): number[] {
  const store = openStore(databasePath(paths.queueDir))
  const pages = store
    .prepare<[string], number>(`SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path`)
    .pluck()
    .all(table)
  store.close()
  return pages
}

test('of a database with damaged pages everything else is saved, and the old file is kept', async (t) => {
  using paths = scratch()
  const ids = await fill(paths, 400, `Subject: x\r\n\r\n${'z'.repeat(300)}\r\n`)
  const [, second = 0] = leafPages(paths, 'message')
  const [, , third = 0] = leafPages(paths, 'body')
  scribble(databasePath(paths.queueDir), [second, third])
  markDamaged(paths.queueDir)
  const log = memoryLog()
  const report = rescueQueue(paths, Date.UTC(2026, 0, 1), log)
  t.truthy(report)
  if (report === undefined) return
  t.true(report.saved > 300 && report.saved < 400, JSON.stringify(report))
  t.true(report.lost > 0 && report.incomplete > 0, JSON.stringify(report))
  t.is(report.saved + report.incomplete + report.lost, 400)
  t.is(log.lines[0]?.event, 'qmgr.corrupt')
  t.true(readdirSync(paths.queueDir).includes('queue.db.damaged-20260101T000000Z'))
  t.is(rescueQueue(paths, 0, log), undefined)
  await using queue = await startQueue(paths)
  await until(
    () => queue.deliverer.deliveries.length === report.saved && queue.scheduler.activeRecipients === 0,
  )
  t.true(delivered(queue).every((id) => ids.includes(id)))
})

test('a file that is no database is put aside, and the queue starts empty', async (t) => {
  using paths = scratch()
  await fill(paths, 3)
  const { file } = await fillSpool(paths, 'y'.repeat(50_000))
  scribble(databasePath(paths.queueDir), [1])
  const report = rescueQueue(paths, 0, memoryLog())
  t.is(report?.saved, 0)
  // The large body may be all that is left of a message: it is kept beside the old file.
  const kept = readdirSync(`${report?.kept}-spool`)
  t.true(kept.some((name) => file.endsWith(name)))
  await using queue = await startQueue(paths)
  t.is(await queue.client.submit(newMessage()), 'queued')
})

test('a damaged page that is met while it runs ends the process, asking for a rescue', async (t) => {
  using paths = scratch()
  await fill(paths, 300, `Subject: x\r\n\r\n${'z'.repeat(300)}\r\n`)
  const [, second = 0] = leafPages(paths, 'recipient')
  scribble(databasePath(paths.queueDir), [second])
  await using queue = await startQueue(paths)
  t.true((await queue.fatal).damaged)
})

test('a rescue that was interrupted before its last step is finished', async (t) => {
  using paths = scratch()
  const [id = ''] = await fill(paths, 1)
  const path = databasePath(paths.queueDir)
  // As it lies when the old file was moved away and the new one not yet put in its place.
  const store = openStore(path)
  store.exec(`VACUUM INTO '${path}.rescued'`)
  store.close()
  rmSync(path)
  t.is(rescueQueue(paths, 0, memoryLog()), undefined)
  using db = new QueueDb(openStore(path))
  t.not(db.seqOf(id), undefined)
})
