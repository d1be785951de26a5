import { rmSync } from 'node:fs'
import test from 'ava'
import { zimbraSoap } from '#test/support/zimbra-soap.ts'
import { tempFolder } from '#test/support/temp.ts'
import { account, authRig, domainLdif, fill } from './rig.ts'

for (const name of [
  'alice@example.test',
  'alice',
  'ALICE@Example.Test',
  'a.lice@example.test',
  'a.lice',
  'alice@alias.test',
  ' alice@example.test ',
]) {
  test(`${JSON.stringify(name)} is alice, who may send as all of her addresses`, async (t) => {
    using rig = authRig()
    t.deepEqual(await rig.login(name, 'secret'), {
      kind: 'ok',
      user: 'alice@example.test',
      addresses: [
        'alice@example.test',
        'a.lice@example.test',
        'news@elsewhere.test',
        '@catch.test',
        'alice@alias.test',
        'a.lice@alias.test',
      ],
    })
  })
}

for (const [name, password] of [
  ['alice', 'wrong'],
  ['alice', ''],
  ['alice', 'Secret'],
  ['alice', 'secret '],
  ['nobody', 'secret'],
  ['nobody', ''],
  ['alice@elsewhere.test', 'secret'],
  ['news@elsewhere.test', 'secret'],
  ['', 'secret'],
  ['@example.test', 'secret'],
  ['alice@', 'secret'],
  ['*', 'secret'],
  ['alice@example.test@example.test', 'secret'],
  ["' OR 1=1 --", 'secret'],
  ['__proto__', 'secret'],
] as const) {
  test(`${JSON.stringify(name)} with ${JSON.stringify(password)} is refused, and not at once`, async (t) => {
    using rig = authRig()
    t.is((await rig.login(name, password)).kind, 'refused')
    t.is(rig.clock.waited.length, 1)
    t.true((rig.clock.waited[0] ?? 0) >= 1500)
  })
}

test('a right password is answered at once', async (t) => {
  using rig = authRig()
  await rig.login('alice', 'secret')
  t.deepEqual(rig.clock.waited, [])
})

for (const [status, kind] of [
  ['active', 'ok'],
  ['locked', 'refused'],
  ['closed', 'refused'],
  ['pending', 'refused'],
  ['lockout', 'refused'],
  ['maintenance', 'unavailable'],
  ['strange', 'refused'],
] as const) {
  test(`an account that is ${status}: the right password is ${kind}, a wrong one refused`, async (t) => {
    using rig = authRig({ ldif: domainLdif([account('bob', [`zimbraAccountStatus: ${status}`])]) })
    t.is((await rig.login('bob', 'secret')).kind, kind)
    t.is((await rig.login('bob', 'wrong')).kind, 'refused')
  })
}

for (const [domain, accountStatus, kind] of [
  ['maintenance', 'active', 'unavailable'],
  ['maintenance', 'closed', 'refused'],
  ['locked', 'active', 'refused'],
  ['suspended', 'active', 'refused'],
  ['closed', 'active', 'refused'],
  ['shutdown', 'maintenance', 'refused'],
  ['active', 'active', 'ok'],
] as const) {
  test(`an account that is ${accountStatus} in a domain that is ${domain} is ${kind}`, async (t) => {
    const ldif = domainLdif([account('bob', [`zimbraAccountStatus: ${accountStatus}`])])
    using rig = authRig({
      ldif: ldif.replace('zimbraId: dom-1\n', `zimbraId: dom-1\nzimbraDomainStatus: ${domain}\n`),
    })
    t.is((await rig.login('bob', 'secret')).kind, kind)
  })
}

test('a lock-out of a mailbox server ends when its time is over', async (t) => {
  const lockout = ['zimbraPasswordLockoutEnabled: TRUE', 'zimbraPasswordLockoutDuration: 1h']
  const locked = (at: string) =>
    account('bob', ['zimbraAccountStatus: lockout', `zimbraPasswordLockoutLockedTime: ${at}`, ...lockout])
  using long = authRig({ ldif: domainLdif([locked('20261121225900Z')]) })
  t.is((await long.login('bob', 'secret')).kind, 'ok')
  using lately = authRig({ ldif: domainLdif([locked('20261121235900.123Z')]) })
  t.is((await lately.login('bob', 'secret')).kind, 'refused')
})

test('an account that has no password, several, or one of an unknown kind', async (t) => {
  using rig = authRig({
    ldif: domainLdif([
      account('none', [], ''),
      account(
        'two',
        ['userPassword: {CRYPT}x', 'userPassword: {SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='],
        '{SSHA}x',
      ),
      account('crypt', [], '{CRYPT}$6$abc$def'),
      account('must', ['zimbraPasswordMustChange: TRUE']),
      account('any', ['zimbraAllowAnyFromAddress: TRUE']),
    ]),
  })
  t.is((await rig.login('none', 'secret')).kind, 'refused')
  t.is((await rig.login('none', '')).kind, 'refused')
  t.is((await rig.login('two', 'secret')).kind, 'ok')
  t.deepEqual(await rig.login('crypt', 'secret'), {
    kind: 'refused',
    reason: 'its userPassword is of no known kind',
  })
  t.deepEqual(await rig.login('must', 'secret'), { kind: 'refused', reason: 'the password must be changed' })
  const any = await rig.login('any', 'secret')
  t.true(any.kind === 'ok' && any.addresses.includes('*'))
})

test('a distribution list is no account, whatever its address', async (t) => {
  using rig = authRig({
    ldif: domainLdif([
      'dn: uid=list,ou=people,dc=example,dc=test\nobjectClass: zimbraDistributionList\nzimbraMailAlias: list@example.test\nmail: list@example.test\nuserPassword: secret',
    ]),
  })
  t.is((await rig.login('list', 'secret')).kind, 'refused')
})

test('what is changed in the directory counts at the next login', async (t) => {
  using rig = authRig()
  t.is((await rig.login('bob', 'secret')).kind, 'refused')
  fill(rig.directoryFile, account('bob'))
  t.is((await rig.login('bob', 'secret')).kind, 'ok')
})

test('a directory that cannot be read refuses nobody', async (t) => {
  using rig = authRig()
  rmSync(rig.directoryFile)
  t.is((await rig.login('alice', 'secret')).kind, 'unavailable')
  t.is((await rig.login('nobody', 'secret')).kind, 'unavailable')
})

test('method soap without a server that is named refuses nobody either', async (t) => {
  using rig = authRig({ settings: { method: 'soap' } })
  t.is((await rig.login('alice', 'secret')).kind, 'unavailable')
})

test('too many failures lock the account, also for the right password, and time opens it', async (t) => {
  using rig = authRig()
  for (let n = 0; n < 5; n += 1) t.like(await rig.login('alice', 'wrong'), { reason: 'wrong password' })
  const locked = await rig.login('a.lice', 'secret', '198.51.100.7')
  t.deepEqual(locked, { kind: 'refused', reason: 'locked after too many failures' })
  rig.clock.pass(60_000)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('the lock-out of a class of service stands above our own, and that of an account above both', async (t) => {
  const ldif = domainLdif([
    account('bob'),
    account('carol', ['zimbraPasswordLockoutMaxFailures: 1']),
  ]).replace(
    'zimbraId: cos-default',
    'zimbraId: cos-default\nzimbraPasswordLockoutEnabled: TRUE\nzimbraPasswordLockoutMaxFailures: 2\nzimbraPasswordLockoutDuration: 10m',
  )
  using rig = authRig({ ldif })
  for (let n = 0; n < 2; n += 1) await rig.login('bob', 'wrong')
  t.like(await rig.login('bob', 'secret'), { reason: 'locked after too many failures' })
  rig.clock.pass(300_000)
  t.is((await rig.login('bob', 'secret')).kind, 'refused')
  rig.clock.pass(300_000)
  t.is((await rig.login('bob', 'secret')).kind, 'ok')
  await rig.login('carol', 'wrong')
  t.like(await rig.login('carol', 'secret'), { reason: 'locked after too many failures' })
})

test('too many failures of one address block it, whoever it says it is, and nobody else', async (t) => {
  using rig = authRig({ settings: { addressLockout: { failuresMax: 3, windowMs: 60_000, lockMs: 60_000 } } })
  for (const user of ['a', 'b', 'c']) t.is((await rig.login(user, 'x')).kind, 'refused')
  t.is((await rig.login('alice', 'secret')).kind, 'blocked')
  t.is((await rig.login('alice', 'secret', '192.0.2.2')).kind, 'ok')
  rig.clock.pass(60_000)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('an IPv6 client is its /64, and a client of mynetworks is not counted', async (t) => {
  using rig = authRig({ settings: { addressLockout: { failuresMax: 2, windowMs: 60_000, lockMs: 60_000 } } })
  await rig.login('x', 'x', '2001:db8::1')
  await rig.login('x', 'x', '2001:db8::2')
  t.is((await rig.login('alice', 'secret', '2001:db8::3')).kind, 'blocked')
  t.is((await rig.login('alice', 'secret', '2001:db8:0:1::3')).kind, 'ok')
  for (let n = 0; n < 5; n += 1) await rig.login('y', 'x', '10.1.2.3')
  t.is((await rig.login('alice', 'secret', '10.1.2.3')).kind, 'ok')
})

test('smtpd_client_auth_rate_limit counts attempts, right or wrong', async (t) => {
  using rig = authRig({ settings: { rateLimit: 2 } })
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
  t.is((await rig.login('alice', 'secret')).kind, 'too-fast')
  t.is((await rig.login('alice', 'secret', '10.1.2.3')).kind, 'ok')
  rig.clock.pass(60_000)
  t.is((await rig.login('alice', 'secret')).kind, 'ok')
})

test('a hundred attempts at once get no more tries than the lock-out allows', async (t) => {
  using rig = authRig()
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => rig.login('alice', `guess ${n}`)))
  const tried = answers.filter((answer) => answer.kind === 'refused' && answer.reason === 'wrong password')
  t.is(tried.length, 5)
})

test('Zimbra’s servers are asked where some are named, and know more than the directory', async (t) => {
  using folder = tempFolder('auth-soap')
  await using server = await zimbraSoap(folder.path, ({ password }) =>
    password === 'app-password' ? 'token' : { fault: 'account.AUTH_FAILED' },
  )
  const settings = { soapUrls: [server.url], caFile: server.caFile }
  using rig = authRig({ settings, ldif: domainLdif([account('bob', ['zimbraAccountStatus: closed'])]) })
  t.like(await rig.login('a.lice', 'app-password'), { kind: 'ok', user: 'alice@example.test' })
  t.is(server.requests[0]?.account, 'alice@example.test')
  t.is((await rig.login('alice', 'secret')).kind, 'refused')
  t.is(
    (await rig.login('bob', 'app-password')).kind,
    'refused',
    'the state of the account counts all the same',
  )
  t.deepEqual(await rig.login('new@example.test', 'app-password'), {
    kind: 'ok',
    user: 'new@example.test',
    addresses: ['new@example.test'],
  })
  const asked = server.requests.length
  t.is((await rig.login('alice', '')).kind, 'refused')
  t.is(server.requests.length, asked, 'an empty password is asked of nobody')
  using local = authRig({ settings: { ...settings, method: 'directory' } })
  t.is((await local.login('alice', 'secret')).kind, 'ok')
})

test('servers with zimbraMtaAuthTarget are those that are asked', async (t) => {
  using folder = tempFolder('auth-target')
  await using server = await zimbraSoap(folder.path, () => 'token')
  const target = `dn: cn=localhost,cn=servers,cn=zimbra\nobjectClass: zimbraServer\ncn: localhost\nzimbraServiceHostname: localhost\nzimbraMtaAuthTarget: TRUE\nzimbraMtaAuthPort: ${server.port}`
  using rig = authRig({ settings: { caFile: server.caFile }, ldif: domainLdif([target]) })
  t.is((await rig.login('alice', 'whatever')).kind, 'ok')
  t.is(server.requests.length, 1)
})

test('a server that is down refuses nobody and locks nobody out', async (t) => {
  using folder = tempFolder('auth-down')
  const server = await zimbraSoap(folder.path, () => 'token')
  await server[Symbol.asyncDispose]()
  using rig = authRig({ settings: { soapUrls: [server.url], caFile: server.caFile } })
  for (let n = 0; n < 10; n += 1) t.is((await rig.login('alice', 'x')).kind, 'unavailable')
})
