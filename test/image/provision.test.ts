import test from 'ava'
import { ConnectionLost, SmtpClient } from '#test/support/smtp-client.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { flashed } from './harness/disk.ts'
import { stickWith, writeOnEsp } from './harness/fat.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { PASSWORD, provisionFor } from './harness/provision.ts'

/** Mail, submission, the HTTP interface, and what other boxes have. */
const PORTS = [25, 465, 587, 8025, 22, 80]
/** Postern finishes what is under way, and starts anew, on two processors in software. */
const RENAMED_WITHIN_MS = 10 * 60_000
/** Line 4 has no address, line 6 cannot be reached. */
const WRONG = `[system]
hostname = "mx2.example.test"
[dns]
servers = ["ns"]
[network.eth0]
gateway = ["192.0.3.1"]
`

test('a wrong file of a stick is told on the console, nothing listens before a password, and the set-up opens the box', async (t) => {
  using folder = tempFolder('image-provision')
  const stick = stickWith(folder.path, 'wrong', { 'postern.provision': WRONG })
  await using machine = await Machine.start({
    disk: flashed(folder.path),
    stick,
    ports: PORTS.filter((port) => port !== 25),
  })
  const screen = await minutes(
    t,
    'power on to what is wrong with the stick',
    machine.shows(/This box is not set up[^]*postern\.provision:6:/),
  )
  t.regex(
    screen,
    /Nothing was taken from the USB stick\.\s+postern\.provision:4:\s+dns\.servers:\s+must\s+be\s+a\s+list/,
  )
  const answers = await Promise.all(
    PORTS.map(async (port) => [port, await isAnswered(machine.forwarded(port))] as const),
  )
  t.deepEqual(
    answers.filter(([, isOpen]) => isOpen),
    [],
    'nothing listens before there is a password',
  )

  machine.press('\r')
  for (const [question, answer] of [
    [/Password of this console:/, PASSWORD],
    [/Once more:/, PASSWORD],
    [/Whole name/, 'mx1.example.test'],
    [/Interface/, ''],
    [/Address \(/, ''],
    [/Resolvers to ask/, ''],
    [/Time servers/, ''],
    [/LDAP servers/, ''],
    [/LMTP server/, ''],
  ] as const) {
    await machine.shows(question)
    machine.press(`${answer}\r`)
  }
  await machine.shows(/open the box to the network/)
  machine.press('y')
  using client = await minutes(t, 'answered to the first 220', machine.greets())
  const greeting = await client.command('EHLO client.example')
  t.regex(greeting.text, /mx1\.example\.test/)
})

test('a file on the EFI partition sets the box up; a stick that is plugged in later changes what is in it and nothing else, and that stays', async (t) => {
  using folder = tempFolder('image-provision')
  const disk = flashed(folder.path)
  writeOnEsp(disk, '/postern', { 'postern.provision': provisionFor(25) })
  const stick = stickWith(folder.path, 'stick', {
    'postern.provision': '[system]\nhostname = "mx2.example.test"\n',
  })
  {
    await using machine = await Machine.start({ disk })
    using first = await minutes(t, 'power on to the first 220', machine.greets())
    t.regex((await first.command('EHLO client.example')).text, /mx1\.example\.test/)
    await machine.shows(/Postern +Status/)
    await machine.plugIn(stick)
    machine.press('a')
    await minutes(
      t,
      'plugged in to the word on the console',
      machine.shows(/Taken from the USB stick:\s+system\.hostname\./),
    )
    await named(machine, 'mx2')
    using client = await machine.greets()
    await client.command('MAIL FROM:<me@example.org>')
    t.is((await client.command('RCPT TO:<alice@example.test>')).code, 250, 'the domain is still ours')
    machine.press('2')
    await machine.shows(/Password of the console:/)
    machine.press(`${PASSWORD}\r`)
    await machine.shows(/Postern +Queues/)
    await machine.cutPower()
  }
  await using again = await Machine.start({ disk })
  using client = await minutes(t, 'power on to the first 220, without the stick', again.greets())
  t.regex((await client.command('EHLO client.example')).text, /mx2\.example\.test/)
})

/** Whether anybody says a word there. */
async function isAnswered(port: number): Promise<boolean> {
  try {
    using client = await SmtpClient.connect(port)
    await client.reply()
    return true
  } catch (error) {
    if (error instanceof ConnectionLost) return false
    throw error
  }
}

/** Until it greets with this name: Postern is started anew for it. */
async function named(machine: Machine, name: string): Promise<void> {
  await until(
    `it calls itself ${name}`,
    async () => {
      using client = await machine.greets()
      const reply = await client.command('EHLO client.example')
      return reply.text.includes(`${name}.example.test`)
    },
    RENAMED_WITHIN_MS,
  )
}
