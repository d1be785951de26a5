import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { readUpdateKeys } from '#src/admin/update-bundle.ts'
import { systemClock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import type { Machine } from '#src/appliance/machine.ts'
import { Outcomes } from '#src/appliance/outcomes.ts'
import { readReason } from '#src/appliance/reasons.ts'
import { diskStorage } from '#src/appliance/storage.ts'
import type { Storage } from '#src/appliance/storage.ts'
import { Updater } from '#src/appliance/updater.ts'
import { tempFolder } from '#test/support/temp.ts'
import { packUpdate } from '../../scripts/pack-update.ts'
import { makeUpdateKey } from '../../scripts/update-key.ts'

/** A machine of the image: files for its partitions, a folder for its EFI partition. Release 1.0.0 runs in slot A. */

export const ROOT_A = 'the root of the release that runs'
const PARTITION_BYTES = 4 * 1024 * 1024

/** The power goes: nothing that is called afterwards does anything either. */
export class PowerCut extends Error {}

export interface Box extends Disposable {
  readonly folder: string
  readonly esp: string
  readonly keys: string
  /** Of an update that can be taken; made once. */
  readonly bundle: string
  readonly restarted: string[]
  readonly log: ReturnType<typeof memoryLog>
  /** What a start of the helper makes of it. */
  readonly start: (changes?: Partial<Start>) => { readonly updater: Updater; readonly outcomes: Outcomes }
  /** Packs another bundle; gives its path. */
  readonly pack: (name: string, changes?: Readonly<Record<string, unknown>>) => Promise<string>
  readonly entries: () => readonly string[]
  /** Renames the entry of a release, as the boot loader and systemd-bless-boot do. */
  readonly mark: (version: string, to: string) => Promise<void>
}

interface Start {
  readonly storage: Storage
  readonly machine: Partial<Machine>
  readonly drain: () => Promise<string | undefined>
  readonly restart: () => Promise<string | undefined>
  readonly partitionBytes: number
}

export async function box(): Promise<Box> {
  const temp = tempFolder('image')
  const folder = temp.path
  const esp = join(folder, 'efi')
  const keys = join(folder, 'keys')
  const linux = join(esp, 'EFI', 'Linux')
  for (const one of [linux, join(folder, 'state'), join(folder, 'run'), join(folder, 'boots')])
    mkdirSync(one, { recursive: true })
  makeUpdateKey(join(folder, 'private'))
  mkdirSync(keys)
  copyFileSync(join(folder, 'private', 'update.pem'), join(keys, 'update.pem'))
  writeFileSync(join(linux, 'postern_1.0.0.efi'), 'the kernel of 1.0.0')
  writeFileSync(join(folder, 'root-a'), ROOT_A)
  for (const name of ['root-b', 'verity-b']) {
    writeFileSync(join(folder, name), '')
    truncateSync(join(folder, name), PARTITION_BYTES)
  }
  const parts = partFiles(folder)
  const restarted: string[] = []
  const log = memoryLog()
  const pack = async (name: string, changes: Readonly<Record<string, unknown>> = {}) => {
    const out = join(folder, `${name}.ptu`)
    await packUpdate({
      version: '2.0.0',
      arch: 'amd64',
      rootHash: 'a'.repeat(64),
      minVersion: '1.0.0',
      floor: '1.0.0',
      files: parts,
      keyFile: join(folder, 'private', 'update.key'),
      out,
      changes,
    })
    return out
  }
  const start = (changes: Partial<Start> = {}) => {
    const machine: Machine = { version: '1.0.0', arch: 'amd64', slot: 'a', disk: 'vda', ...changes.machine }
    const { storage = diskStorage, partitionBytes: bytes = PARTITION_BYTES } = changes
    const common = { machine, esp, storage, clock: systemClock, log }
    const outcomes = new Outcomes({
      ...common,
      stateFile: join(folder, 'state', 'updates.json'),
      troubleFile: join(folder, 'run', 'update-failed.json'),
      reasonOf: (version) => readReason(join(folder, 'boots'), version),
    })
    const updater = new Updater({
      ...common,
      outcomes,
      devices: () => ({
        root: { path: join(folder, 'root-b'), bytes },
        verity: { path: join(folder, 'verity-b'), bytes },
      }),
      keys: () => readUpdateKeys(keys),
      dropCache: () => Promise.resolve(),
      forgetChoice: () => Promise.resolve(),
      drain: changes.drain ?? (() => Promise.resolve(undefined)),
      restart:
        changes.restart ??
        (() => {
          restarted.push(machine.version)
          return Promise.resolve(undefined)
        }),
    })
    return { updater, outcomes }
  }
  const entries = () => readdirSync(linux).toSorted()
  return {
    folder,
    esp,
    keys,
    restarted,
    log,
    start,
    pack,
    entries,
    bundle: await pack('update'),
    mark: async (version, to) => {
      const from = entries().find((file) => file.startsWith(`postern_${version}`)) ?? 'none'
      await rename(join(linux, from), join(linux, to))
    },
    [Symbol.dispose]: () => {
      temp[Symbol.dispose]()
    },
  }
}

/** A root of two and a half chunks, the other parts of one. */
function partFiles(folder: string) {
  const file = (name: string, bytes: Buffer) => {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    return path
  }
  return {
    'root.erofs': file('new.erofs', Buffer.alloc(2_500_000, 'root of release 2 ')),
    'root.verity': file('new.verity', Buffer.alloc(20_000, 'hashes ')),
    'postern.efi': file('new.efi', Buffer.alloc(50_001, 'kernel of release 2 ')),
  }
}

/** Whether slot B and the EFI partition hold the release of `bundle` whole. */
export function holdsUpdate({ folder, esp }: Box): boolean {
  const same = (part: string, at: string) => {
    const bytes = readFileSync(join(folder, part))
    return readFileSync(at).subarray(0, bytes.length).equals(bytes)
  }
  return (
    same('new.erofs', join(folder, 'root-b')) &&
    same('new.verity', join(folder, 'verity-b')) &&
    same('new.efi', join(esp, 'EFI', 'Linux', 'postern_2.0.0+3.efi'))
  )
}

interface FailingStorage extends Storage {
  readonly effects: () => number
  /** Whether anything reached a partition. */
  readonly wasOverwritten: () => boolean
}

/**
 * A disk whose power goes before its `cutAt`-th effect. What was written and not flushed is lost: a file that was being
 * made is empty or cut, a partition has only a part.
 */
export function failingStorage(cutAt: number): FailingStorage {
  let effects = 0
  let isCut = false
  let overwritten = false
  const effect = (): void => {
    effects += 1
    if (isCut || effects > cutAt) {
      isCut = true
      throw new PowerCut()
    }
  }
  /** Each piece is an effect, and so is the flush behind the last. */
  async function* counted(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      effect()
      yield piece
    }
    effect()
  }
  return {
    effects: () => effects,
    wasOverwritten: () => overwritten,
    overwrite: async (path, pieces) => {
      effect()
      overwritten = true
      await diskStorage.overwrite(path, counted(pieces))
    },
    create: async (path, pieces, mode) => {
      effect()
      try {
        await diskStorage.create(path, counted(pieces), mode)
      } catch (error) {
        // Never flushed: half of it has reached the disk.
        truncateSync(path, Math.floor(statSync(path).size / 2))
        throw error
      }
    },
    rename: async (from, to) => {
      effect()
      await diskStorage.rename(from, to)
    },
    remove: async (path) => {
      effect()
      await diskStorage.remove(path)
    },
    freeBytes: (folder) => diskStorage.freeBytes(folder),
  }
}
