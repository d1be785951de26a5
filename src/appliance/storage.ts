import { constants } from 'node:fs'
import { open, rename, rm, statfs } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * The few ways in which the helper changes what is on a disk. What has resolved is on the disk: each of them flushes, a
 * change of names with its folder. Passed in, so that a test can cut the power between any two of them.
 */
export interface Storage {
  /** Writes over the beginning of what is there, a partition; nothing is created or cut. */
  overwrite(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void>
  /** A file with this content; one of this name is replaced, not in one step. `mode`: 0o600 if not given. */
  create(path: string, pieces: AsyncIterable<Uint8Array>, mode?: number): Promise<void>
  /** In one step, replacing what has that name. */
  rename(from: string, to: string): Promise<void>
  /** May be gone already. */
  remove(path: string): Promise<void>
  /** Octets that a file in this folder may still take. */
  freeBytes(folder: string): Promise<number>
}

export const diskStorage: Storage = {
  overwrite: async (path, pieces) => {
    await using file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW)
    await writeAll(file, pieces)
  },
  create: async (path, pieces, mode = 0o600) => {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
    await using file = await open(path, flags, mode)
    // Whatever the umask of the unit takes away.
    await file.chmod(mode)
    await writeAll(file, pieces)
  },
  rename: async (from, to) => {
    await rename(from, to)
    await syncFolder(dirname(to))
  },
  remove: async (path) => {
    await rm(path, { force: true })
    await syncFolder(dirname(path))
  },
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  },
}

async function writeAll(file: FileHandle, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let position = 0
  for await (const piece of pieces) {
    for (let done = 0; done < piece.length;) {
      const { bytesWritten } = await file.write(piece, done, piece.length - done, position + done)
      done += bytesWritten
    }
    position += piece.length
  }
  await file.sync()
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  await handle.sync()
}

/** Replaces a small file in one step: after a power cut it is the old one or the new one. `mode` as in `create`. */
export async function replaceFile(
  storage: Storage,
  path: string,
  text: string,
  mode?: number,
): Promise<void> {
  const fresh = `${path}.new`
  await storage.create(fresh, onePiece(Buffer.from(text)), mode)
  await storage.rename(fresh, path)
}

export async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
