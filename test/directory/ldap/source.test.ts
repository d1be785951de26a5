import { chmodSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { LdapProxy } from '#test/support/ldap-proxy.ts'
import { ADMIN_PASSWORD, slapdLacks } from '#test/support/slapd.ts'
import { until } from '#test/support/wait.ts'
import { accountEntry, listEntry } from '#test/support/zimbra-ldif.ts'
import { adding, Box, LDIF } from './box.ts'

const real = slapdLacks() === undefined ? test : test.skip

real('a new entry is in the mirror within seconds, by itself', async (t) => {
  await using box = new Box()
  await using slapd = await box.slapd('one', { ldif: LDIF })
  box.start([slapd.url])
  await until('the directory is read', () => box.knows('user1@a.test'))
  await slapd.modify(adding(accountEntry('new@a.test')))
  await until('the new account is known', () => box.knows('new@a.test'))
  t.deepEqual(box.source.status['alarms'], [])
  t.is(box.source.status['server'], slapd.url)
  t.is(box.source.status['entries'], 23)
})

real(
  'when the first server is killed the second serves, and the first again when it is back; each is told once',
  async (t) => {
    await using box = new Box()
    await using first = await box.slapd('first', { ldif: LDIF })
    await using second = await box.slapd('second', { providerPort: first.port })
    await until('the replica is filled', () => second.holds('dc=a,dc=test', '(uid=user19)'))
    box.start([first.url, second.url])
    await until('the directory is read', () => box.source.url === first.url && box.knows('user1@a.test'))
    await first.kill()
    await until('the second serves', () => box.source.url === second.url)
    t.true(box.knows('user1@a.test'))
    t.is((await box.live.recipient('nobody@a.test')).kind, 'unknown')
    await until('the alarm is told', () => box.log.lines.includes(`directory.alarm LDAP_SERVER ${first.url}`))
    t.is(box.log.lines.filter((line) => line === `directory.alarm LDAP_SERVER ${first.url}`).length, 1)
    await second.kill()
    await until('nobody serves', () => box.source.status['server'] === 'none')
    t.true(box.knows('user1@a.test'))
    t.is((await box.live.recipient('stranger@a.test')).kind, 'unavailable')
    t.is(await box.live.domain('other.test'), 'unavailable')
    await first.startAgain()
    await until('the first serves', () => box.source.url === first.url)
    t.is((await box.live.recipient('somebody@a.test')).kind, 'unknown')
    // It serves before the round that found it is over, and what that round found is told at its end.
    await until('the end of the alarms is told', () =>
      box.log.lines.includes(`directory.cleared LDAP_SERVER ${first.url}`),
    )
    t.is(box.log.lines.filter((line) => line === 'directory.alarm LDAP_DOWN').length, 1)
    t.is(box.log.lines.filter((line) => line === 'directory.cleared LDAP_DOWN').length, 1)
    t.is(box.log.lines.filter((line) => line === `directory.cleared LDAP_SERVER ${first.url}`).length, 1)
  },
)

real('a replica that lags is passed over, and read again when it has caught up', async (t) => {
  await using box = new Box()
  await using first = await box.slapd('first', { ldif: LDIF })
  await using second = await box.slapd('second', { ldif: LDIF })
  box.start([first.url, second.url])
  await until('the directory is read', () => box.knows('user1@a.test'))
  await first.modify(adding(accountEntry('new@a.test')))
  await until('the new account is known', () => box.knows('new@a.test'))
  await first.kill()
  await until('the second is found to lag', () =>
    box.log.lines.includes(`directory.alarm LDAP_BEHIND ${second.url}`),
  )
  t.true(box.knows('new@a.test'))
  t.is((await box.live.recipient('newer@a.test')).kind, 'unavailable')
  await second.modify(adding(accountEntry('newer@a.test')))
  await second.modify(adding(accountEntry('new@a.test')))
  await until('the second serves', async () => {
    await box.source.poll()
    return box.source.url === second.url
  })
  t.true(box.log.lines.includes(`directory.cleared LDAP_BEHIND ${second.url}`))
  await until('its entry is known', () => box.knows('newer@a.test'))
})

for (const behaviour of ['silent', 'nonsense', 'garbled', 'closed'] as const) {
  real(
    `a server that becomes ${behaviour} in the middle makes nobody unknown, and another takes over`,
    async (t) => {
      await using box = new Box()
      await using slapd = await box.slapd('one', { ldif: LDIF })
      await using bad = await LdapProxy.start(slapd.port)
      await using good = await LdapProxy.start(slapd.port)
      box.start([bad.url, good.url], 3000)
      await until('the directory is read', () => box.source.url === bad.url && box.knows('user1@a.test'))
      bad.behave(behaviour)
      const asked = await box.live.recipient('nobody@a.test')
      t.not(asked.kind, 'found')
      t.is(asked.kind === 'unknown' ? 'not said by a server that is well' : asked.kind, 'unavailable')
      await until('the other serves', () => box.source.url === good.url)
      // Its times are short here, and on a busy machine an answer may come too late for them.
      await until('it answers', async () => (await box.live.recipient('no@a.test')).kind === 'unknown')
      for (let n = 0; n < 20; n += 1) t.true(box.knows(`user${n}@a.test`))
    },
  )
}

real('a slow server is an alarm, and lookups do not wait for it', async (t) => {
  await using box = new Box()
  await using slapd = await box.slapd('one', { ldif: LDIF })
  await using proxy = await LdapProxy.start(slapd.port, 3500)
  box.start([proxy.url])
  await until('the directory is read', () => box.knows('user1@a.test'))
  proxy.behave('slow')
  await until('it is told', () => box.log.lines.includes(`directory.alarm LDAP_SLOW ${proxy.url}`))
  t.true(box.knows('user1@a.test'))
  proxy.behave('through')
  await until('it is over', () => box.log.lines.includes(`directory.cleared LDAP_SLOW ${proxy.url}`))
})

real('who is asked about is taken into the mirror with all that it leads to', async (t) => {
  await using box = new Box()
  await using slapd = await box.slapd('one', { ldif: LDIF })
  await using proxy = await LdapProxy.start(slapd.port)
  box.start([proxy.url])
  await until('the directory is read', () => box.knows('user1@a.test'))
  await slapd.modify(
    adding(
      listEntry('outer@a.test', ['inner@a.test', 'user1@a.test']) +
        listEntry('inner@a.test', ['fresh@a.test']) +
        accountEntry('fresh@a.test'),
    ),
  )
  const found = await box.live.recipient('outer@a.test')
  t.deepEqual(found.kind === 'found' && found.deliverTo.toSorted(), ['fresh@a.test', 'user1@a.test'])
  t.true(box.knows('fresh@a.test'))
})

real('a hundred questions at once about one address are one question', async (t) => {
  await using box = new Box()
  await using slapd = await box.slapd('one', { ldif: LDIF })
  await using proxy = await LdapProxy.start(slapd.port)
  box.start([proxy.url])
  await until('the directory is read', () => box.knows('user1@a.test'))
  const before = proxy.connections
  const answers = await Promise.all(Array.from({ length: 100 }, () => box.live.recipient('nobody@a.test')))
  t.true(answers.every(({ kind }) => kind === 'unknown'))
  t.is(proxy.connections, before + 1)
})

for (const [what, prepare, said] of [
  ['a password that anybody may read', (file: string) => chmodSync(file, 0o644), /chmod 600/],
  [
    'a wrong password',
    (file: string) => writeFileSync(file, 'wrong\n'),
    /does not take name and password \(LDAP result 49\)/,
  ],
  ['an empty password', (file: string) => writeFileSync(file, '\n'), /holds no password/],
] as const) {
  real(`${what} is told, and not by the password itself`, async (t) => {
    await using box = new Box()
    await using slapd = await box.slapd('one', { ldif: LDIF })
    prepare(box.passwordFile)
    box.start([slapd.url])
    await until('it is told', () => box.log.lines.includes('directory.alarm LDAP_DOWN'))
    const alarms = JSON.stringify(box.source.status['alarms'])
    t.regex(alarms, said)
    t.false(alarms.includes(ADMIN_PASSWORD))
    t.is(box.directory.recipient('user1@a.test').kind, 'unavailable')
  })
}
