import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { dispatcher, refused } from '#src/appliance/commands.ts'
import { powerCommands } from '#src/appliance/power.ts'
import { runProgram } from '#src/appliance/run.ts'
import { TrialGate } from '#src/appliance/trial-gate.ts'
import { openControl } from '#src/net/control-server.ts'
import { askMaster } from '#src/cli/control-client.ts'
import { tempFolder } from '#test/support/temp.ts'

test('a command is answered by its handler, with its words', async (t) => {
  const told: string[] = []
  const handler = dispatcher({ network: async (words) => ({ ok: true, lines: [...words] }) }, (command) =>
    told.push(command),
  )
  t.deepEqual(await handler('network', ['eth0']), { ok: true, lines: ['eth0'] })
  t.deepEqual(told, ['network'])
})

test('what cannot be a command or its words is refused, and names of objects are no commands', async (t) => {
  const handler = dispatcher({ network: async () => ({ ok: true }) }, () => {})
  t.deepEqual(await handler('toString', []), refused('the command "toString" is not known'))
  t.deepEqual(await handler('slots', []), refused('the command "slots" is not known'))
  const wrong = refused('too many words, or one that cannot be')
  t.deepEqual(await handler('network', Array.from({ length: 17 }, String)), wrong)
  t.deepEqual(await handler('network', ['x'.repeat(4097)]), wrong)
  t.deepEqual(await handler('network', ['a\0b']), wrong)
})

test('a handler that throws is an answer that says no', async (t) => {
  const handler = dispatcher({ network: () => Promise.reject(new Error('no disk')) }, () => {})
  t.deepEqual(await handler('network', []), refused('no disk'))
})

test('the machine is ended by systemctl without waiting, and what systemctl says against it is told', async (t) => {
  const ran: (readonly string[])[] = []
  const commands = powerCommands(async (program, words) => {
    ran.push([program, ...words])
    return { code: ran.length === 1 ? 0 : 1, stdout: '', stderr: 'Failed:\nthe bus is away\n' }
  })
  t.deepEqual(await commands.restart?.([]), { ok: true, text: 'The machine starts anew.' })
  t.deepEqual(await commands['power-off']?.([]), refused('systemctl: the bus is away'))
  t.deepEqual(ran, [
    ['/usr/bin/systemctl', '--no-block', 'reboot'],
    ['/usr/bin/systemctl', '--no-block', 'poweroff'],
  ])
})

test('a systemctl that systemd ends together with the helper has not failed', async (t) => {
  const commands = powerCommands(() =>
    Promise.resolve({ code: null, signal: 'SIGTERM', stdout: '', stderr: 'no bus' }),
  )
  t.like(await commands.restart?.([]), { ok: true })
  const ran = await runProgram('/bin/sh', ['-c', 'kill -TERM $$'])
  t.deepEqual([ran.code, ran.signal], [null, 'SIGTERM'])
})

test('others are kept out until a release on trial was found good, and the firewall is told until it has heard', async (t) => {
  using folder = tempFolder('gate')
  const rules = join(folder.path, 'firewall-trial.d', '50-trial.nft')
  t.false(new TrialGate(folder.path, runProgram).isShut)
  mkdirSync(join(folder.path, 'firewall-trial.d'))
  writeFileSync(rules, '')
  let code = 1
  const ran: string[] = []
  const gate = new TrialGate(folder.path, (program, words) => {
    ran.push([program, ...words].join(' '))
    return Promise.resolve({ code, stdout: '', stderr: 'the bus is away' })
  })
  t.true(gate.isShut)
  await t.throwsAsync(gate.open(), { message: 'the firewall lets no mail in: systemctl: the bus is away' })
  t.true(gate.isShut)
  code = 0
  await gate.open()
  t.false(gate.isShut || existsSync(rules))
  t.is(ran[1], '/usr/bin/systemctl reload postern-firewall.service')
})

test('a program gets its words as they are and none of our environment, and one that is not there is told', async (t) => {
  const ran = await runProgram('/usr/bin/env', ['printenv', 'HOME'])
  t.is(ran.code, 1)
  t.deepEqual(await runProgram('/bin/echo', ['$HOME; ls', '*']), {
    code: 0,
    stdout: '$HOME; ls *\n',
    stderr: '',
  })
  t.is((await runProgram('/bin/cat', [], 'in')).stdout, 'in')
  const none = await runProgram('/nowhere/to/be/found', [])
  t.is(none.code, null)
  t.regex(none.stderr, /ENOENT/)
})

test('the socket is open to the group of the helper, and to nobody else', async (t) => {
  using folder = tempFolder('helper')
  const socket = join(folder.path, 'helper.sock')
  const server = await openControl(
    socket,
    dispatcher({ slots: async () => ({ ok: true }) }, () => {}),
    0o660,
  )
  try {
    t.is(statSync(socket).mode & 0o777, 0o660)
    t.deepEqual(await askMaster(socket, 'slots'), { ok: true })
  } finally {
    server.close()
  }
})
