import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { must, run } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

/** Makes a pair with openssl, as an operator does. */
async function makePair(folder: string, name: string, days = 365): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')]
  const about = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-days', String(days)]
  await must('openssl', ['req', '-x509', ...curve, ...about, ...files])
}

function fingerprint(folder: string): string {
  return new X509Certificate(readFileSync(join(folder, 'certificate.pem'))).fingerprint256
}

/** The fingerprint of what a client that names `servername` is shown on the TLS listener. */
async function shown(port: number, servername: string): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const found = socket.getPeerX509Certificate()?.fingerprint256 ?? ''
  socket.destroy()
  return found
}

async function reload(postern: Appliance): Promise<void> {
  const ran = await postern.tool('reload')
  if (ran.code !== 0) throw new Error(ran.stderr)
}

test('a certificate is replaced under a session, a pair that does not fit is refused, and status tells', async (t) => {
  using folder = tempFolder('certificates')
  await using postern = await Appliance.start({ folder: folder.path, submission: true })
  const tls = join(postern.data, 'tls')
  const port = postern.submissionsPort
  const first = fingerprint(tls)
  t.is(await shown(port, 'mx.example.test'), first)
  using session = await SmtpClient.connectTls(port)
  await session.reply()

  await makePair(tls, 'mx.example.test')
  const second = fingerprint(tls)
  await reload(postern)
  t.is(await shown(port, 'mx.example.test'), second)
  t.is((await session.command('EHLO client.example')).code, 250, 'the session of before goes on')

  const key = readFileSync(join(tls, 'key.pem'))
  await makePair(tls, 'mx.example.test')
  writeFileSync(join(tls, 'key.pem'), key)
  await reload(postern)
  t.is(await shown(port, 'mx.example.test'), second, 'the pair before stays')
  const broken = await postern.tool('status')
  t.regex(
    broken.stdout,
    /Attention: the default certificate: the certificate is for another key; the one before stays in force/,
  )
  const log = join(postern.data, 'log', 'postern.log')
  const refused = /smtpd\.certificate .*refused="the certificate is for another key" kept=true/
  await until('the log tells it', () => refused.test(readFileSync(log, 'utf8')))

  await makePair(tls, 'mx.example.test', 5)
  await reload(postern)
  // smtpd tells master by itself.
  const ending = await until('its end is told', async () => {
    const { stdout } = await postern.tool('status')
    const told = /Attention: the default certificate: the certificate ends on \d{4}-\d\d-\d\d/
    return told.test(stdout) && stdout
  })
  t.notRegex(ending, /another key/)
})

test('a host has the certificate of its folder, a domain of the directory its own, others the default', async (t) => {
  using folder = tempFolder('certificates')
  await using postern = await Appliance.start({ folder: folder.path, submission: true })
  const host = join(postern.data, 'tls', 'hosts', 'mail.other.test')
  await makePair(host, 'mail.other.test')
  const domain = join(folder.path, 'domain')
  await makePair(domain, 'smtp.example.test')
  const [cert, key] = ['certificate.pem', 'key.pem'].map((name) =>
    readFileSync(join(domain, name)).toString('base64'),
  )
  const imported = await postern.importLdif(
    [
      'dn: dc=example,dc=test',
      'changetype: modify',
      'add: zimbraSSLCertificate',
      `zimbraSSLCertificate:: ${cert}`,
      '-',
      'add: zimbraSSLPrivateKey',
      `zimbraSSLPrivateKey:: ${key}`,
      '-',
      'add: zimbraVirtualHostname',
      'zimbraVirtualHostname: Smtp.Example.test',
      '',
    ].join('\n'),
  )
  t.is(imported.code, 0, imported.stderr)
  await reload(postern)
  const port = postern.submissionsPort
  t.is(await shown(port, 'mail.other.test'), fingerprint(host))
  t.is(await shown(port, 'smtp.example.test'), fingerprint(domain))
  t.is(await shown(port, 'elsewhere.test'), fingerprint(join(postern.data, 'tls')))
  // The same over STARTTLS, asked by OpenSSL's own client.
  const asked = ['s_client', '-starttls', 'smtp', '-connect', `127.0.0.1:${postern.submissionPort}`]
  const client = await run('openssl', [...asked, '-servername', 'mail.other.test'], { input: 'QUIT\r\n' })
  t.regex(client.stdout, /subject=CN ?= ?mail\.other\.test/)
})

/** Whether OpenSSL's client comes through with these words. */
async function handshakes(port: number, ...words: readonly string[]): Promise<boolean> {
  const cipher = words.includes('-tls1_1') || words.includes('-tls1') ? ['-cipher', 'ALL:@SECLEVEL=0'] : []
  const asked = ['s_client', '-connect', `127.0.0.1:${port}`, ...cipher, ...words]
  const ran = await run('openssl', asked, { input: 'QUIT\r\n' })
  return /^\s*(?:New, TLS|Protocol *: TLS)/m.test(ran.stdout) && !ran.stdout.includes('Cipher is (NONE)')
}

test('a protocol or cipher that is forbidden fails, and what is older than TLS 1.2 needs a word said aloud', async (t) => {
  using folder = tempFolder('certificates')
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    settings: [
      'zimbraMtaSmtpdTlsMandatoryProtocols = ">=TLSv1"',
      'zimbraMtaSmtpdTlsExcludeCiphers = "AES128"',
    ],
  })
  const port = postern.submissionsPort
  t.true(await handshakes(port, '-tls1_3'))
  t.true(await handshakes(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'))
  t.false(await handshakes(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'))
  t.false(await handshakes(port, '-tls1_1'))
  t.false(await handshakes(port, '-tls1'))

  using second = tempFolder('certificates')
  await using legacy = await Appliance.start({
    folder: second.path,
    submission: true,
    tables: ['[tls]', 'legacy = true'],
  })
  t.true(await handshakes(legacy.submissionsPort, '-tls1_1'))
  t.true(await handshakes(legacy.submissionsPort, '-tls1_3'))
  t.regex(
    (await legacy.tool('status')).stdout,
    /Attention: TLS 1\.0 and 1\.1 are allowed, which RFC 8996 forbids/,
  )
  t.regex(
    readFileSync(join(legacy.data, 'log', 'postern.log'), 'utf8'),
    /smtpd\.tls_settings problem="TLS 1\.0 and 1\.1/,
  )
})

async function offers(port: number): Promise<boolean> {
  using client = await SmtpClient.connect(port)
  await client.reply()
  return (await client.command('EHLO client.example')).lines.includes('STARTTLS')
}

test('none takes STARTTLS from port 25 and not from submission', async (t) => {
  using folder = tempFolder('certificates')
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    settings: ['zimbraMtaTlsSecurityLevel = "none"'],
  })
  t.false(await offers(postern.smtpPort))
  t.true(await offers(postern.submissionPort))
})

test('a client whose certificate is listed relays from port 25, and another is told 554', async (t) => {
  using folder = tempFolder('certificates')
  const known = join(folder.path, 'known')
  const other = join(folder.path, 'other')
  await makePair(known, 'known.example')
  await makePair(other, 'other.example')
  await using postern = await Appliance.start({
    folder: join(folder.path, 'postern'),
    limits: [
      'mynetworks = ["192.0.2.0/24"]',
      'smtpd_tls_ask_ccert = true',
      `relay_clientcerts = ["${fingerprint(known)}"]`,
    ],
  })
  const relays = async (who: string | undefined): Promise<number> => {
    using client = await SmtpClient.greeted(postern.smtpPort)
    const certificate =
      who === undefined
        ? {}
        : { cert: readFileSync(join(who, 'certificate.pem')), key: readFileSync(join(who, 'key.pem')) }
    await client.command('STARTTLS')
    await client.handshake(certificate)
    await client.command('EHLO client.example')
    await client.command('MAIL FROM:<a@near.example>')
    return (await client.command('RCPT TO:<x@far.example>')).code
  }
  t.is(await relays(known), 250)
  t.is(await relays(other), 554)
  t.is(await relays(undefined), 554)
})
