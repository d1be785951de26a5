import { existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { provisionRemarks, readProvisionReport } from '#src/admin/provision-report.ts'
import { systemClock } from '#src/base/clock.ts'
import { installed, run } from '#test/support/run.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { tempFolder } from '#test/support/temp.ts'
import { differences, Machine } from './machine.ts'
import { CA } from './support.ts'

const withStrace = installed('strace') ? test : test.skip

const FIRST = `
[system]
hostname = "mx1.example.com"
[network.eth0]
addresses = ["192.0.2.5/24"]
gateway = "192.0.2.1"
[dns]
servers = ["192.0.2.53"]
[time]
servers = ["ntp.example.com"]
[ldap]
urls = ["ldap://ldap1.example.com"]
bind_dn = "cn=reader"
password = "ldap secret"
ca = "ca.pem"
[console]
password = "correct horse"
[mail]
lmtp = "mailbox.example.com"
[health]
token = "a token of thirty-two characters"
[[snmp.user]]
name = "monitor"
auth = "auth secret"
priv = "priv secret"
`

const FLAG = 'run/postern-image/provisioned'

function report(machine: Machine) {
  const found = readProvisionReport(join(machine.root, 'run/postern-image/helper.sock'))
  if (found === undefined) throw new Error('there is no report')
  return found
}

test('a box without a file is shut, and says what it waits for', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  const { outcomes, troubles } = await machine.boot([
    { kind: 'esp', folder: join(folder.path, 'efi/postern') },
  ])
  t.deepEqual([outcomes, troubles], [[], []])
  t.false(existsSync(join(folder.path, FLAG)))
  t.false(report(machine).isOpen)
  t.notRegex(machine.read('run/postern-image/postern.toml'), /address = "::"/)
  t.is(machine.read('proc/sys/kernel/hostname'), 'postern')
})

test('a file at the first start sets everything, opens the box, and is still in force after the next start without it', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  const { outcomes } = await machine.boot([machine.stick(FIRST, { 'ca.pem': CA })])
  t.like(outcomes[0], { kind: 'applied', source: 'the USB stick', problems: [] })
  t.true(existsSync(join(folder.path, FLAG)))
  t.is(machine.read('proc/sys/kernel/hostname'), 'mx1.example.com')
  const password = new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock)
  t.deepEqual(await password.check('correct horse'), { kind: 'right' })
  t.is(statSync(join(folder.path, 'var/lib/postern/console/password')).mode & 0o777, 0o600)
  const stored = join(folder.path, 'var/lib/postern-appliance/provision/settings.json')
  t.is(statSync(stored).mode & 0o777, 0o600)
  t.notRegex(machine.read('var/lib/postern-appliance/provision/settings.json'), /correct horse/)
  const before = machine.made()
  machine.restart()
  t.deepEqual((await machine.boot()).outcomes, [])
  t.deepEqual(differences(before, machine.made()), [])
  t.true(existsSync(join(folder.path, FLAG)))
})

test('secrets are readable by nobody but whom they are for', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot([machine.stick(FIRST, { 'ca.pem': CA })])
  const holders = [...machine.made()].filter(([, text]) => /secret|thirty-two/.test(text))
  t.deepEqual(
    holders.map(([path, text]) => `${path} ${text.slice(0, 3)}`).toSorted(),
    ['health-token', 'ldap-password', 'snmpd.conf'].map((name) => `/run/postern-image/made/${name} 600`),
  )
  t.notRegex(machine.read('run/postern-image/provision.json'), /secret|thirty-two|horse/)
})

test('a wrong file is told with file, line and mend, and nothing of it is applied', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot([machine.stick(FIRST, { 'ca.pem': CA })])
  const before = machine.made()
  const stored = machine.read('var/lib/postern-appliance/provision/settings.json')
  const wrong = FIRST.replace('mx1.example.com', 'mx2.example.com').replace('192.0.2.53', 'ns.example.com')
  const outcome = await machine.keeper.take(machine.stick(wrong, { 'ca.pem': CA }))
  t.like(outcome, { kind: 'wrong', text: 'Nothing was taken from the USB stick.' })
  t.regex(outcome?.problems.join(' ') ?? '', /^postern\.provision:8: dns\.servers: must be a list/)
  t.deepEqual(differences(before, machine.made()), [])
  t.is(machine.read('var/lib/postern-appliance/provision/settings.json'), stored)
  t.is(machine.read('proc/sys/kernel/hostname'), 'mx1.example.com')
  t.regex(provisionRemarks(report(machine), Date.now()).join('\n'), /postern\.provision:8: dns\.servers/)
})

test('provisioning again changes exactly what is in the file, and only whom that concerns looks at it', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot([machine.stick(FIRST, { 'ca.pem': CA })])
  const made = '/run/postern-image/made'
  for (const [file, changed, attended] of [
    ['[dns]\nservers = ["192.0.2.54"]\n', ['/run/postern-image/unbound.d/50-provision.conf'], 'unbound'],
    ['[time]\nnts = ["nts.example.com"]\n', ['/run/postern-image/chrony.d/50-provision.sources'], 'chrony'],
    [
      '[system]\nhostname = "mx2.example.com"\n',
      [`${made}/hostname`, `${made}/snmpd.conf`],
      'hostname snmpd',
    ],
    ['[ldap]\npassword = "another secret"\n', [`${made}/ldap-password`], 'directory'],
    ['[ldap]\nurls = ["ldap://ldap2.example.com"]\n', ['/run/postern-image/postern.toml'], 'directory'],
    ['[mail]\nlmtp = "other.example.com"\n', ['/run/postern-image/postern.toml'], 'postern'],
    ['[network.eth1]\ndhcp = true\n', ['/run/systemd/network/50-postern-eth1.network'], 'network'],
    ['[network]\neth0 = false\n', ['/run/systemd/network/50-postern-eth0.network'], 'network'],
    [
      '[health]\nlisten = "192.0.2.5"\n',
      ['/run/postern-image/firewall.d/50-provision.nft', '/run/postern-image/postern.toml'],
      'firewall postern',
    ],
    [
      '[snmp]\nuser = false\n',
      [
        '/run/postern-image/firewall.d/50-provision.nft',
        `${made}/snmpd.conf`,
        '/run/postern-image/postern.toml',
      ],
      'firewall postern snmpd',
    ],
    ['[console]\npassword = "another horse"\n', [], ''],
  ] as const) {
    const before = machine.made()
    machine.attended.length = 0
    const outcome = await machine.keeper.take(machine.stick(file))
    t.is(outcome?.kind, 'applied', `${file}${outcome?.problems.join(' ')}`)
    t.deepEqual(differences(before, machine.made()), changed, file)
    t.deepEqual(machine.attended, [attended], file)
  }
  const password = new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock)
  t.deepEqual(await password.check('another horse'), { kind: 'right' })
})

test('the same file again changes nothing and says so, also where the console has changed something since', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  const stick = machine.stick(FIRST, { 'ca.pem': CA })
  await machine.boot([stick])
  const first = machine.made()
  t.like(await machine.keeper.take(stick), { kind: 'unchanged' })
  t.deepEqual(differences(first, machine.made()), [])
  t.like(await machine.keeper.change('[system]\nhostname = "mx9.example.com"\n'), {
    changed: ['system.hostname'],
  })
  machine.restart()
  const { outcomes } = await machine.boot([stick])
  t.like(outcomes[0], { kind: 'unchanged' })
  t.regex(outcomes[0]?.text ?? '', /taken before: nothing is changed/)
  t.is(machine.read('proc/sys/kernel/hostname'), 'mx9.example.com')
  // Another authority beside the same file is another file.
  t.like(await machine.keeper.take(machine.stick(FIRST, { 'ca.pem': `${CA}\n${CA}` })), {
    kind: 'applied',
  })
})

test('sources are taken in their order, a later one counts more, and each only once', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  machine.write(
    'cred/postern.provision',
    '[system]\nhostname = "a.example.com"\n[ldap]\nurls = ["ldaps://l.example"]\nca = "ca.pem"\n',
  )
  machine.write('cred/postern.ca.pem', CA)
  machine.write('efi/postern/postern.provision', '[system]\nhostname = "b.example.com"\n')
  const sources = [
    { kind: 'credential', folder: join(folder.path, 'cred') },
    { kind: 'esp', folder: join(folder.path, 'efi/postern') },
  ] as const
  const { outcomes } = await machine.boot(sources)
  t.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['applied', 'applied'],
  )
  t.is(machine.read('run/postern-image/made/hostname'), 'b.example.com\n')
  t.is(machine.read('run/postern-image/made/ldap-ca.pem'), CA)
  machine.restart()
  const again = await machine.boot(sources)
  t.deepEqual(
    again.outcomes.map(({ kind }) => kind),
    ['unchanged', 'unchanged'],
  )
})

test('a password that the console has set later is not undone by the next start', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  const stick = machine.stick(FIRST, { 'ca.pem': CA })
  await machine.boot([stick])
  const password = new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock)
  await password.set('set at the console')
  machine.restart()
  await machine.boot([stick])
  t.deepEqual(await password.check('set at the console'), { kind: 'right' })
})

test('the box opens when the console has set a password, and shuts at the next start where it was taken away', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot()
  const password = new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock)
  await password.set('set at the console')
  t.deepEqual(await machine.keeper.make(), [])
  t.deepEqual(machine.attended, ['firewall postern opening'])
  t.true(existsSync(join(folder.path, FLAG)))
  t.regex(machine.read('run/postern-image/firewall-open.d/50-open.nft'), /flush chain inet postern gate/)
  await password.set('')
  machine.restart()
  await machine.boot()
  t.false(existsSync(join(folder.path, FLAG)))
})

test('whatever lies on a stick, only an ordinary text of bounded size is read, and the rest is told', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot()
  const before = machine.made()
  const file = join(folder.path, 'mnt/stick/postern.provision')
  const put: readonly (readonly [RegExp, () => void])[] = [
    [/it is a link/, () => symlinkSync('/etc/passwd', file)],
    [/it is no ordinary file/, () => mkdirSync(file)],
    [/more than 262144 bytes/, () => writeFileSync(file, ' '.repeat(262_145))],
    [
      /no text in UTF-8: save it as UTF-8/,
      () => writeFileSync(file, Buffer.from('\uFEFF[system]\n', 'utf16le')),
    ],
  ]
  mkdirSync(join(folder.path, 'mnt/stick'), { recursive: true })
  for (const [told, place] of put) {
    rmSync(file, { recursive: true, force: true })
    place()
    const outcome = await machine.keeper.take({ kind: 'usb', folder: join(folder.path, 'mnt/stick') })
    t.is(outcome?.kind, 'wrong')
    t.regex(outcome?.problems.join(' ') ?? '', told)
  }
  t.deepEqual(differences(before, machine.made()), [])
  rmSync(file, { recursive: true })
  t.is(await machine.keeper.take({ kind: 'usb', folder: join(folder.path, 'mnt/stick') }), undefined)
  writeFileSync(file, '\uFEFF[system]\r\nhostname = "mx1.example.com"\r\n')
  t.like(await machine.keeper.take({ kind: 'usb', folder: join(folder.path, 'mnt/stick') }), {
    kind: 'applied',
  })
})

test('a box that takes no sticks says so, and takes nothing', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot([machine.stick('[system]\nsticks = false\n')])
  const outcome = await machine.keeper.take(machine.stick('[system]\nhostname = "mx1.example.com"\n'))
  t.like(outcome, { kind: 'wrong' })
  t.regex(outcome?.problems[0] ?? '', /sticks = false/)
  t.is(machine.keeper.settings.system.hostname, '')
})

test('where the kept settings are damaged, those before the last change are in force, and it is told', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot([machine.stick(FIRST, { 'ca.pem': CA })])
  await machine.keeper.change('[system]\nhostname = "mx9.example.com"\n')
  writeFileSync(join(folder.path, 'var/lib/postern-appliance/provision/settings.json'), '{"document":{"sys')
  machine.restart()
  const { troubles } = await machine.boot()
  t.regex(
    troubles.join(' '),
    /settings\.json cannot be used \(it is damaged\): the settings before the last change/,
  )
  t.is(machine.keeper.settings.system.hostname, 'mx1.example.com')
  t.deepEqual(report(machine).troubles, troubles)
})

const MAIN = join(REPOSITORY, 'src/appliance/provision/main.ts')

withStrace(
  'a power cut while a file is taken leaves all of its settings or none, and the next start ends at the same',
  async (t) => {
    using folder = tempFolder('provision')
    const machine = new Machine(folder.path)
    machine.write(
      'efi/postern.provision',
      FIRST.replace('ca = "ca.pem"\n', '').replace(/\[console\][^[]*/, ''),
    )
    await machine.boot([{ kind: 'esp', folder: join(folder.path, 'efi') }])
    const second =
      '[system]\nhostname = "mx2.example.com"\n[dns]\nservers = ["192.0.2.54"]\n[mail]\nlmtp = "m2.example.com"\n'
    const old = machine.read('var/lib/postern-appliance/provision/settings.json')
    machine.write('efi/postern.provision', second)
    const words = [MAIN, '--esp', join(folder.path, 'efi'), '--root', folder.path]
    const seen = new Set<string>()
    // Of the calls that bring something to the disk those of keeping come first; what follows is made anew at each start.
    for (const [call, step] of [
      ['fsync', 1],
      ['rename', 1],
      ['fsync', 2],
      ['fsync', 3],
      ['rename', 2],
      ['fsync', 4],
      ['fsync', 5],
      ['rename', 3],
    ] as const) {
      machine.write('var/lib/postern-appliance/provision/settings.json', old)
      const calls = `inject=${call}:signal=KILL:when=${step}`
      const cut = await run('strace', [
        '-f',
        '-qqq',
        '-e',
        'trace=fsync,rename',
        '-e',
        calls,
        process.execPath,
        ...words,
      ])
      t.not(cut.code, 0, `${call} ${step}`)
      machine.restart()
      const { hostname } = machine.keeper.settings.system
      const dns = machine.keeper.settings.dns.servers.join()
      seen.add(`${hostname} ${dns} ${machine.keeper.settings.mail.lmtp}`)
      const ran = await run(process.execPath, words)
      t.is(ran.code, 0, ran.stdout + ran.stderr)
      t.is(machine.read('run/postern-image/made/hostname'), 'mx2.example.com\n')
      t.regex(machine.read('run/postern-image/postern.toml'), /server = "m2\.example\.com"/)
    }
    t.deepEqual([...seen].toSorted(), [
      'mx1.example.com 192.0.2.53 mailbox.example.com',
      'mx2.example.com 192.0.2.54 m2.example.com',
    ])
  },
)
