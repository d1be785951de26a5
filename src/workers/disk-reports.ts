import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { HardwareTrouble } from './hardware.ts'

/** Where postern-disk@.service leaves what smartctl says of each disk. */
export const DISK_REPORTS = '/run/postern-disks'

/** Of a life time: the same tenth is left where eMMC counts as worn. */
const WORN_PERCENT = 90
/** More disks than a box has that is not for storage. */
const DISKS_MAX = 64
/** smartctl writes some kilobytes. */
const BYTES_MAX = 256 * 1024

type Report = Readonly<Record<string, unknown>>

/**
 * Wear and failure, of the answers that `smartctl --json` gave (smartmontools 7.3 and newer). `folder` has a file
 * DISK.json for each; what is not there, or says nothing, is not wrong. One trouble for a disk: the worst.
 */
export function reportedTroubles(folder: string): readonly HardwareTrouble[] {
  return filesOf(folder).flatMap((file): readonly HardwareTrouble[] => {
    const report = reportOf(join(folder, file))
    const reason = report === undefined ? undefined : whatIsWrong(report)
    return reason === undefined ? [] : [{ code: 'DISK_WORN', key: file.slice(0, -'.json'.length), reason }]
  })
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^[\w-]+\.json$/.test(name))
      .toSorted()
      .slice(0, DISKS_MAX)
  } catch {
    // Nobody asks the disks of this machine.
    return []
  }
}

function reportOf(file: string): Report | undefined {
  try {
    if (statSync(file).size > BYTES_MAX) return undefined
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    // smartctl was killed, or its disk has gone meanwhile.
    return undefined
  }
}

function whatIsWrong(report: Report): string | undefined {
  if (within(report, 'smart_status', 'passed') === false) return 'its own test says that it fails'
  return wrongNvme(report) ?? wrongSectors(report) ?? worn(report)
}

/** NVM Express Base Specification 2.0, figure 207: spare blocks, reliability, read-only, and its backup of memory. */
const CRITICAL_WARNINGS = [
  [0x01, 'its spare blocks are used up'],
  [0x04, 'it says that it is not reliable any more'],
  [0x08, 'it can only be read any more'],
  [0x10, 'what keeps its memory in a power cut has failed'],
] as const

function wrongNvme(report: Report): string | undefined {
  const log = report['nvme_smart_health_information_log']
  const warning = isRecord(log) ? numberIn(log, 'critical_warning') : undefined
  return CRITICAL_WARNINGS.find(([bit]) => ((warning ?? 0) & bit) !== 0)?.[1]
}

/** Attributes of ATA that have one meaning with all makers: sectors that wait to be replaced, and that could not be read. */
const SECTORS: ReadonlySet<number> = new Set([197, 198])
/** A count of sectors is small; a maker who packs several numbers into one has larger ones. */
const SECTORS_MAX = 0xff_ff_ff

function wrongSectors(report: Report): string | undefined {
  const bad = attributesOf(report)
    .filter((row) => SECTORS.has(numberIn(row, 'id') ?? 0))
    .map((row) => within(row, 'raw', 'value'))
    .filter((raw) => typeof raw === 'number' && raw > 0 && raw <= SECTORS_MAX)
    .map(Number)
  return bad.length === 0 ? undefined : `${Math.max(...bad)} of its sectors cannot be read`
}

/** Names that makers of SSDs give the attribute whose value falls from 100, or 200, to what is left of its life. */
const LIFE_LEFT = /wear_?level|wearout|life_?left|lifetime_?remain|life_?remain|life_curve/i

function worn(report: Report): string | undefined {
  const used = Math.max(0, ...usedPercents(report))
  return used < WORN_PERCENT ? undefined : `about ${used} % of its life time is used`
}

function usedPercents(report: Report): readonly number[] {
  const left = attributesOf(report)
    .filter((row) => typeof row['name'] === 'string' && LIFE_LEFT.test(row['name']))
    .map((row) => numberIn(row, 'value'))
    // 0 is what is shown where nothing is counted.
    .flatMap((value) => (value === undefined || value < 1 || value > 100 ? [] : [100 - value]))
  const told = [
    within(report, 'nvme_smart_health_information_log', 'percentage_used'),
    within(report, 'endurance_used', 'current_percent'),
    report['scsi_percentage_used_endurance_indicator'],
    ...statistics(report),
  ]
  return [...told.filter((value) => typeof value === 'number' && value >= 0), ...left].map(Number)
}

/** ACS-4 section 9.5.8: the page of device statistics for solid state devices. */
function statistics(report: Report): readonly unknown[] {
  return recordsIn(report['ata_device_statistics'], 'pages')
    .filter((page) => page['number'] === 7)
    .flatMap((page) => recordsIn(page, 'table'))
    .filter(({ name }) => name === 'Percentage Used Endurance Indicator')
    .map(({ value }) => value)
}

function attributesOf(report: Report): readonly Report[] {
  return recordsIn(report['ata_smart_attributes'], 'table')
}

function recordsIn(value: unknown, name: string): readonly Report[] {
  const list = isRecord(value) ? value[name] : undefined
  return Array.isArray(list) ? list.filter(isRecord) : []
}

function within(value: Report, outer: string, inner: string): unknown {
  const one = value[outer]
  return isRecord(one) ? one[inner] : undefined
}

function isRecord(value: unknown): value is Report {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberIn(value: Report, name: string): number | undefined {
  const one = value[name]
  return typeof one === 'number' ? one : undefined
}
