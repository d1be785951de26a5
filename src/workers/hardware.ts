import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the hardware says that an operator should know of. */
export interface HardwareTrouble {
  readonly code: 'TEMPERATURE' | 'DISK_WORN'
  /** The sensor or disk. */
  readonly key: string
  readonly reason: string
}

/** Entries of one folder of /sys that are looked at: a server has some dozens of sensors. */
const ENTRIES_MAX = 256
/** JEDEC eMMC 5.1: the life time is told in tenths, 0x0a being the last. */
const WORN_TENTHS = 9
/** PRE_EOL_INFO: 1 is normal, 2 is a warning, 3 is urgent. */
const EOL_NORMAL = 1

/**
 * Asks the kernel's own files (hwmon, block, md, nvme): systeminformation would start a shell for the same. `sys` is
 * /sys. What is not there says nothing is wrong.
 */
export function hardwareTroubles(sys: string): readonly HardwareTrouble[] {
  return [...temperatures(join(sys, 'class', 'hwmon')), ...disks(sys)]
}

/** hwmon(5): thousandths of a degree. Without a limit of its own a sensor has nothing to compare with. */
function temperatures(folder: string): readonly HardwareTrouble[] {
  return entries(folder).flatMap((chip) => {
    const at = join(folder, chip)
    const name = text(join(at, 'name')) ?? chip
    return entries(at).flatMap((file): readonly HardwareTrouble[] => {
      const sensor = /^(temp\d+)_input$/.exec(file)?.[1]
      if (sensor === undefined) return []
      const is = number(join(at, file))
      // A limit of 0 is one that nobody has set.
      const most = [`${sensor}_crit`, `${sensor}_max`]
        .map((limit) => number(join(at, limit)))
        .find((limit) => limit !== undefined && limit > 0)
      // NVMe and some boards say themselves that it is too hot, by limits that they do not tell.
      const isAlarm = [`${sensor}_crit_alarm`, `${sensor}_alarm`].some((flag) => number(join(at, flag)) === 1)
      const isOver = is !== undefined && most !== undefined && is >= most
      if (!isOver && !isAlarm) return []
      const label = text(join(at, `${sensor}_label`)) ?? sensor
      const limit = isOver ? `, of ${degrees(most)} at most` : ', and the hardware says that this is too much'
      const reason = `${is === undefined ? 'unknown' : degrees(is)} degrees Celsius${limit}`
      return [{ code: 'TEMPERATURE', key: `${name} ${label}`, reason }]
    })
  })
}

function degrees(thousandths: number): number {
  return Math.round(thousandths / 1000)
}

function disks(sys: string): readonly HardwareTrouble[] {
  const block = join(sys, 'block')
  const nvme = join(sys, 'class', 'nvme')
  return [
    ...entries(block).flatMap((disk) => wornFlash(block, disk)),
    ...entries(block).flatMap((disk) => degradedArray(block, disk)),
    ...fileSystems(join(sys, 'fs', 'ext4')),
    ...entries(nvme).flatMap((disk): readonly HardwareTrouble[] => {
      const state = text(join(nvme, disk, 'state'))
      if (state === undefined || !['dead', 'deleting'].includes(state)) return []
      return [{ code: 'DISK_WORN', key: disk, reason: `its controller is ${state}` }]
    }),
  ]
}

function wornFlash(block: string, disk: string): readonly HardwareTrouble[] {
  const device = join(block, disk, 'device')
  const tenths = (text(join(device, 'life_time')) ?? '').split(' ').map(Number)
  const worst = Math.max(0, ...tenths.filter((one) => Number.isFinite(one)))
  const end = Number(text(join(device, 'pre_eol_info')) ?? EOL_NORMAL)
  if (worst < WORN_TENTHS && !(end > EOL_NORMAL)) return []
  const reason =
    worst < WORN_TENTHS
      ? 'nearly all of its spare blocks are used up'
      : `about ${worst * 10} % of its life time is used`
  return [{ code: 'DISK_WORN', key: disk, reason }]
}

/** ext4(5): errors that were met since the file system was checked last. Nothing but a disk or a memory makes them. */
function fileSystems(folder: string): readonly HardwareTrouble[] {
  return entries(folder).flatMap((disk): readonly HardwareTrouble[] => {
    const errors = number(join(folder, disk, 'errors_count')) ?? 0
    if (errors <= 0) return []
    return [
      { code: 'DISK_WORN', key: disk, reason: `its file system met ${errors} errors (e2fsck mends it)` },
    ]
  })
}

function degradedArray(block: string, disk: string): readonly HardwareTrouble[] {
  const missing = number(join(block, disk, 'md', 'degraded')) ?? 0
  return missing > 0
    ? [{ code: 'DISK_WORN', key: disk, reason: `${missing} disks of the array are missing` }]
    : []
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, ENTRIES_MAX)
  } catch {
    // No such hardware.
    return []
  }
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1').trim()
  } catch {
    // No such value, or a sensor that is asleep.
    return undefined
  }
}

function number(file: string): number | undefined {
  const value = Number(text(file) ?? Number.NaN)
  return Number.isFinite(value) ? value : undefined
}
