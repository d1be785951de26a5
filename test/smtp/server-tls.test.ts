import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import test from 'ava'
import { Server } from '#src/smtp/server.ts'
import { USUAL_PROFILE } from '#src/smtp/server-tls.ts'
import type { Certificate, ServerTls } from '#src/smtp/server-tls.ts'
import { must } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'
import { newCertificate } from './support/certificate.ts'
import { fakes } from './support/fakes.ts'

const MAIN = await newCertificate()
const OTHER = await newCertificate()
const WILD = await newCertificate()
const CLIENT = await clientCertificate()

/** A certificate that may be shown by a client: those of servers say that they are for servers. */
async function clientCertificate(): Promise<Certificate> {
  using folder = tempFolder('client-certificate')
  const [cert, key] = [join(folder.path, 'c.pem'), join(folder.path, 'k.pem')]
  const name = ['-subj', '/CN=client.example', '-days', '10', '-addext', 'extendedKeyUsage=clientAuth']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await must('openssl', ['req', '-x509', ...curve, ...name, '-keyout', key, '-out', cert])
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}

function tlsOf(more: Partial<ServerTls> = {}): ServerTls {
  return {
    certificate: MAIN,
    byName: new Map([
      ['mail.other.test', OTHER],
      ['*.wild.test', WILD],
    ]),
    profile: USUAL_PROFILE,
    clients: { ask: false, ca: undefined, depthMax: 9 },
    ...more,
  }
}

async function listening(tls: ServerTls) {
  const all = fakes({ stopGraceMs: 100 })
  const server = new Server({ environment: all.environment, service: 'submissions', tls })
  const port = await server.start({ host: '127.0.0.1', port: 0, reusePort: false })
  return { ...all, server, port, [Symbol.asyncDispose]: () => server.stop() }
}

async function shaken(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  return socket
}

for (const [servername, shown, whose] of [
  [undefined, MAIN, 'the default'],
  ['mx.example.test', MAIN, 'the default'],
  ['mail.other.test', OTHER, 'its own'],
  ['MAIL.Other.test', OTHER, 'its own'],
  ['a.wild.test', WILD, 'that of the wildcard'],
  ['a.b.wild.test', MAIN, 'the default'],
  ['wild.test', MAIN, 'the default'],
  ['__proto__', MAIN, 'the default'],
] as const) {
  test(`a client that names ${servername ?? 'no host'} is shown ${whose} certificate`, async (t) => {
    await using server = await listening(tlsOf())
    const socket = await shaken(server.port, servername === undefined ? {} : { servername })
    t.is(socket.getPeerX509Certificate()?.fingerprint256, new X509Certificate(shown.cert).fingerprint256)
    socket.destroy()
  })
}

test('protocols and ciphers of the profile are those that are used', async (t) => {
  await using only13 = await listening(tlsOf({ profile: { ...USUAL_PROFILE, minVersion: 'TLSv1.3' } }))
  await t.throwsAsync(shaken(only13.port, { maxVersion: 'TLSv1.2' }))
  const socket = await shaken(only13.port)
  t.is(socket.getProtocol(), 'TLSv1.3')
  socket.destroy()
  const ciphers = 'ECDHE-ECDSA-AES256-GCM-SHA384'
  await using one = await listening(tlsOf({ profile: { ...USUAL_PROFILE, ciphers } }))
  await t.throwsAsync(shaken(one.port, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }))
  const right = await shaken(one.port, { maxVersion: 'TLSv1.2' })
  t.is(right.getCipher().name, ciphers)
  right.destroy()
})

for (const [what, ca, sent, expected] of [
  ['one of an authority that is believed', CLIENT.cert, CLIENT, true],
  ['one of nobody', undefined, CLIENT, false],
  ['none', CLIENT.cert, undefined, 'none'],
] as const) {
  test(`a client is asked for a certificate, shows ${what}, and comes in either way`, async (t) => {
    await using server = await listening(tlsOf({ clients: { ask: true, ca, depthMax: 9 } }))
    const socket = await shaken(server.port, sent ?? {})
    const [greeting]: unknown[] = await once(socket, 'data')
    t.regex(String(greeting), /^220 /)
    socket.destroy()
    const facts = server.log.lines.find(({ event }) => event === 'smtpd.tls')?.facts
    if (expected === 'none') {
      t.is(facts?.['clientCertificate'], 'none')
      return
    }
    t.is(facts?.['trusted'], expected)
    t.is(facts?.['fingerprint'], new X509Certificate(CLIENT.cert).fingerprint256)
  })
}

test('nobody is asked for a certificate unless that is set', async (t) => {
  await using server = await listening(tlsOf())
  const socket = await shaken(server.port, CLIENT)
  await once(socket, 'data')
  socket.destroy()
  const facts = server.log.lines.find(({ event }) => event === 'smtpd.tls')?.facts
  t.is(facts?.['clientCertificate'], undefined)
})

test('a session of one listener is not resumed on another', async (t) => {
  const tls = tlsOf()
  await using first = await listening(tls)
  await using second = await listening(tls)
  const socket = connectTls({ port: first.port, host: '127.0.0.1', rejectUnauthorized: false })
  const [session]: unknown[] = await once(socket, 'session')
  socket.destroy()
  if (!(session instanceof Buffer)) throw new TypeError('no session')
  const again = await shaken(first.port, { session })
  t.true(again.isSessionReused())
  again.destroy()
  const elsewhere = await shaken(second.port, { session })
  t.false(elsewhere.isSessionReused())
  elsewhere.destroy()
})
