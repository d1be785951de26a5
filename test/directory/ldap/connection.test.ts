import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { PresenceFilter } from 'ldapts'
import { LdapConnection, LdapFailure } from '#src/directory/ldap/connection.ts'
import type { LdapServer } from '#src/directory/ldap/connection.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { LdapProxy } from '#test/support/ldap-proxy.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { tree } from '#test/support/zimbra-ldif.ts'

const real = slapdLacks() === undefined ? test : test.skip
const ADMIN = { dn: ADMIN_DN, password: ADMIN_PASSWORD }
const ANY = new PresenceFilter({ attribute: 'objectClass' })

async function secured(
  path: string,
): Promise<{ slapd: Slapd; tls: { certificateFile: string; keyFile: string } }> {
  const tls = { certificateFile: join(path, 'certificate.pem'), keyFile: join(path, 'key.pem') }
  await ensureCertificate(tls, 'localhost', Date.now())
  mkdirSync(join(path, 'slapd'))
  return { slapd: await Slapd.start({ folder: join(path, 'slapd'), ldif: tree(), tls }), tls }
}

const serverAt = (url: string, more: Partial<LdapServer> = {}): LdapServer => ({
  url,
  startTls: true,
  caFile: '',
  connectTimeoutMs: 60_000,
  searchTimeoutMs: 60_000,
  ...more,
})

const open = (server: LdapServer) => LdapConnection.open(server, ADMIN, new AbortController().signal)

async function kindOf(server: LdapServer): Promise<string> {
  try {
    const connection = await open(server)
    connection.close()
    return 'open'
  } catch (error) {
    return error instanceof LdapFailure ? error.kind : String(error)
  }
}

real(
  'StartTLS and ldaps are bound over when the certificate is of a known authority and of the name that was asked for',
  async (t) => {
    using folder = tempFolder('ldap-tls')
    const { slapd, tls } = await secured(folder.path)
    await using running = slapd
    const ca = { caFile: tls.certificateFile }
    for (const url of [`ldap://localhost:${running.port}`, `ldaps://localhost:${running.ldapsPort}`]) {
      const connection = await open(serverAt(url, ca))
      t.is(
        (await connection.search('cn=zimbra', { scope: 'base', filter: ANY, attributes: ['cn'] })).length,
        1,
        url,
      )
      connection.close()
      // Of no authority that this machine knows.
      t.is(await kindOf(serverAt(url)), 'untrusted', url)
      // Unless the map file of an old friend says that any will do.
      t.is(await kindOf(serverAt(url, { isUnverified: true })), 'open', url)
      t.is(await kindOf(serverAt(url, { caFile: join(folder.path, 'none.pem') })), 'untrusted', url)
      // The certificate is for localhost.
      t.is(await kindOf(serverAt(url.replace('localhost', '127.0.0.1'), ca)), 'untrusted', url)
    }
  },
)

real('where TLS is demanded and there is none, no password is sent', async (t) => {
  using folder = tempFolder('ldap-plain')
  await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
  t.not(await kindOf(serverAt(slapd.url)), 'open')
  t.is(await kindOf(serverAt(slapd.url, { startTls: false })), 'open')
})

real('a connection that was lost does not come back as nobody', async (t) => {
  using folder = tempFolder('ldap-lost')
  await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
  await using proxy = await LdapProxy.start(slapd.port)
  const connection = await open(serverAt(proxy.url, { startTls: false }))
  proxy.behave('closed')
  proxy.behave('through')
  const search = () => connection.search('cn=zimbra', { scope: 'base', filter: ANY, attributes: ['cn'] })
  await t.throwsAsync(search, { instanceOf: LdapFailure })
  await t.throwsAsync(search, { instanceOf: LdapFailure })
  t.is(proxy.connections, 1)
})

for (const behaviour of ['silent', 'nonsense'] as const) {
  real(
    `a server that is ${behaviour} from the start fails within its time, with and without TLS`,
    async (t) => {
      using folder = tempFolder('ldap-bad')
      await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
      await using proxy = await LdapProxy.start(slapd.port)
      proxy.behave(behaviour)
      const expected = behaviour === 'silent' ? 'unreachable' : 'nonsense'
      // Who says nothing is waited for to the end of it.
      const connectTimeoutMs = behaviour === 'silent' ? 300 : 60_000
      t.is(await kindOf(serverAt(proxy.url, { startTls: false, connectTimeoutMs })), expected)
      t.is(await kindOf(serverAt(proxy.url, { startTls: true, connectTimeoutMs })), expected)
      t.not(await kindOf(serverAt(proxy.url.replace('ldap:', 'ldaps:'), { connectTimeoutMs })), 'open')
    },
  )
}

real('who stops waiting is not kept waiting', async (t) => {
  using folder = tempFolder('ldap-stop')
  await using slapd = await Slapd.start({ folder: folder.path, ldif: tree() })
  await using proxy = await LdapProxy.start(slapd.port)
  proxy.behave('silent')
  const stop = new AbortController()
  const opening = LdapConnection.open(serverAt(proxy.url), ADMIN, stop.signal)
  stop.abort()
  await t.throwsAsync(opening, { instanceOf: LdapFailure })
})
