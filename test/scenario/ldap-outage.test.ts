import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance, killIfThere } from '#test/support/appliance.ts'
import { LdapProxy } from '#test/support/ldap-proxy.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd, slapdLacks } from '#test/support/slapd.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { accountEntry, domainEntry, domainParents, serverEntry, tree } from '#test/support/zimbra-ldif.ts'

const real = slapdLacks() === undefined ? test : test.skip

const LDIF = [
  tree({
    zimbraDefaultDomainName: 'a.test',
    zimbraMtaMaxMessageSize: '5000000',
    zimbraMtaMyNetworks: '192.0.2.0/24',
  }),
  serverEntry('mta1.test', { zimbraMtaMyHostname: 'mx.a.test' }),
  domainParents(['a.test']),
  domainEntry('a.test'),
  ...Array.from({ length: 20 }, (_, n) => accountEntry(`user${n}@a.test`, { zimbraMailTransport: '' })),
]
  .join('')
  .replaceAll(/^zimbraMail(?:Transport|Host): .*\n/gm, '')

const change = (dn: string, name: string, value: string) =>
  `dn: ${dn}\nchangetype: modify\nreplace: ${name}\n${name}: ${value}\n`

interface Site {
  readonly folder: string
  readonly master: Slapd
  readonly replica: Slapd
  readonly first: LdapProxy
  readonly second: LdapProxy
  readonly appliance: Appliance
}

/** Two servers of one directory, each behind something that can misbehave, and the appliance that reads them. */
async function withSite(use: (site: Site) => Promise<void>): Promise<void> {
  using folder = tempFolder('ldap-outage')
  for (const name of ['master', 'replica']) mkdirSync(join(folder.path, name))
  await using master = await Slapd.start({ folder: join(folder.path, 'master'), ldif: LDIF })
  await using replica = await Slapd.start({ folder: join(folder.path, 'replica'), providerPort: master.port })
  await until('the replica is filled', () => replica.holds('dc=a,dc=test', '(uid=user19)'))
  await using first = await LdapProxy.start(master.port)
  await using second = await LdapProxy.start(replica.port)
  const password = join(folder.path, 'password')
  writeFileSync(password, `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  await using appliance = await Appliance.start({
    folder: join(folder.path, 'box'),
    directory: [
      `urls = ["${first.url}", "${second.url}"]`,
      'starttls = false',
      'server = "mta1.test"',
      `bind_dn = "${ADMIN_DN}"`,
      `password_file = ${JSON.stringify(password)}`,
      'connect_timeout = "3s"',
      'search_timeout = "5s"',
    ],
  })
  await use({ folder: folder.path, master, replica, first, second, appliance })
}

/** The codes that RCPT is answered with. */
async function codes(appliance: Appliance, addresses: readonly string[]): Promise<readonly number[]> {
  using client = await SmtpClient.greeted(appliance.smtpPort)
  await client.command('MAIL FROM:<a@b.test>')
  const found: number[] = []
  for (const address of addresses) found.push((await client.command(`RCPT TO:<${address}>`)).code)
  return found
}

const directoryOf = async (appliance: Appliance): Promise<Record<string, unknown>> => {
  const ran = await appliance.tool('status', '--json')
  const { directory }: { directory?: Record<string, unknown> } = JSON.parse(ran.stdout)
  return directory ?? {}
}

const served = (appliance: Appliance, url: string) =>
  until(`${url} serves`, async () => (await directoryOf(appliance))['server'] === url)

const MAIL = { from: 'a@b.test', to: ['user1@a.test'], message: Buffer.from('Subject: x\r\n\r\nx\r\n') }

real(
  'servers are killed, slow, silent and talk nonsense in the middle of traffic: known recipients are taken, nobody is told that he is unknown',
  async (t) => {
    await withSite(async ({ master, replica, first, second, appliance }) => {
      t.deepEqual(
        await codes(appliance, ['user1@a.test', 'nobody@a.test', 'x@foreign.test']),
        [250, 550, 554],
      )
      let sent = 0
      let wrong = ''
      const stop = new AbortController()
      const traffic = (async () => {
        while (!stop.signal.aborted) {
          const [known = 0, unknown = 0] = await codes(appliance, [
            `user${sent % 20}@a.test`,
            `nobody${sent}@a.test`,
          ])
          sent += 1
          if (known !== 250 || (unknown !== 550 && unknown !== 451)) wrong = `${known} ${unknown}`
        }
      })()
      for (const behaviour of ['slow', 'silent', 'nonsense', 'garbled', 'closed'] as const) {
        first.behave(behaviour)
        const before = sent
        await until(`mail came while the first is ${behaviour}`, () => sent > before + 5)
        if (behaviour !== 'slow') await served(appliance, second.url)
        first.behave('through')
      }
      await master.kill()
      await served(appliance, second.url)
      await replica.kill()
      await served(appliance, 'none')
      t.deepEqual(
        await codes(appliance, ['user1@a.test', 'new@a.test', 'x@foreign.test', 'postmaster']),
        [250, 451, 451, 250],
      )
      const status = await appliance.tool('status')
      t.regex(status.stdout, /Attention: LDAP_DOWN/)
      await master.startAgain()
      await served(appliance, first.url)
      stop.abort()
      await traffic
      t.is(wrong, '')
      t.deepEqual(await codes(appliance, ['user1@a.test', 'new@a.test', 'x@foreign.test']), [250, 550, 554])
      using client = await SmtpClient.greeted(appliance.smtpPort)
      t.is((await client.send(MAIL)).code, 250)
      await until('the mail has arrived', () => appliance.mailboxFiles().length === 1)
    })
  },
)

real(
  'settings of the server entry stand above globalConfig, a change holds within seconds, and reload looks at once',
  async (t) => {
    await withSite(async ({ master, appliance }) => {
      const size = async () => {
        using client = await SmtpClient.connect(appliance.smtpPort)
        const greeting = await client.reply()
        const ehlo = await client.command('EHLO c.test')
        return [greeting.text.split(' ')[1], /SIZE (\d+)/.exec(ehlo.lines.join('\n'))?.[1]].join(' ')
      }
      t.is(await size(), 'mx.a.test 5000000')
      await master.modify(change('cn=config,cn=zimbra', 'zimbraMtaMaxMessageSize', '6000000'))
      await until('the change holds', async () => (await size()) === 'mx.a.test 6000000')
      await master.modify(change('cn=mta1.test,cn=servers,cn=zimbra', 'zimbraMtaMyHostname', 'mx1.a.test'))
      const ran = await appliance.tool('reload')
      t.is(ran.code, 0, ran.stderr)
      t.is(await size(), 'mx1.a.test 6000000')
      // Not allowed: it is told by its name, the old value stays, and what came with it holds.
      await master.modify(
        `${change('cn=config,cn=zimbra', 'zimbraMtaSmtpdErrorSleepTime', 'soon')}-\nreplace: zimbraMtaMyHostname\nzimbraMtaMyHostname: other.a.test\n\n${change('cn=mta1.test,cn=servers,cn=zimbra', 'zimbraMtaMyHostname', 'mx2.a.test')}`,
      )
      await until('the rest holds', async () => (await size()) === 'mx2.a.test 6000000')
      const status = await appliance.tool('status')
      t.regex(status.stdout, /Attention: .*zimbraMtaSmtpdErrorSleepTime/)
    })
  },
)

real('a directory process that is killed is replaced, and lookups have not noticed', async (t) => {
  await withSite(async ({ appliance, first }) => {
    killIfThere(appliance.pids('directory')[0] ?? 0)
    t.deepEqual(await codes(appliance, ['user1@a.test']), [250])
    await served(appliance, first.url)
    await until(
      'misses are confirmed again',
      async () => (await codes(appliance, ['nobody@a.test']))[0] === 550,
    )
    t.pass()
  })
})

real(
  'many deletions at once are held back, told, and taken over by "postern directory accept"',
  async (t) => {
    await withSite(async ({ master, appliance }) => {
      const gone = Array.from(
        { length: 15 },
        (_, n) => `dn: uid=user${n},ou=people,dc=a,dc=test\nchangetype: delete\n`,
      )
      await master.modify(gone.join('\n'))
      const reload = await appliance.tool('reload')
      t.regex(reload.stdout, /what was known last counts: 15 of \d+ entries would be lost/)
      t.regex((await appliance.tool('status')).stdout, /Attention: LDAP_NONSENSE .*postern directory accept/)
      t.deepEqual(await codes(appliance, ['user1@a.test', 'user19@a.test']), [250, 250])
      const accept = await appliance.tool('directory', 'accept')
      t.is(accept.code, 0, accept.stderr)
      t.deepEqual(await codes(appliance, ['user1@a.test', 'user19@a.test']), [550, 250])
      t.notRegex((await appliance.tool('status')).stdout, /LDAP_NONSENSE/)
    })
  },
)
