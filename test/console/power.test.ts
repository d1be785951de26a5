import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { readConfig } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { Appliance } from '#src/console/appliance.ts'
import { Image } from '#src/console/image.ts'
import { PowerPage } from '#src/console/pages/power.ts'
import { openControl } from '#src/net/control-server.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'
import { tempFolder } from '#test/support/temp.ts'
import { Rig } from './rig.ts'

/** Master's control socket, held by whoever systemd would start: the process id is another after each stop. */
async function world() {
  const folder = tempFolder('power')
  const read = readConfig('', '', folder.path)
  if (read.kind !== 'config') throw new Error('no configuration')
  const config = { ...read.config, dataFolder: folder.path }
  const socket = pathsOf(folder.path).controlSocket
  mkdirSync(dirname(socket), { recursive: true })
  const asked: string[] = []
  let pid = 100
  const answer = (command: string): ControlAnswer => {
    if (command !== 'status') asked.push(command)
    if (command === 'stop') pid += 1
    if (command === 'reload') return { ok: true, generation: 3, notes: ['a certificate ends soon'] }
    return { ok: true, pid }
  }
  const server = await openControl(socket, (command) => Promise.resolve(answer(command)))
  const passwords: string[] = []
  const password = {
    isSet: true,
    set: (given: string) => Promise.resolve(void passwords.push(given)),
  }
  const image = new Image(join(folder.path, 'none'))
  const rig = new Rig((desk) => [
    new PowerPage({ appliance: new Appliance(config), image, desk, env: {}, password, isManaged: true }),
  ])
  rig.app.redraw()
  return {
    rig,
    asked,
    passwords,
    [Symbol.dispose]: () => {
      rig[Symbol.dispose]()
      server.close()
      folder[Symbol.dispose]()
    },
  }
}

test('where systemd looks after Postern a restart is its own, and no second one is started; it is not stopped for a moment', async (t) => {
  using it = await world()
  const { rig, asked } = it
  await rig.after('r', /Restart Postern\? \(y\/n\)/)
  await rig.after('n', /r restart {2}t stop/)
  t.deepEqual(asked, [])
  await rig.after('r', /Restart Postern\?/)
  await rig.after('y', /Postern runs\./)
  await rig.after('t', /systemd would start it again: "systemctl stop postern" stops it/)
  t.deepEqual(asked, ['stop'])
})

test('a reload says which settings are in force, and what there is to note', async (t) => {
  using it = await world()
  await it.rig.after('l', /Generation 3 is in force\. a certificate ends soon/)
  t.deepEqual(it.asked, ['reload'])
})

test('a new password is asked for twice, and taking it away is asked', async (t) => {
  using it = await world()
  const { rig, passwords } = it
  await rig.after('k', /New password/)
  await rig.after('first secret\r', /Once more/)
  await rig.after('other secret\r', /The two are not the same; nothing was changed/)
  await rig.after('k', /New password/)
  await rig.after('\r', /Once more/)
  await rig.after('\r', /Take the password away\? \(y\/n\)/)
  await rig.after('n', /one is set/)
  t.deepEqual(passwords, [])
  await rig.after('k', /New password/)
  await rig.after('first secret\r', /Once more/)
  await rig.after('first secret\r', /The password is set\./)
  t.deepEqual(passwords, ['first secret'])
  t.notRegex(rig.sent, /secret/)
})
