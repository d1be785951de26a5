import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('mail for what zmprov has just made is taken and delivered, and a setting counts at once', async (t) => {
  using folder = tempFolder('zmprov')
  await using postern = await Appliance.start({
    folder: folder.path,
    settings: ['zimbraMtaMyNetworks = "192.0.2.0/24"'],
  })
  const zmprov = async (...words: readonly string[]) => {
    const ran = await run(join(REPOSITORY, 'bin', 'zmprov'), words, { cwd: folder.path })
    t.is(ran.code, 0, `${words.join(' ')}: ${ran.stdout}${ran.stderr}`)
    return ran.stdout
  }
  t.is((await answer(postern.smtpPort, 'ann@fresh.test')).split(' ')[0], '554')
  await zmprov('cd', 'fresh.test')
  await zmprov('ca', 'ann@fresh.test', 'secret1')
  await zmprov('aaa', 'ann@fresh.test', 'annie@fresh.test')
  await zmprov('cdl', 'all@fresh.test')
  await zmprov('adlm', 'all@fresh.test', 'annie@fresh.test', 'bob@example.test')

  await send(postern.smtpPort, 'all@fresh.test', 'to the list')
  await until('both have the mail', () => postern.mailboxFiles().length === 2)
  t.true(postern.mailboxFiles().every((text) => text.includes('to the list')))

  await zmprov('ma', 'ann@fresh.test', 'zimbraAccountStatus', 'closed')
  t.is((await answer(postern.smtpPort, 'ann@fresh.test')).split(' ')[0], '550')

  await zmprov('mcf', 'zimbraMtaMaxMessageSize', '100000')
  using client = await SmtpClient.greeted(postern.smtpPort)
  await until('the new limit is offered', async () => {
    using fresh = await SmtpClient.connect(postern.smtpPort)
    await fresh.reply()
    const reply = await fresh.command('EHLO client.example')
    return reply.lines.some((line) => line.includes('SIZE 100000'))
  })
  await client.quit()
})

async function answer(port: number, recipient: string): Promise<string> {
  using client = await SmtpClient.greeted(port)
  await client.command('MAIL FROM:<me@elsewhere.test>')
  const reply = await client.command(`RCPT TO:<${recipient}>`)
  await client.quit()
  return `${reply.code} ${reply.lines.join(' ')}`
}

async function send(port: number, recipient: string, subject: string): Promise<void> {
  using client = await SmtpClient.greeted(port)
  await client.command('MAIL FROM:<me@elsewhere.test>')
  await client.command(`RCPT TO:<${recipient}>`)
  await client.command('DATA')
  const reply = await client.command(`Subject: ${subject}\r\n\r\ntext\r\n.`)
  if (reply.code !== 250) throw new Error(`${reply.code} ${reply.lines.join(' ')}`)
  await client.quit()
}
