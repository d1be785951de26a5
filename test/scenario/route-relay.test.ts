import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = postfixLacks()
if (lacks !== undefined) process.stderr.write(`Postfix as a relay host is skipped: ${lacks}.\n`)
const withPostfix = lacks === undefined ? test : test.skip

withPostfix(
  "Debian's Postfix as relay host gets what is not ours, over STARTTLS, and its refusals go back",
  async (t) => {
    using ours = tempFolder('route-relay')
    using theirs = tempFolder('postfix')
    await using sink = await LmtpSink.listen({ keep: true })
    const [port = 0] = await freePorts(1)
    writeFileSync(
      join(theirs.path, 'access'),
      'nobody@far.example 550 5.1.1 nobody\nlater@far.example 450 4.2.0 later\n',
    )
    await using postfix = await Postfix.start({
      folder: theirs.path,
      port,
      relayPort: 9,
      settings: [
        'relayhost =',
        'default_transport = discard:taken',
        `smtpd_recipient_restrictions = check_recipient_access texthash:${theirs.path}/access`,
        'smtpd_tls_security_level = encrypt',
        `smtpd_tls_chain_files = ${theirs.path}/tls.pem`,
      ],
      certificate: `${theirs.path}/tls.pem`,
    })
    await using postern = await Appliance.start({
      folder: ours.path,
      lmtpPort: sink.port,
      settings: [`zimbraMtaRelayHost = "[127.0.0.1]:${postfix.port}"`],
    })
    {
      using client = await SmtpClient.greeted(postern.smtpPort)
      const to = [
        'one@far.example',
        'bob@example.test',
        'nobody@far.example',
        'two@other.example',
        'later@far.example',
      ]
      const message = plainMail('out and in', '.dot')
      t.is((await client.send({ from: 'alice@example.test', to, message })).code, 250)
      await client.quit()
    }
    await sink.taken(2)
    const mine = sink.deliveries.find(({ sender }) => sender === 'alice@example.test')
    t.is(mine?.recipient, 'bob@example.test')
    const bounce = sink.deliveries.find(({ sender }) => sender === '')
    t.is(bounce?.recipient, 'alice@example.test')
    const report = bounce?.message.toString('latin1') ?? ''
    t.regex(report, /Final-Recipient: rfc822; ?nobody@far\.example/i)
    t.regex(
      report,
      /Diagnostic-Code: smtp; 550 5\.1\.1 <nobody@far\.example>: Recipient address\s+rejected: nobody/,
    )
    t.notRegex(report, /Final-Recipient: rfc822; ?(?:one|two|later)@/i)

    const log = await until('Postfix has both', () => {
      const text = postfix.log()
      return text.split('status=sent (taken)').length === 3 && text
    })
    t.regex(log, /to=<one@far\.example>/)
    t.regex(log, /to=<two@other\.example>/)

    await until('one waits, with the reply of Postfix', async () => {
      const queue = await postern.queue()
      return queue.length === 1 && /later@far\.example.*450 4\.2\.0/.test(JSON.stringify(queue))
    })
  },
)

test('a relay host that leads back to us defers the mail, with one alarm', async (t) => {
  using folder = tempFolder('route-loop')
  const options = { folder: folder.path, settings: ['zimbraMtaRelayHost = ""'] }
  await using postern = await Appliance.start(options)
  await postern.relayTo(`[127.0.0.1]:${postern.smtpPort}`)
  using client = await SmtpClient.greeted(postern.smtpPort)
  for (const n of [1, 2]) {
    const message = plainMail(`round ${n}`, 'and round')
    t.is((await client.send({ from: 'alice@example.test', to: ['x@far.example'], message })).code, 250)
  }
  await client.quit()
  const queue = await until('both wait', async () => {
    const all = await postern.queue()
    return JSON.stringify(all).split('loops back to myself').length === 3 && all
  })
  t.is(queue.length, 2)
  await until('it is told', () => postern.output.includes('delivery.alarm'))
  t.is(postern.output.split('delivery.alarm').length - 1, 1)
  t.regex(
    postern.output,
    /delivery\.alarm .*relayhost configuration problem: mail for 127\.0\.0\.1 loops back to myself/,
  )
})
