import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { accountWith } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { must } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const ALL = 'notify_classes = ["resource", "software", "data"]'
/** What stands between the first words of a notice and the hint at its end. */
const FACTS = /\r\nMessage: {3}(\S+)\r\nFrom: {6}<(\S*)>\r\n(?:To: {8}<(\S+)>\r\n)?Reason: {4}(.*)\r\n/

async function hand(postern: Appliance, to: readonly string[]): Promise<void> {
  using client = await SmtpClient.greeted(postern.smtpPort)
  for (const each of to) {
    const mail = { from: 'alice@example.test', to: [each], message: plainMail('out', 'x') }
    if ((await client.send(mail)).code !== 250) throw new Error(each)
  }
  await client.quit()
}

/** The notices that postmaster has, by class. */
function noticesIn(sink: LmtpSink): ReadonlyMap<string, readonly (string | undefined)[]> {
  return new Map(
    sink.deliveries
      .filter(({ recipient }) => recipient === 'postmaster@example.test')
      .map(({ message }) => {
        const text = message.toString('latin1')
        const [, which = ''] =
          /\r\nSubject: Postern queue manager: mail not delivered \((\w+)\)\r\n/.exec(text) ?? []
        const [, , from, to, reason] = FACTS.exec(text) ?? []
        return [which, [from, to, reason]] as const
      }),
  )
}

test('postmaster hears of mail that a wrong transport and an unreadable table keep back, once of each class', async (t) => {
  using ours = tempFolder('mail-notices')
  await using sink = await LmtpSink.listen({ keep: true })
  const policies = join(ours.path, 'tls_policy')
  writeFileSync(policies, '[127.0.0.1]:9 mayhap\n')
  await using postern = await Appliance.start({
    folder: ours.path,
    lmtpPort: sink.port,
    limits: [ALL, `smtp_tls_policy_maps = "texthash:${policies}"`],
  })
  const accounts = [accountWith('carol', 'uucp:there'), accountWith('dave', 'smtp:[127.0.0.1]:9')]
  t.is((await postern.importLdif(accounts.join('\n'))).code, 0)
  await hand(postern, ['carol@example.test', 'carol@example.test', 'dave@example.test', 'bob@example.test'])
  await sink.taken(3)
  await until('only what is kept back waits', async () => (await postern.queue()).length === 3)
  t.is(sink.deliveries.length, 3)
  const notices = noticesIn(sink)
  const transport = 'mail transport unavailable: "uucp" (transport table: carol@example.test uucp:there)'
  t.deepEqual(notices.get('software'), ['alice@example.test', 'carol@example.test', transport])
  const [from, to, reason] = notices.get('data') ?? []
  t.deepEqual([from, to], ['alice@example.test', 'dave@example.test'])
  t.regex(reason ?? '', /^TLS policy table: .*mayhap/)
})

test('postmaster hears of mail that this machine had no descriptor for, when there are some again', async (t) => {
  using ours = tempFolder('mail-notices-full')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({ folder: ours.path, lmtpPort: sink.port, limits: [ALL] })
  // One mail through all of it, so that everything is open that will be.
  await hand(postern, ['bob@example.test'])
  await sink.taken(1)
  await sink.shut()
  await sink.open()
  const [qmgr = 0] = postern.pids('qmgr')
  await must('prlimit', ['--pid', String(qmgr), '--nofile=3:'])
  await hand(postern, ['bob@example.test'])
  // No tool could ask it now.
  const log = join(ours.path, 'var', 'log', 'postern.log')
  await until('it waits', () => readFileSync(log, 'utf8').includes('status=deferred (connect to'))
  await must('prlimit', ['--pid', String(qmgr), '--nofile=1024:'])
  t.is((await postern.tool('queue', 'flush', 'ALL')).code, 0)
  await sink.taken(3)
  const [from, to, reason] = noticesIn(sink).get('resource') ?? []
  t.deepEqual([from, to], ['alice@example.test', 'bob@example.test'])
  t.regex(reason ?? '', /^connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Too many open files$/)
})
