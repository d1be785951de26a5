import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { copyFile, rename, rm, stat } from 'node:fs/promises'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'

export interface RotationOptions {
  /** The files that all processes append to. */
  readonly files: readonly string[]
  /** A file is set aside when it has grown beyond this; 0: never. */
  readonly maxBytes: number
  /** Files that were set aside and are kept, the newest as `.1`. */
  readonly keep: number
  readonly clock: Clock
  readonly log: Log
}

/** A log grows by some megabytes a second at most: it is looked at so often that it cannot run far beyond its bound. */
const LOOK_MS = 10_000
const TAIL_BYTES = 65_536

/**
 * Keeps the logs within their bound until `signal` ends it: a box that nobody looks after must not fill its disk with
 * what it tells. A file that cannot be set aside (no room) is emptied: mail comes before the log of mail.
 */
export async function rotateLogs(options: RotationOptions, signal: AbortSignal): Promise<void> {
  if (options.maxBytes === 0) return
  while (await elapsed(options.clock, LOOK_MS, signal)) {
    for (const file of options.files) {
      try {
        // One after the other: both at once would need the room for both.
        await rotateLog(file, options)
      } catch (error) {
        options.log.write('warn', 'master.log_not_rotated', { file, reason: errorText(error) })
      }
    }
  }
}

/** Sets one file aside if it is beyond its bound; whether it was. Throws what the file system says. */
export async function rotateLog(
  file: string,
  { maxBytes, keep }: Pick<RotationOptions, 'maxBytes' | 'keep'>,
): Promise<boolean> {
  if ((await sizeOf(file)) <= maxBytes) return false
  try {
    if (keep > 0) {
      await makeRoom(file, keep)
      // Every process has the file open for appending, some in threads of their own: it stays the one that it is.
      await copyFile(file, `${file}.1`, constants.COPYFILE_FICLONE)
    }
    emptied(file, keep > 0 ? `${file}.1` : undefined)
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC' && errorCode(error) !== 'EDQUOT') throw error
    await rm(`${file}.1`, { force: true })
    emptied(file, undefined)
    throw error
  }
  return true
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    // Somebody has taken it away, as logrotate does.
    if (errorCode(error) === 'ENOENT') return 0
    throw error
  }
}

/** `.1` becomes `.2`, and so on; the oldest goes. */
async function makeRoom(file: string, keep: number): Promise<void> {
  await rm(`${file}.${keep}`, { force: true })
  for (let n = keep - 1; n >= 1; n -= 1) {
    try {
      await rename(`${file}.${n}`, `${file}.${n + 1}`)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
}

/** Empties `file` after what was appended since the copy has been brought to `copy`, without giving way in between. */
function emptied(file: string, copy: string | undefined): void {
  const from = openSync(file, constants.O_RDWR)
  try {
    if (copy !== undefined) appendRest(from, copy)
    ftruncateSync(from, 0)
  } finally {
    closeSync(from)
  }
}

function appendRest(from: number, copy: string): void {
  const to = openSync(copy, constants.O_WRONLY | constants.O_APPEND)
  try {
    const buffer = Buffer.allocUnsafe(TAIL_BYTES)
    let at = fstatSync(to).size
    for (;;) {
      const octets = readSync(from, buffer, 0, buffer.length, at)
      if (octets === 0) return
      writeSync(to, buffer, 0, octets)
      at += octets
    }
  } finally {
    closeSync(to)
  }
}
