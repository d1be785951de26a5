import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { buildHelpers } from './build.ts'
import { openGroup } from './cpu.ts'
import { startSink } from './sink.ts'
import { openSlowDisk } from './slow-flush.ts'

const DIR = mkdtempSync(`${tmpdir()}/postern-bench-test-`)
const HELPERS = buildHelpers(DIR)
test.after.always(() => rmSync(DIR, { recursive: true, force: true }))

/** A whole LMTP session with pipelined commands; every message has the queue id that is given. */
function session(ids: readonly string[], body: string): string {
  const mails = ids.map(
    (id) =>
      `MAIL FROM:<a@src.test>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n` +
      `Received: from src.test (localhost [127.0.0.1])\r\n\tby x.test (Postfix) with ESMTP id ${id}\r\n` +
      `\tfor <b@example.test>; Mon, 2 Nov 2026 09:30:00 +0100\r\nSubject: id 7\r\n\r\n${body}.\r\n`,
  )
  return `LHLO client.test\r\n${mails.join('')}QUIT\r\n`
}

/** Sends `text` in pieces of `cut` octets and returns all that the sink said until it closed. */
async function talk(port: number, text: string, cut: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let said = ''
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1')
  })
  await once(socket, 'connect')
  for (let at = 0; at < text.length; at += cut) {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    socket.write(text.slice(at, at + cut), () => resolve(undefined))
    await promise
  }
  await once(socket, 'close')
  return said
}

test('the sink counts messages, their ids and their bodies, however the stream is cut', async (t) => {
  const group = openGroup('sink-test')
  const sink = await startSink((await HELPERS).sink, group)
  t.teardown(async () => {
    await sink.stop()
    await group.close()
  })
  const text = session(['A1', 'B2', 'C3'], 'one\r\n..two\r\n.\rno end\r\n\n.\r\nnor here\r\n')
  const hashes = new Set<string>()
  for (const cut of [1, 2, 3, 5, 7, 64, text.length]) {
    const arrival = sink.expect(3)
    const said = await talk(sink.port, text, cut)
    const report = await arrival.whole(10_000)
    t.is(report?.messages, 3, `cut every ${cut}`)
    t.is(report?.different, 3)
    t.is(report?.deliveries, 6)
    t.is(report?.bodies, 1)
    hashes.add(report?.bodyHash ?? '')
    // RFC 2033 section 4.2: one reply for each recipient.
    t.is(said.split('250 2.0.0 taken').length - 1, 6)
    t.true(said.endsWith('221 2.0.0 bye\r\n'))
  }
  t.is(hashes.size, 1)
})

test('the sink tells a message that came twice from two messages', async (t) => {
  const group = openGroup('sink-twice')
  const sink = await startSink((await HELPERS).sink, group)
  t.teardown(async () => {
    await sink.stop()
    await group.close()
  })
  sink.expect(9)
  await talk(sink.port, session(['A1', 'A1'], 'x\r\n'), 4096)
  await talk(sink.port, session(['A1'], 'y\r\n'), 4096)
  const report = await sink.report()
  t.is(report.messages, 3)
  t.is(report.different, 1)
  t.is(report.bodies, 2)
  t.is(report.connections, 2)
})

test('the slow disk sees every flush of SQLite and of Node', async (t) => {
  const disk = openSlowDisk((await HELPERS).slowFlush, `${DIR}/state`, 1)
  const script = `
    const { default: Database } = await import('better-sqlite3')
    const { openSync, fdatasyncSync, promises } = await import('node:fs')
    const db = new Database(process.argv[1] + '/flush.db')
    db.pragma('journal_mode = wal')
    db.pragma('synchronous = full')
    db.exec('CREATE TABLE t (x)')
    const insert = db.prepare('INSERT INTO t VALUES (1)')
    for (let i = 0; i < 20; i++) insert.run()
    const fd = openSync(process.argv[1] + '/flush.txt', 'w')
    for (let i = 0; i < 30; i++) fdatasyncSync(fd)
    const file = await promises.open(process.argv[1] + '/flush.txt', 'a')
    await Promise.all(Array.from({ length: 40 }, () => file.sync()))
    await file.close()`
  const root = fileURLToPath(new URL('../../', import.meta.url))
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, DIR], {
    cwd: root,
    env: { ...process.env, ...disk.env },
  })
  const { calls, flushes } = disk.counters()
  t.true(calls >= 90, `${calls} calls`)
  t.true(flushes > 0 && flushes <= calls, `${flushes} flushes`)
})
