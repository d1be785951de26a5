import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readEntry } from '#src/appliance/esp.ts'
import { box, failingStorage, holdsUpdate, ROOT_A } from './box.ts'
import type { Box } from './box.ts'

/** What the boot loader would offer: all of it must be able to start. */
function startable(one: Box): readonly string[] {
  return one.entries().filter((file) => readEntry(file) !== undefined)
}

/** How many effects an update has on the disks, from the first to the last. */
async function effectsOfAll(): Promise<number> {
  using one = await box()
  const storage = failingStorage(Infinity)
  await one.start({ storage }).updater.update(one.bundle)
  return storage.effects()
}

const ALL = await effectsOfAll()

test('an update has many steps, and each is one at which the power may go', (t) => {
  t.true(ALL > 15, String(ALL))
})

for (let cutAt = 0; cutAt < ALL; cutAt += 1) {
  test(`the power goes at step ${cutAt + 1}: the running release is whole, nothing half is offered, and the next try succeeds`, async (t) => {
    using one = await box()
    // A release from before is in the other slot.
    const first = await one.start().updater.update(await one.pack('before', { version: '1.5.0' }))
    t.true(first.ok)
    await one.mark('1.5.0', 'postern_1.5.0.efi')
    const storage = failingStorage(cutAt)
    await one
      .start({ storage })
      .updater.update(one.bundle)
      .catch(() => undefined)

    t.is(readFileSync(join(one.folder, 'root-a'), 'utf8'), ROOT_A)
    t.true(startable(one).includes('postern_1.0.0.efi'))
    if (startable(one).includes('postern_2.0.0+3.efi')) t.true(holdsUpdate(one))
    // The release from before is offered only as long as its slot was not touched.
    if (startable(one).includes('postern_1.5.0.efi')) t.false(storage.wasOverwritten())

    const again = one.start()
    await again.updater.look()
    t.is(again.outcomes.state.failed.length, 0)
    const answer = await again.updater.update(one.bundle)
    t.true(answer.ok, answer.ok ? '' : answer.error)
    t.true(holdsUpdate(one))
    t.deepEqual(one.entries(), ['postern_1.0.0.efi', 'postern_2.0.0+3.efi'])
  })
}

test('the power goes while a release is being given up: it is remembered all the same', async (t) => {
  for (let cutAt = 0; cutAt < 8; cutAt += 1) {
    using one = await box()
    await one.start().updater.update(one.bundle)
    await one.mark('2.0.0', 'postern_2.0.0+0-3.efi')
    await one
      .start({ storage: failingStorage(cutAt) })
      .updater.look()
      .catch(() => undefined)
    t.true(startable(one).includes('postern_1.0.0.efi'))
    const again = one.start()
    await again.updater.look()
    t.deepEqual(
      again.outcomes.state.failed.map(({ version }) => version),
      ['2.0.0'],
    )
    t.deepEqual(one.entries(), ['postern_1.0.0.efi'])
  }
})
