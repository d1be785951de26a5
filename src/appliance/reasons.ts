import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { printable } from '#src/base/printable.ts'

/** Why a release did not pass its boot check, as that has left it (boot-check.ts): a file for each release. */
export function reasonFile(folder: string, version: string): string {
  return join(folder, `${version}.reason`)
}

/** Why it could not be noted what waits (drain.ts): there while the last try has failed. */
export function drainTroubleFile(folder: string): string {
  return join(folder, 'drain.reason')
}

/** Octets that are read of it: a sentence. The folder is not root's, so nothing of it is taken on trust. */
const REASON_BYTES_MAX = 2000

/** The reason; '' where none was left. */
export function readReason(folder: string, version: string): string {
  return readSentence(reasonFile(folder, version))
}

/** The reason; '' where none was left. */
export function readDrainTrouble(folder: string): string {
  return readSentence(drainTroubleFile(folder))
}

function readSentence(file: string): string {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const bytes = Buffer.alloc(REASON_BYTES_MAX)
      return printable(bytes.toString('utf8', 0, readSync(fd, bytes)).trim())
    } finally {
      closeSync(fd)
    }
  } catch {
    // None was left, or none that can be read: the caller says so.
    return ''
  }
}
