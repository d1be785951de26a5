import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ATTRIBUTES } from '#src/config/catalogue.ts'
import { Appliance, REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { domainEntry, domainParents, serverEntry, tree } from '#test/support/zimbra-ldif.ts'

const real = slapdLacks() === undefined ? test : test.skip

/** Everything that a Zimbra's globalConfig has from its installation. */
const INSTALLED = Object.fromEntries(
  ATTRIBUTES.filter(({ scope }) => scope.includes('globalConfig'))
    .filter((one) => one.default.length > 0)
    .map((one) => [one.name, one.default]),
)

const GLOBAL = 'cn=config,cn=zimbra'
const SERVER = 'cn=mta1.test,cn=servers,cn=zimbra'

const set = (dn: string, name: string, ...values: readonly string[]) =>
  `dn: ${dn}\nchangetype: modify\nreplace: ${name}\n${values.map((value) => `${name}: ${value}\n`).join('')}\n`

interface Site {
  readonly slapd: Slapd
  readonly postern: Appliance
  /** The value in force, by Postfix's name, with where it is from. */
  readonly postconf: (name: string) => Promise<string>
}

async function withSite(use: (site: Site) => Promise<void>): Promise<void> {
  using folder = tempFolder('settings-ldap')
  mkdirSync(join(folder.path, 'slapd'))
  await using slapd = await Slapd.start({
    folder: join(folder.path, 'slapd'),
    ldif: [
      tree({ ...INSTALLED, zimbraDefaultDomainName: 'a.test' }),
      serverEntry('mta1.test', { zimbraMtaMyHostname: 'mx.a.test' }),
      domainParents(['a.test']),
      domainEntry('a.test'),
    ].join(''),
  })
  const password = join(folder.path, 'password')
  writeFileSync(password, `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  await using postern = await Appliance.start({
    folder: join(folder.path, 'box'),
    directory: [
      `urls = ["${slapd.url}"]`,
      'starttls = false',
      'server = "mta1.test"',
      `bind_dn = "${ADMIN_DN}"`,
      `password_file = ${JSON.stringify(password)}`,
    ],
  })
  const postconf = async (name: string) => {
    const ran = await run(join(REPOSITORY, 'bin', 'postconf'), ['-v', name], { cwd: postern.folder })
    return ran.stdout.trimEnd()
  }
  await use({ slapd, postern, postconf })
}

real(
  'a globalConfig as Zimbra installs it raises no alarm, and is noted only where a default does something there and not here',
  async (t) => {
    await withSite(async ({ postern, postconf }) => {
      await until('the server’s entry counts', async () =>
        (await postconf('myhostname')).startsWith('myhostname = mx.a.test'),
      )
      t.is(await postconf('myhostname'), 'myhostname = mx.a.test  # server: zimbraMtaMyHostname')
      const shown = await postern.tool('status')
      t.notRegex(shown.stdout, /^Attention/m)
      const noted = (await postern.tool('settings', '--notes')).stdout.trimEnd().split('\n')
      t.true(noted.length <= 10, noted.join('\n'))
      for (const note of noted) t.regex(note, /^zimbra\w+ \(globalConfig\): Has no effect yet; /)
      t.true(noted.some((note) => note.startsWith('zimbraMtaRestriction ')))
      t.notRegex(
        readFileSync(join(postern.data, 'log', 'postern.log'), 'utf8'),
        /settings\.alarm .*attribute=zimbra/,
      )
    })
  },
)

real(
  'a change in LDAP counts within seconds, the server’s entry above globalConfig, and a bad value stops no other',
  async (t) => {
    await withSite(async ({ slapd, postern, postconf }) => {
      const is = (name: string, value: string) => async () => (await postconf(name)) === `${name} = ${value}`
      await slapd.modify(set(GLOBAL, 'zimbraMtaMaximalBackoffTime', '3000s'))
      await until(
        'globalConfig counts',
        is('maximal_backoff_time', '3000s  # globalConfig: zimbraMtaMaximalBackoffTime'),
      )
      await slapd.modify(set(SERVER, 'zimbraMtaMaximalBackoffTime', '1999s'))
      await until(
        'the server counts',
        is('maximal_backoff_time', '1999s  # server: zimbraMtaMaximalBackoffTime'),
      )
      const number = async () =>
        (await postern.tool('generations', '--limit', '1')).stdout.trim().split(/\s+/)[1] ?? ''
      await until('it is a generation', async () =>
        (await postern.tool('diff', '1')).stdout.includes('-> 1999s'),
      )
      const before = await number()

      await slapd.modify(
        set(SERVER, 'zimbraMtaMaximalBackoffTime', 'soon') +
          set(GLOBAL, 'zimbraMtaMinimalBackoffTime', '201s'),
      )
      await until(
        'the other one counts',
        is('minimal_backoff_time', '201s  # globalConfig: zimbraMtaMinimalBackoffTime'),
      )
      t.is(
        await postconf('maximal_backoff_time'),
        'maximal_backoff_time = 1999s  # server: zimbraMtaMaximalBackoffTime (what is set is not allowed)',
      )
      const alarm = await until('the alarm is shown', async () => {
        return /^Attention: zimbraMtaMaximalBackoffTime.*$/m.exec((await postern.tool('status')).stdout)?.[0]
      })
      t.is(
        alarm,
        'Attention: zimbraMtaMaximalBackoffTime (server): must be a time as Postfix writes it: 30s, 5m, 1h, 5d; its value "soon" is not used',
      )
      t.true(Number(await number()) > Number(before))
      await slapd.modify(set(SERVER, 'zimbraMtaMaximalBackoffTime', '1001s'))
      await until('it is mended', async () => !(await postern.tool('status')).stdout.includes('Attention'))
      t.is(
        await postconf('maximal_backoff_time'),
        'maximal_backoff_time = 1001s  # server: zimbraMtaMaximalBackoffTime',
      )
      const log = await until('the log tells of the end', () => {
        const text = readFileSync(join(postern.data, 'log', 'postern.log'), 'utf8')
        return /settings\.cleared .*zimbraMtaMaximalBackoffTime/.test(text) && text
      })
      t.is(log.match(/settings\.alarm .*zimbraMtaMaximalBackoffTime/g)?.length, 1)
      t.is(log.match(/settings\.cleared .*zimbraMtaMaximalBackoffTime/g)?.length, 1)
    })
  },
)

real('without the directory server settings stay, over a restart too, and a rollback works', async (t) => {
  await withSite(async ({ slapd, postern, postconf }) => {
    for (const value of ['2999s', '3001s']) {
      await slapd.modify(set(GLOBAL, 'zimbraMtaMaximalBackoffTime', value))
      await until('it is a generation', async () =>
        (await postern.tool('diff', '1')).stdout.includes(`-> ${value}`),
      )
    }
    const lines = (await postern.tool('generations', '--json')).stdout.trim().split('\n')
    const wanted = lines.find((line) => line.includes('"after":"2999s"')) ?? '{}'
    const { number }: { number?: number } = JSON.parse(wanted)
    await slapd.kill()
    await postern.stop()
    await postern.startAgain()
    t.regex(await postconf('maximal_backoff_time'), /^maximal_backoff_time = 3001s/)
    const rolled = await postern.tool('rollback', String(number))
    t.regex(rolled.stdout, /^maximal_backoff_time: 3001s -> 2999s$/m, rolled.stderr)
    t.is(await postconf('maximal_backoff_time'), 'maximal_backoff_time = 2999s  # rollback')
    await slapd.startAgain()
    await slapd.modify(set(GLOBAL, 'zimbraMtaMinimalBackoffTime', '201s'))
    await until('LDAP is heard again', async () => (await postconf('minimal_backoff_time')).includes('201s'))
    t.is(await postconf('maximal_backoff_time'), 'maximal_backoff_time = 2999s  # rollback')
    await slapd.modify(set(GLOBAL, 'zimbraMtaMaximalBackoffTime', '3003s'))
    await until('a change ends the hold', async () =>
      (await postconf('maximal_backoff_time')).includes('3003s'),
    )
  })
})
