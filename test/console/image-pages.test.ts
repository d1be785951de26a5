import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Appliance } from '#src/console/appliance.ts'
import { Image, textOf } from '#src/console/image.ts'
import { NetworkPage } from '#src/console/pages/network.ts'
import { PowerPage } from '#src/console/pages/power.ts'
import { UpdatePage } from '#src/console/pages/update.ts'
import { readConfig } from '#src/config/config.ts'
import { openControl } from '#src/net/control-server.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'
import type { UnixServer } from '#src/net/unix-server.ts'
import { tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'
import { FakeHelper } from './fake-helper.ts'
import { Rig } from './rig.ts'

/** Pages 1 to 3: network, update, power. */
async function pages(folder: string) {
  const socket = join(folder, 'helper.sock')
  const helper = await FakeHelper.start(socket)
  const read = readConfig('', '', folder)
  if (read.kind !== 'config') throw new Error('no configuration')
  // oxlint-disable-next-line no-unsafe-type-assertion -- master is not asked by what is tried here
  const appliance = { config: read.config } as Appliance
  const image = new Image(socket)
  const password = { isSet: true, set: () => Promise.resolve() }
  const rig = new Rig((desk) => [
    new NetworkPage({ appliance, image, desk }),
    new UpdatePage({
      image,
      desk,
      perform: async ({ source, isOnStick, anyway }) => {
        const words = [source, ...(anyway ? ['anyway'] : [])]
        return textOf(await image.ask(isOnStick ? 'update-stick' : 'update', words), '')
      },
    }),
    new PowerPage({ appliance, image, desk, env: {}, password, isManaged: false }),
  ])
  await rig.app.start()
  rig.app.redraw()
  return {
    rig,
    helper,
    [Symbol.dispose]() {
      rig[Symbol.dispose]()
      helper.stop()
    },
  }
}

/** Text with its line ends. */
type Dialogue = readonly (readonly [keys: string, shows: RegExp])[]

const CHANGES: readonly (readonly [string, Dialogue, readonly string[]])[] = [
  [
    'an address with its router',
    [
      ['1a', /Interface:/],
      ['\u0015eth0\r', /Address with prefix/],
      ['\u0015192.0.2.5/24\r', /Router/],
      ['192.0.2.1\r', /Set eth0 192\.0\.2\.5\/24 192\.0\.2\.1\? \(y\/n\)/],
      ['y', /network-set is done/],
    ],
    ['network-set eth0 192.0.2.5/24 192.0.2.1'],
  ],
  [
    'an address by DHCP',
    [
      ['1a', /Interface:/],
      ['\u0015eth1\r', /Address with prefix/],
      ['\r', /Set eth1 dhcp\?/],
      ['y', /is done/],
    ],
    ['network-set eth1 dhcp'],
  ],
  [
    'no address at all, and no router',
    [
      ['1a', /Interface:/],
      ['\r', /Address with prefix/],
      ['\u0015192.0.2.5\r', /"192\.0\.2\.5" is no address with its prefix/],
      ['a', /Interface:/],
      ['\r', /Address/],
      ['\u00152001:db8::5/64\r', /Router/],
      ['nowhere\r', /"nowhere" is no address/],
    ],
    [],
  ],
  [
    'resolvers, after a wrong one',
    [
      ['1d', /Resolvers \(addresses\)/],
      ['192.0.2.53 ; rm\r', /";" cannot be used/],
      ['d', /Resolvers \(addresses\)/],
      ['192.0.2.53, 2001:db8::53\r', /Set 192\.0\.2\.53 2001:db8::53\?/],
      ['y', /is done/],
    ],
    ['dns-set 192.0.2.53 2001:db8::53'],
  ],
  [
    'time servers',
    [
      ['1t', /Time servers/],
      ['ntp.example.com\r', /Set ntp/],
      ['n', /a address/],
      ['t', /Time servers/],
      ['ntp.example.com\r', /Set ntp/],
      ['y', /is done/],
    ],
    ['time-set ntp.example.com'],
  ],
  [
    'the name',
    [
      ['1n', /Name of this machine/],
      ['mx1.example.com\r', /Set mx1/],
      ['y', /is done/],
    ],
    ['hostname-set mx1.example.com'],
  ],
  [
    'the previous release',
    [
      ['2b', /Start the previous release\?/],
      ['n', /u update/],
      ['b', /Start the previous/],
      ['y', /boot-previous is done/],
    ],
    ['boot-previous'],
  ],
  [
    'an update from the stick, and one that is to be started anyway',
    [
      ['2s', /There is no update for this machine on the stick/],
      ['S', /There is no update/],
      ['U', /File or address of the update:/],
      ['/media/a.ptu\r', /Update from \/media\/a\.ptu, even if it cannot be noted what waits\?/],
      ['n', /u update/],
      ['U', /File or address/],
      ['/media/a.ptu\r', /even if/],
      ['y', /update is done/],
    ],
    ['stick', 'stick', 'update /media/a.ptu anyway'],
  ],
  [
    'restart and switching off',
    [
      ['3b', /Restart the machine\?/],
      ['n', /b reboot/],
      ['b', /Restart the machine\?/],
      ['y', /restart is done/],
      ['o', /Switch the machine off\?/],
      ['y', /power-off is done/],
    ],
    ['restart', 'power-off'],
  ],
  [
    'a factory reset, thrice asked',
    [
      ['3f', /ALL SETTINGS ARE LOST/],
      ['n', /f reset/],
      ['f', /ALL SETTINGS ARE LOST/],
      ['y', /"keep" it, or "wipe" it\? keep/],
      ['\u0015maybe\r', /Nothing was done/],
      ['f', /ALL SETTINGS ARE LOST/],
      ['y', /keep/],
      ['\r', /Type RESET/],
      ['reset\r', /Nothing was done/],
      ['f', /ALL SETTINGS ARE LOST/],
      ['y', /keep/],
      ['\u0015wipe\r', /Type RESET/],
      ['RESET\r', /factory-reset is done/],
    ],
    ['factory-reset wipe'],
  ],
]

for (const [what, dialogue, asked] of CHANGES)
  test(`on the appliance image the helper is asked, after a question: ${what}`, async (t) => {
    using folder = tempFolder('helper')
    using world = await pages(folder.path)
    const { rig, helper } = world
    for (const [keys, shows] of dialogue) await rig.after(keys, shows)
    t.deepEqual(helper.asked, asked)
    t.deepEqual(rig.terminal.strange, [])
  })

test('what the helper says of the network and of both slots is shown', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  await rig.after('', /eth0: DHCP, 192\.0\.2\.5\/24\n *time: ntp\.example\.com/)
  await rig.after('2', /Postern \d[\s\S]*a: 1\.0\.0, runs\n *b: 1\.1\.0, left: the queue could not be opened/)
  t.deepEqual(helper.asked, [])
})

test('the recovery key is shown until another key, and of a partition without one it is said why', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  const key = Array.from({ length: 8 }, () => 'cbdefghi').join('-')
  helper.handlers['recovery-key'] = () => ({ ok: true, text: 'Note it.', lines: [key] })
  await rig.after('3y', new RegExp(`${key}[^]*Note it\\.`))
  await rig.after('b', /Restart the machine\?/)
  t.notRegex(rig.text, /cbdefghi/)
  await rig.after('n', /b reboot/)
  helper.handlers['recovery-key'] = () => ({ ok: false, error: 'the data partition is not encrypted' })
  await rig.after('y', /the data partition is not encrypted/)
})

test('an update is followed while other pages are looked at, and what came of it is told', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  const written = Promise.withResolvers<ControlAnswer>()
  helper.handlers.update = () => written.promise
  await rig.after('2u', /File or address of the update:/)
  await rig.after('/media/postern.ptu\r', /Update from \/media\/postern\.ptu\? The machine starts anew\./)
  await rig.after('y', /An update is under way/)
  await until('the helper was asked', () => helper.asked.length === 1)
  helper.handlers.progress = () => ({ ok: true, running: true, percent: 25, text: 'root-b is written' })
  await rig.app.tick()
  await rig.after('', /\[#{10}-{30}\] 25% {2}root-b is written/)
  await rig.after('u', /An update is under way\.[\s\S]*An update is under way\./)
  await rig.after('1', /eth0: DHCP/)
  helper.handlers.progress = () => ({ ok: true, running: true, percent: 400, text: 'it is read back' })
  await rig.after('2', /\[#{40}\] 100% {2}it is read back/)
  helper.handlers.progress = () => ({ ok: true, running: false, text: '' })
  written.resolve({ ok: false, error: 'the signature is of no key that we know' })
  await rig.after('', /The update was not made: the signature is of no key that we know/)
  t.notRegex(rig.text, /under way/)
  t.deepEqual(helper.asked, ['update /media/postern.ptu'])
})

test('the newest update of a stick is offered, and another of it may be named', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  const [newer, older] = ['postern-2.1.0-amd64.ptu', 'postern-2.0.0-amd64.ptu']
  helper.handlers.stick = () => ({ ok: true, files: [newer, older] })
  await rig.after('2s', /Which of the stick: postern-2\.1\.0-amd64\.ptu/)
  await rig.after(`\u0015${older}\r`, /Update from postern-2\.0\.0-amd64\.ptu of the stick\? The machine/)
  await rig.after('y', /update-stick is done/)
  helper.handlers.stick = () => ({ ok: false, error: 'there is no USB stick with the label POSTERN (FAT)' })
  await rig.after('s', /looking at the stick: there is no USB stick/)
  t.deepEqual(helper.asked, ['stick', `update-stick ${older}`, 'stick'])
})

test('an update that was begun elsewhere is shown too, and no second one is begun', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  helper.handlers.progress = () => ({ ok: true, running: true, text: 'the bundle is checked' })
  await rig.after('2', /under way\.\n *the bundle is checked/)
  await rig.after('b', /a: 1\.0\.0[\s\S]*An update is under way\./)
  helper.handlers.progress = () => ({ ok: true, running: false, text: '' })
  await rig.app.tick()
  await rig.after('', /\n *u update {2}s update from a stick/)
  t.notRegex(rig.text, /the bundle is checked/)
  t.deepEqual(helper.asked, [])
})

test('a helper that refuses, or goes away, or was never there, is told in words, and the console goes on', async (t) => {
  using folder = tempFolder('helper')
  using world = await pages(folder.path)
  const { rig, helper } = world
  helper.handlers.restart = () => ({ ok: false, error: 'an update is under way' })
  await rig.after('3b', /Restart the machine/)
  await rig.after('y', /asking: an update is under way/)
  helper.stop()
  await rig.after('1', /This is no appliance image/)
  await rig.after('2', /a new release comes as this one has come/)
  await rig.after('3', /there is no factory reset/)
  rig.press('bof')
  t.notRegex(rig.text, /\(y\/n\)/)
  t.deepEqual(helper.asked, ['restart'])
})

test('a helper that ends with a question in its hands, and a socket that nobody holds any more, are told apart from none', async (t) => {
  using folder = tempFolder('helper')
  const socket = join(folder.path, 'helper.sock')
  let server: UnixServer | undefined
  server = await openControl(socket, () => {
    server?.close()
    return new Promise(() => {})
  })
  const image = new Image(socket)
  t.true(image.isThere)
  await t.throwsAsync(image.ask('restart'), { message: /does not answer: it has ended/ })
  await t.throwsAsync(new Image(join(folder.path, 'none')).ask('restart'), { message: /no appliance image/ })
  writeFileSync(socket, '')
  await t.throwsAsync(image.ask('restart'), { message: /does not answer: it has ended/ })
})
