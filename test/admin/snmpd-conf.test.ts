import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { SNMP_AUTH_PROTOCOLS, SNMP_PRIV_PROTOCOLS, snmpdConf } from '#src/admin/snmpd-conf.ts'
import type { SnmpdOptions, SnmpUser } from '#src/admin/snmpd-conf.ts'
import { run } from '#test/support/run.ts'
import { credentials, freeUdpPorts, MONITOR, snmpLacks, Snmpd } from '#test/support/snmpd.ts'
import { tempFolder } from '#test/support/temp.ts'

const lacks = snmpLacks()
const peers = lacks === undefined ? test : test.skip

const SYS_DESCR = '.1.3.6.1.2.1.1.1.0'
/** A time-out is what somebody gets who is not answered at all; it must not take a test's time. */
const AT_ONCE = ['-t', '1'] as const

function usual(change: Partial<SnmpdOptions> = {}): SnmpdOptions {
  return {
    users: [MONITOR],
    agentx: '/var/agentx/master',
    listen: [{ address: '127.0.0.1', port: 161 }],
    ...change,
  }
}

function problems(change: Partial<SnmpdOptions>): string {
  const made = snmpdConf(usual(change))
  return made.kind === 'wrong' ? made.problems.join(' ') : ''
}

function user(change: Partial<SnmpUser>): readonly SnmpUser[] {
  return [{ ...MONITOR, ...change }]
}

const target = { host: '192.0.2.9', port: 162, kind: 'inform', user: 'monitor' } as const

for (const [what, change, said] of [
  ['nobody who could ask', { users: [] }, /There is no user/],
  [
    'a name that begins a line of its own',
    { users: user({ name: 'a\nrwuser b' }) },
    /"a\?rwuser b" is no name/,
  ],
  ['two users of one name', { users: [MONITOR, MONITOR] }, /There are two users "monitor"/],
  [
    'a short password',
    { users: user({ auth: { protocol: 'SHA-256', password: '1234567' } }) },
    /shorter than 8/,
  ],
  [
    'a password over two lines',
    { users: user({ priv: { protocol: 'AES', password: 'eight\neight' } }) },
    /priv password of "monitor" must be ASCII/,
  ],
  ['no address', { listen: [] }, /no address to listen on/],
  [
    'a name as address',
    { listen: [{ address: 'localhost', port: 161 }] },
    /"localhost" port 161 is no address/,
  ],
  ['no port', { listen: [{ address: '::1', port: 0 }] }, /"::1" port 0 is no address/],
  ['AgentX to another machine', { agentx: 'tcp:192.0.2.1:705' }, /neither the path of a socket nor/],
  ['a socket with a space', { agentx: '/var/a b' }, /neither the path of a socket nor/],
  [
    'a community for everybody',
    { v2c: [{ community: 'x', source: 'default' }] },
    /neither an address nor a network/,
  ],
  [
    'a network too long',
    { v2c: [{ community: 'x', source: '192.0.2.0/33' }] },
    /neither an address nor a network/,
  ],
  [
    'a community with quotes',
    { v2c: [{ community: 'x"y', source: '::1' }] },
    /A community must have letters/,
  ],
  ['a target whom nobody signs', { targets: [{ ...target, user: 'other' }] }, /no user "other" to sign/],
  ['a target with a space', { targets: [{ ...target, host: 'a b' }] }, /"a b" is no host/],
  ['a contact of two lines', { system: { contact: 'a\nb' } }, /contact of the system must be one line/],
  ['an owner with a space', { agentxOwner: { user: 'a', group: 'b c' } }, /"b c" is no name/],
] as const satisfies readonly (readonly [string, Partial<SnmpdOptions>, RegExp])[]) {
  test(`no settings for snmpd are written with ${what}`, (t) => {
    t.regex(problems(change), said)
  })
}

test('whatever somebody gives as names and passwords, no line of snmpd.conf is one that we did not write', (t) => {
  const directive =
    /^(?:#.*|agentAddress .*|master agentx|agentX(?:Socket|Perms|Timeout|Retries) .*|sys(?:Services|Contact|Location|Name) .*|view postern (?:in|ex)cluded [.\d]+|createUser \S+ .*|rouser -s usm \S+ priv -V postern|rocommunity6? "\S+" \S+ -V postern|trapsess .*|)$/
  fc.assert(
    fc.property(
      fc.record({
        name: fc.string(),
        auth: fc.string({ unit: 'binary', minLength: 8 }),
        community: fc.string(),
        source: fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()),
        contact: fc.string(),
        host: fc.string(),
      }),
      ({ name, auth, community, source, contact, host }) => {
        const made = snmpdConf(
          usual({
            users: user({ name, auth: { protocol: 'SHA-512', password: auth } }),
            v2c: [{ community, source }],
            system: { contact },
            targets: [{ host, port: 162, kind: 'trap', user: name }],
          }),
        )
        return made.kind === 'wrong' || made.text.split('\n').every((line) => directive.test(line))
      },
    ),
  )
  t.pass()
})

test('nobody may write, and nobody asks without authentication and privacy unless SNMPv2c is asked for', (t) => {
  const made = snmpdConf(usual({ targets: [target] }))
  const text = made.kind === 'conf' ? made.text : ''
  t.notRegex(text, /^(?:rw|com2sec|access|authuser|rocommunity)/m)
  t.deepEqual(text.match(/^rouser.*$/gm), ['rouser -s usm monitor priv -V postern'])
  t.regex(text, /^trapsess -Ci -t 5 -r 5 -v 3 -l authPriv -u monitor /m)
})

peers(
  'Debian’s snmpd takes each way to sign and to hide, and passwords with quotes and backslashes',
  async (t) => {
    using folder = tempFolder('snmpd-conf')
    const [port = 0] = await freeUdpPorts(1)
    const users = SNMP_AUTH_PROTOCOLS.flatMap((auth, i) =>
      SNMP_PRIV_PROTOCOLS.map((priv, k): SnmpUser => ({
        name: `user${i}${k}`,
        auth: { protocol: auth, password: `a "quoted" \\ word #${i}` },
        priv: { protocol: priv, password: `$HOME 'and' \`more\` ${k}` },
      })),
    )
    await using snmpd = await Snmpd.start(folder.path, { port, agentx: join(folder.path, 'agentx'), users })
    for (const one of users) {
      const ran = await snmpd.ask('snmpget', ['-On', SYS_DESCR], one)
      t.regex(
        ran.stdout,
        /^\.1\.3\.6\.1\.2\.1\.1\.1\.0 = STRING: /,
        `${one.auth.protocol} ${one.priv.protocol}`,
      )
    }
  },
)

peers('who is not known, signs wrongly, hides nothing or shows a community is told nothing', async (t) => {
  using folder = tempFolder('snmpd-wrong')
  const [port = 0] = await freeUdpPorts(1)
  await using snmpd = await Snmpd.start(folder.path, { port, agentx: join(folder.path, 'agentx') })
  const wrong = { ...MONITOR, auth: { ...MONITOR.auth, password: 'another password' } }
  const [, , , , , name, , protocol, , password] = credentials(MONITOR)
  const signed = ['-u', name ?? '', '-a', protocol ?? '', '-A', password ?? '']
  const blind = { ...MONITOR, priv: { ...MONITOR.priv, password: 'another password' } }
  for (const [who, words] of [
    ['another name', credentials({ ...MONITOR, name: 'root' })],
    ['another password', credentials(wrong)],
    ['another key to hide with', [...credentials(blind), ...AT_ONCE]],
    ['no privacy', ['-v', '3', '-l', 'authNoPriv', ...signed]],
    ['no signature', ['-v', '3', '-l', 'noAuthNoPriv', '-u', 'monitor']],
    ['the community public', ['-v', '2c', '-c', 'public', ...AT_ONCE]],
    ['version 1', ['-v', '1', '-c', 'public', ...AT_ONCE]],
  ] as const) {
    const ran = await snmpd.askAs('snmpget', words, ['-On', SYS_DESCR])
    t.not(ran.code, 0, who)
    t.is(ran.stdout.includes('STRING'), false, who)
  }
  t.is((await snmpd.ask('snmpget', ['-On', SYS_DESCR])).code, 0)
})

peers('SNMPv2c is answered where it is asked for, and users and views are shown to nobody', async (t) => {
  using folder = tempFolder('snmpd-v2c')
  const [port = 0] = await freeUdpPorts(1)
  await using snmpd = await Snmpd.start(folder.path, {
    port,
    agentx: join(folder.path, 'agentx'),
    v2c: [{ community: 'look', source: '127.0.0.0/8' }],
  })
  t.is((await snmpd.askAs('snmpget', ['-v', '2c', '-c', 'look'], [SYS_DESCR])).code, 0)
  for (const hidden of ['.1.3.6.1.6.3.15', '.1.3.6.1.6.3.16', '.1.3.6.1.2.1.25.4.2.1.5']) {
    const ran = await snmpd.ask('snmpwalk', ['-On', hidden])
    t.regex(ran.stdout, /No Such (?:Object|Instance)|No more variables/, hidden)
  }
  const set = await snmpd.ask('snmpset', ['.1.3.6.1.2.1.1.4.0', 's', 'nobody'])
  t.not(set.code, 0)
})

peers(
  'a password that is changed holds at the next start, and who was taken out is not known any more',
  async (t) => {
    using folder = tempFolder('snmpd-users')
    const [port = 0] = await freeUdpPorts(1)
    const agentx = join(folder.path, 'agentx')
    const guest = { ...MONITOR, name: 'guest' }
    await using snmpd = await Snmpd.start(folder.path, { port, agentx, users: [MONITOR, guest] })
    t.is((await snmpd.ask('snmpget', [SYS_DESCR], guest)).code, 0)
    const changed = { ...MONITOR, auth: { ...MONITOR.auth, password: 'another password' } }
    await snmpd.restart({ port, agentx, users: [changed] })
    t.is((await snmpd.ask('snmpget', [SYS_DESCR], changed)).code, 0)
    for (const gone of [MONITOR, guest]) t.not((await snmpd.ask('snmpget', [SYS_DESCR], gone)).code, 0)
  },
)

async function printed() {
  const words = ['--inform', '192.0.2.9', '--listen', '::1', 'one', 'two']
  return await run('bin/postern', ['snmp-config', ...words])
}

test('postern snmp-config prints settings with passwords of their own for each user and each run', async (t) => {
  const [first, second] = await Promise.all([printed(), printed()])
  t.is(first.code, 0, first.stderr)
  const secrets = [...`${first.stdout}${second.stdout}`.matchAll(/^createUser \S+ \S+ "(.+)" \S+ "(.+)"$/gm)]
  t.is(new Set(secrets.flatMap(([, auth, priv]) => [auth, priv])).size, 8)
  t.regex(first.stdout, /^agentAddress udp6:\[::1\]:161$/m)
  t.regex(first.stdout, /^trapsess -Ci .* udp:192\.0\.2\.9:162$/m)
  t.is((await run('bin/postern', ['snmp-config'])).code, 2)
  t.regex((await run('bin/postern', ['snmp-config', 'a b'])).stderr, /"a b" is no name/)
})
