import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { stickCommands } from '#src/appliance/stick.ts'
import { tempFolder } from '#test/support/temp.ts'

/** A folder as the stick, with these files on it, and what was done. */
function world(
  folder: string,
  names: readonly string[],
  changes: { isAllowed?: boolean; code?: number } = {},
) {
  const stick = join(folder, 'stick')
  mkdirSync(stick)
  for (const name of names) writeFileSync(join(stick, name), 'an update')
  const device = join(folder, 'device')
  writeFileSync(device, '')
  const done: string[] = []
  const commands = stickCommands({
    device,
    folder: stick,
    arch: 'amd64',
    isAllowed: () => changes.isAllowed ?? true,
    run: (program, words) => {
      done.push([program, ...words].join(' '))
      return Promise.resolve({ code: changes.code ?? 0, stdout: '', stderr: 'mount: bad superblock' })
    },
    update: (path, anyway) => {
      done.push(`update ${path.slice(stick.length + 1)}${anyway ? ' anyway' : ''}`)
      return Promise.resolve({ ok: true, text: 'It is written.' })
    },
  })
  return {
    stick,
    device,
    done,
    list: () => commands.stick?.([]),
    take: (...words: string[]) => commands['update-stick']?.(words),
  }
}

const START = '/usr/bin/systemctl start postern-stick-update.target'
const STOP = '/usr/bin/systemctl stop postern-stick-update.target'

test('updates of a stick for this machine are listed, the newest first, whatever else lies there', async (t) => {
  using folder = tempFolder('stick')
  const names = ['postern-2.0.0-amd64.ptu', 'postern-10.0.0-amd64.ptu', 'postern-2.0.0~rc1-amd64.ptu']
  const others = [
    'postern-3.0.0-arm64.ptu',
    'postern.provision',
    'postern-..-amd64.ptu',
    'postern-4-amd64.ptu.part',
  ]
  const { stick, done, list } = world(folder.path, [...names, ...others])
  mkdirSync(join(stick, 'postern-11.0.0-amd64.ptu'))
  t.deepEqual(await list(), {
    ok: true,
    files: ['postern-10.0.0-amd64.ptu', 'postern-2.0.0-amd64.ptu', 'postern-2.0.0~rc1-amd64.ptu'],
  })
  t.deepEqual(done, [START, STOP])
})

test('the newest is taken, or the one that is named, and the stick is let go afterwards', async (t) => {
  using folder = tempFolder('stick')
  const { done, take } = world(folder.path, ['postern-2.0.0-amd64.ptu', 'postern-10.0.0-amd64.ptu'])
  t.like(await take(''), { ok: true })
  t.like(await take('postern-2.0.0-amd64.ptu', 'anyway'), { ok: true })
  t.deepEqual(done, [
    START,
    'update postern-10.0.0-amd64.ptu',
    STOP,
    START,
    'update postern-2.0.0-amd64.ptu anyway',
    STOP,
  ])
})

for (const name of [
  '../postern-2.0.0-amd64.ptu',
  '/etc/passwd',
  'postern.provision',
  'postern-2.0.0-amd64.ptu\n',
  '-x',
])
  test(`${JSON.stringify(name)} is no name of an update, and nothing is mounted for it`, async (t) => {
    using folder = tempFolder('stick')
    const { done, take } = world(folder.path, ['postern-2.0.0-amd64.ptu'])
    t.deepEqual(await take(name), {
      ok: false,
      error: 'an update on a stick is called postern-VERSION-ARCH.ptu',
    })
    t.deepEqual(done, [])
  })

test('a stick that is not there, may not be, cannot be mounted or has nothing for us is told', async (t) => {
  using folder = tempFolder('stick')
  mkdirSync(join(folder.path, 'shut'))
  const shut = world(join(folder.path, 'shut'), [], { isAllowed: false })
  t.regex(JSON.stringify(await shut.list()), /takes no USB sticks/)
  t.deepEqual(shut.done, [])
  mkdirSync(join(folder.path, 'broken'))
  const broken = world(join(folder.path, 'broken'), [], { code: 1 })
  t.regex(JSON.stringify(await broken.list()), /the stick cannot be read: systemctl: mount: bad superblock/)
  mkdirSync(join(folder.path, 'empty'))
  const empty = world(join(folder.path, 'empty'), ['postern-2.0.0-arm64.ptu'])
  t.regex(JSON.stringify(await empty.take('')), /no update for amd64 on the stick/)
  mkdirSync(join(folder.path, 'none'))
  const none = world(join(folder.path, 'none'), [])
  rmSync(none.device)
  t.regex(JSON.stringify(await none.list()), /there is no USB stick with the label POSTERN/)
  t.deepEqual(none.done, [])
})

test('a link on a stick leads nowhere', async (t) => {
  using folder = tempFolder('stick')
  const { stick, list } = world(folder.path, [])
  symlinkSync('/etc/passwd', join(stick, 'postern-2.0.0-amd64.ptu'))
  t.regex(JSON.stringify(await list()), /the stick cannot be read: .*ELOOP/)
})
