import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { mailWithAttachment, plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test("an attachment named .exe is refused with Zimbra's text, a .pdf is not", async (t) => {
  using folder = tempFolder('extension')
  await using postern = await Appliance.start({ folder: folder.path })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const to = { from: 'sender@client.example', to: ['alice@example.test'] }
  const content = Buffer.from('not a program at all')

  for (const name of ['setup.exe', 'SETUP.EXE', 'setup.exe. ', 'invoice.pdf.exe']) {
    const refused = await client.send({ ...to, message: mailWithAttachment('program', name, content) })
    t.is(refused.code, 550, name)
    t.is(refused.dsn, '5.7.1', name)
    t.regex(
      refused.text,
      /Attachment type not allowed\. File ".*" has the unacceptable extension "exe"/i,
      name,
    )
  }
  for (const message of [
    mailWithAttachment('harmless', 'setup.pdf', content),
    plainMail('talks of setup.exe', 'Do not open setup.exe'),
  ]) {
    t.is((await client.send({ ...to, message })).code, 250)
  }
  await until('both arrive', () => postern.mailboxFiles().length === 2)
  await until('nothing is left', async () => (await postern.queue()).length === 0)
})
