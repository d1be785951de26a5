import { join } from 'node:path'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { EICAR, mailWithAttachment, plainMail } from '#test/support/mails.ts'
import { run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a mail that holds EICAR is refused at its last dot, and nothing of it is in the queue or a mailbox', async (t) => {
  using folder = tempFolder('eicar')
  await using postern = await Appliance.start({ folder: folder.path })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const to = { from: 'sender@client.example', to: ['alice@example.test'] }

  for (const message of [
    plainMail('in the text', EICAR),
    mailWithAttachment('attached', 'report.txt', Buffer.from(EICAR)),
    // Too large for memory: its second look is a look into its spool file.
    plainMail('at the end', `${'x'.repeat(70).concat('\r\n').repeat(5000)}${EICAR}`),
  ]) {
    const refused = await client.send({ ...to, message })
    t.is(refused.code, 550)
    t.is(refused.dsn, '5.7.1')
    t.regex(refused.text, /eicar/i)
  }
  t.deepEqual(await postern.queue(), [])

  // The session goes on, and a clean mail that was sent last is the only one that arrives.
  t.is((await client.send({ ...to, message: plainMail('clean', 'Hello.') })).code, 250)
  await until('the clean mail arrives', () => postern.mailboxFiles().length > 0)
  t.deepEqual(
    postern.mailboxFiles().map((mail) => /^Subject: (.*?)\r?$/m.exec(mail)?.[1]),
    ['clean'],
  )
})

test('a server whose services lack antivirus looks for no signature, and for attachments all the same', async (t) => {
  using folder = tempFolder('services')
  await using postern = await Appliance.start({ folder: folder.path })
  const to = { from: 'sender@client.example', to: ['alice@example.test'] }
  const answer = async (message: Buffer) => {
    using client = await SmtpClient.greeted(postern.smtpPort)
    return (await client.send({ ...to, message })).code
  }
  const zmprov = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await run(join(REPOSITORY, 'bin', 'zmprov'), words, { cwd: folder.path })
    t.is(code, 0, stderr)
    return stdout
  }
  const set = async (change: string) => {
    const server = (await zmprov('gas')).trim()
    await zmprov('ms', server, change, 'antivirus')
  }
  t.is(await answer(plainMail('before', EICAR)), 550)
  await set('-zimbraServiceEnabled')
  await until('it passes', async () => (await answer(plainMail('off', EICAR))) === 250)
  t.is(await answer(mailWithAttachment('program', 'a.exe', Buffer.from('x'))), 550)
  await set('+zimbraServiceEnabled')
  await until('it is refused again', async () => (await answer(plainMail('on', EICAR))) === 550)
})
