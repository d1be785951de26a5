import { X509Certificate, createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { FakePeer } from '#test/delivery/fake-peer.ts'
import { secretive, testPki } from '#test/delivery/tls-peer.ts'
import { Appliance } from '#test/support/appliance.ts'
import { ZoneServer } from '#test/support/dns-zone.ts'
import { plainMail } from '#test/support/mails.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

async function send(port: number, to: readonly string[]): Promise<number> {
  using client = await SmtpClient.greeted(port)
  const reply = await client.send({
    from: 'alice@example.test',
    to: [...to],
    message: plainMail('out', 'Hello.'),
  })
  await client.quit()
  return reply.code
}

test('with dane, mail goes where the proven TLSA record says, and waits where it says something else', async (t) => {
  using folder = tempFolder('route-dane')
  const pki = await testPki(folder.path)
  const heard: string[] = []
  await using peer = await FakePeer.listen(secretive({ key: pki.key, cert: pki.leaf }, heard))
  const key = new X509Certificate(pki.leaf).publicKey.export({ type: 'spki', format: 'der' })
  const digest = createHash('sha256').update(key).digest('hex')
  const at = `_${peer.port}._tcp`
  await using zone = await ZoneServer.start(
    [
      'right.example MX 10 mx.right.example',
      'mx.right.example A 127.0.0.1',
      `${at}.mx.right.example TLSA 3 1 1 ${digest}`,
      'wrong.example MX 10 mx.wrong.example',
      'mx.wrong.example A 127.0.0.1',
      `${at}.mx.wrong.example TLSA 3 1 1 ${'0'.repeat(64)}`,
      'bogus.example MX 10 mx.bogus.example',
      'mx.bogus.example A 127.0.0.1',
    ].join('\n'),
    { secure: ['right.example', 'wrong.example', 'bogus.example'], broken: [`${at}.mx.bogus.example`] },
  )
  await using postern = await Appliance.start({
    folder: folder.path,
    dnsPort: zone.port,
    limits: [`smtp_tcp_port = ${peer.port}`],
    settings: ['zimbraMtaSmtpTlsSecurityLevel = "dane"', 'zimbraMtaSmtpDnsSupportLevel = "dnssec"'],
  })
  t.is(await send(postern.smtpPort, ['a@right.example', 'b@wrong.example', 'c@bogus.example']), 250)
  // The three attempts end in no order, and what was sent leaves the queue with the next write to it.
  await until('one is sent, and two wait, each for its reason', async () => {
    const queue = JSON.stringify(await postern.queue())
    const wait = queue.includes('no TLSA record matches') && queue.includes('TLSA lookup error')
    return wait && !queue.includes('a@right.example')
  })
  t.deepEqual(
    heard.filter((line) => line.startsWith('RCPT')),
    ['RCPT TO:<a@right.example>'],
  )
  const results = ['"total-successful-session-count":1', '"validation-failure"', '"dnssec-invalid"']
  await until('each session is in the report to its domain', async () => {
    const { stdout } = await postern.tool('tlsrpt', '--json')
    const lines = stdout.split('\n').filter((line) => line !== '')
    return lines.length === 3 && results.every((each) => stdout.includes(each))
  })
  const { stdout } = await postern.tool('tlsrpt', '--domain', 'right.example')
  t.is(stdout, '       1  right.example  tlsa  well\n')
})

test('a relay host gets our name and password inside TLS, and nothing of them is in the log', async (t) => {
  using folder = tempFolder('route-auth')
  const pki = await testPki(folder.path)
  const heard: string[] = []
  const inside = '250-peer\r\n250 AUTH PLAIN LOGIN\r\n'
  await using peer = await FakePeer.listen(secretive({ key: pki.key, cert: pki.leaf }, heard, inside))
  const relay = `[127.0.0.1]:${peer.port}`
  const passwords = join(folder.path, 'sasl_passwd')
  writeFileSync(passwords, `# of the relay host\n${relay} postern:open sesame\n`, { mode: 0o600 })
  const policies = join(folder.path, 'tls_policy')
  writeFileSync(policies, `${relay} secure match=mx.far.example\n`)
  const ca = join(folder.path, 'ca.pem')
  await using postern = await Appliance.start({
    folder: folder.path,
    limits: [`smtp_tls_policy_maps = "texthash:${policies}"`],
    settings: [
      `zimbraMtaRelayHost = "${relay}"`,
      'zimbraMtaSmtpSaslAuthEnable = "yes"',
      `zimbraMtaSmtpSaslPasswordMaps = "lmdb:${passwords}"`,
      `zimbraMtaSmtpTlsCAfile = "${ca}"`,
    ],
  })
  t.is(await send(postern.smtpPort, ['a@far.example']), 250)
  await until('the queue is empty', async () => (await postern.queue()).length === 0)
  const secret = Buffer.from('\0postern\0open sesame').toString('base64')
  t.is(heard[0], `AUTH PLAIN ${secret}`)
  t.true(heard.includes('RCPT TO:<a@far.example>'))
  t.notRegex(postern.output, /sesame/)
  t.false(postern.output.includes(secret))
})

test('dane without dnssec is told to the administrator, for it would do nothing', async (t) => {
  using folder = tempFolder('route-dane-half')
  await using postern = await Appliance.start({
    folder: folder.path,
    settings: ['zimbraMtaSmtpTlsSecurityLevel = "dane"'],
  })
  await until('it is told', () => postern.output.includes('delivery.alarm'))
  t.regex(postern.output, /delivery\.alarm .*smtp_dns_support_level = dnssec/)
})
