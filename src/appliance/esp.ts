import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isVersion } from '#src/admin/update-manifest.ts'

/**
 * Kernels on the EFI system partition, which systemd-boot offers by their names (UAPI.1, "boot counting"):
 * `postern_2.0.0+2-1.efi` may be tried twice more and has been tried once; the first start that is found good takes the
 * counter away. One that has no tries left comes after all others.
 */
export interface BootEntry {
  readonly file: string
  readonly version: string
  /** 'kept': found good. 'trial': may still be tried, or is just being tried the last time. 'spent': no tries left. */
  readonly state: 'kept' | 'trial' | 'spent'
}

/** How often a new release is tried. */
const TRIES = 3

/** Where the boot loader looks, below the EFI system partition. */
export function entryFolder(esp: string): string {
  return join(esp, 'EFI', 'Linux')
}

/** The name under which a kernel is written; the boot loader does not see it. */
export function unfinishedName(esp: string): string {
  return join(entryFolder(esp), 'postern.tmp')
}

export function trialName(version: string): string {
  return `postern_${version}+${TRIES}.efi`
}

export function keptName(version: string): string {
  return `postern_${version}.efi`
}

/** All of them, the kept ones first. */
export function readEntries(esp: string): readonly BootEntry[] {
  return readdirSync(entryFolder(esp))
    .flatMap((file) => readEntry(file) ?? [])
    .toSorted((a, b) => RANK[a.state] - RANK[b.state])
}

const RANK: Readonly<Record<BootEntry['state'], number>> = { kept: 0, trial: 1, spent: 2 }

/** undefined for a file that is none of ours. */
export function readEntry(file: string): BootEntry | undefined {
  const [, version = '', left] = /^postern_([^+_]+)(?:\+(\d{1,4})(?:-\d{1,4})?)?\.efi$/i.exec(file) ?? []
  if (!isVersion(version)) return undefined
  if (left === undefined) return { file, version, state: 'kept' }
  return { file, version, state: Number(left) > 0 ? 'trial' : 'spent' }
}

/** How often it may still be tried; undefined for one that was found good. */
export function triesLeft({ file }: BootEntry): number | undefined {
  const left = /\+(\d{1,4})/.exec(file)?.[1]
  return left === undefined ? undefined : Number(left)
}

/** Whether the release that runs was found good; while it is being tried its counter may be at zero already. */
export function isKept(entries: readonly BootEntry[], version: string): boolean {
  return entries.some((entry) => entry.version === version && entry.state === 'kept')
}
