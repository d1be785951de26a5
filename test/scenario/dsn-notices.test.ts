import test from 'ava'
import { FakePeer, greeted } from '#test/delivery/fake-peer.ts'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { readWithPython } from '#test/support/python-mail.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** A sender that we host and that no longer takes mail: its bounces come to nothing. */
const GHOST = [
  'dn: uid=ghost,ou=people,dc=example,dc=test',
  'objectClass: inetOrgPerson',
  'objectClass: zimbraAccount',
  'uid: ghost',
  'mail: ghost@example.test',
  'zimbraId: 6a3c1d4e-0000-4000-8000-000000000001',
  'zimbraMailDeliveryAddress: ghost@example.test',
  'zimbraMailStatus: enabled',
  'zimbraAccountStatus: active',
  '',
].join('\n')

function refuses(recipient: string): string | undefined {
  return recipient.startsWith('bob') || recipient.startsWith('ghost') ? '550 5.1.1 gone' : undefined
}

test('a bounce that nobody takes is told to postmaster, and a copy of each other one, as notify_classes asks', async (t) => {
  using ours = tempFolder('notices')
  await using sink = await LmtpSink.listen({ keep: true, answer: refuses })
  await using postern = await Appliance.start({
    folder: ours.path,
    lmtpPort: sink.port,
    limits: ['notify_classes = "bounce"', 'bounce_notice_recipient = "abuse"'],
  })
  t.is((await postern.importLdif(GHOST)).code, 0)
  using client = await SmtpClient.greeted(postern.smtpPort)
  const mail = { from: 'ghost@example.test', to: ['bob@example.test'], message: plainMail('to nobody', 'x') }
  t.is((await client.send(mail)).code, 250)
  // abuse@ is an alias of postmaster's mailbox: the copy of the bounce, and the one of the bounce's own failure.
  await sink.taken(2)
  await until('all is done', async () => (await postern.queue()).length === 0)
  t.deepEqual(
    sink.deliveries.map(({ sender, recipient }) => [sender, recipient]),
    [
      ['', 'postmaster@example.test'],
      ['', 'postmaster@example.test'],
    ],
  )
  const reports = await Promise.all(sink.deliveries.map(({ message }) => readWithPython(message)))
  for (const report of reports) {
    t.deepEqual(report.defects, [])
    t.is(report.subject, 'Postmaster Copy: Undelivered Mail')
    t.is(report.autoSubmitted, 'auto-replied')
  }
  // They are delivered beside each other, so either may come first.
  t.deepEqual(reports.map(({ status }) => status[1]?.['final-recipient'] ?? '').toSorted(), [
    'rfc822; bob@example.test',
    'rfc822; ghost@example.test',
  ])
})

test('postmaster gets the dialogue of a session that policy refused, once, and not of one that went well', async (t) => {
  using ours = tempFolder('session-notices')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: ours.path,
    lmtpPort: sink.port,
    limits: ['notify_classes = ["policy", "bounce"]'],
    settings: ['zimbraMtaMyNetworks = ["192.0.2.0/24"]'],
  })
  const told = 'MAIL FROM:<someone@far.example>'
  for (const to of ['bob@example.test', 'victim@other.example', 'victim@other.example']) {
    using client = await SmtpClient.greeted(postern.smtpPort)
    await client.command(told)
    await client.command(`RCPT TO:<${to}>`)
    await client.quit()
  }
  await sink.taken(1)
  await until('all is done', async () => (await postern.queue()).length === 0)
  t.is(sink.deliveries.length, 1)
  t.is(sink.deliveries[0]?.recipient, 'postmaster@example.test')
  const text = sink.deliveries[0]?.message.toString() ?? ''
  t.regex(text, /\r\nSubject: Postern SMTP server: errors from \S+\[127\.0\.0\.1\]\r\n/)
  t.regex(text, /\r\n In:  RCPT TO:<victim@other\.example>\r\n Out: 554 5\.7\.1 .*Relay access denied\r\n/)
})

test('postmaster gets the dialogue with a next hop that has the protocol otherwise than we, once', async (t) => {
  using ours = tempFolder('peer-notices')
  await using sink = await LmtpSink.listen({ keep: true })
  await using relay = await FakePeer.listen(
    greeted(async (conversation) => {
      for (let line = await conversation.line(); line !== ''; line = await conversation.line())
        conversation.say(line.startsWith('RCPT') ? '503 5.5.1 Out of order\r\n' : '250 2.0.0 ok\r\n')
    }, '250 relay.far.example\r\n'),
  )
  await using postern = await Appliance.start({
    folder: ours.path,
    lmtpPort: sink.port,
    limits: ['notify_classes = "protocol"'],
    settings: [`zimbraMtaRelayHost = "[127.0.0.1]:${relay.port}"`],
  })
  for (const to of ['one@far.example', 'two@far.example']) {
    using client = await SmtpClient.greeted(postern.smtpPort)
    const mail = { from: 'alice@example.test', to: [to], message: plainMail('out', 'x') }
    t.is((await client.send(mail)).code, 250)
  }
  // Two bounces to alice, and one notice.
  await sink.taken(3)
  await until('all is done', async () => (await postern.queue()).length === 0)
  const [notice, more] = sink.deliveries.filter(({ recipient }) => recipient === 'postmaster@example.test')
  t.is(more, undefined)
  const text = notice?.message.toString() ?? ''
  t.regex(text, /\r\nSubject: Postern SMTP client: errors from 127\.0\.0\.1\[127\.0\.0\.1\]\r\n/)
  t.regex(text, /\r\n Out: RCPT TO:<(?:one|two)@far\.example>\r\n In:  503 5\.5\.1 Out of order\r\n/)
})
