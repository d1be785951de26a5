import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('with the mailbox server down mail waits in the queue, and a flush delivers it once the server is back', async (t) => {
  using folder = tempFolder('server-down')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const n of [1, 2, 3]) {
      const reply = await client.send({
        from: 'sender@client.example',
        to: ['alice@example.test', 'bob@example.test'],
        message: plainMail(`waits ${n}`, 'Hello.'),
      })
      t.is(reply.code, 250)
    }
    await client.quit()
  }
  const shown = await until('mailq shows why each recipient waits', async () => {
    const { stdout } = await postern.tool('mailq')
    return stdout.split('Connection refused').length - 1 >= 3 && stdout
  })
  t.regex(shown, /^-+Queue ID-+ -+Size-+ -+Arrival Time-+ -+Sender\/Recipient-+$/m)
  t.is(shown.split('alice@example.test').length - 1, 3)
  t.is(shown.split('bob@example.test').length - 1, 3)
  t.regex(shown, /^-- \d+ Kbytes in 3 Requests\.$/m)

  await sink.open()
  const flushed = await postern.tool('queue', 'flush', 'ALL')
  t.is(flushed.code, 0, flushed.stderr)
  await sink.taken(6)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
  t.regex((await postern.tool('mailq')).stdout, /^Mail queue is empty$/m)
})
