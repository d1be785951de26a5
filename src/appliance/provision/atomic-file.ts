import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

export interface FileRights {
  /** Whatever the umask is. */
  readonly mode: number
  /** undefined: whoever writes it. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

/** Replaces a file: whoever reads it finds the old text or the new one, after a power cut too. */
export function writeAtomically(file: string, text: string, { mode, owner }: FileRights): void {
  const made = `${file}.new`
  // One that was left behind may have other rights.
  rmSync(made, { force: true })
  const fd = openSync(made, 'wx', 0o600)
  try {
    writeFileSync(fd, text)
    // Before it belongs to somebody else: afterwards that would be a right of its own.
    fchmodSync(fd, mode)
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(made, file)
  syncFolder(dirname(file))
}

/** Replaces a link, in the same manner. */
export function linkAtomically(file: string, target: string): void {
  const made = `${file}.new`
  rmSync(made, { force: true })
  symlinkSync(target, made)
  renameSync(made, file)
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
