import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isVersion } from '#src/admin/update-manifest.ts'

/** Which of the two roots on the disk. */
export type Slot = 'a' | 'b'

/** What runs, as the image itself says. */
export interface Machine {
  readonly version: string
  readonly arch: string
  readonly slot: Slot
  /** Name of the disk that it was started from: `vda`. */
  readonly disk: string
}

/** Where these are found; other folders in tests. */
export interface MachineFiles {
  /** `VERSION=… ARCH=…`, part of the root. */
  readonly release: string
  /** Where the initrd has left `slot` and `disk`. */
  readonly runFolder: string
}

/** What the root says of itself. Throws an Error where it says nothing: then this is no image. */
export function readRelease(file: string): Pick<Machine, 'version' | 'arch'> {
  const fields = new Map(
    [...readFileSync(file, 'utf8').matchAll(/(?:^|\s)([A-Z]+)=(\S*)/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )
  const version = fields.get('VERSION') ?? ''
  const arch = fields.get('ARCH') ?? ''
  if (!isVersion(version) || arch === '') throw new Error(`${file} names no version and architecture`)
  return { version, arch }
}

/** Throws an Error that says what of it is missing: then this is no image, or a broken one. */
export function readMachine({ release, runFolder }: MachineFiles): Machine {
  const { version, arch } = readRelease(release)
  const slot = readFileSync(join(runFolder, 'slot'), 'utf8').trim()
  if (slot !== 'a' && slot !== 'b') throw new Error(`${join(runFolder, 'slot')} names no slot`)
  const disk = readFileSync(join(runFolder, 'disk'), 'utf8').trim()
  if (!/^[a-z0-9]{1,32}$/.test(disk)) throw new Error(`${join(runFolder, 'disk')} names no disk`)
  return { version, arch, slot, disk }
}

export function otherSlot(slot: Slot): Slot {
  return slot === 'a' ? 'b' : 'a'
}

export interface Partition {
  /** Of the device. */
  readonly path: string
  readonly bytes: number
}

/** The two partitions of a slot. */
export interface SlotDevices {
  readonly root: Partition
  readonly verity: Partition
}

/** The kernel counts in sectors of this size, whatever the disk's own are. */
const SECTOR_BYTES = 512

/**
 * The partitions of a slot, by their names in the partition table of this very disk: another one that is plugged in may
 * have the same names. `sysFolder` is /sys/class/block, `devFolder` /dev. Throws an Error where there are none.
 */
export function slotDevices(
  slot: Slot,
  disk: string,
  folders: { readonly sys: string; readonly dev: string },
) {
  const found = new Map<string, Partition>()
  for (const name of readdirSync(join(folders.sys, disk))) {
    const label = labelOf(join(folders.sys, disk, name))
    if (label === undefined) continue
    const sectors = Number(readFileSync(join(folders.sys, disk, name, 'size'), 'utf8'))
    // Two of one name: nobody can say which is meant.
    if (found.has(label)) throw new Error(`disk ${disk} has two partitions called ${label}`)
    found.set(label, { path: join(folders.dev, name), bytes: sectors * SECTOR_BYTES })
  }
  const root = found.get(`root-${slot}`)
  const verity = found.get(`verity-${slot}`)
  if (root === undefined || verity === undefined) throw new Error(`disk ${disk} has no slot ${slot}`)
  return { root, verity } satisfies SlotDevices
}

function labelOf(folder: string): string | undefined {
  try {
    return /^PARTNAME=(.*)$/m.exec(readFileSync(join(folder, 'uevent'), 'utf8'))?.[1]
  } catch {
    // A file or folder that is no partition.
    return undefined
  }
}
