import test from 'ava'
import { LdapAlarms } from '#src/directory/ldap/alarms.ts'
import { ServerChoice } from '#src/directory/ldap/servers.ts'
import { Standbys } from '#src/directory/ldap/standby.ts'
import { memoryLog } from '#src/base/log.ts'
import { systemClock } from '#src/base/clock.ts'
import { LdapProxy } from '#test/support/ldap-proxy.ts'
import { ADMIN_DN, slapdLacks } from '#test/support/slapd.ts'
import { until } from '#test/support/wait.ts'
import { accountEntry, domainEntry, domainParents, tree } from '#test/support/zimbra-ldif.ts'
import { Box } from './box.ts'

const real = slapdLacks() === undefined ? test : test.skip

const LDIF = [tree(), domainParents(['a.test']), domainEntry('a.test'), accountEntry('user1@a.test')].join('')

real(
  'a server that would serve next is told to be down before it is needed, and to be well again',
  async (t) => {
    await using box = new Box()
    await using slapd = await box.slapd('one', { ldif: LDIF })
    await using first = await LdapProxy.start(slapd.port)
    await using second = await LdapProxy.start(slapd.port)
    box.start([first.url, second.url])
    await until('the directory is read', () => box.knows('user1@a.test'))
    second.behave('closed')
    await until('the second is missed', async () => {
      await box.source.poll()
      return box.log.lines.includes(`directory.alarm LDAP_SERVER ${second.url}`)
    })
    t.is(box.source.url, first.url)
    t.true((await box.live.recipient('nobody@a.test')).kind === 'unknown', 'nobody notices')
    second.behave('through')
    await until('the end is told', async () => {
      await box.source.poll()
      return box.log.lines.includes(`directory.cleared LDAP_SERVER ${second.url}`)
    })
    t.is(box.source.url, first.url)
  },
)

real(
  'a server that has not followed for a minute is told, one that is only a moment behind is not',
  async (t) => {
    await using box = new Box()
    await using slapd = await box.slapd('one', { ldif: LDIF })
    const log = memoryLog()
    const alarms = new LdapAlarms(log)
    let nowMs = 0
    const clock = { ...systemClock, monotonicMs: () => nowMs }
    const urls = ['ldap://first.test', slapd.url]
    const servers = {
      urls,
      startTls: false,
      caFile: '',
      bindDn: ADMIN_DN,
      passwordFile: box.passwordFile,
      connectTimeoutMs: 60_000,
      searchTimeoutMs: 60_000,
    }
    const choice = new ServerChoice(servers, clock, alarms)
    const { mirror } = box
    const current = () => urls[0]
    const standbys = new Standbys({
      urls,
      base: '',
      mirror,
      clock,
      alarms,
      choice,
      current,
      onChange: () => {},
    })
    const { signal } = new AbortController()
    const look = async (): Promise<readonly string[]> => {
      standbys.look(signal, false)
      await standbys.ended()
      return alarms.list.map((text) => text.split(' ')[0] ?? '')
    }
    t.deepEqual(await look(), [])
    mirror.setState({ ...mirror.state, seenCsns: ['20991122132134.232723Z#000000#001#000000'] })
    t.deepEqual(await look(), [], 'it is not time')
    nowMs += 60_000
    t.deepEqual(await look(), [], 'a minute ago nobody knew more')
    nowMs += 60_000
    t.deepEqual(await look(), ['LDAP_BEHIND'])
    mirror.setState({ ...mirror.state, seenCsns: [] })
    nowMs += 60_000
    await look()
    nowMs += 60_000
    t.deepEqual(await look(), [])
  },
)
