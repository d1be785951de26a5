import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

test('a first mail by curl lies in the Maildir of its recipient', async (t) => {
  using folder = tempFolder('first-mail')
  await using postern = await Appliance.start({ folder: folder.path })
  const file = join(folder.path, 'first.eml')
  writeFileSync(file, plainMail('first mail', 'Hello.\r\n.a line that starts with a dot'))

  const curl = await run(
    'curl',
    `--silent --show-error --url smtp://127.0.0.1:${postern.smtpPort} --mail-from sender@client.example --mail-rcpt alice@example.test --upload-file ${file}`.split(
      ' ',
    ),
  )
  t.deepEqual({ code: curl.code, stderr: curl.stderr }, { code: 0, stderr: '' })

  const mail = await until('the mail is in the Maildir', () => postern.mailboxFiles()[0])
  t.regex(mail, /^Return-Path: <sender@client\.example>\r?\n/m)
  t.regex(mail, /^Received: from /m)
  t.regex(mail, /^Subject: first mail\r?$/m)
  t.regex(mail, /\r?\n\r?\nHello\.\r?\n\.a line that starts with a dot\r?\n$/)
  t.is(postern.mailboxFiles().length, 1)
})
