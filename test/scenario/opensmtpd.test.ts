import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { accountWith } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { OpenSmtpd, openSmtpdLacks } from '#test/support/opensmtpd.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = openSmtpdLacks()
if (lacks !== undefined) process.stderr.write(`OpenSMTPD as a peer is skipped: ${lacks}.\n`)
const withOpenSmtpd = lacks === undefined ? test : test.skip

// OpenSMTPD 6.8, Debian 12's, offers STARTTLS and ends each handshake with the alert internal_error, whatever the kind of
// key, the version of TLS, and whether it comes by STARTTLS or at once. It keeps private keys in a process of their own,
// which signs when an RSA or EC method of OpenSSL 1.1 asks for it; OpenSSL 3 never calls that method, so nobody signs. A
// peer of the kind that opportunistic TLS has to live with. Debian 13's (7.6) signs, and then the test asks for TLS. Which
// of them it is, OpenSSL's own client says.
async function hasTls(port: number): Promise<boolean> {
  const args = ['s_client', '-starttls', 'smtp', '-connect', `127.0.0.1:${port}`, '-brief']
  const { code, stderr } = await run('openssl', args, { input: 'QUIT\n' })
  if (code !== 0 && !stderr.includes('alert internal error')) throw new Error(stderr)
  return code === 0
}

withOpenSmtpd(
  'OpenSMTPD as relay host gets mail though its TLS may fail, not where TLS is a must, and its refusals go back',
  async (t) => {
    using ours = tempFolder('opensmtpd-takes')
    using theirs = tempFolder('opensmtpd')
    await using stores = await LmtpSink.listen({ keep: true })
    await using far = await LmtpSink.listen({ keep: true })
    const [port = 0, otherPort = 0] = await freePorts(2)
    await using opensmtpd = await OpenSmtpd.start({
      folder: theirs.path,
      port,
      otherPort,
      listener: 'tls pki peer filter "later"',
      before: ['filter "later" phase rcpt-to match rcpt-to { "later@far.example" } reject "450 4.2.0 later"'],
      rules: [
        `action "far" relay host "lmtp://127.0.0.1:${far.port}"`,
        'match from any for domain { "far.example", "example.test" } action "far"',
      ],
    })
    const works = await hasTls(opensmtpd.port)
    const policies = join(ours.path, 'tls_policy')
    writeFileSync(policies, `[127.0.0.1]:${otherPort} encrypt\n`)
    await using postern = await Appliance.start({
      folder: ours.path,
      lmtpPort: stores.port,
      limits: [`smtp_tls_policy_maps = "texthash:${policies}"`],
      settings: [`zimbraMtaRelayHost = "[127.0.0.1]:${opensmtpd.port}"`],
    })
    // Carol's mail is for another port of the same server, where TLS is a must.
    const carol = accountWith('carol', `smtp:[127.0.0.1]:${otherPort}`)
    t.is((await postern.importLdif(carol)).code, 0)
    const large = 'x'.repeat(70).concat('\r\n').repeat(10_000).trimEnd()
    {
      using client = await SmtpClient.greeted(postern.smtpPort)
      const to = ['one@far.example', 'bob@example.test', 'nobody@other.example', 'later@far.example']
      const message = plainMail('out and in', '.dot\r\n..two')
      t.is((await client.send({ from: 'alice@example.test', to, message })).code, 250)
      const second = { from: '', to: ['two@far.example'], message: plainMail('large', large) }
      t.is((await client.send(second)).code, 250)
      const third = { from: '', to: ['carol@example.test'], message: plainMail('secret', 'Hush.') }
      t.is((await client.send(third)).code, 250)
      await client.quit()
    }
    // Carol's comes there too, where TLS works.
    await until('both have come', () =>
      ['one@far.example', 'two@far.example'].every((each) =>
        far.deliveries.some(({ recipient }) => recipient === each),
      ),
    )
    const small = far.deliveries.find(({ recipient }) => recipient === 'one@far.example')
    t.is(small?.sender, 'alice@example.test')
    t.regex(small?.message.toString('latin1') ?? '', /\r\n\r\n\.dot\r\n\.\.two\r\n$/)
    const big = far.deliveries.find(({ recipient }) => recipient === 'two@far.example')
    t.true(big?.message.toString('latin1').endsWith(`${large}\r\n`))

    await stores.taken(2)
    const report = stores.deliveries.find(({ sender }) => sender === '')?.message.toString('latin1') ?? ''
    t.regex(report, /Final-Recipient: rfc822; ?nobody@other\.example/i)
    t.regex(report, /Diagnostic-Code: smtp; 550 Invalid recipient/)
    t.notRegex(report, /Final-Recipient: rfc822; ?(?:one|later|carol)@/i)

    t.is(opensmtpd.log().includes('smtp tls ciphers'), works)
    t.regex(small?.message.toString('latin1') ?? '', works ? /with ESMTPS id/ : /with ESMTP id/)
    const queue = await until('the others wait', async () => {
      const text = JSON.stringify(await postern.queue())
      if (!text.includes('450 4.2.0 later') || text.includes('nobody@')) return false
      return (works ? !text.includes('carol@') : text.includes('Cannot start TLS')) && text
    })
    t.is(queue.includes('carol@example.test'), !works)
    t.is(
      far.deliveries.some(({ recipient }) => recipient === 'carol@example.test'),
      works,
    )
  },
)

withOpenSmtpd('OpenSMTPD relays to us over STARTTLS, and bounces what we refuse', async (t) => {
  using ours = tempFolder('opensmtpd-sends')
  using theirs = tempFolder('opensmtpd')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({ folder: ours.path, lmtpPort: sink.port })
  const [port = 0] = await freePorts(1)
  await using opensmtpd = await OpenSmtpd.start({
    folder: theirs.path,
    port,
    rules: [
      `action "relay" relay host "smtp+tls://127.0.0.1:${postern.smtpPort}" tls no-verify helo sender.example`,
      'match from any for any action "relay"',
    ],
  })
  {
    using client = await SmtpClient.greeted(opensmtpd.port)
    const to = ['bob@example.test', 'nobody@example.test', 'alice@example.test']
    const message = plainMail('over TLS', '.dots\r\n..and more')
    t.is((await client.send({ from: 'alice@example.test', to, message })).code, 250)
    await client.quit()
  }
  // Two recipients, and OpenSMTPD's own report about the third.
  await sink.taken(3)
  const first = sink.deliveries.filter(({ sender }) => sender !== '')
  t.deepEqual(first.map(({ recipient }) => recipient).toSorted(), ['alice@example.test', 'bob@example.test'])
  for (const { message } of first) {
    t.regex(message.toString('latin1'), /from sender\.example .*with ESMTPS id /s)
    t.regex(message.toString('latin1'), /\r\n\r\n\.dots\r\n\.\.and more\r\n$/)
  }
  const bounce = sink.deliveries.find(({ sender }) => sender === '')
  t.is(bounce?.recipient, 'alice@example.test')
  t.regex(bounce?.message.toString('latin1') ?? '', /nobody@example\.test.*550 5\.1\.1/s)
  t.regex(opensmtpd.log(), /mta tls ciphers=TLSv1\.3/)
})
