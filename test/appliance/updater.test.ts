import { existsSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { CommandAnswer } from '#src/appliance/commands.ts'
import { diskStorage } from '#src/appliance/storage.ts'
import { OWN_SCHEMAS } from '#src/admin/update-schemas.ts'
import { box, failingStorage, holdsUpdate, ROOT_A } from './box.ts'
import type { Box } from './box.ts'

const errorOf = (answer: CommandAnswer) => (answer.ok ? '' : answer.error)

/** Nothing that is started today was touched, and no other entry is there. */
function untouched({ folder, entries }: Box): boolean {
  const kernels = entries().filter((file) => file.endsWith('.efi'))
  return (
    readFileSync(join(folder, 'root-a'), 'utf8') === ROOT_A &&
    kernels.length === 1 &&
    kernels[0] === 'postern_1.0.0.efi'
  )
}

test('an update is written into the other slot, offered for three tries, and started', async (t) => {
  using one = await box()
  const { updater } = one.start()
  const answer = await updater.update(one.bundle)
  t.true(answer.ok, errorOf(answer))
  t.true(holdsUpdate(one))
  t.deepEqual(one.entries(), ['postern_1.0.0.efi', 'postern_2.0.0+3.efi'])
  t.deepEqual(one.restarted, ['1.0.0'])
  t.regex(errorOf(await updater.update(one.bundle)), /about to start release 2\.0\.0/)
})

test('a release that is kept ends the update, and only then the floor rises', async (t) => {
  using one = await box()
  const bundle = await one.pack('floor', { floor: '1.5.0' })
  await one.start().updater.update(bundle)
  await one.mark('2.0.0', 'postern_2.0.0+2-1.efi')
  const started = one.start({ machine: { version: '2.0.0', slot: 'b' } })
  await started.updater.look()
  t.true(started.outcomes.isOpen)
  t.is(started.outcomes.state.floor, '0.0')
  t.regex(errorOf(await started.updater.update(one.bundle)), /it runs already/)
  await one.mark('2.0.0', 'postern_2.0.0.efi')
  await started.updater.look()
  t.false(started.outcomes.isOpen)
  t.is(started.outcomes.state.floor, '1.5.0')
  t.deepEqual(started.outcomes.lines, [
    'Slot B: release 2.0.0, runs',
    'Slot A: release 1.0.0, was found good; can be started',
    'Nothing older than 1.5.0 is taken any more.',
  ])
  t.deepEqual(started.outcomes.facts, { slot: 'b', version: '2.0.0' })
  const old = one.start({ machine: { version: '1.1.0' } })
  await one.mark('1.0.0', 'postern_1.1.0.efi')
  t.regex(
    errorOf(await old.updater.update(await one.pack('old', { version: '1.2.0' }))),
    /nothing older than 1\.5\.0/,
  )
})

test('a release that was given up is remembered with its reason, told, and never taken again', async (t) => {
  using one = await box()
  await one.start().updater.update(one.bundle)
  await one.mark('2.0.0', 'postern_2.0.0+0-3.efi')
  writeFileSync(join(one.folder, 'boots', '2.0.0.reason'), 'the queue cannot be opened\n')
  const back = one.start()
  await back.updater.look()
  t.deepEqual(one.entries(), ['postern_1.0.0.efi'])
  const trouble = JSON.parse(readFileSync(join(one.folder, 'run', 'update-failed.json'), 'utf8'))
  t.like(trouble, { version: '2.0.0', reason: 'the queue cannot be opened' })
  t.regex(back.outcomes.lines.join('\n'), /Release 2\.0\.0 was given up on .*: the queue cannot be opened/)
  t.like(back.outcomes.facts, { version: '1.0.0', slot: 'a', fallback: { version: '2.0.0' } })
  t.regex(
    errorOf(await back.updater.update(one.bundle)),
    /tried before and given up: the queue cannot be opened/,
  )
  // What is the same by name and another by content may be tried.
  const mended = await one.start().updater.update(await one.pack('mended', { floor: '1.0.1' }))
  t.true(mended.ok, errorOf(mended))
})

test('the alarm of a release that was given up outlives a restart, and ends with the next that is kept', async (t) => {
  using one = await box()
  const alarm = join(one.folder, 'run', 'update-failed.json')
  await one.mark('1.0.0', 'postern_1.0.0.efi')
  writeFileSync(join(one.esp, 'EFI', 'Linux', 'postern_1.9.0+0-3.efi'), 'a kernel that came otherwise')
  await one.start().updater.look()
  t.is(statSync(alarm).mode & 0o777, 0o640, 'master is of the group, not of the user')
  await diskStorage.remove(alarm)
  await one.start().updater.look()
  t.like(JSON.parse(readFileSync(alarm, 'utf8')), { version: '1.9.0' })
  await one.start().updater.update(one.bundle)
  t.true(existsSync(alarm))
  await one.mark('2.0.0', 'postern_2.0.0.efi')
  await one.start({ machine: { version: '2.0.0', slot: 'b' } }).updater.look()
  t.false(existsSync(alarm))
})

for (const [what, changes, reason] of [
  ['is for another machine', { arch: 'arm64' }, /it is for arm64, and this machine is amd64/],
  ['runs already', { version: '1.0.0' }, /it runs already/],
  ['is older than what runs', { version: '0.9.9' }, /older than release 1\.0\.0, which runs/],
  ['is a forerunner of what runs', { version: '1.0.0~rc1' }, /older than release 1\.0\.0, which runs/],
  ['needs a release in between', { minVersion: '1.1.0' }, /update to a release in between first/],
  ['has a format of the future', { format: 'postern-update-2' }, /its format is not "postern-update-1"/],
  ['has a version that is a path', { version: '../2.0.0' }, /version, minVersion, floor/],
  [
    'would leave a queue that we cannot read',
    {
      queueSchema: { writes: OWN_SCHEMAS.queueSchema.writes + 2, reader: OWN_SCHEMAS.queueSchema.writes + 1 },
    },
    /could not read the queue any more/,
  ],
  [
    'would leave a directory that we cannot read',
    { directorySchema: { writes: 99, reader: 98 } },
    /could not read the directory any more/,
  ],
  [
    'cannot read our queue',
    { queueSchema: { writes: OWN_SCHEMAS.queueSchema.reader - 1, reader: 0 } },
    /too old to read the queue/,
  ],
] as const) {
  test(`an update that ${what} is refused before anything is written`, async (t) => {
    using one = await box()
    const answer = await one
      .start({ storage: failingStorage(0) })
      .updater.update(await one.pack('other', changes))
    t.regex(errorOf(answer), reason)
    t.true(untouched(one))
    t.deepEqual(one.restarted, [])
  })
}

test('an update whose queue is newer by one step is taken: we can read what it writes', async (t) => {
  using one = await box()
  const { writes } = OWN_SCHEMAS.queueSchema
  const bundle = await one.pack('step', { queueSchema: { writes: writes + 1, reader: writes } })
  t.true((await one.start().updater.update(bundle)).ok)
})

for (const [what, harm, reason] of [
  ['is cut short', (file: string) => truncateSync(file, 2_550_000), /it ends too early/],
  [
    'is cut within its first octets',
    (file: string) => truncateSync(file, 700),
    /it ends within its manifest/,
  ],
  ['is empty', (file: string) => truncateSync(file, 0), /it is no update of Postern/],
  ['has another octet in its manifest', (file: string) => flip(file, 600), /its signature is wrong/],
  [
    'has another octet in its root',
    (file: string) => flip(file, 1_500_000),
    /its root\.erofs is damaged at octet 1048576/,
  ],
  [
    'has another octet in its last part',
    (file: string) => flip(file, -2000),
    /its postern\.efi is damaged at octet 0/,
  ],
  [
    'is something else',
    (file: string) => writeFileSync(file, 'x'.repeat(5000)),
    /it is no update of Postern/,
  ],
] as const) {
  test(`a file that ${what} is refused before anything is written`, async (t) => {
    using one = await box()
    harm(one.bundle)
    const answer = await one.start({ storage: failingStorage(0) }).updater.update(one.bundle)
    t.regex(errorOf(answer), reason)
    t.true(untouched(one))
  })
}

/** Inverts an octet; from the end where the position is negative. */
function flip(file: string, position: number): void {
  const bytes = readFileSync(file)
  const at = position < 0 ? bytes.length + position : position
  bytes[at] = (bytes[at] ?? 0) ^ 0xff
  writeFileSync(file, bytes)
}

test('a signature by a key that the image does not have is refused, and a second key serves as well', async (t) => {
  using one = await box()
  using other = await box()
  t.regex(
    errorOf(await one.start().updater.update(other.bundle)),
    /signed with the key [0-9a-f]{16}, which this machine/,
  )
  writeFileSync(join(one.keys, 'next.pem'), readFileSync(join(other.keys, 'update.pem')))
  t.true((await one.start().updater.update(other.bundle)).ok)
})

test('links, folders and relative names are no updates', async (t) => {
  using one = await box()
  const { updater } = one.start()
  symlinkSync(one.bundle, join(one.folder, 'link.ptu'))
  t.regex(errorOf(await updater.update(join(one.folder, 'link.ptu'))), /cannot be read: ELOOP/)
  t.regex(errorOf(await updater.update(one.folder)), /is no file/)
  t.regex(errorOf(await updater.update('update.ptu')), /from the root folder on/)
  t.regex(errorOf(await updater.update(join(one.folder, 'none.ptu'))), /there is no file/)
})

test('no update is taken while the release that runs is on trial', async (t) => {
  using one = await box()
  await one.mark('1.0.0', 'postern_1.0.0+2-1.efi')
  t.regex(errorOf(await one.start().updater.update(one.bundle)), /release 1\.0\.0 runs on trial/)
  t.deepEqual(one.entries(), ['postern_1.0.0+2-1.efi'])
})

test('of two updates at once the second is refused, and the first is whole', async (t) => {
  using one = await box()
  const { updater } = one.start()
  const [first, second] = await Promise.all([updater.update(one.bundle), updater.update(one.bundle)])
  t.true(first.ok)
  t.regex(errorOf(second), /an update is under way/)
  t.true(holdsUpdate(one))
})

test('an EFI partition without room is told before the other slot is touched, and what goes from it counts as room', async (t) => {
  using one = await box()
  const full = { ...failingStorage(0), freeBytes: () => Promise.resolve(900_000) }
  t.regex(
    errorOf(await one.start({ storage: full }).updater.update(one.bundle)),
    /has 1 MiB of room, and the kernel needs 2 MiB/,
  )
  t.true(untouched(one))
  writeFileSync(join(one.esp, 'EFI', 'Linux', 'postern_0.9.0.efi'), Buffer.alloc(300_000))
  const enough = { ...diskStorage, freeBytes: () => Promise.resolve(900_000) }
  t.true((await one.start({ storage: enough }).updater.update(one.bundle)).ok)
  t.deepEqual(one.entries(), ['postern_1.0.0.efi', 'postern_2.0.0+3.efi'])
})

test('an EFI partition that fills up meanwhile leaves no half kernel that could be started', async (t) => {
  using one = await box()
  const storage = {
    ...diskStorage,
    create: async (path: string, pieces: AsyncIterable<Uint8Array>) => {
      if (!path.endsWith('.tmp')) return await diskStorage.create(path, pieces)
      writeFileSync(path, 'half')
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
  }
  const { updater, outcomes } = one.start({ storage })
  t.regex(errorOf(await updater.update(one.bundle)), /is full\. Release 1\.0\.0 stays as it is/)
  t.true(untouched(one))
  t.deepEqual(one.entries(), ['postern_1.0.0.efi'])
  t.false(outcomes.isOpen)
  t.true((await one.start().updater.update(one.bundle)).ok)
})

test('a root that is larger than its partition is refused', async (t) => {
  using one = await box()
  const { updater } = one.start({ partitionBytes: 1_000_000 })
  t.regex(errorOf(await updater.update(one.bundle)), /2500000 octets, and its partition only 1000000/)
  t.deepEqual(one.entries(), ['postern_1.0.0.efi'])
})

test('a disk that keeps other octets than it was given is found out before the boot loader hears of the release', async (t) => {
  using one = await box()
  const storage = {
    ...diskStorage,
    overwrite: async (path: string, pieces: AsyncIterable<Uint8Array>) => {
      await diskStorage.overwrite(path, pieces)
      flip(path, 1_100_000)
    },
  }
  t.regex(
    errorOf(await one.start({ storage }).updater.update(one.bundle)),
    /does not hold what was written to it, at octet 1048576/,
  )
  t.true(untouched(one))
})

test('a file that changes while it is written comes to nothing', async (t) => {
  using one = await box()
  const storage = {
    ...diskStorage,
    remove: async (path: string) => {
      if (path.endsWith('postern.tmp')) flip(one.bundle, 1_500_000)
      await diskStorage.remove(path)
    },
  }
  t.regex(
    errorOf(await one.start({ storage }).updater.update(one.bundle)),
    /root\.erofs has changed while it was written/,
  )
  t.true(untouched(one))
})

test('a restart that does not come about is told, and leaves the update for the next one', async (t) => {
  using one = await box()
  const { updater } = one.start({ restart: () => Promise.resolve('the bus is away') })
  t.regex(
    errorOf(await updater.update(one.bundle)),
    /will be tried at the next start, but the machine cannot be started anew: the bus is away/,
  )
  t.true(holdsUpdate(one))
  t.true(one.log.lines.some(({ facts }) => facts['step'] === 'not restarted'))
  // And may be written once more.
  t.true((await one.start().updater.update(one.bundle)).ok)
})

test('where it cannot be noted what waits, the release is not started, and the boot loader never hears of it', async (t) => {
  using one = await box()
  const { updater, outcomes } = one.start({ drain: () => Promise.resolve('the queue cannot be read') })
  t.regex(
    errorOf(await updater.update(one.bundle)),
    /is not started: the queue cannot be read.* takes mail as before/,
  )
  t.true(untouched(one))
  t.deepEqual(one.entries(), ['postern_1.0.0.efi'])
  t.deepEqual(one.restarted, [])
  t.false(outcomes.isOpen)
  // Who knows of it may want the new release all the same: it may be what mends the queue.
  t.true((await updater.update(one.bundle, true)).ok)
  t.true(holdsUpdate(one))
  t.deepEqual(one.restarted, ['1.0.0'])
})

test('the boot loader hears of a release when what waits has been noted, and not before', async (t) => {
  using one = await box()
  let seen: readonly string[] = []
  const drain = () => {
    seen = one.entries()
    return Promise.resolve(undefined)
  }
  t.true((await one.start({ drain }).updater.update(one.bundle)).ok)
  t.deepEqual(seen, ['postern.tmp', 'postern_1.0.0.efi'])
})

test('a release on trial is kept when its boot check has passed, and not before', async (t) => {
  using one = await box()
  await one.start().updater.update(one.bundle)
  await one.mark('2.0.0', 'postern_2.0.0+0-3.efi')
  const { outcomes, updater } = one.start({ machine: { version: '2.0.0', slot: 'b' } })
  await updater.look()
  // Its last try: the counter is at zero, and it runs all the same.
  t.true(outcomes.isTrial && outcomes.isOpen)
  t.deepEqual(outcomes.state.failed, [])
  await outcomes.keep()
  t.deepEqual(one.entries(), ['postern_1.0.0.efi', 'postern_2.0.0.efi'])
  t.false(outcomes.isTrial || outcomes.isOpen)
  t.is(outcomes.state.written.b?.version, '2.0.0')
})
