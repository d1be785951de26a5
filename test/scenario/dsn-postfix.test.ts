import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { EICAR, plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { readWithPython } from '#test/support/python-mail.ts'
import type { PythonReport } from '#test/support/python-mail.ts'
import { dotStuffed, SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = postfixLacks()
if (lacks !== undefined) process.stderr.write(`Postfix and DSN is skipped: ${lacks}.\n`)
const withPostfix = lacks === undefined ? test : test.skip

/** Sends one mail whose MAIL and RCPT are given whole; gives the code of the last reply. */
async function send(
  port: number,
  mail: string,
  recipients: readonly string[],
  text: string,
): Promise<number> {
  using client = await SmtpClient.greeted(port)
  for (const line of [mail, ...recipients, 'DATA']) {
    const { code } = await client.command(line)
    if (code >= 400) return code
  }
  client.write(dotStuffed(plainMail('asks for a report', text)))
  const { code } = await client.reply()
  await client.quit()
  return code
}

/** The reports that came to the sink, as Python reads them. */
async function reportsIn(sink: LmtpSink): Promise<PythonReport[]> {
  const found = sink.deliveries.filter(({ sender }) => sender === '')
  return await Promise.all(found.map(({ message }) => readWithPython(message)))
}

withPostfix(
  "Debian's Postfix passes its client's wishes on to us, and our reports go back to it",
  async (t) => {
    using ours = tempFolder('dsn-from-postfix')
    using theirs = tempFolder('postfix')
    await using sink = await LmtpSink.listen({
      keep: true,
      answer: (recipient) => (recipient.startsWith('bob') ? '552 5.2.2 <bob> mailbox full' : undefined),
    })
    await using postern = await Appliance.start({ folder: ours.path, lmtpPort: sink.port })
    const [port = 0] = await freePorts(1)
    await using postfix = await Postfix.start({ folder: theirs.path, port, relayPort: postern.smtpPort })
    const wishes = 'NOTIFY=SUCCESS,FAILURE'
    const code = await send(
      postfix.port,
      'MAIL FROM:<alice@example.test> RET=HDRS ENVID=trip+2B1',
      [
        `RCPT TO:<postmaster@example.test> ${wishes} ORCPT=rfc822;chief+2Bmail@example.org`,
        `RCPT TO:<bob@example.test> ${wishes}`,
        'RCPT TO:<alice@example.test> NOTIFY=NEVER',
      ],
      'to us',
    )
    t.is(code, 250)
    // Two mails that were delivered, and a report of success and one of failure.
    await sink.taken(4)
    const reports = await reportsIn(sink)
    t.deepEqual(reports.map(({ status }) => String(status[1]?.['action'])).toSorted(), [
      'delivered',
      'failed',
    ])
    t.is(reports.length, 2)
    for (const report of reports) {
      t.deepEqual(report.defects, [])
      t.is(report.type, 'multipart/report')
      t.is(report.reportType, 'delivery-status')
      t.is(report.autoSubmitted, 'auto-replied')
      t.is(report.to, 'alice@example.test')
      t.deepEqual(report.parts, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
      t.is(report.status.length, 2)
      t.is(report.status[0]?.['original-envelope-id'], 'trip+1')
      t.is(report.status[0]?.['received-from-mta'], 'dns; sender.example')
      t.is(report.original['subject'], 'asks for a report')
    }
    const delivered = reports.find(({ status }) => status[1]?.['action'] === 'delivered')?.status[1]
    t.is(delivered?.['original-recipient'], 'rfc822; chief+mail@example.org')
    t.is(delivered?.['final-recipient'], 'rfc822; postmaster@example.test')
    const failed = reports.find(({ status }) => status[1]?.['action'] === 'failed')?.status[1]
    t.is(failed?.['status'], '5.2.2')
    t.is(failed?.['diagnostic-code'], 'smtp; 552 5.2.2 <bob> mailbox full')
    t.is(failed?.['final-recipient'], 'rfc822; bob@example.test')
  },
)

for (const [title, settings, reporter] of [
  ['A Postfix that takes DSN parameters makes the success report itself', [], 'dns; sender.example'],
  ['For a Postfix that takes none we report that it was relayed', ['smtpd_discard_ehlo_keywords = dsn'], ''],
] as const) {
  withPostfix(title, async (t) => {
    using ours = tempFolder('dsn-to-postfix')
    using theirs = tempFolder('postfix')
    await using sink = await LmtpSink.listen({ keep: true })
    const [port = 0] = await freePorts(1)
    const transport = join(theirs.path, 'transport')
    await using postfix = await Postfix.start({
      folder: theirs.path,
      port,
      relayPort: 9,
      settings: [
        'relayhost =',
        'default_transport = discard:taken',
        `transport_maps = texthash:${transport}`,
        ...settings,
      ],
    })
    await using postern = await Appliance.start({
      folder: ours.path,
      lmtpPort: sink.port,
      settings: [`zimbraMtaRelayHost = "[127.0.0.1]:${postfix.port}"`],
    })
    writeFileSync(transport, `example.test smtp:[127.0.0.1]:${postern.smtpPort}\n`)
    const recipients = ['RCPT TO:<far+away@far.example> NOTIFY=SUCCESS', 'RCPT TO:<quiet@far.example>']
    const mail = 'MAIL FROM:<alice@example.test> RET=HDRS ENVID=trip+2B2'
    t.is(await send(postern.smtpPort, mail, recipients, 'onward'), 250)
    await sink.taken(1)
    await until('all is done', async () => (await postern.queue()).length === 0)
    const reports = await reportsIn(sink)
    t.is(reports.length, 1)
    const [report] = reports
    const [whole, far, none] = report?.status ?? []
    t.deepEqual(report?.defects, [])
    t.is(whole?.['original-envelope-id'], 'trip+2')
    t.is(far?.['final-recipient'], 'rfc822; far+away@far.example')
    t.is(none, undefined)
    if (reporter === '') {
      t.not(whole?.['reporting-mta'], 'dns; sender.example')
      t.is(far?.['action'], 'relayed')
    } else {
      t.is(whole?.['reporting-mta'], reporter)
      // It had no ORCPT from the client: we said what that had asked for.
      t.is(far?.['original-recipient'], 'rfc822;far+away@far.example')
    }
  })
}

test('What is refused causes no report, whatever NOTIFY it came with', async (t) => {
  using ours = tempFolder('dsn-refused')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({
    folder: ours.path,
    lmtpPort: sink.port,
    limits: ['notify_classes = "2bounce,delay"'],
  })
  const wishes = 'NOTIFY=SUCCESS,FAILURE,DELAY'
  const mail = 'MAIL FROM:<outsider@far.example> RET=FULL ENVID=x'
  const virus = await send(postern.smtpPort, mail, [`RCPT TO:<bob@example.test> ${wishes}`], EICAR)
  t.is(virus, 550)
  t.is(await send(postern.smtpPort, mail, [`RCPT TO:<nobody@example.test> ${wishes}`], 'x'), 550)
  // One that is taken comes behind: what the others had caused would be there before it.
  t.is(await send(postern.smtpPort, 'MAIL FROM:<>', ['RCPT TO:<bob@example.test>'], 'last'), 250)
  await sink.taken(1)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
  t.is(sink.deliveries.length, 1)
  t.regex(sink.deliveries[0]?.message.toString() ?? '', /\r\nlast\r\n/)
})
