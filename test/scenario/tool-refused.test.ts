import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { LmtpSink } from '#test/support/lmtp-sink.ts'
import { EICAR, plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('mail that was refused is found in the trace by verdict, subject, recipient and reply, with the reason', async (t) => {
  using folder = tempFolder('tool-refused')
  await using sink = await LmtpSink.listen({ keep: true })
  await using postern = await Appliance.start({ folder: folder.path, lmtpPort: sink.port })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    await client.command('EHLO client.example')
    await client.command('MAIL FROM:<eve@bad.example>')
    t.is((await client.command('RCPT TO:<nobody@example.test>')).code, 550)
    await client.command('RSET')
    const refused = await client.send({
      from: 'mallory@bad.example',
      to: ['alice@example.test'],
      message: plainMail('Your invoice', EICAR),
    })
    t.is(refused.code, 550)
    await client.quit()
  }
  const found = (...filter: readonly string[]) =>
    until(`the trace knows ${filter.join(' ')}`, async () => {
      const { code, stdout } = await postern.tool('trace', ...filter)
      return code === 0 ? stdout : undefined
    })
  const infected = await found('--verdict', 'infected')
  t.regex(
    infected,
    /refused +client=127\.0\.0\.1 .*from=<mallory@bad\.example> to=<alice@example\.test> .*reply="550 5\.7\.1 /,
  )
  t.regex(infected, /now +refused: it was never in the queue$/m)
  const [id = ''] = infected.split('\n')
  t.is((await postern.tool('trace', id)).stdout, infected)
  t.is(await found('--subject', 'your invoice'), infected)
  t.is(await found('--sender', 'mallory@bad.example', '--reply', '5.7.1'), infected)
  const unknown = await found('--recipient', 'nobody@example.test')
  t.regex(unknown, /rejected +client=127\.0\.0\.1 .*command=RCPT reply="550 5\.1\.1 /)
  t.is((await postern.tool('queue', 'list')).stdout, '')
  await postern.stop()
  t.is((await postern.tool('trace', '--verdict', 'infected')).stdout, infected, 'with the daemon down too')
})
