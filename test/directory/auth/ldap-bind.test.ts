import { Buffer } from 'node:buffer'
import { createServer } from 'node:net'
import { once } from 'node:events'
import test from 'ava'
import { systemClock } from '#src/base/clock.ts'
import { Servers } from '#src/directory/auth/in-turn.ts'
import { checkByBind, serverUrl } from '#src/directory/auth/ldap-bind.ts'
import { ensureCertificate } from '#src/net/certificate.ts'
import { Slapd, slapdLacks } from '#test/support/slapd.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { account, authRig, domainLdif } from './rig.ts'

const NEVER = new AbortController().signal
const lacks = slapdLacks()
const slapdTest = lacks === undefined ? test : test.skip
const REACH = {
  servers: new Servers(systemClock),
  startTls: false,
  caFile: '',
  connectTimeoutMs: 60_000,
  searchTimeoutMs: 60_000,
}

/** Somebody else's directory: other names, passwords of its own, and a service account to search with. */
const CORPORATE = [
  'dn: dc=corp\nobjectClass: domain\ndc: corp',
  'dn: cn=search,dc=corp\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: search\nuserPassword: search-secret',
  ...['alice', 'twin', 'triplet', 'o*brien'].map((user) => person(user, 'staff')),
  ...['other', 'third'].flatMap((unit) => [
    person('triplet', unit),
    `dn: ou=${unit},dc=corp\nobjectClass: organizationalUnit\nou: ${unit}`,
  ]),
  person('twin', 'other'),
  'dn: ou=staff,dc=corp\nobjectClass: organizationalUnit\nou: staff',
]

function person(user: string, unit: string): string {
  return `dn: uid=${user},ou=${unit},dc=corp\nobjectClass: inetOrgPerson\nuid: ${user}\ncn: ${user}\nsn: ${user}\nuserPassword: ${user} at work`
}

/** Parents before children, as slapadd wants them. */
function ordered(records: readonly string[]): string {
  return records
    .toSorted(
      (a, b) => (a.split('\n')[0] ?? '').split(',').length - (b.split('\n')[0] ?? '').split(',').length,
    )
    .join('\n\n')
}

async function corporate(folder: string, tls?: { certificateFile: string; keyFile: string }) {
  return await Slapd.start({ folder, ldif: ordered(CORPORATE), ...(tls === undefined ? {} : { tls }) })
}

/** Zimbra's side: a domain that names the other directory. */
function externalDomain(...lines: readonly string[]): string {
  return domainLdif([
    ...['twin', 'triplet'].map((user) => account(user, [], '')),
    account('o*brien', [], ''),
    account('local', ['zimbraAuthLdapExternalDn: uid=alice,ou=staff,dc=corp']),
  ]).replace('zimbraId: dom-1\n', ['zimbraId: dom-1', ...lines, ''].join('\n'))
}

slapdTest(
  'a bind lets the right password in; anything else is wrong, and an empty one is never sent',
  async (t) => {
    using folder = tempFolder('bind')
    await using slapd = await corporate(folder.path)
    const bind = (dn: string, password: string) =>
      checkByBind([slapd.url], REACH, { dn, password: Buffer.from(password) }, NEVER)
    t.is((await bind('uid=alice,ou=staff,dc=corp', 'alice at work')).kind, 'right')
    t.is((await bind('uid=alice,ou=staff,dc=corp', 'wrong')).kind, 'wrong')
    t.is((await bind('uid=nobody,ou=staff,dc=corp', 'alice at work')).kind, 'wrong')
    t.is((await bind('no name at all', 'x')).kind, 'wrong')
    // slapd would say yes to this one: it is an unauthenticated bind.
    t.is((await bind('uid=alice,ou=staff,dc=corp', '')).kind, 'wrong')
    t.is((await bind('', 'alice at work')).kind, 'wrong')
    t.is((await bind('', '')).kind, 'wrong')
  },
)

slapdTest(
  'the next server is asked when one is gone or hangs; with none left nobody is refused',
  async (t) => {
    using folder = tempFolder('bind')
    await using slapd = await corporate(folder.path)
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const hanging = `ldap://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
    const [free = 0] = await freePorts(1)
    const gone = `ldap://127.0.0.1:${free}`
    const reach = { ...REACH, connectTimeoutMs: 4000 }
    const who = { dn: 'uid=alice,ou=staff,dc=corp', password: Buffer.from('alice at work') }
    t.is((await checkByBind([gone, hanging, slapd.url], reach, who, NEVER)).kind, 'right')
    t.is((await checkByBind([gone, hanging], reach, who, NEVER)).kind, 'unknown')
    silent.close()
  },
)

slapdTest(
  'StartTLS and ldaps are used where they are asked for, with a certificate that is trusted',
  async (t) => {
    using folder = tempFolder('bind-tls')
    const tls = { certificateFile: `${folder.path}/c.pem`, keyFile: `${folder.path}/k.pem` }
    await ensureCertificate(tls, 'localhost', Date.now())
    await using slapd = await corporate(folder.path, tls)
    const who = { dn: 'uid=alice,ou=staff,dc=corp', password: Buffer.from('alice at work') }
    const trusting = { ...REACH, caFile: tls.certificateFile }
    const plain = `ldap://localhost:${slapd.port}`
    const secure = `ldaps://localhost:${slapd.ldapsPort}`
    t.is((await checkByBind([plain], { ...trusting, startTls: true }, who, NEVER)).kind, 'right')
    t.is((await checkByBind([secure], trusting, who, NEVER)).kind, 'right')
    t.is((await checkByBind([plain], { ...REACH, startTls: true }, who, NEVER)).kind, 'unknown')
    t.is((await checkByBind([secure], REACH, who, NEVER)).kind, 'unknown')
  },
)

slapdTest(
  'a domain’s own directory is asked by a name made of the template, in the form of LDAP and of AD',
  async (t) => {
    using folder = tempFolder('bind')
    await using slapd = await corporate(folder.path)
    for (const mechanism of ['ldap', 'ad']) {
      using rig = authRig({
        ldif: externalDomain(
          `zimbraAuthMech: ${mechanism}`,
          `zimbraAuthLdapURL: ${slapd.url}`,
          'zimbraAuthLdapBindDn: uid=%u,ou=staff,dc=corp',
        ),
      })
      t.like(await rig.login('a.lice', 'alice at work'), { kind: 'ok', user: 'alice@example.test' })
      t.is((await rig.login('alice', 'secret')).kind, 'refused', 'her own password here counts for nothing')
      t.is((await rig.login('alice', '')).kind, 'refused')
      t.is((await rig.login('nobody', 'alice at work')).kind, 'refused')
      // Search settings of a domain are not for Active Directory; an account's own name there is for both.
      t.is((await rig.login('local', 'alice at work')).kind, 'ok')
    }
  },
)

slapdTest('search-then-bind finds one entry or none, with a name that cannot become a filter', async (t) => {
  using folder = tempFolder('bind')
  await using slapd = await corporate(folder.path)
  const search = [
    'zimbraAuthMech: ldap',
    `zimbraAuthLdapURL: ldap://127.0.0.1:1 ${slapd.url}/dc=corp`,
    'zimbraAuthLdapSearchBase: dc=corp',
    'zimbraAuthLdapSearchFilter: (&(uid=%u)(objectClass=inetOrgPerson))',
    'zimbraAuthLdapSearchBindDn: cn=search,dc=corp',
    'zimbraAuthLdapSearchBindPassword: search-secret',
  ]
  using rig = authRig({ ldif: externalDomain(...search) })
  t.is((await rig.login('alice', 'alice at work')).kind, 'ok')
  t.is((await rig.login('alice', 'wrong')).kind, 'refused')
  for (const user of ['twin', 'triplet']) {
    t.deepEqual(await rig.login(user, `${user} at work`), {
      kind: 'refused',
      reason: 'several entries match the name',
    })
  }
  t.is((await rig.login('o*brien', 'o*brien at work')).kind, 'ok')
  using badPassword = authRig({
    ldif: externalDomain(...search.with(5, 'zimbraAuthLdapSearchBindPassword: x')),
  })
  t.is((await badPassword.login('alice', 'alice at work')).kind, 'unavailable')
  using badFilter = authRig({
    ldif: externalDomain(...search.with(3, 'zimbraAuthLdapSearchFilter: (&(uid=%u')),
  })
  t.is((await badFilter.login('alice', 'alice at work')).kind, 'unavailable')
  // Not kept in a mirror: it is asked for when it is needed.
  const asked: string[] = []
  using mirrored = authRig({
    ldif: externalDomain(...search.slice(0, -1)),
    ldap: {
      urls: [],
      reach: REACH,
      confirm: () => Promise.resolve('done'),
      readSecret: (dn, attribute) => {
        asked.push(`${dn} ${attribute}`)
        return Promise.resolve('search-secret')
      },
    },
  })
  t.is((await mirrored.login('alice', 'alice at work')).kind, 'ok')
  t.deepEqual(asked, ['dc=example,dc=test zimbraAuthLdapSearchBindPassword'])
})

slapdTest(
  'zimbraAuthFallbackToLocal tries the own password; what is down stays 454 for the others',
  async (t) => {
    using folder = tempFolder('bind')
    await using slapd = await corporate(folder.path)
    const lines = [
      'zimbraAuthMech: ldap',
      `zimbraAuthLdapURL: ${slapd.url}`,
      'zimbraAuthLdapBindDn: uid=%u,ou=staff,dc=corp',
      'zimbraAuthFallbackToLocal: TRUE',
    ]
    using rig = authRig({ ldif: externalDomain(...lines) })
    t.is((await rig.login('alice', 'alice at work')).kind, 'ok')
    t.is((await rig.login('alice', 'secret')).kind, 'ok')
    t.is((await rig.login('alice', 'wrong')).kind, 'refused')
    await slapd.kill()
    t.is((await rig.login('alice', 'secret')).kind, 'ok')
    t.is((await rig.login('alice', 'wrong')).kind, 'unavailable')
    using strict = authRig({ ldif: externalDomain(...lines.slice(0, -1)) })
    t.is((await strict.login('alice', 'alice at work')).kind, 'unavailable')
  },
)

slapdTest(
  'accounts of a directory over LDAP bind there, and somebody new is looked for before he is refused',
  async (t) => {
    using folder = tempFolder('bind')
    const own = [
      'dn: dc=test\nobjectClass: domain\ndc: test',
      'dn: dc=example,dc=test\nobjectClass: domain\ndc: example',
      'dn: ou=people,dc=example,dc=test\nobjectClass: organizationalUnit\nou: people',
    ]
    const people = ['alice', 'new'].map((user) => `${account(user, [], 'secret')}\ncn: ${user}\nsn: ${user}`)
    await using slapd = await Slapd.start({ folder: folder.path, ldif: ordered([...own, ...people]) })
    const asked: string[] = []
    let confirms: 'done' | 'unavailable' = 'done'
    using rig = authRig({
      ldif: domainLdif().replace(/userPassword: .*\n/, ''),
      ldap: {
        urls: [slapd.url],
        reach: REACH,
        confirm: (address) => {
          asked.push(address)
          return Promise.resolve(confirms)
        },
        readSecret: () => Promise.resolve(''),
      },
    })
    t.is((await rig.login('alice', 'secret')).kind, 'ok')
    t.is((await rig.login('alice', 'wrong')).kind, 'refused')
    t.is((await rig.login('alice', '')).kind, 'refused')
    t.deepEqual(asked, [])
    t.is((await rig.login('nobody', 'secret')).kind, 'refused')
    t.deepEqual(asked, ['nobody@example.test'])
    confirms = 'unavailable'
    t.is((await rig.login('nobody', 'secret')).kind, 'unavailable')
    await slapd.kill()
    t.is((await rig.login('alice', 'secret')).kind, 'unavailable')
  },
)

for (const [given, url] of [
  ['ldap://dc.example.com', 'ldap://dc.example.com:389'],
  ['LDAPS://dc.example.com', 'ldaps://dc.example.com:636'],
  ['ldap://dc.example.com:3268/dc=corp?uid', 'ldap://dc.example.com:3268'],
  ['ldap://[2001:db8::1]:389', 'ldap://[2001:db8::1]:389'],
  ['ldapi:///var/run/x', undefined],
  ['http://dc.example.com', undefined],
  ['ldap://user@host', undefined],
  ['ldap://host:0', undefined],
  ['ldap://host:99999', undefined],
] as const) {
  test(`zimbraAuthLdapURL ${given} is ${url ?? 'no server'}`, (t) => {
    t.is(serverUrl(given), url)
  })
}
