import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { EICAR, plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = postfixLacks()
if (lacks !== undefined) process.stderr.write(`Postfix as a client is skipped: ${lacks}.\n`)
const withPostfix = lacks === undefined ? test : test.skip

withPostfix("Debian's Postfix relays through us over STARTTLS, and bounces what we refuse", async (t) => {
  using ours = tempFolder('postfix-sends')
  using theirs = tempFolder('postfix')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({ folder: ours.path, lmtpPort: sink.port })
  const [port = 0] = await freePorts(1)
  await using postfix = await Postfix.start({
    folder: theirs.path,
    port,
    relayPort: postern.smtpPort,
    // A bounce with the virus in it would be refused as the virus was.
    settings: ['smtp_tls_security_level = encrypt', 'bounce_size_limit = 1'],
  })
  {
    using client = await SmtpClient.greeted(postfix.port)
    const to = { from: 'alice@example.test', to: ['bob@example.test', 'alice@example.test'] }
    t.is((await client.send({ ...to, message: plainMail('over TLS', '.dots\r\n..and more') })).code, 250)
    t.is((await client.send({ ...to, message: plainMail('virus', EICAR) })).code, 250)
    await client.quit()
  }
  // Two recipients of the first, and Postfix's own report to the sender of the second.
  await sink.taken(3)
  const first = sink.deliveries.filter(({ sender }) => sender !== '')
  t.deepEqual(first.map(({ recipient }) => recipient).toSorted(), ['alice@example.test', 'bob@example.test'])
  for (const { message } of first) {
    t.regex(message.toString('latin1'), /with ESMTPS id /)
    t.regex(message.toString('latin1'), /\r\n\r\n\.dots\r\n\.\.and more\r\n$/)
  }
  const bounce = sink.deliveries.find(({ sender }) => sender === '')
  t.is(bounce?.recipient, 'alice@example.test')
  t.regex(bounce?.message.toString('latin1') ?? '', /Diagnostic-Code: smtp; 550 5\.7\.1 .*eicar/is)

  const log = await until('Postfix has logged its deliveries', () => {
    const lines = postfix.log()
    return lines.includes('status=bounced') && lines.includes('status=sent') && lines
  })
  t.regex(log, /TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.3/)
})
