import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import test from 'ava'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { zimbraSoap } from '#test/support/zimbra-soap.ts'
import {
  accountEntry,
  domainEntry,
  domainParents,
  entry,
  serverEntry,
  tree,
} from '#test/support/zimbra-ldif.ts'

const scenario = slapdLacks() === undefined ? test : test.skip

const ANN = accountEntry('ann@one.test', { zimbraMailAlias: 'a.nn@one.test', userPassword: 'first' })

function slapdWithAnn(folder: string): Promise<Slapd> {
  const ldif = tree() + domainParents(['one.test']) + domainEntry('one.test') + ANN
  return Slapd.start({ folder: join(folder, 'slapd'), ldif })
}

/** As ldapmodify adds an entry. */
function added(record: string): string {
  return record.replace('\n', '\nchangetype: add\n')
}

function directoryLines(folder: string, url: string): readonly string[] {
  const file = join(folder, 'ldap-password')
  writeFileSync(file, `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  return [
    `urls = ["${url}"]`,
    'starttls = false',
    `bind_dn = "${ADMIN_DN}"`,
    `password_file = "${file}"`,
    'connect_timeout = "2s"',
  ]
}

async function login(postern: Appliance, user: string, password: string) {
  using client = await SmtpClient.connectTls(postern.submissionsPort)
  await client.reply()
  await client.command('EHLO client.example')
  const reply = await client.authenticate(user, password)
  const as = async (sender: string) => (await client.command(`MAIL FROM:<${sender}>`)).code
  return { code: reply.code, sends: reply.code === 235 ? await as('a.nn@one.test') : 0 }
}

scenario(
  'accounts in LDAP come in with the password there, somebody new too, and 454 says that LDAP is gone',
  async (t) => {
    using folder = tempFolder('submission-ldap')
    await using slapd = await slapdWithAnn(folder.path)
    await using postern = await Appliance.start({
      folder: folder.path,
      submission: true,
      directory: directoryLines(folder.path, slapd.url),
    })
    t.deepEqual(await login(postern, 'ann@one.test', 'first'), { code: 235, sends: 250 })
    t.is((await login(postern, 'ann@one.test', 'wrong')).code, 535)
    t.is((await login(postern, 'ann@one.test', '')).code, 535)
    t.is((await login(postern, 'nobody@one.test', 'first')).code, 535)
    await slapd.modify(
      'dn: uid=ann,ou=people,dc=one,dc=test\nchangetype: modify\nreplace: userPassword\nuserPassword: second\n',
    )
    t.is((await login(postern, 'ann@one.test', 'second')).code, 235)
    await slapd.modify(added(accountEntry('new@one.test', { userPassword: 'third' })))
    t.is((await login(postern, 'new@one.test', 'third')).code, 235)
    // What zmprov stores is a hash that slapd compares, as in Zimbra.
    const zmprov = join(REPOSITORY, 'bin', 'zmprov')
    const made = await run(zmprov, ['ca', 'hashed@one.test', 'fourth pass'], { cwd: postern.folder })
    t.is(made.code, 0, made.stderr)
    t.is((await login(postern, 'hashed@one.test', 'fourth pass')).code, 235)
    t.is((await login(postern, 'hashed@one.test', 'fourth')).code, 535)
    await slapd.kill()
    t.is((await login(postern, 'ann@one.test', 'second')).code, 454)
    t.is((await login(postern, 'somebody@one.test', 'x')).code, 454)
    await slapd.startAgain()
    await until(
      'LDAP is asked again',
      async () => (await login(postern, 'ann@one.test', 'second')).code === 235,
    )
  },
)

scenario('a class of service in LDAP says how many failures lock its accounts', async (t) => {
  using folder = tempFolder('submission-cos')
  const cos =
    entry('cn=cos,cn=zimbra', ['organizationalRole'], { cn: 'cos' }) +
    entry('cn=default,cn=cos,cn=zimbra', ['zimbraCOS'], {
      cn: 'default',
      zimbraId: 'cos-default',
      zimbraPasswordLockoutEnabled: 'TRUE',
      zimbraPasswordLockoutMaxFailures: '2',
    })
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: tree() + cos + domainParents(['one.test']) + domainEntry('one.test') + ANN,
  })
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    directory: directoryLines(folder.path, slapd.url),
  })
  t.is((await login(postern, 'ann@one.test', 'wrong')).code, 535)
  t.is((await login(postern, 'ann@one.test', 'first')).code, 235)
  for (let n = 0; n < 2; n += 1) t.is((await login(postern, 'ann@one.test', 'wrong')).code, 535)
  t.is((await login(postern, 'ann@one.test', 'first')).code, 535)
})

scenario('a server that becomes an auth target in LDAP is asked over SOAP from then on', async (t) => {
  using folder = tempFolder('submission-soap')
  await using soap = await zimbraSoap(folder.path, ({ account, password }) =>
    account === 'ann@one.test' && password === 'app-password' ? 'token' : { fault: 'account.AUTH_FAILED' },
  )
  await using slapd = await slapdWithAnn(folder.path)
  await using postern = await Appliance.start({
    folder: folder.path,
    submission: true,
    directory: directoryLines(folder.path, slapd.url),
    tables: ['[auth]', `ca = "${soap.caFile}"`],
  })
  t.is((await login(postern, 'ann@one.test', 'first')).code, 235)
  const target = { zimbraMtaAuthTarget: 'TRUE', zimbraMtaAuthPort: String(soap.port) }
  await slapd.modify(added(serverEntry('localhost', target)))
  t.is((await postern.tool('reload')).code, 0)
  await until('it is asked', async () => (await login(postern, 'ann@one.test', 'app-password')).code === 235)
  t.is((await login(postern, 'ann@one.test', 'first')).code, 535)
  await soap[Symbol.asyncDispose]()
  t.is((await login(postern, 'ann@one.test', 'app-password')).code, 454)
})
