import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { SignatureSource } from '#src/match/types.ts'

export interface LoadedFolder {
  /** In the order of their names, so that the same folder always gives the same set. */
  readonly sources: readonly SignatureSource[]
  /** Files that could not be used, each a sentence; the others are. */
  readonly problems: readonly { readonly file: string; readonly reason: string }[]
}

/** ClamAV's main database as text is 300 MB in all; what is larger here is a mistake. */
const FILE_BYTES_MAX = 256 * 1024 * 1024
const FOLDER_BYTES_MAX = 1024 * 1024 * 1024
const FILES_MAX = 1000

/** Reads the signature files (`.ndb`, `.hdb`, `.hsb`) of a folder. A folder that is not there has none. */
export function loadSignatureFolder(folder: string): LoadedFolder {
  const sources: SignatureSource[] = []
  const problems: { file: string; reason: string }[] = []
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') problems.push({ file: folder, reason: errorText(error) })
    return { sources, problems }
  }
  let room = FOLDER_BYTES_MAX
  for (const name of names.filter((one) => kindOf(one) !== undefined).toSorted()) {
    const kind = kindOf(name)
    if (kind === undefined) continue
    if (sources.length >= FILES_MAX) {
      problems.push({ file: name, reason: `the folder holds more than ${FILES_MAX} signature files` })
      break
    }
    const read = readSource(join(folder, name), Math.min(room, FILE_BYTES_MAX))
    if (typeof read === 'string') {
      problems.push({ file: name, reason: read })
    } else {
      room -= read.length
      sources.push({ name, kind, text: read })
    }
  }
  return { sources, problems }
}

/** When the newest of these files was written, milliseconds since 1970; 0 where there is none. */
export function newestSource(folder: string, sources: readonly SignatureSource[]): number {
  const times = sources.map(
    ({ name }) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  )
  return Math.max(0, ...times)
}

const KINDS = ['ndb', 'hdb', 'hsb'] as const

function kindOf(name: string): SignatureSource['kind'] | undefined {
  const match = /^[^.].*\.(ndb|hdb|hsb)$/i.exec(name)
  const extension = match?.[1]?.toLowerCase()
  return KINDS.find((kind) => kind === extension)
}

/** The bytes of a file, or why it cannot be used. */
function readSource(path: string, bytesMax: number): Uint8Array | string {
  let fd: number | undefined
  try {
    // O_NONBLOCK: opening a pipe that somebody laid there must not wait for its other end.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(fd)
    if (!stat.isFile()) return 'is not a regular file'
    if (stat.size > bytesMax) return `is larger than ${bytesMax} bytes`
    return readFileSync(fd)
  } catch (error) {
    return errorText(error)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
