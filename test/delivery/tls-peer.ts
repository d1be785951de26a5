import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { must } from '#test/support/run.ts'
import { Conversation, greeted } from './fake-peer.ts'
import type { SecureContextOptions } from 'node:tls'
import type { Script } from './fake-peer.ts'

/** Certificates as a peer may have them, made with openssl: not with what is being tested. */
export interface TestPki {
  readonly ca: string
  readonly otherCa: string
  readonly key: string
  /** For mx.far.example, by `ca`. */
  readonly leaf: string
  /** For mx.far.example, by `ca`, no longer valid. */
  readonly expired: string
  /** For other.example, by `ca`. */
  readonly stranger: string
  /** For mta-sts.far.example, by `ca`. */
  readonly policyHost: string
}

/** Makes them in a folder. */
export async function testPki(folder: string): Promise<TestPki> {
  const at = (name: string): string => join(folder, name)
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  for (const name of ['ca', 'other']) {
    const ca = ['req', '-x509', ...ec, '-days', '9', '-subj', `/CN=${name}`]
    await must('openssl', [...ca, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)])
  }
  await must('openssl', [
    'req',
    ...ec,
    '-subj',
    '/CN=peer',
    '-keyout',
    at('leaf.key'),
    '-out',
    at('leaf.csr'),
  ])
  const sign = async (out: string, name: string, days: string): Promise<string> => {
    writeFileSync(at('ext'), `subjectAltName=DNS:${name}`)
    const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('ext')]
    await must('openssl', ['x509', '-req', '-in', at('leaf.csr'), ...by, '-days', days, '-out', at(out)])
    return readFileSync(at(out), 'utf8')
  }
  const read = (name: string): string => readFileSync(at(name), 'utf8')
  return {
    ca: read('ca.pem'),
    otherCa: read('other.pem'),
    key: read('leaf.key'),
    leaf: await sign('leaf.pem', 'mx.far.example', '9'),
    expired: await sign('expired.pem', 'mx.far.example', '-1'),
    stranger: await sign('stranger.pem', 'other.example', '9'),
    policyHost: await sign('policy.pem', 'mta-sts.far.example', '9'),
  }
}

export const TLS_HELLO = '250-peer\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n'

/** Greets, takes STARTTLS, and inside offers `inside`, takes AUTH, and one message. `heard` gets what was said there. */
// oxlint-disable-next-line max-params -- a peer, told in one line
export function secretive(
  pair: SecureContextOptions,
  heard: string[],
  inside: string = '250 peer\r\n',
  onSecure: (socket: TLSSocket) => void = () => {},
): Script {
  return greeted(async (c) => {
    const line = await c.line()
    if (line !== 'STARTTLS') {
      await serve(c, heard, line)
      return
    }
    c.socket.removeAllListeners('data')
    c.say('220 2.0.0 go\r\n')
    const secure = new TLSSocket(c.socket.setEncoding(), { isServer: true, ...pair })
    secure.on('secure', () => onSecure(secure))
    const inner = new Conversation(secure, 0)
    if ((await inner.line()) === '') return
    inner.say(inside)
    await serve(inner, heard, await inner.line())
  }, TLS_HELLO)
}

/** Takes one message inside of TLS that began with the first octet. */
export function wrapped(
  pair: SecureContextOptions,
  heard: string[],
  onSecure: (socket: TLSSocket) => void,
): Script {
  return async (c) => {
    c.socket.removeAllListeners('data')
    const secure = new TLSSocket(c.socket.setEncoding(), { isServer: true, ...pair })
    secure.on('secure', () => onSecure(secure))
    const inner = new Conversation(secure, 0)
    inner.say('220 peer\r\n')
    if ((await inner.line()) === '') return
    inner.say('250 peer\r\n')
    await serve(inner, heard, await inner.line())
  }
}

async function serve(c: Conversation, heard: string[], first: string): Promise<void> {
  for (let line = first; line !== ''; line = await c.line()) {
    heard.push(line)
    if (line === 'AUTH LOGIN') {
      c.say('334 VXNlcm5hbWU6\r\n')
      heard.push(await c.line())
      c.say('334 UGFzc3dvcmQ6\r\n')
      heard.push(await c.line())
      c.say('235 2.7.0 ok\r\n')
    } else if (line.startsWith('AUTH'))
      c.say(line.endsWith('AHUAd3Jvbmc=') ? '535 5.7.8 no\r\n' : '235 2.7.0 ok\r\n')
    else if (line === 'DATA') {
      c.say('354 go\r\n')
      await c.message()
      c.say('250 2.0.0 taken\r\n')
    } else if (line === 'QUIT') return
    else c.say('250 2.0.0 ok\r\n')
  }
}
