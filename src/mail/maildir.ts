import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fdatasync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode } from '#src/base/fault.ts'
import type { FileHandle } from 'node:fs/promises'

/** Of one folder name, octets: file systems take 255. A longer one keeps its beginning and gets a hash. */
const FOLDER_NAME_MAX = 200
const KEPT_OF_LONG = 120

/** Mailboxes that are known to exist, so that their folders are not made again; the oldest is forgotten. */
const KNOWN_MAX = 10_000

/** What has lain in tmp/ for so long belongs to a delivery that was cut off (maildir(5)). */
const ABANDONED_MS = 36 * 3_600_000

const syncFd = promisify(fdatasync)

const FOLDERS = ['tmp', 'new', 'cur'] as const

/**
 * One part of an address as a folder name. What is outside of `[A-Za-z0-9._+-]`, and a leading dot, becomes
 * `%XX` for each octet of its UTF-8: no address can name another folder, a hidden one, or a parent. Different
 * parts have different names.
 */
export function folderName(part: string): string {
  let name = ''
  for (const octet of Buffer.from(part)) {
    const char = String.fromCharCode(octet)
    const plain = /[A-Za-z0-9._+-]/.test(char) && !(char === '.' && name === '')
    name += plain ? char : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  }
  // '%h' is the mark of a hash: 'h' is no hexadecimal digit, so no encoded octet looks like it. '%e' is the empty part.
  if (name === '') return '%e'
  if (name.length <= FOLDER_NAME_MAX) return name
  return `${name.slice(0, KEPT_OF_LONG)}%h${createHash('sha256').update(part).digest('hex')}`
}

/** The Maildir of an address, relative to the root of all: `example.test/alice`. */
export function mailboxPath(local: string, domain: string): string {
  return join(folderName(domain), folderName(local))
}

/** The tree of Maildirs of one process. */
export class MaildirStore {
  readonly #root: string
  readonly #known = new Set<string>()

  /** `root` is made if it is not there; throws a system error where it cannot be. */
  constructor(root: string) {
    this.#root = root
    mkdirSync(root, { recursive: true, mode: 0o700 })
  }

  /**
   * Begins a message for the mailbox at `path` (from `mailboxPath`), which is made if it is not there. Throws a
   * system error (ENOSPC, EACCES…).
   */
  async create(path: string): Promise<MaildirFile> {
    await this.#ensure(path)
    const name = uniqueName()
    const folder = join(this.#root, path)
    try {
      return new MaildirFile(folder, name)
    } catch (error) {
      // Somebody removed the mailbox while we ran.
      if (errorCode(error) !== 'ENOENT') throw error
      this.#known.delete(path)
      await this.#ensure(path)
      return new MaildirFile(folder, name)
    }
  }

  async #ensure(path: string): Promise<void> {
    if (this.#known.has(path)) return
    const folder = join(this.#root, path)
    for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 })
    // A new folder is on the disk when its parent is; three levels may be new.
    await syncFolder(folder)
    await syncFolder(dirname(folder))
    await syncFolder(this.#root)
    await removeAbandoned(join(folder, 'tmp'))
    this.#known.add(path)
    if (this.#known.size > KNOWN_MAX) {
      const [oldest] = this.#known
      if (oldest !== undefined) this.#known.delete(oldest)
    }
  }
}

/** Clears away what deliveries left in `folder` that a kill or a power cut ended; it was answered by no 250. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    try {
      const found = await stat(path)
      if (found.isFile() && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path)
    } catch (error) {
      // Another delivery has just moved it to new/.
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
}

/**
 * One message on its way into a Maildir: written under tmp/, synced, moved to new/ under a name that nothing else
 * has, and that folder synced. Only then is it delivered.
 *
 * The calls that only touch the page cache are synchronous: they take microseconds and this process has nothing
 * to do but this. The syncs, which wait for the disk, are not.
 */
export class MaildirFile {
  readonly #folder: string
  readonly #name: string
  #fd: number

  constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
    this.#fd = openSync(join(folder, 'tmp', name), 'wx', 0o600)
  }

  /** Appends; throws a system error. */
  write(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) at += writeSync(this.#fd, bytes, at)
  }

  /** Makes it a message of the mailbox; its path. Throws a system error, and then it is none. */
  async commit(): Promise<string> {
    const target = join(this.#folder, 'new', this.#name)
    await syncFd(this.#fd)
    this.#close()
    renameSync(join(this.#folder, 'tmp', this.#name), target)
    try {
      await syncFolder(dirname(target))
    } catch (error) {
      // It will be answered 4xx and come again, so it must not lie there as well.
      rmSync(target, { force: true })
      throw error
    }
    return target
  }

  /** Leaves nothing of it behind. */
  discard(): void {
    this.#close()
    rmSync(join(this.#folder, 'tmp', this.#name), { force: true })
  }

  #close(): void {
    if (this.#fd < 0) return
    closeSync(this.#fd)
    this.#fd = -1
  }
}

let counter = 0
const unique = randomBytes(4).toString('hex')
/** A slash or a colon in it would be read as a path or as flags (the Maildir page of cr.yp.to). */
const host = hostname()
  .replaceAll('/', String.raw`\057`)
  .replaceAll(':', String.raw`\072`)

/**
 * A file name that no other delivery has: seconds, then microseconds, process, a number drawn at start (another
 * container may have our process id and host name) and a counter, then the host.
 */
export function uniqueName(nowMs: number = Date.now()): string {
  counter += 1
  const seconds = Math.trunc(nowMs / 1000)
  const micros = Math.trunc((nowMs % 1000) * 1000)
  return `${seconds}.M${micros}P${process.pid}R${unique}Q${counter}.${host}`
}

/** A folder whose sync is under way, and the one that begins when that has ended. */
interface FolderSync {
  readonly running: Promise<void>
  next: Promise<void> | undefined
}

const syncs = new Map<string, FolderSync>()

/**
 * Syncs a folder. Deliveries that ask while a sync of it runs share the one after it: a sync that began before a
 * rename does not cover it, one that begins later covers them all.
 */
function syncFolder(path: string): Promise<void> {
  const known = syncs.get(path)
  if (known === undefined) return beginSync(path)
  known.next ??= known.running.then(
    () => beginSync(path),
    () => beginSync(path),
  )
  return known.next
}

function beginSync(path: string): Promise<void> {
  const sync: FolderSync = { running: syncFolderNow(path), next: undefined }
  syncs.set(path, sync)
  const ended = (): void => {
    if (sync.next === undefined) syncs.delete(path)
  }
  sync.running.then(ended, ended)
  return sync.running
}

async function syncFolderNow(path: string): Promise<void> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    await handle.sync()
  } finally {
    await handle?.close()
  }
}
