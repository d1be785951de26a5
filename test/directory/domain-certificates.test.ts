import { Buffer } from 'node:buffer'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { DomainCertificates } from '#src/directory/domain-certificates.ts'
import { tempFolder } from '#test/support/temp.ts'
import { fill } from './auth/rig.ts'

function domain(name: string, ...lines: readonly string[]): string {
  return [
    `dn: dc=${name},dc=test`,
    'objectClass: zimbraDomain',
    `zimbraDomainName: ${name}.test`,
    ...lines,
  ].join('\n')
}

/** A value of several lines, as LDIF has it. */
function pem(attribute: string, text: string): string {
  return `${attribute}:: ${Buffer.from(text).toString('base64')}`
}

const PAIR = [pem('zimbraSSLCertificate', 'CERT\nIFICATE\n'), pem('zimbraSSLPrivateKey', 'KEY\n')]

test('domains that have both halves bring them, with the hosts they are for', (t) => {
  using folder = tempFolder('domain-certificates')
  const path = join(folder.path, 'directory.db')
  fill(
    path,
    [
      domain('one', ...PAIR, 'zimbraVirtualHostname: Mail.One.test', 'zimbraVirtualHostname: smtp.one.test'),
      domain('two', ...PAIR),
      domain('half', PAIR[0] ?? ''),
      domain('none'),
    ].join('\n\n'),
  )
  using certificates = new DomainCertificates(path)
  const both = { cert: 'CERT\nIFICATE\n', key: 'KEY\n' }
  t.deepEqual(certificates.read(), [
    { domain: 'one.test', hosts: ['mail.one.test', 'smtp.one.test'], ...both },
    { domain: 'two.test', hosts: [], ...both },
  ])
})

test('what has not changed is the same object, what has is read at once', (t) => {
  using folder = tempFolder('domain-certificates')
  const path = join(folder.path, 'directory.db')
  fill(path, domain('one', ...PAIR))
  using certificates = new DomainCertificates(path)
  const before = certificates.read()
  fill(path, domain('two'))
  t.is(certificates.read(), before)
  fill(path, domain('two', ...PAIR))
  t.is(certificates.read().length, 2)
  rmSync(path)
  using gone = new DomainCertificates(path)
  t.throws(() => gone.read())
})
