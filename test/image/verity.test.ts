import test from 'ava'
import { tempFolder } from '#test/support/temp.ts'
import { flashed, flipBit, ROOT_A_OFFSET } from './harness/disk.ts'
import { Machine } from './harness/machine.ts'
import { minutes } from './harness/minutes.ts'
import { provisionFor } from './harness/provision.ts'

/** The superblock of the root's file system: read at each start, so the first start already meets it. */
const SUPERBLOCK = 1024

test('one bit of the root that is not as it was signed: nothing of it is started, and the machine starts again', async (t) => {
  using folder = tempFolder('image-verity')
  const disk = flashed(folder.path)
  flipBit(disk, ROOT_A_OFFSET + SUPERBLOCK + 64)
  await using machine = await Machine.start({ disk, provision: provisionFor(25) })
  // The first reset may be that of the loader, which has taken our Secure Boot keys.
  await minutes(t, 'power on to the third reset', machine.resetBeyond(2))
  t.notRegex(machine.transcript, /Postern +Status/)
})
