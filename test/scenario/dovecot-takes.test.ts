import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { Dovecot, dovecotLacks } from '#test/support/dovecot.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const lacks = dovecotLacks()
if (lacks !== undefined) process.stderr.write(`Dovecot as the mailbox server is skipped: ${lacks}.\n`)
const withDovecot = lacks === undefined ? test : test.skip

withDovecot('Dovecot takes our LMTP deliveries, small and large, for several recipients', async (t) => {
  using ours = tempFolder('dovecot-takes')
  using theirs = tempFolder('dovecot')
  const [port = 0] = await freePorts(1)
  await using dovecot = await Dovecot.start(theirs.path, port)
  await using postern = await Appliance.start({ folder: ours.path, lmtpPort: dovecot.port })
  using client = await SmtpClient.greeted(postern.smtpPort)
  const bodies = ['.one\r\n..two', 'x'.repeat(70).concat('\r\n').repeat(10_000).trimEnd()]
  for (const [i, body] of bodies.entries()) {
    const reply = await client.send({
      from: 'sender@client.example',
      to: ['alice@example.test', 'bob@example.test'],
      message: plainMail(`mail ${i}`, body),
    })
    t.is(reply.code, 250)
  }
  const found = await until('all four have arrived', () => {
    const files = ['alice', 'bob'].flatMap((user) => mailsOf(dovecot, `${user}@example.test`))
    return files.length === 4 && files
  })
  for (const [i, body] of bodies.entries()) {
    const mine = found.filter((mail) => mail.includes(`Subject: mail ${i}\n`))
    t.is(mine.length, 2)
    // Dovecot stores line ends as Unix does.
    for (const mail of mine) t.true(mail.endsWith(`\n\n${body.replaceAll('\r\n', '\n')}\n`))
  }
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
})

withDovecot('Dovecot takes them over its socket in the file system, named in postern.toml', async (t) => {
  using ours = tempFolder('dovecot-socket')
  using theirs = tempFolder('dovecot')
  const [port = 0] = await freePorts(1)
  await using dovecot = await Dovecot.start(theirs.path, port)
  const socket = join(theirs.path, 'run', 'lmtp')
  await using postern = await Appliance.start({
    folder: ours.path,
    tables: ['[lmtp]', `server = "unix:${socket}"`],
  })
  t.true(postern.output.includes(`to the LMTP server ${socket}`))
  using client = await SmtpClient.greeted(postern.smtpPort)
  const mail = { from: 'sender@client.example', to: ['alice@example.test'], message: plainMail('mail', 'x') }
  t.is((await client.send(mail)).code, 250)
  await until('it has arrived', () => mailsOf(dovecot, 'alice@example.test').length === 1)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
})

function mailsOf(dovecot: Dovecot, address: string): string[] {
  const folder = join(dovecot.mail, address)
  try {
    return readdirSync(join(folder, 'new')).map((name) => readFileSync(join(folder, 'new', name), 'latin1'))
  } catch {
    // Dovecot makes the folder with the first mail.
    return []
  }
}
