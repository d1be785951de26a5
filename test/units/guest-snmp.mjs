import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * Run inside the booted machine by prove.sh: Debian's snmpd, in the sandbox of the image's drop-in, answers a user of SNMPv3
 * with the machine's own rows and with ours, and has ours again after each was restarted or killed. Exit code 0 if so.
 */
const SOCKET = '/run/agentx/master'
const CONF = '/run/postern-image/made/snmpd.conf'
const WAIT_MS = 60_000
const say = (text) => process.stdout.write(`${text}\n`)
const systemctl = (...words) => execFileSync('systemctl', words, { encoding: 'utf8' }).trim()

/** As docs/snmp.md has it; on the image the provisioning writes both (src/appliance/provision/render-postern.ts). */
const conf = execFileSync('postern', ['snmp-config', '--agentx', SOCKET, 'monitor'], { encoding: 'utf8' })
mkdirSync('/run/postern-image/made', { recursive: true })
writeFileSync(CONF, conf, { mode: 0o600 })
appendFileSync('/etc/postern/postern.toml', `\n[snmp]\nagentx = "${SOCKET}"\n`)

const [, auth = '', priv = ''] = /^createUser monitor SHA-256 "?([\w-]+)"? AES "?([\w-]+)"?/m.exec(conf) ?? []
if (auth === '') throw new Error('no user in what postern snmp-config prints')
const USER = ['-v3', '-lauthPriv', '-umonitor', '-aSHA-256', '-A', auth, '-xAES', '-X', priv]

/** Values below this object; none where nobody answers. */
function walk(object, who = USER) {
  const ran = spawnSync('snmpwalk', ['-Oqvn', '-t', '5', '-r', '1', ...who, '127.0.0.1', object], {
    encoding: 'utf8',
  })
  return ran.stdout
    .split('\n')
    .filter((line) => line !== '' && !line.includes('No Such') && !line.includes('No more'))
}

const OURS = '.1.3.6.1.4.1.8072.9999.9999.2525'
/** @type {[name: string, object: string, isRight: (values: string[]) => boolean][]} */
const ROWS = [
  ['POSTERN-MIB, posternVersion', `${OURS}.1.1.1`, (values) => /^"?\d+\.\d+\.\d+/.test(values[0] ?? '')],
  [
    'NETWORK-SERVICES-MIB, applName',
    '.1.3.6.1.2.1.27.1.1.2',
    (values) => values.some((one) => one.includes('postern')),
  ],
  [
    'MTA-MIB, mtaGroupName',
    '.1.3.6.1.2.1.28.2.1.25',
    (values) => values.some((one) => one.includes('deferred')),
  ],
  ['IF-MIB, ifDescr', '.1.3.6.1.2.1.2.2.1.2', (values) => values.some((one) => one.includes('lo'))],
  ['HOST-RESOURCES-MIB, hrStorageDescr', '.1.3.6.1.2.1.25.2.3.1.3', (values) => values.length > 0],
  ['UCD-SNMP-MIB, laLoad', '.1.3.6.1.4.1.2021.10.1.3', (values) => values.length === 3],
]

async function all(what) {
  const began = Date.now()
  for (const [name, object, isRight] of ROWS) {
    while (!isRight(walk(object))) {
      if (Date.now() - began > WAIT_MS) throw new Error(`${what}: no ${name}: ${walk(object).join(' | ')}`)
      await pause(200)
    }
  }
  say(`${what}: ${ROWS.length} modules answer after ${((Date.now() - began) / 1000).toFixed(1)} s`)
}

systemctl('restart', 'postern')
systemctl('restart', 'snmpd')
await all('snmpd in its sandbox')
const pid = systemctl('show', '--property=MainPID', '--value', 'snmpd')
const status = readFileSync(`/proc/${pid}/status`, 'utf8')
const field = (name) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1]
// CAP_NET_BIND_SERVICE alone.
if (field('Uid') === '0' || field('CapEff') !== '0000000000000400' || field('Seccomp') !== '2')
  throw new Error(`snmpd runs as ${field('Uid')} with ${field('CapEff')} and seccomp ${field('Seccomp')}`)
for (const [folder, isSeen] of [
  ['/var/lib/postern', false],
  ['/var/lib/snmp', true],
])
  if (readable(`/proc/${pid}/root${folder}`) !== isSeen) throw new Error(`snmpd sees ${folder}: ${!isSeen}`)
if (walk('.1.3.6.1.2.1.1', ['-v2c', '-cpublic']).length > 0) throw new Error('SNMPv2c is answered')
if (walk('.1.3.6.1.2.1.1', ['-v3', '-lnoAuthNoPriv', '-umonitor']).length > 0)
  throw new Error('without password')

for (const [what, ...words] of [
  ['restart of snmpd', 'restart', 'snmpd'],
  ['kill -9 of snmpd', 'kill', '--kill-who=main', '--signal=KILL', 'snmpd'],
  ['restart of health', 'restart', 'postern-health'],
  ['kill -9 of health', 'kill', '--kill-who=main', '--signal=KILL', 'postern-health'],
]) {
  systemctl(...words)
  await all(what)
}
// RFC 3414 section 2.2.2: it counts its starts, also in a sandbox.
const boots = Number(walk('.1.3.6.1.6.3.10.2.1.2')[0])
if (!(boots >= 3)) throw new Error(`snmpEngineBoots is ${boots}`)
say(`snmpd was started ${boots} times, and says so`)

/** Whether there is anything in it; what an InaccessiblePaths= hides is empty, or cannot be read by anybody. */
function readable(folder) {
  try {
    return readdirSync(folder).length > 0
  } catch {
    return false
  }
}
