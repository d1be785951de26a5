import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a held mail stays through a flush until it is released; a deleted one is gone', async (t) => {
  using folder = tempFolder('queue-tools')
  await using sink = await LmtpSink.listen({ keep: true })
  await sink.shut()
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  const ids: string[] = []
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    for (const subject of ['held', 'deleted', 'plain']) {
      const reply = await client.send({
        from: 'sender@client.example',
        to: ['alice@example.test'],
        message: plainMail(subject, 'Hello.'),
      })
      const id = /queued as (\S+)/.exec(reply.text)?.[1]
      t.truthy(id, reply.text)
      ids.push(id ?? '')
    }
    await client.quit()
  }
  const [held = '', deleted = '', plain = ''] = ids
  await until('all three wait', async () => {
    const { stdout } = await postern.tool('mailq')
    return stdout.split('Connection refused').length - 1 === 3
  })
  t.is((await postern.tool('queue', 'hold', held)).code, 0)
  t.is((await postern.tool('queue', 'delete', deleted)).code, 0)
  const { stdout } = await postern.tool('mailq')
  t.regex(stdout, new RegExp(`^${held}!`, 'm'))
  t.notRegex(stdout, new RegExp(`^${deleted}`, 'm'))

  await sink.open()
  t.is((await postern.tool('queue', 'flush', 'ALL')).code, 0)
  await sink.taken(1)
  await until('only the held one is left', async () => (await postern.queue()).length === 1)
  t.deepEqual(sink.deliveries.map(subjectOf), ['plain'])
  t.true((await postern.tool('mailq')).stdout.includes(held))

  t.is((await postern.tool('queue', 'release', held)).code, 0)
  await sink.taken(2)
  t.deepEqual(sink.deliveries.map(subjectOf), ['plain', 'held'])
  await until('the queue is empty', async () => (await postern.queue()).length === 0)

  const unknown = await postern.tool('queue', 'hold', plain)
  t.not(unknown.code, 0, 'an id that is not in the queue')
})

function subjectOf({ message }: { readonly message: Buffer }): string {
  return /^Subject: (.*?)\r?$/m.exec(message.toString('latin1'))?.[1] ?? ''
}
