import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { readChunk, sha256 } from '#src/admin/update-bundle.ts'
import type { Bundle, Tell } from '#src/admin/update-bundle.ts'
import { CHUNK_BYTES } from '#src/admin/update-manifest.ts'
import type { MemberName } from '#src/admin/update-manifest.ts'
import { entryFolder, readEntries, trialName, unfinishedName } from './esp.ts'
import type { SlotDevices } from './machine.ts'
import type { Storage } from './storage.ts'

/** What did not come out as it should; nothing that runs was touched. */
export class WriteFailed extends Error {}

export interface WriterDeps {
  readonly storage: Storage
  readonly esp: string
  /** Has the kernel forget what it knows of a file or device that is on the disk, so that it is read from there. */
  readonly dropCache: (path: string) => Promise<void>
}

/** The EFI partition is to have so much room beside what is written: FAT counts in clusters. */
const ESP_SPARE_BYTES = 1_048_576

/** An open bundle, whose signature has been checked. */
export interface Source {
  readonly file: FileHandle
  readonly bundle: Bundle
}

/** Kernels on the EFI partition that go when the other slot is written: all but that of the release that runs. */
export function doomedEntries(esp: string, running: string): readonly string[] {
  return readEntries(esp)
    .filter(({ version }) => version !== running)
    .map(({ file }) => join(entryFolder(esp), file))
}

/** Why the EFI partition cannot take the kernel; undefined where it can. */
export async function espTrouble(
  { storage, esp }: WriterDeps,
  { bundle }: Source,
  running: string,
): Promise<string | undefined> {
  let free = await storage.freeBytes(entryFolder(esp))
  for (const file of [...doomedEntries(esp, running), unfinishedName(esp)]) free += await sizeOf(file)
  const needed = bundle.manifest.members['postern.efi'].size + ESP_SPARE_BYTES
  if (free >= needed) return undefined
  return `the EFI partition has ${mebi(free)} MiB of room, and the kernel needs ${mebi(needed)} MiB`
}

function mebi(bytes: number): number {
  return Math.ceil(bytes / 1_048_576)
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined)
  return found?.size ?? 0
}

/**
 * Takes every way into the slot off the EFI partition, before it is written: what is in it is nothing from then on. The
 * entry of the release that runs stays, so there is one to start at every moment.
 */
export async function closeSlot({ storage, esp }: WriterDeps, running: string): Promise<void> {
  for (const file of doomedEntries(esp, running)) await storage.remove(file)
  await storage.remove(unfinishedName(esp))
}

/** Root and hash tree into the slot, and back from the disk. Throws WriteFailed. */
export async function writeSlot(
  deps: WriterDeps,
  source: Source,
  devices: SlotDevices,
  tell: Tell,
): Promise<void> {
  for (const [name, device] of [
    ['root.erofs', devices.root],
    ['root.verity', devices.verity],
  ] as const) {
    const { size } = source.bundle.manifest.members[name]
    if (size > device.bytes)
      throw new WriteFailed(`${name} has ${size} octets, and its partition only ${device.bytes}`)
    await deps.storage.overwrite(device.path, piecesOf(source, name, tell))
    await compare(deps, source, { name, path: device.path, tell })
  }
}

/** The kernel onto the EFI partition, under a name that the boot loader does not look at. */
export async function writeKernel(deps: WriterDeps, source: Source, tell: Tell): Promise<void> {
  const unfinished = unfinishedName(deps.esp)
  await deps.storage.create(unfinished, piecesOf(source, 'postern.efi', tell))
  await compare(deps, source, { name: 'postern.efi', path: unfinished, tell })
}

/** From now on the boot loader knows of the release, and starts it next. */
export async function offerKernel({ storage, esp }: WriterDeps, version: string): Promise<void> {
  await storage.rename(unfinishedName(esp), join(entryFolder(esp), trialName(version)))
}

async function* piecesOf({ file, bundle }: Source, name: MemberName, tell: Tell): AsyncGenerator<Uint8Array> {
  const { size, chunks } = bundle.manifest.members[name]
  for (let n = 0; n < chunks.length; n += 1) {
    // It was right a moment ago, but the file is not ours.
    const bytes = await readChunk(file, bundle, name, n)
    if (bytes === undefined) throw new WriteFailed(`${name} has changed while it was written`)
    yield bytes
    tell(`writing ${name}`, Math.min(size, (n + 1) * CHUNK_BYTES), size)
  }
}

interface Written {
  readonly name: MemberName
  readonly path: string
  readonly tell: Tell
}

/** A disk may take octets and keep others: what is to be started is read back from it. */
async function compare(deps: WriterDeps, { bundle }: Source, { name, path, tell }: Written): Promise<void> {
  await deps.dropCache(path)
  const { size, chunks } = bundle.manifest.members[name]
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  const bytes = Buffer.allocUnsafe(CHUNK_BYTES)
  for (const [n, hash] of chunks.entries()) {
    const from = n * CHUNK_BYTES
    const length = Math.min(CHUNK_BYTES, size - from)
    let done = 0
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, from + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    if (done < length || sha256(bytes.subarray(0, length)) !== hash)
      throw new WriteFailed(
        `${path} does not hold what was written to it, at octet ${from}: the disk is failing`,
      )
    tell(`reading ${name} back`, from + length, size)
  }
}
