import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ImageCommand } from '#src/admin/image-commands.ts'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { attendTo } from '#src/appliance/provision/attend.ts'
import { provisionCommands } from '#src/appliance/provision/commands.ts'
import { ownerOf } from '#src/appliance/provision/owner.ts'
import { systemClock } from '#src/base/clock.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Machine } from './machine.ts'

async function asked(machine: Machine, command: ImageCommand, ...words: string[]) {
  const handler = provisionCommands(machine.keeper, join(machine.root, 'mnt/stick'))[command]
  if (handler === undefined) throw new Error(`${command} is not there`)
  return await handler(words)
}

/** What the console asks for, and the answer with what it changed. */
const ASKED: readonly (readonly [command: ImageCommand, words: readonly string[], answer: RegExp])[] = [
  ['hostname-set', ['mx1.example.com'], /^Done: system\.hostname\.$/],
  ['hostname-set', ['mx1.example.com'], /^It was so already\.$/],
  ['hostname-set', ['mx1'], /^No: system\.hostname: must be a whole name/],
  ['hostname-set', ['a.example', 'b.example'], /^No: wanted: one name/],
  ['hostname-set', ['a"\n[console]\npassword="x'], /^No: system\.hostname: must be one line/],
  ['network-set', ['eth0', 'dhcp'], /^Done: network\.eth0\.$/],
  [
    'network-set',
    ['eth0', '192.0.2.5/24', '192.0.2.1', '2001:db8::5/64', 'fe80::1'],
    /^Done: network\.eth0\.$/,
  ],
  [
    'network-set',
    ['eth0', '192.0.2.5/24', '192.0.3.1'],
    /^No: network\.eth0\.gateway: 192\.0\.3\.1 is in none/,
  ],
  ['network-set', ['eth0', 'dchp'], /^No: wanted: an interface, then dhcp/],
  ['network-set', ['eth0'], /^No: wanted: an interface/],
  ['network-set', ['eth0]\n[console', 'dhcp'], /^No: network\.\S+[\s\S]*must be the name of an interface/],
  ['dns-set', ['192.0.2.53', '2001:db8::53'], /^Done: dns\.servers\.$/],
  ['dns-set', ['ns.example.com'], /^No: dns\.servers: must be a list/],
  ['time-set', ['ntp.example.com'], /^Done: time\.servers\.$/],
  ['time-set', [], /^No: wanted: names of time servers/],
  [
    'ldap-set',
    ['ldap://l1.example,ldaps://l2.example', 'cn=a', 'secret', 'no'],
    /^Done: ldap\.bind_dn, ldap\.password, ldap\.starttls, ldap\.urls\.$/,
  ],
  ['ldap-set', ['ldap://l1.example', 'cn=a'], /^No: ldap\.bind_dn: needs password/],
  ['ldap-set', ['-'], /^Done: ldap\./],
  ['mail-set', ['mailbox.example.com:7025'], /^Done: mail\.lmtp\.$/],
  ['mail-set', ['-'], /^Done: mail\.lmtp\.$/],
  ['provision', [], /^No: there is no file postern\.provision on the stick/],
  ['setup-done', [], /^No: the console has no password yet/],
]

test('what the console asks for is checked as a file is, and told', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot()
  for (const [command, words, wanted] of ASKED) {
    const answer = await asked(machine, command, ...words)
    t.regex(answer.ok ? String(answer['text']) : `No: ${answer.error}`, wanted, [command, ...words].join(' '))
  }
  const { ldap, mail, network, dns } = machine.keeper.settings
  t.is(ldap, undefined)
  t.is(mail.lmtp, '')
  t.deepEqual(network[0]?.gateways, ['192.0.2.1', 'fe80::1'])
  t.deepEqual(dns.servers, ['192.0.2.53', '2001:db8::53'])
  const told = await asked(machine, 'network')
  t.regex(told.ok ? String(told['lines']) : '', /NOT SET UP.*mx1\.example\.com.*eth0: 192\.0\.2\.5\/24/)
})

test('changes that come at once are made one after another, and none is lost', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot()
  const commands = provisionCommands(machine.keeper, folder.path)
  await Promise.all([
    commands['hostname-set']?.(['mx1.example.com']),
    commands['dns-set']?.(['192.0.2.53']),
    commands['time-set']?.(['ntp.example.com']),
    commands['mail-set']?.(['mailbox.example.com']),
  ])
  const { system, dns, time, mail } = machine.keeper.settings
  t.deepEqual(
    [system.hostname, dns.servers, time.servers, mail.lmtp],
    ['mx1.example.com', ['192.0.2.53'], ['ntp.example.com'], 'mailbox.example.com'],
  )
})

test('with a password the box opens, and a stick that comes later is taken and told', async (t) => {
  using folder = tempFolder('provision')
  const machine = new Machine(folder.path)
  await machine.boot()
  await new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock).set('correct horse')
  t.like(await asked(machine, 'setup-done'), { ok: true })
  t.true(existsSync(join(folder.path, 'run/postern-image/provisioned')))
  machine.stick('[system]\nhostname = "mx2.example.com"\n')
  t.like(await asked(machine, 'provision'), { text: 'Taken from the USB stick: system.hostname.' })
  machine.stick('[system]\nhostname = "mx2"\n')
  const wrong = await asked(machine, 'provision')
  t.regex(
    wrong.ok ? '' : wrong.error,
    /Nothing was taken from the USB stick\. postern\.provision:2: system\.hostname/,
  )
})

test('units are told in their order, Postern is not waited for, and one that fails is told', async (t) => {
  const ran: string[] = []
  const troubles = await attendTo(
    (program, words) => {
      ran.push([program, ...words].join(' '))
      const code = words.includes('chrony.service') ? 1 : 0
      return Promise.resolve({ code, stdout: '', stderr: code === 0 ? '' : 'Job failed.\n' })
    },
    new Set(['postern', 'hostname', 'directory', 'chrony', 'unbound', 'network', 'firewall'] as const),
    true,
  )
  t.deepEqual(
    ran.map((one) => one.replace('/usr/bin/systemctl ', '')),
    [
      'reload systemd-networkd.service',
      'reload-or-restart postern-firewall.service',
      'restart unbound.service',
      'restart chrony.service',
      '--no-block restart postern.service',
      '--no-block start postern.socket postern.service snmpd.service',
    ],
  )
  t.deepEqual(troubles, ['systemctl restart chrony.service did not work: systemctl: Job failed.'])
})

test('the user that secrets are for is found in passwd, and nobody else', (t) => {
  const passwd =
    'root:x:0:0::/root:/bin/sh\nposternx:x:5:5::/:/bin/sh\npostern:x:970:971::/var/lib/postern:/usr/sbin/nologin\n'
  t.deepEqual(ownerOf(passwd, 'postern'), { uid: 970, gid: 971 })
  t.is(ownerOf('root:x:0:0::/root:/bin/sh\n', 'postern'), undefined)
})
