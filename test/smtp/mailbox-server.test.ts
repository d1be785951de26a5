import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
    mailboxOf: (local, domain) => (local === 'nobody' ? undefined : { local, domain }),
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
    new Set(['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE']),
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

const REFUSALS: readonly (readonly [title: string, command: string, reply: RegExp])[] = [
  ['an unknown parameter of MAIL', 'MAIL FROM:<s@x.test> AUTH=<>', /^555 5\.5\.4 /m],
  ['any parameter of RCPT', `${MAIL}RCPT TO:<a@x.test> NOTIFY=NEVER`, /^555 5\.5\.4 /m],
  ['a size above the limit', 'MAIL FROM:<s@x.test> SIZE=1000001', /^552 5\.3\.4 /m],
  ['RCPT before MAIL', 'RCPT TO:<a@x.test>', /^503 5\.5\.1 /m],
  ['a second MAIL', `${MAIL}MAIL FROM:<t@x.test>`, /^503 5\.5\.1 /m],
  ['DATA without a recipient', `${MAIL}DATA`, /^503 5\.5\.1 /m],
  ['an address that is none', `${MAIL}RCPT TO:<a@@x>`, /^501 5\.1\.3 /m],
  ['EHLO', 'EHLO x', /^500 /m],
  ['STARTTLS', 'STARTTLS', /^500 5\.5\.2 /m],
  ['XCLIENT', 'XCLIENT ADDR=192.0.2.1', /^500 5\.5\.2 /m],
  ['the wizard', 'WIZ x', /^500 5\.5\.2 /m],
  ['MAIL before LHLO', '', /^503 5\.5\.1 /m],
]

for (const [title, command, reply] of REFUSALS) {
  test(`${title} is refused`, async (t) => {
    await using server = await start()
    const text = command === '' ? `${MAIL}QUIT\r\n` : `${LHLO}${command}\r\nQUIT\r\n`
    t.regex(await talk(server.port, text), reply)
  })
}

test('quoted local parts, addresses beyond ASCII and postmaster without a domain have mailboxes', async (t) => {
  await using server = await start()
  const recipients = [
    '<"a b"@x.test>',
    '<"../../x"@x.test>',
    '<jos\u00c3\u00a9@x.test>',
    '<postmaster>',
    '<A@X.TEST>',
  ]
  const heard = await talk(
    server.port,
    `${LHLO}MAIL FROM:<"s t"@example.org> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n${recipients.map((r) => `RCPT TO:${r}\r\n`).join('')}DATA\r\n\r\nx\r\n.\r\nQUIT\r\n`,
  )
  t.is([...heard.matchAll(/^250 2\.1\.5 .* Saved/gm)].length, 5)
  for (const mailbox of [
    'x.test/a%20b',
    'x.test/%2E.%2F..%2Fx',
    'x.test/jos%C3%A9',
    'store.test/postmaster',
    'x.test/A',
  ]) {
    t.is(mails(server, mailbox).length, 1, mailbox)
  }
  t.regex(
    mails(server, 'x.test/a%20b')[0] ?? '',
    /^Return-Path: <"s t"@example\.org>\nDelivered-To: "a b"@x\.test\n/,
  )
})

test('a repeated recipient has a reply for each time and one message', async (t) => {
  await using server = await start()
  const heard = await talk(
    server.port,
    `${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nRCPT TO:<a@X.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n`,
  )
  t.is([...heard.matchAll(/ Saved/g)].length, 2)
  t.is(mails(server, 'x.test/a').length, 1)
})

test('a message above the limit is refused for each recipient and leaves nothing', async (t) => {
  await using server = await start({ messageBytesMax: 500_000 })
  const heard = await talk(
    server.port,
    `${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n${`${'x'.repeat(70)}\r\n`.repeat(10_000)}.\r\nQUIT\r\n`,
  )
  t.is([...heard.matchAll(/^552 5\.3\.4 /gm)].length, 2)
  t.deepEqual(mails(server, 'x.test/a'), [])
  const left = existsSync(join(server.root, 'x.test/a/tmp'))
    ? readdirSync(join(server.root, 'x.test/a/tmp'))
    : []
  t.deepEqual(left, [])
})

test('a large message arrives whole', async (t) => {
  await using server = await start({ messageBytesMax: 0 })
  const line = `${'0123456789'.repeat(7)}\r\n`
  await talk(server.port, `${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nDATA\r\n${line.repeat(60_000)}.\r\nQUIT\r\n`)
  const [mail = ''] = mails(server, 'x.test/a')
  t.true(
    mail === `Return-Path: <s@example.org>\nDelivered-To: a@x.test\n${line.replace('\r', '').repeat(60_000)}`,
  )
})

test('a message without its final dot is none', async (t) => {
  await using server = await start()
  const socket = connect(server.port, '127.0.0.1')
  socket.write(`${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nDATA\r\n${`${'x'.repeat(70)}\r\n`.repeat(8000)}\r\n.\r`)
  socket.end()
  for await (const bytes of socket) t.notRegex(String(bytes), /Saved/)
  await server.stop()
  t.deepEqual(mails(server, 'x.test/a'), [])
  t.deepEqual(readdirSync(join(server.root, 'x.test/a/tmp')), [])
})

for (const [text, stored] of [
  ['.\r\n.\r\n'.replace('.\r\n', '..\r\n'), '.\n'],
  ['..\r\n...\r\n.\r\n', '.\n..\n'],
  ['a\n.\nb\r\n.\r\n', 'a\n.\nb\n'],
  ['a\r.\rb\r\n.\r\n', 'a\r.\rb\n'],
  ['a\n.\r\nb\r\n.\r\n', 'a\n.\nb\n'],
  ['a\r\n.x\r\n.\r\n', 'a\nx\n'],
  ['a\r\r\n.\r\n', 'a\r\n'],
  ['.\r\n', ''],
] as const) {
  test(`DATA ${JSON.stringify(text)} is ${JSON.stringify(stored)}, cut anywhere`, async (t) => {
    await using server = await start()
    for (let cut = 0; cut <= text.length; cut += 1) {
      const socket = connect(server.port, '127.0.0.1')
      socket.setNoDelay(true)
      socket.setEncoding('latin1')
      let heard = ''
      const until = async (pattern: RegExp): Promise<void> => {
        while (!pattern.test(heard)) heard += String((await once(socket, 'data'))[0])
      }
      socket.write(`${LHLO}${MAIL}RCPT TO:<m${cut}@x.test>\r\nDATA\r\n`)
      await until(/354 /)
      socket.write(text.slice(0, cut))
      await new Promise(setImmediate)
      socket.write(text.slice(cut))
      await until(/ Saved\r\n/)
      socket.destroy()
      t.deepEqual(mails(server, `x.test/m${cut}`), [
        `Return-Path: <s@example.org>\nDelivered-To: m${cut}@x.test\n${stored}`,
      ])
    }
  })
}

test('several messages go over one connection', async (t) => {
  await using server = await start()
  const one = `${MAIL}RCPT TO:<a@x.test>\r\nDATA\r\nx\r\n.\r\n`
  const heard = await talk(server.port, `${LHLO}${one.repeat(5)}QUIT\r\n`)
  t.is([...heard.matchAll(/ Saved/g)].length, 5)
  t.is(mails(server, 'x.test/a').length, 5)
})

test('a mailbox that cannot be written defers its recipient alone', async (t) => {
  await using server = await start()
  mkdirSync(join(server.root, 'x.test'), { recursive: true })
  writeFileSync(join(server.root, 'x.test/a'), 'a file where the mailbox should be')
  const heard = await talk(
    server.port,
    `${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n`,
  )
  t.regex(heard, /^451 4\.3\.0 <a@x\.test> .*\r\n250 2\.1\.5 <b@x\.test> Saved\r\n/m)
  t.true(server.log.lines.some(({ event, level }) => event === 'mailbox.error' && level === 'error'))
})

test('stop says 421 to idle clients and lets a message under way end', async (t) => {
  await using server = await start({ stopMs: 20_000 })
  const idle = connect(server.port, '127.0.0.1').setEncoding('latin1')
  await once(idle, 'data')
  const busy = connect(server.port, '127.0.0.1').setEncoding('latin1')
  let heard = ''
  busy.on('data', (text: string) => {
    heard += text
  })
  busy.write(`${LHLO}${MAIL}RCPT TO:<a@x.test>\r\nDATA\r\n`)
  while (!heard.includes('354')) await once(busy, 'data')
  const said = once(idle, 'data')
  const stopped = server.stop()
  t.regex(String((await said)[0]), /^421 4\./)
  idle.end()
  busy.write('x\r\n.\r\n')
  while (!heard.includes('421')) await once(busy, 'data')
  busy.end()
  await stopped
  t.regex(heard, / Saved\r\n421 4\./)
  t.is(mails(server, 'x.test/a').length, 1)
})
