import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { startMailboxServer } from '#src/smtp/mailbox-server.ts'
import { tempFolder } from '#test/support/temp.ts'
import type { MailboxOptions, MailboxServer } from '#src/smtp/mailbox-server.ts'

type Running = MailboxServer & {
  readonly root: string
  readonly log: ReturnType<typeof memoryLog>
} & AsyncDisposable

async function start(change: Partial<MailboxOptions> = {}): Promise<Running> {
  const folder = tempFolder('mailbox')
  const log = memoryLog()
  const root = join(folder.path, 'mailboxes')
  const server = await startMailboxServer({
    hostname: 'store.test',
    address: '127.0.0.1',
    port: 0,
    root,
    messageBytesMax: 1_000_000,
    log,
    mailboxOf: (local, domain) => (local === 'nobody' ? undefined : `${local}@${domain}`),
    idleMs: 20_000,
    stopMs: 1000,
    ...change,
  })
  return Object.assign(server, {
    root,
    log,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      folder[Symbol.dispose]()
    },
  })
}

/** Says everything in one packet and returns all that came until the server closed. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text, 'latin1')
  let heard = ''
  for await (const bytes of socket.setEncoding('latin1')) heard += String(bytes)
  return heard
}

function mails(server: Running, mailbox: string): string[] {
  const folder = join(server.root, mailbox, 'new')
  return existsSync(folder)
    ? readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'))
    : []
}

const LHLO = 'LHLO mx.test\r\n'
const MAIL = 'MAIL FROM:<s@example.org>\r\n'

test('the greeting says LMTP and the LHLO reply what it can do, and nothing more', async (t) => {
  await using server = await start()
  const heard = await talk(server.port, `${LHLO}QUIT\r\n`)
  t.regex(heard, /^220 store\.test LMTP\r\n/)
  const offered = [...heard.matchAll(/^250[- ](\S+)/gm)].map((match) => match[1]).slice(1)
  t.deepEqual(
    new Set(offered),
    new Set(['8BITMIME', 'ENHANCEDSTATUSCODES', 'PIPELINING', 'SIZE', 'SMTPUTF8']),
  )
  t.regex(heard, /^221 2\.0\.0 /m)
})

test('each accepted recipient has its reply after the message and its file', async (t) => {
  await using server = await start()
  const heard = await talk(
    server.port,
    `${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nRCPT TO:<nobody@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nSubject: hi\r\n\r\n..dot\r\ntext\r\n.\r\nQUIT\r\n`,
  )
  t.regex(
    heard,
    /\r\n250 2\.1\.0 .*\r\n250 2\.1\.5 .*\r\n550 5\.1\.1 .*\r\n250 2\.1\.5 .*\r\n354 .*\r\n250 2\.1\.5 <a@x\.test> .*\r\n250 2\.1\.5 <b@x\.test> .*\r\n221 /,
  )
  const text = 'Subject: hi\n\n.dot\ntext\n'
  t.deepEqual(mails(server, 'x.test/a'), [`Return-Path: <s@example.org>\nDelivered-To: a@x.test\n${text}`])
  t.deepEqual(mails(server, 'x.test/b'), [`Return-Path: <s@example.org>\nDelivered-To: b@x.test\n${text}`])
  t.deepEqual(readdirSync(join(server.root, 'x.test/a/tmp')), [])
})
