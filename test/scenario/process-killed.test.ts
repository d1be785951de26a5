import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { killIfThere } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const MAIL = {
  from: 'sender@client.example',
  to: ['alice@example.test'],
  message: plainMail('after', 'Hello.'),
}

test('an smtpd killed with -9 is replaced, its clients lose their connection, and the others go on', async (t) => {
  using folder = tempFolder('smtpd-killed')
  await using postern = await Appliance.start({ folder: folder.path, workers: 2 })
  const before = postern.pids('smtpd')
  t.is(before.length, 2)
  // Enough sessions that each smtpd has some.
  const clients = await Promise.all(Array.from({ length: 16 }, () => SmtpClient.greeted(postern.smtpPort)))
  killIfThere(before[0] ?? 0)
  await until('a new smtpd stands in', () => {
    const now = postern.pids('smtpd')
    return now.length === 2 && !now.includes(before[0] ?? 0)
  })
  const ends = await Promise.all(clients.map((client) => endOf(client)))
  t.true(ends.includes('lost'), 'the killed one had sessions')
  t.true(ends.includes('served'), 'the other one had sessions')
  t.true(postern.pids('smtpd').includes(before[1] ?? 0), 'the other one was left alone')
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.is((await client.send(MAIL)).code, 250)
})

test('with the queue manager killed, clients hear 451 or 250 and never lose a session, until a new one serves', async (t) => {
  using folder = tempFolder('qmgr-killed')
  await using postern = await Appliance.start({ folder: folder.path })
  const smtpd = postern.pids('smtpd')
  const [qmgr = 0] = postern.pids('qmgr')
  using client = await SmtpClient.greeted(postern.smtpPort)
  t.is((await client.send(MAIL)).code, 250)
  killIfThere(qmgr)
  await until('mail is taken again', async () => {
    const reply = await client.send(MAIL)
    if (reply.code === 250) return postern.pids('qmgr').length === 1 && !postern.pids('qmgr').includes(qmgr)
    t.is(reply.code, 451, reply.text)
    t.is(reply.dsn, '4.3.0')
    await client.command('RSET')
    return false
  })
  t.deepEqual(postern.pids('smtpd'), smtpd, 'the same smtpd serves on')
})

async function endOf(client: SmtpClient): Promise<'served' | 'lost'> {
  try {
    return (await client.send(MAIL)).code === 250 ? 'served' : 'lost'
  } catch (error) {
    if (error instanceof ConnectionLost) return 'lost'
    throw error
  } finally {
    client.destroy()
  }
}
