import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { FakePeer, wellBehaved } from '#test/delivery/fake-peer.ts'
import { body, deliverer, message, never, request } from '#test/delivery/requests.ts'
import { secretive, testPki } from '#test/delivery/tls-peer.ts'
import { Appliance } from '#test/support/appliance.ts'
import { Dovecot, dovecotLacks } from '#test/support/dovecot.ts'
import { plainMail } from '#test/support/mails.ts'
import { Postfix, postfixLacks } from '#test/support/postfix.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const LARGE = `Subject: large\r\n\r\n${`.${'0123456789'.repeat(7)}\r\n`.repeat(12_000)}`

test("Debian's Dovecot takes a large message in several chunks, whole, one after another over one connection", async (t) => {
  const lacks = dovecotLacks()
  if (lacks !== undefined) {
    t.log(`skipped: ${lacks}`)
    t.pass()
    return
  }
  using folder = tempFolder('dovecot-chunks')
  const [port = 0] = await freePorts(1)
  await using dovecot = await Dovecot.start(folder.path, port, false)
  await using delivery = deliverer()
  for (const _ of [1, 2]) {
    const given = request(port, ['a@x.test', 'b@x.test'], { body: body(LARGE, 65_536) })
    const outcomes = await delivery.deliver(given, never)
    t.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['sent', 'sent'],
    )
  }
  for (const mailbox of ['a@x.test', 'b@x.test']) {
    const stored = readdirSync(join(dovecot.mail, mailbox, 'new'))
    t.is(stored.length, 2)
    for (const file of stored) {
      const text = readFileSync(join(dovecot.mail, mailbox, 'new', file), 'latin1').replaceAll('\r\n', '\n')
      t.true(text.endsWith(LARGE.replaceAll('\r\n', '\n')))
    }
  }
})

test("Debian's Postfix takes our mail in chunks", async (t) => {
  const lacks = postfixLacks()
  if (lacks !== undefined) {
    t.log(`skipped: ${lacks}`)
    t.pass()
    return
  }
  using folder = tempFolder('postfix-chunks')
  const bodies: string[] = []
  await using behind = await FakePeer.listen(wellBehaved(bodies, '250 behind\r\n', 'smtp'))
  const [port = 0] = await freePorts(1)
  await using postfix = await Postfix.start({ folder: folder.path, port, relayPort: behind.port })
  await using delivery = deliverer({ tls: 'none' })
  const given = request(port, ['a@x.test'], {
    protocol: 'smtp',
    message: message({ sender: 'alice@example.test' }),
    body: body(LARGE, 65_536),
  })
  const [outcome] = await delivery.deliver(given, never)
  t.is(outcome?.kind, 'sent', outcome?.reply)
  await until('it has gone on', () => bodies.length === 1)
  t.true(bodies[0]?.replaceAll(/^\./gm, '').endsWith(LARGE.slice(LARGE.indexOf('\r\n\r\n'))))
  await delivery.close()
  await until('Postfix has counted', () => / bdat=[2-9]/.test(postfix.log()))
  t.notRegex(postfix.log(), / data=/)
})

test('REQUIRETLS that the next hop does not promise comes back as a bounce, and such a bounce reaches a mailbox', async (t) => {
  using folder = tempFolder('require-tls')
  const pki = await testPki(folder.path)
  const heard: string[] = []
  await using peer = await FakePeer.listen(secretive({ key: pki.key, cert: pki.leaf }, heard))
  await using postern = await Appliance.start({
    folder: folder.path,
    limits: ['smtp_tls_secure_cert_match = ["mx.far.example"]'],
    settings: [
      `zimbraMtaRelayHost = "[127.0.0.1]:${peer.port}"`,
      `zimbraMtaSmtpTlsCAfile = "${join(folder.path, 'ca.pem')}"`,
      'zimbraMtaSmtpTlsSecurityLevel = "secure"',
    ],
  })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    t.is((await client.startTls()).code, 250)
    t.is((await client.command('MAIL FROM:<alice@example.test> REQUIRETLS MT-PRIORITY=3')).code, 250)
    t.is((await client.command('RCPT TO:<bob@far.example>')).code, 250)
    t.is((await client.command('DATA')).code, 354)
    client.write(`${plainMail('secret', 'Hello.').toString()}.\r\n`)
    t.is((await client.reply()).code, 250)
    await client.quit()
  }
  const report = await until('the bounce is in the mailbox', () => postern.mailboxFiles()[0])
  t.regex(report, /Status: 5\.7\.30/)
  t.regex(report, /REQUIRETLS was not offered by host/)
  t.regex(report, /PRIORITY 3;/)
  t.deepEqual(
    heard.filter((line) => line.startsWith('MAIL')),
    [],
  )
})
