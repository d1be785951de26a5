import test from 'ava'
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { accountWith } from '#test/support/accounts.ts'
import { Appliance } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a destination that takes connections and says nothing holds five of them, and no mail for anybody else', async (t) => {
  using folder = tempFolder('route-fair')
  const bodies: string[] = []
  await using silent = await FakePeer.listen((c) => c.closed())
  await using live = await FakePeer.listen(wellBehaved(bodies, '250 peer\r\n', 'smtp'))
  await using postern = await Appliance.start({ folder: folder.path })
  const ldif =
    accountWith('silent', `smtp:[127.0.0.1]:${silent.port}`) +
    accountWith('live', `smtp:[127.0.0.1]:${live.port}`)
  t.is((await postern.importLdif(ldif)).code, 0)
  using client = await SmtpClient.greeted(postern.smtpPort)
  for (let n = 0; n < 60; n += 1) {
    const message = plainMail(`held ${n}`, 'Hello.')
    t.is((await client.send({ from: '', to: ['silent@example.test'], message })).code, 250)
  }
  await until('five wait for a greeting', () => silent.conversations.length === 5)
  for (let n = 0; n < 10; n += 1) {
    const to = ['silent@example.test', 'live@example.test', 'alice@example.test']
    t.is((await client.send({ from: '', to, message: plainMail(`mixed ${n}`, 'Hello.') })).code, 250)
  }
  await client.quit()
  await until('the others have theirs', () => bodies.length === 10 && postern.mailboxFiles().length === 10)
  t.is(silent.conversations.length, 5)
  t.is((await postern.queue()).length, 70)
})
