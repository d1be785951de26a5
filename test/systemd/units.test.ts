import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { smtpdCount } from '#src/workers/size.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { rulesTaken } from '#test/support/nft.ts'
import { installed, run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

const FOLDER = join(REPOSITORY, 'systemd')
const GENERATOR = join(FOLDER, 'postern-generator')
const withAnalyze = installed('systemd-analyze') ? test : test.skip
const withNft = existsSync('/usr/sbin/nft') && installed('unshare') ? test : test.skip
const withSysusers = installed('systemd-sysusers') ? test : test.skip

/** Tenths, as `systemd-analyze security --threshold` takes them: 1.2 for what faces the network, 2.0 for the rest, and 0.5 for what unpacks archives, which nothing does yet (SECURITY.md). */
const THRESHOLDS: Readonly<Record<string, number>> = {
  'postern.service': 5,
  'postern-smtpd@.service': 12,
  'postern-qmgr.service': 12,
  'postern-directory.service': 12,
  'postern-health.service': 12,
  'postern-mailbox.service': 12,
  'postern-console@.service': 20,
  'postern-firewall.service': 20,
  'postern-disk@.service': 20,
}

/** Of the appliance image alone. */
const IMAGE_FOLDER = join(REPOSITORY, 'image', 'overlay', 'usr', 'lib', 'systemd', 'system')
const IMAGE_THRESHOLDS: Readonly<Record<string, number>> = {
  'postern-appliance.service': 20,
  'postern-boot-check.service': 12,
  'postern-drain.service': 12,
}

const UNITS = [
  ...Object.entries(THRESHOLDS).map(([unit, tenths]) => ({ unit, tenths, folder: FOLDER })),
  ...Object.entries(IMAGE_THRESHOLDS).map(([unit, tenths]) => ({ unit, tenths, folder: IMAGE_FOLDER })),
]

interface Finding {
  readonly json_field: string
  readonly exposure: string | null
}

/** Exit code 1 above the threshold. */
function exposureOf(file: string, tenths: number) {
  return run('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${tenths}`, file])
}

function findings(json: string): readonly Finding[] {
  // oxlint-disable-next-line no-unsafe-type-assertion -- what of it is wrong fails the assertion on it
  return JSON.parse(json) as readonly Finding[]
}

test('every service unit has a bound for its exposure', (t) => {
  const services = globSync('*.service', { cwd: FOLDER }).toSorted()
  t.deepEqual(services, Object.keys(THRESHOLDS).toSorted())
})

/** A file of the unit with its bound, and beside it one that is right but has no sandbox. */
async function bounded(t: ExecutionContext, unit: string, text: string, tenths: number): Promise<void> {
  using folder = tempFolder('units')
  const file = join(folder.path, unit)
  writeFileSync(file, text)
  const ran = await exposureOf(file, tenths)
  t.is(ran.code, 0, ran.stdout)
  writeFileSync(file, '[Service]\nExecStart=/bin/true\n')
  t.is((await exposureOf(file, tenths)).code, 1)
}

async function explained(t: ExecutionContext, unit: string, text: string): Promise<void> {
  using folder = tempFolder('units')
  const file = join(folder.path, unit)
  writeFileSync(file, text)
  const ran = await run('systemd-analyze', ['security', '--offline=true', '--json=short', file])
  const [, reasons = ''] = text.split('# What is left, and why')
  const left = findings(ran.stdout).filter(({ exposure }) => exposure !== null && Number(exposure) > 0)
  t.true(left.length > 3)
  const unexplained = left
    .map(({ json_field: name }) => name)
    .filter((name) => !reasons.includes(wordFor(name)))
  t.deepEqual(unexplained, [])
}

for (const { unit, tenths, folder } of UNITS) {
  const text = readFileSync(join(folder, unit), 'utf8')
  withAnalyze(
    `the exposure of ${unit} is ${tenths / 10} at most, and a unit without a sandbox is above it`,
    async (t) => await bounded(t, unit, text, tenths),
  )
  withAnalyze(
    `what ${unit} leaves open stands in it with its reason`,
    async (t) => await explained(t, unit, text),
  )
}

/** Debian's unit of snmpd with what the image lays over it. */
function snmpdUnit(): string | undefined {
  const debian = '/usr/lib/systemd/system/snmpd.service'
  if (!existsSync(debian)) return undefined
  const [unit = ''] = readFileSync(debian, 'utf8').split('[Install]')
  return `${unit}${readFileSync(join(IMAGE_FOLDER, 'snmpd.service.d', '60-provisioned.conf'), 'utf8')}`
}

// It must have its port, all of /proc and netlink, and is no program of ours: 1.2 cannot be had.
withAnalyze(
  'snmpd of the image is no root, its exposure is 2.0 at most, and what is left has its reason',
  async (t) => {
    const text = snmpdUnit()
    if (text === undefined) {
      t.pass('snmpd is not installed')
      return
    }
    t.regex(text, /^User=Debian-snmp$/m)
    await bounded(t, 'snmpd.service', text, 20)
    await explained(t, 'snmpd.service', text)
  },
)

/** The name of a finding is that of its setting, with the value behind it: `RestrictAddressFamilies_AF_UNIX`. */
function wordFor(finding: string): string {
  if (finding.startsWith('RestrictAddressFamilies_AF_INET')) return 'network'
  if (finding.startsWith('RootDirectory')) return 'RootDirectory'
  if (finding.startsWith('RestrictAddressFamilies_')) return finding.slice('RestrictAddressFamilies_'.length)
  if (finding.startsWith('CapabilityBoundingSet_CAP_NET_BIND')) return 'CAP_NET_BIND_SERVICE'
  if (finding.startsWith('CapabilityBoundingSet_')) return finding.slice('CapabilityBoundingSet_'.length)
  if (finding === 'UserOrDynamicUser') return 'User='
  if (finding === 'PrivateNetwork' || finding === 'IPAddressDeny') return 'etwork'
  return finding.split('_')[0] ?? ''
}

withAnalyze('systemd finds nothing wrong with the units', async (t) => {
  using folder = tempFolder('units')
  const sources = [
    ...UNITS,
    { unit: 'postern.socket', folder: FOLDER },
    { unit: 'postern.slice', folder: FOLDER },
    { unit: 'postern-disk@.timer', folder: FOLDER },
  ]
  const units = sources.map(({ unit, folder: from }) => {
    // What they start is not installed here.
    const text = readFileSync(join(from, unit), 'utf8').replaceAll(
      /\/usr\/(?:lib\/postern|sbin)\/\S+/g,
      '/bin/true',
    )
    const file = join(folder.path, unit)
    writeFileSync(file, text)
    return file
  })
  const ran = await run('systemd-analyze', ['verify', '--man=no', ...units])
  t.deepEqual([ran.code, ran.stderr], [0, ''])
  writeFileSync(units[0] ?? '', '[Service]\nExecStart=/bin/true\nNoSuchThing=yes\n')
  t.regex((await run('systemd-analyze', ['verify', '--man=no', units[0] ?? ''])).stderr, /NoSuchThing/)
})

withNft(
  'the kernel takes the rules of the firewall, twice over, and they let in nothing but mail',
  async (t) => {
    using folder = tempFolder('nft')
    const own = join(folder.path, 'firewall.d')
    mkdirSync(own)
    writeFileSync(
      join(own, 'ssh.nft'),
      'add rule inet postern own ip saddr 192.0.2.0/24 tcp dport 22 accept\n',
    )
    const rules = join(folder.path, 'firewall.nft')
    const text = readFileSync(join(FOLDER, 'firewall.nft'), 'utf8').replaceAll('/etc/postern/firewall.d', own)
    writeFileSync(rules, text)
    const taken = await rulesTaken(t, rules)
    if (taken === undefined) return
    t.regex(taken, /hook input priority filter; policy drop;/)
    t.regex(taken, /hook forward priority filter; policy drop;/)
    t.is([...taken.matchAll(/table inet postern/g)].length, 1)
    t.regex(taken, /tcp dport \{ 25, 465, 587 \}/)
    t.regex(taken, /ip saddr 192\.0\.2\.0\/24 tcp dport 22 accept/)
  },
)

withSysusers('every user and group that a unit or a folder names is made', async (t) => {
  using folder = tempFolder('sysusers')
  mkdirSync(join(folder.path, 'etc'))
  const users = join(folder.path, 'postern.conf')
  copyFileSync(join(FOLDER, 'postern.sysusers'), users)
  const made = await run('systemd-sysusers', [`--root=${folder.path}`, users])
  t.is(made.code, 0, made.stderr)
  const names = (file: string) =>
    new Set(
      readFileSync(join(folder.path, 'etc', file), 'utf8')
        .split('\n')
        .map((line) => line.split(':')[0] ?? ''),
    )
  const passwd = readFileSync(join(folder.path, 'etc', 'passwd'), 'utf8')
  t.regex(
    passwd,
    /^postern-smtpd:[^:]*:\d+:\d+:Postern SMTP server:\/var\/lib\/postern:\/usr\/sbin\/nologin$/m,
  )
  const wanted = { user: new Set<string>(), group: new Set<string>() }
  for (const unit of globSync('*.service', { cwd: FOLDER })) {
    for (const [, key = '', value = ''] of readFileSync(join(FOLDER, unit), 'utf8').matchAll(
      /^(User|Group|SupplementaryGroups)=(.+)$/gm,
    ))
      for (const name of value.split(' ')) wanted[key === 'User' ? 'user' : 'group'].add(name)
  }
  t.is(wanted.user.size, 5)
  for (const line of readFileSync(join(FOLDER, 'postern.tmpfiles'), 'utf8').split('\n')) {
    const [type = '#', , , user = '', group = ''] = line.split(/\s+/)
    if (!/^[dz]$/.test(type)) continue
    wanted.user.add(user)
    wanted.group.add(group)
  }
  wanted.user.delete('root')
  wanted.group.delete('root')
  // Debian's own (base-passwd).
  wanted.group.delete('disk')
  t.deepEqual([...wanted.user.difference(names('passwd'))], [])
  t.deepEqual([...wanted.group.difference(names('group'))], [])
})

test('every user and group of the package has a number of its own in the image', (t) => {
  const users = readFileSync(join(REPOSITORY, 'image', 'users.sh'), 'utf8')
  const made = readFileSync(join(FOLDER, 'postern.sysusers'), 'utf8').matchAll(/^([ug]) (\S+)/gm)
  const numbers = [...made].map(
    ([, kind = '', name = '']) =>
      (kind === 'u' ? new RegExp(`^add ${name} (\\d+) `, 'm') : new RegExp(` ${name}:x:(\\d+):`)).exec(
        users,
      )?.[1],
  )
  t.true(numbers.length >= 7)
  t.false(numbers.includes(undefined), numbers.join(' '))
  t.is(new Set(numbers).size, numbers.length)
})

test('smtpd sees of the data what it needs, and is shut out of the rest by its user as well', (t) => {
  const unit = readFileSync(join(FOLDER, 'postern-smtpd@.service'), 'utf8')
  t.regex(unit, /^User=postern-smtpd$/m)
  t.regex(unit, /^TemporaryFileSystem=\/var\/lib\/postern:ro$/m)
  const binds = [...unit.matchAll(/^Bind(?:ReadOnly)?Paths=(.*)$/gm)].flatMap(([, words = '']) =>
    words.split(' '),
  )
  t.deepEqual(binds.map((path) => path.replace('/var/lib/postern/', '')).toSorted(), [
    'cache/signatures',
    'cache/smtpd',
    'directory',
    'log',
    'queue/spool',
    'run/smtpd',
    'signatures',
    'tls',
  ])
})

test('each disk that has a health to tell is looked after, and no other', async (t) => {
  using folder = tempFolder('generator')
  const disk = (name: string, ...files: readonly string[]): void => {
    const at = join(folder.path, 'sys', 'block', name)
    mkdirSync(at, { recursive: true })
    for (const file of files) writeFileSync(join(at, file), '')
  }
  for (const name of ['sda', 'sdaa', 'nvme0n1', 'vda', 'mmcblk0']) disk(name, 'dev', 'device')
  // One of two paths to a drive; a loop.
  disk('nvme1c0n1', 'device')
  disk('loop0', 'dev')
  const out = join(folder.path, 'out')
  const ran = await run('env', [`POSTERN_SYS=${join(folder.path, 'sys')}`, GENERATOR, out, out, out])
  t.is(ran.code, 0, ran.stderr)
  t.deepEqual(globSync('postern.service.wants/postern-disk@*', { cwd: out }).toSorted(), [
    'postern.service.wants/postern-disk@nvme0n1.timer',
    'postern.service.wants/postern-disk@sda.timer',
    'postern.service.wants/postern-disk@sdaa.timer',
  ])
})

/** How many SMTP servers the generator has for a machine, by what it writes. */
async function generated(cores: number, kilobytes: number, toml: string): Promise<number> {
  using folder = tempFolder('generator')
  const meminfo = join(folder.path, 'meminfo')
  const settings = join(folder.path, 'postern.toml')
  writeFileSync(meminfo, `MemTotal:       ${kilobytes} kB\nMemFree:  1 kB\n`)
  writeFileSync(settings, toml)
  const env = [`POSTERN_CORES=${cores}`, `POSTERN_MEMINFO=${meminfo}`, `POSTERN_TOML=${settings}`]
  const ran = await run('env', [...env, GENERATOR, folder.path, folder.path, folder.path])
  if (ran.code !== 0) throw new Error(ran.stderr)
  const wanted = globSync('postern.service.wants/postern-smtpd@*.service', { cwd: folder.path }).length
  const told = readFileSync(join(folder.path, 'postern.service.d', '10-smtpd.conf'), 'utf8')
  return told === `[Service]\nEnvironment=POSTERN_SMTPD=${wanted}\n` ? wanted : Number.NaN
}

test('systemd starts as many SMTP servers as master would by itself, or as postern.toml says', async (t) => {
  const sizes = [
    [1, 1],
    [2, 4],
    [4, 1],
    [8, 64],
    [64, 256],
    [2, 0.1],
  ] as const
  for (const [cpus, gigabytes] of sizes) {
    const kilobytes = Math.round(gigabytes * 1_048_576)
    const memoryBytes = kilobytes * 1024
    const expected = smtpdCount({ cpus, memoryBytes, availableBytes: memoryBytes })
    t.is(await generated(cpus, kilobytes, ''), expected, `${cpus} processors, ${gigabytes} GB`)
  }
  t.is(await generated(2, 4_194_304, '# one\nworkers = 7 # of ours\n[log]\n'), 7)
  t.is(await generated(2, 4_194_304, 'workers = 0\n'), 2)
  t.is(await generated(2, 4_194_304, '[limits]\nworkers = 9\n'), 2)
})
