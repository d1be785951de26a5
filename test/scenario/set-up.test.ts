import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ConsolePassword } from '#src/admin/console-password.ts'
import { dispatcher } from '#src/appliance/commands.ts'
import { provisionCommands } from '#src/appliance/provision/commands.ts'
import { systemClock } from '#src/base/clock.ts'
import { openControl } from '#src/net/control-server.ts'
import { ConsoleInPty } from '#test/console/in-terminal.ts'
import { Machine } from '#test/appliance/provision/machine.ts'
import { REPOSITORY } from '#test/support/appliance.ts'
import { run } from '#test/support/run.ts'
import { tempFolder } from '#test/support/temp.ts'

/** A folder as an appliance image that has started: its settings are made, and its helper answers. */
async function imageIn(root: string): Promise<{ machine: Machine; config: string } & Disposable> {
  const machine = new Machine(root)
  await machine.boot()
  const socket = join(root, 'run/postern-image/helper.sock')
  const commands = provisionCommands(machine.keeper, join(root, 'mnt/stick'))
  const helper = await openControl(
    socket,
    dispatcher(commands, () => {}),
  )
  const config = join(root, 'postern.toml')
  const data = JSON.stringify(join(root, 'var/lib/postern'))
  writeFileSync(
    config,
    `data = ${data}\n[console]\nhelper = ${JSON.stringify(socket)}\n[health]\nlisten = false\n`,
  )
  return { machine, config, [Symbol.dispose]: () => helper.stopListening() }
}

test('the console of a box without a file asks for its set-up, tells what cannot be, and the password opens the box', async (t) => {
  using folder = tempFolder('set-up')
  using image = await imageIn(folder.path)
  const flag = join(folder.path, 'run/postern-image/provisioned')
  await using seen = new ConsoleInPty(folder.path, ['--config', image.config])
  await seen.shows(
    /This box is not set up\. Nothing listens to the network before this console\n has a password/,
  )
  await image.machine.keeper.take(image.machine.stick('[dns]\nservers = ["ns.example.com"]\n'))
  await seen.shows(/! Nothing was taken from the USB stick\. postern\.provision:2: dns\.servers/)
  await seen.after('?', /An empty answer leaves a thing as it is/)
  await seen.after(' ', /Or plug in a USB stick/)
  await seen.after('\r', /Password of this console:/)
  await seen.after('short\r', /! a password has 8 characters at least/)
  await seen.after('correct horse\r', /Once more:/)
  await seen.after('correct house\r', /! The two were not the same/)
  await seen.after('correct horse\r', /Once more:/)
  await seen.after('correct horse\r', /Whole name/)
  await seen.after('mx1\r', /! system\.hostname: must be a whole name/)
  await seen.after('mx1.example.com\r', /Interface/)
  await seen.after('\u0015eth0\r', /Address \(192/)
  await seen.after('\u0015192.0.2.5/24\r', /Router/)
  await seen.after('192.0.2.1\r', /Resolvers to ask/)
  await seen.after('192.0.2.53 192.0.2.54\r', /Time servers/)
  await seen.after('\r', /LDAP servers/)
  await seen.after('ldap://ldap1.example.com\r', /StartTLS/)
  await seen.after('\r', /Bind as/)
  await seen.after('uid=zimbra,cn=admins,cn=zimbra\r', /Its password/)
  await seen.after('ldap secret\r', /LMTP server/)
  t.notRegex(seen.text, /ldap secret/)
  t.false(existsSync(flag))
  await seen.after('mailbox.example.com:7025\r', /Set the password, and open the box/)
  await seen.after('y', /The box is set up/)
  t.deepEqual(seen.screen.strange, [])
  t.true(existsSync(flag))
  const toml = readFileSync(join(folder.path, 'run/postern-image/postern.toml'), 'utf8')
  t.regex(toml, /server = "mailbox\.example\.com:7025"[\s\S]*urls = \["ldap:\/\/ldap1\.example\.com"\]/)
  const password = new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock)
  t.deepEqual(await password.check('correct horse'), { kind: 'right' })
  await seen.after('6', /Password of the console:/)
  await seen.after('correct horse\r', /Set up: the console has a password/)
})

test('a set-up that is stopped opens nothing, and the status page leads back to it', async (t) => {
  using folder = tempFolder('set-up')
  using image = await imageIn(folder.path)
  await using seen = new ConsoleInPty(folder.path, ['--config', image.config])
  await seen.shows(/This box is not set up/)
  await seen.after('\r', /Password of this console:/)
  await seen.after('correct horse\r', /Once more:/)
  await seen.after('correct horse\r', /Whole name/)
  await seen.after('mx1.example.com\r', /Interface/)
  await seen.after('\u001b', /Stopped: the box is not open yet/)
  t.false(existsSync(join(folder.path, 'run/postern-image/provisioned')))
  t.false(new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock).isSet)
  t.is(image.machine.keeper.settings.system.hostname, 'mx1.example.com')
  await seen.after('\u001b', /Postern does not run/)
  await seen.after('s', /This box is not set up/)
})

test('a wrong file is told with line and mend by the status page and by postern status, a right one too', async (t) => {
  using folder = tempFolder('set-up')
  using image = await imageIn(folder.path)
  await new ConsolePassword(join(folder.path, 'var/lib/postern'), systemClock).set('correct horse')
  const wrong = '[network.eth0]\naddresses = ["192.0.2.5/24"]\ngateway = "192.0.3.1"\n'
  await image.machine.keeper.take(image.machine.stick(wrong))
  const told = /postern\.provision:3: network\.eth0\.gateway: 192\.0\.3\.1 is in none of the networks/
  await using seen = new ConsoleInPty(folder.path, ['--config', image.config])
  await seen.shows(/Nothing was taken from the USB stick\. postern\.provision:3/)
  await seen.after('a', /192\.0\.3\.1 is in none of the networks/)
  const program = join(REPOSITORY, 'bin/postern')
  const status = await run(program, ['status', '--config', image.config])
  t.regex(status.stdout, told)
  mkdirSync(join(folder.path, 'mnt/stick'), { recursive: true })
  await image.machine.keeper.take(image.machine.stick(wrong.replace('192.0.3.1', '192.0.2.1')))
  t.regex(
    (await run(program, ['status', '--config', image.config])).stdout,
    /Set-up: Taken from the USB stick: network\.eth0/,
  )
  await image.machine.keeper.change('[update]\nurl = "https://updates.example.com/postern.ptu"\n')
  await seen.after('7', /Password of the console/)
  await seen.after('correct horse\r', /Postern  Update/)
  await seen.after('u', /https:\/\/updates\.example\.com\/postern\.ptu/)
  const json: unknown = JSON.parse(
    (await run(program, ['status', '--json', '--config', image.config])).stdout,
  )
  t.like(json, { provision: { isOpen: true, outcomes: [{ kind: 'applied' }] } })
})
