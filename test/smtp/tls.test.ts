import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTls, TLSSocket } from 'node:tls'
import test from 'ava'
import { postfixLine } from '#src/base/postfix-line.ts'
import { Server } from '#src/smtp/server.ts'
import { newCertificate, plainTls } from './support/certificate.ts'
import { fakes } from './support/fakes.ts'
import { serve } from './support/serve.ts'
import { Talk } from './support/talk.ts'

const CERTIFICATE = await newCertificate()

test('STARTTLS is offered with a certificate, and within TLS no more', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.open(serving.port)
  await talk.reply()
  t.regex(await talk.ask('EHLO client.example'), /250-STARTTLS/)
  t.is(await talk.ask('STARTTLS'), '220 2.0.0 Ready to start TLS')
  const socket = await talk.startTls()
  t.is(socket.getPeerX509Certificate()?.fingerprint256, new X509Certificate(CERTIFICATE.cert).fingerprint256)
  t.notRegex(await talk.ask('EHLO client.example'), /STARTTLS/)
  t.is(await talk.ask('STARTTLS'), '554 5.5.1 Error: TLS already active')
  t.regex(await talk.ask('QUIT'), /^221/)
  t.is(await talk.rest(), '')
  const line = serving.log.lines.find((one) => one.event === 'smtpd.tls')
  t.regex(String(line?.facts['cipher']), /^TLSv1\.3 with cipher TLS_/)
})

test('with smtpd_tls_loglevel 0 no handshake has a line, with smtpd_client_port_logging each line has the port', async (t) => {
  await using serving = await serve({ logsTls: false, logsClientPort: true }, CERTIFICATE)
  await using talk = await Talk.greeted(serving.port)
  await talk.ask('STARTTLS')
  await talk.startTls()
  await talk.ask('EHLO client.example')
  await talk.ask('MAIL FROM:<a@client.example>')
  await talk.ask('RCPT TO:<unknown@example.test>')
  const { lines } = serving.log
  t.false(lines.some(({ event }) => event === 'smtpd.tls'))
  for (const event of ['smtpd.connect', 'smtpd.reject'] as const) {
    const line = lines.find((one) => one.event === event)
    t.regex(String(line?.facts['clientPort']), /^\d+$/, event)
    if (line !== undefined)
      t.regex(postfixLine(event, line.facts)[0] ?? '', /client\.example\[127\.0\.0\.1\]:\d+/)
  }
})

test('REQUIRETLS is offered and taken inside TLS only, and goes with the message (RFC 8689)', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.open(serving.port)
  await talk.reply()
  t.notRegex(await talk.ask('EHLO trusted.example'), /REQUIRETLS/)
  await talk.ask('STARTTLS')
  await talk.startTls()
  t.regex(await talk.ask('EHLO trusted.example'), /^250[ -]REQUIRETLS/m)
  t.is(
    await talk.ask('MAIL FROM:<a@client.example> REQUIRETLS=1'),
    '555 5.5.4 Unsupported option: REQUIRETLS=1',
  )
  for (const line of [
    'MAIL FROM:<a@client.example> REQUIRETLS MT-PRIORITY=-3',
    'RCPT TO:<user@example.test>',
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
  ])
    await talk.ask(line)
  const [message] = serving.queue.messages
  t.like(message, { requireTls: true, priority: -3 })
  t.regex(message?.prefix ?? '', /PRIORITY -3;/)
})

test('what was said before STARTTLS holds no more behind it', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.greeted(serving.port)
  await talk.askAll('MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>', 'STARTTLS')
  await talk.startTls()
  t.deepEqual(await talk.askAll('DATA', 'RCPT TO:<user@example.test>', 'MAIL FROM:<a@client.example>'), [
    '503 5.5.1 Error: need RCPT command',
    '503 5.5.1 Error: need MAIL command',
    '503 5.5.1 Error: send HELO/EHLO first',
  ])
})

test('a message over TLS says so, and may be pipelined', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.greeted(serving.port)
  await talk.ask('STARTTLS')
  await talk.startTls()
  await talk.ask('EHLO client.example')
  talk.write('MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n')
  t.deepEqual(
    (await talk.replies(3)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '354'],
  )
  talk.write('Subject: x\r\n\r\n.\r\nMAIL FROM:<b@client.example>\r\nQUIT\r\n')
  t.deepEqual(
    (await talk.replies(3)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '221'],
  )
  const [message] = serving.queue.messages
  t.is(message?.origin.protocol, 'ESMTPS')
  t.regex(message?.prefix ?? '', /\(using TLSv1\.3 with cipher TLS_[A-Z0-9_]+\)/)
  t.regex(message?.prefix ?? '', /with ESMTPS id /)
})

test('commands behind STARTTLS in clear are thrown away', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.greeted(serving.port)
  talk.write(
    'STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.test>\r\n',
  )
  t.is(await talk.reply(), '220 2.0.0 Ready to start TLS')
  await talk.startTls()
  t.is(await talk.ask('RCPT TO:<user@example.test>'), '503 5.5.1 Error: need MAIL command')
  t.is(await talk.ask('MAIL FROM:<a@client.example>'), '503 5.5.1 Error: send HELO/EHLO first')
})

test('many commands behind STARTTLS, more than one turn takes, are thrown away too', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using talk = await Talk.greeted(serving.port)
  talk.write(`${'NOOP\r\n'.repeat(90)}STARTTLS\r\n${'MAIL FROM:<evil@client.example>\r\n'.repeat(1000)}`)
  for (let n = 0; n < 90; n += 1) t.is(await talk.reply(), '250 2.0.0 Ok')
  t.is(await talk.reply(), '220 2.0.0 Ready to start TLS')
  await talk.startTls()
  t.is(await talk.ask('NOOP'), '250 2.0.0 Ok')
  t.regex(await talk.ask('EHLO client.example'), /^250-/)
})

test('without a certificate STARTTLS is not there, and nobody else’s key is served', async (t) => {
  await using serving = await serve()
  await using talk = await Talk.open(serving.port)
  await talk.reply()
  t.notRegex(await talk.ask('EHLO client.example'), /STARTTLS/)
  t.regex(await talk.ask('STARTTLS'), /^502 5\.5\.1/)
  t.is(serving.server.secureContext.size, 0)
  t.is(serving.server.options.key, undefined)
  t.is(serving.server.options.cert, undefined)
})

test('an implicit TLS listener without a certificate serves none', async (t) => {
  const { environment } = fakes({ stopGraceMs: 100 })
  const server = new Server({ environment, service: 'submissions', tls: undefined })
  const port = await server.start({ host: '127.0.0.1', port: 0, reusePort: false })
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await t.throwsAsync(once(socket, 'secureConnect'))
  await server.stop()
})

test('an implicit TLS listener greets behind the handshake', async (t) => {
  const { environment } = fakes({ stopGraceMs: 100 })
  const server = new Server({ environment, service: 'submissions', tls: plainTls(CERTIFICATE) })
  const port = await server.start({ host: '127.0.0.1', port: 0, reusePort: false })
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  const [greeting]: unknown[] = await once(socket, 'data')
  t.regex(String(greeting), /^220 mx\.example\.test/)
  socket.destroy()
  await server.stop()
})

for (const version of ['TLSv1', 'TLSv1.1'] as const) {
  test(`${version} is refused`, async (t) => {
    await using serving = await serve({}, CERTIFICATE)
    await using talk = await Talk.greeted(serving.port)
    await talk.ask('STARTTLS')
    const socket = connectTls({
      socket: talk.socket,
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    await t.throwsAsync(once(socket, 'secureConnect'))
  })
}

test('a new certificate is served to the next client, and the session before it goes on', async (t) => {
  await using serving = await serve({}, CERTIFICATE)
  await using before = await Talk.greeted(serving.port)
  await before.ask('STARTTLS')
  await before.startTls()
  const next = await newCertificate()
  serving.server.adopt(serving.environment, plainTls(next))
  await using after = await Talk.greeted(serving.port)
  await after.ask('STARTTLS')
  const socket = await after.startTls()
  t.is(socket.getPeerX509Certificate()?.fingerprint256, new X509Certificate(next.cert).fingerprint256)
  t.is(await before.ask('NOOP'), '250 2.0.0 Ok')
})

for (const [what, command] of [
  ['DATA', 'DATA\r\n'],
  ['BDAT', 'BDAT 1000 LAST\r\n'],
] as const) {
  test(`clear text behind close_notify in the middle of ${what} is neither command nor content`, async (t) => {
    await using serving = await serve({ timeoutMs: 60_000 }, CERTIFICATE)
    await using talk = await Talk.greeted(serving.port)
    const plain = talk.socket
    await talk.ask('STARTTLS')
    const secure = await talk.startTls()
    await talk.ask('EHLO client.example')
    talk.write(`MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\n${command}`)
    await talk.replies(what === 'DATA' ? 3 : 2)
    talk.write('Subject: half\r\n')
    t.true(secure instanceof TLSSocket)
    // Ends TLS only; the connection beneath stays.
    secure.end()
    plain.write('\r\n.\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.test>\r\n')
    while (!serving.log.lines.some((line) => line.event === 'smtpd.disconnect')) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    t.is(serving.queue.messages.length, 0)
    t.is(serving.scanners.out, 0)
    t.deepEqual(
      serving.log.lines.filter((line) => line.event === 'smtpd.reject').map((line) => line.facts['reply']),
      [],
    )
  })
}
