import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, connect } from 'node:tls'
import { once } from 'node:events'
import test from 'ava'
import { Fault } from '#src/base/fault.ts'
import { ensureCertificate, selfSigned } from '#src/net/certificate.ts'
import { tempFolder } from '#test/support/temp.ts'

const NOW_MS = Date.UTC(2026, 10, 22)

function files(folder: string) {
  return { certificateFile: join(folder, 'tls', 'certificate.pem'), keyFile: join(folder, 'tls', 'key.pem') }
}

test('a certificate for the host name is made once, with a key for this user only', async (t) => {
  using folder = tempFolder('certificate')
  const pair = files(folder.path)
  t.is(await ensureCertificate(pair, 'mx.example.test', NOW_MS), 'made')
  const text = readFileSync(pair.certificateFile, 'utf8')
  const certificate = new X509Certificate(text)
  t.is(certificate.subject, 'CN=mx.example.test')
  t.is(certificate.checkHost('mx.example.test'), 'mx.example.test')
  t.is(certificate.checkHost('other.example.test'), undefined)
  t.true(certificate.verify(certificate.publicKey))
  t.false(certificate.ca)
  t.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  t.is(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.true(certificate.validFromDate.getTime() < NOW_MS)
  t.true(certificate.validToDate.getTime() > NOW_MS + 9 * 365 * 86_400_000)
  t.is(statSync(pair.keyFile).mode & 0o777, 0o600)
  t.is(await ensureCertificate(pair, 'renamed.example.test', NOW_MS), 'kept')
  t.is(readFileSync(pair.certificateFile, 'utf8'), text)
})

test('no two boxes have the same key or serial number', async (t) => {
  using folder = tempFolder('certificate')
  const made: X509Certificate[] = []
  for (const name of ['a', 'b']) {
    const pair = files(join(folder.path, name))
    await ensureCertificate(pair, 'mx.example.test', NOW_MS)
    made.push(new X509Certificate(readFileSync(pair.certificateFile)))
  }
  t.not(made[0]?.serialNumber, made[1]?.serialNumber)
  t.false(made[0]?.publicKey.equals(made[1]?.publicKey ?? made[0].publicKey))
})

test('a key without a certificate, as a crash in between leaves it, gets one', async (t) => {
  using folder = tempFolder('certificate')
  const pair = files(folder.path)
  await ensureCertificate(pair, 'mx.example.test', NOW_MS)
  const key = readFileSync(pair.keyFile, 'utf8')
  rmSync(pair.certificateFile)
  t.is(await ensureCertificate(pair, 'mx.example.test', NOW_MS), 'made')
  t.is(readFileSync(pair.keyFile, 'utf8'), key)
})

test('what cannot be used is a fault that names both files, and nothing is overwritten', async (t) => {
  using folder = tempFolder('certificate')
  const pair = files(folder.path)
  await ensureCertificate(pair, 'mx.example.test', NOW_MS)
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  })
  const key = readFileSync(pair.keyFile)
  for (const [reason, spoil] of [
    [/another key/, () => writeFileSync(pair.keyFile, other)],
    [/reason=/, () => writeFileSync(pair.keyFile, 'nonsense')],
    [/its key .* is not/, () => rmSync(pair.keyFile)],
  ] as const) {
    spoil()
    const fault = await t.throwsAsync(ensureCertificate(pair, 'mx.example.test', NOW_MS), {
      instanceOf: Fault,
    })
    t.is(fault.code, 'TLS_FILES')
    t.regex(fault.message, reason)
  }
  t.false(existsSync(pair.keyFile))
  writeFileSync(pair.keyFile, key)
  t.is(await ensureCertificate(pair, 'mx.example.test', NOW_MS), 'kept')
})

test('OpenSSL serves and verifies it', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const cert = await selfSigned(createPrivateKey(key), 'localhost', Date.now())
  const server = createServer({ key, cert }, (socket) => socket.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const client = connect({ port: port ?? 0, host: '127.0.0.1', servername: 'localhost', ca: cert })
  await once(client, 'secureConnect')
  t.true(client.authorized)
  client.destroy()
  server.close()
  await once(server, 'close')
})

test('dates from 2050 on, and names longer than 64 characters, are written as RFC 5280 wants them', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`
  const certificate = new X509Certificate(await selfSigned(privateKey, name, Date.UTC(2049, 11, 31)))
  t.is(certificate.validToDate.getUTCFullYear(), 2059)
  t.is(certificate.checkHost(name), name)
  t.is(certificate.subject.length, 'CN='.length + 64)
})
