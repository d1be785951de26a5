import { chmodSync, readdirSync, unlinkSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { isSharedFolder } from '#src/base/shared-folder.ts'
import {
  LEASES_MAX,
  SPOOL_AHEAD,
  SPOOL_FREE_BYTES_MAX,
  SPOOL_FREE_FILES_MAX,
  SPOOL_FREE_FILE_BYTES_MAX,
  SPOOL_PREALLOCATE_BYTES,
} from './limits.ts'
import { isSpoolFile } from './submission.ts'

/** Whoever holds leases: a connection. */
export type SpoolOwner = object

/** Tells the owner which files it has now; fewer than asked for, none at all when the disk is full. */
export type Grant = (files: readonly string[]) => void

const OWN_MODE = 0o600
const LEASED_MODE = 0o660

interface Waiting {
  readonly owner: SpoolOwner
  readonly count: number
  readonly grant: Grant
}

/**
 * The files of spool/ as qmgr sees them. A file is in one of these states:
 *
 *     free ─lease─▶ leased ─submit─▶ used (a row names it) ─row deleted─▶ resting ─flush─▶ free
 *
 * 'resting': a power cut could still undo the delete and bring the row back, so its bytes must stay. A lease that
 * ends with its connection leads nowhere: a process that is still alive may still write into the file, so its name
 * is unlinked and the file dies with the last descriptor.
 *
 * Where smtpd is another user, whose group the folder has (base/shared-folder.ts), a file is open to it while it is
 * leased and at no other time: a message that was taken is nobody's to read or to change.
 */
export class SpoolPool {
  readonly #dir: string
  readonly #isShared: boolean
  readonly #log: Log
  readonly #onError: (code: string) => void
  readonly #free: string[] = []
  readonly #leased = new Map<string, SpoolOwner>()
  readonly #leaseCounts = new Map<SpoolOwner, number>()
  #resting: string[] = []
  /** Octets on the disk of each file that is not gone; what a free file has grown to. */
  readonly #bytes = new Map<string, number>()
  readonly #waiting: Waiting[] = []
  #freeBytes = 0
  #nextNumber: number
  /** What is being done to files right now. */
  readonly #underWay = new Set<Promise<void>>()
  #making = false
  #closed = false
  #isScarce = false

  /** `onError` is told ENOSPC and its like when a new file cannot be made. */
  constructor(dir: string, used: ReadonlySet<string>, log: Log, onError: (code: string) => void) {
    this.#dir = dir
    this.#isShared = isSharedFolder(dir)
    this.#log = log
    this.#onError = onError
    let newest = 0
    for (const name of readdirSync(dir)) {
      if (!isSpoolFile(name)) continue
      newest = Math.max(newest, Number(name))
      // Never recycled: an smtpd of before may still write into it.
      if (!used.has(name)) unlinkSync(join(dir, name))
    }
    for (const name of used) newest = Math.max(newest, Number(name))
    this.#nextNumber = newest + 1
  }

  /** Files in each state, for tests and for status. */
  counts(): { readonly free: number; readonly leased: number; readonly resting: number } {
    return { free: this.#free.length, leased: this.#leased.size, resting: this.#resting.length }
  }

  /** Gives files to `owner`, at once where there are free ones. */
  lease(owner: SpoolOwner, count: number, grant: Grant): void {
    const held = this.#leaseCounts.get(owner) ?? 0
    if (this.#closed || this.#isScarce || held + count > LEASES_MAX) {
      grant([])
      return
    }
    this.#waiting.push({ owner, count, grant })
    this.#serve()
    this.refill()
  }

  #serve(): void {
    for (;;) {
      const first = this.#waiting[0]
      if (first === undefined || this.#free.length < Math.min(first.count, 1)) return
      this.#waiting.shift()
      const files = this.#free.splice(0, first.count)
      for (const file of files) {
        this.#setMode(file, LEASED_MODE)
        this.#freeBytes -= this.#bytes.get(file) ?? 0
        this.#leased.set(file, first.owner)
      }
      this.#leaseCounts.set(first.owner, (this.#leaseCounts.get(first.owner) ?? 0) + files.length)
      first.grant(files)
    }
  }

  /** A submission names a file: true if `owner` had it leased. It is used from now on. */
  submit(owner: SpoolOwner, file: string): boolean {
    if (!this.#endLease(owner, file)) return false
    this.#setMode(file, OWN_MODE)
    return true
  }

  /** A file that is gone or not ours has no place in the queue: the system error is for the caller. */
  #setMode(file: string, mode: number): void {
    if (this.#isShared) chmodSync(join(this.#dir, file), mode)
  }

  #endLease(owner: SpoolOwner, file: string): boolean {
    if (this.#leased.get(file) !== owner) return false
    this.#leased.delete(file)
    const held = (this.#leaseCounts.get(owner) ?? 1) - 1
    if (held === 0) this.#leaseCounts.delete(owner)
    else this.#leaseCounts.set(owner, held)
    return true
  }

  /** The owner has no use for the file. `damaged`: a write or flush of it failed, so its bytes cannot be trusted. */
  giveBack(owner: SpoolOwner, file: string, bytes: number, damaged: boolean): void {
    if (!this.#endLease(owner, file)) return
    if (damaged) this.discard(file)
    else this.reclaim(file, bytes)
  }

  /** The file is not named by any row, never was, and nobody writes into it. */
  reclaim(file: string, bytes: number): void {
    const size = Math.max(bytes, this.#bytes.get(file) ?? 0)
    const full = this.#free.length >= SPOOL_FREE_FILES_MAX || this.#freeBytes + size > SPOOL_FREE_BYTES_MAX
    if (this.#closed || this.#isScarce || full || size > SPOOL_FREE_FILE_BYTES_MAX) {
      this.discard(file)
      return
    }
    this.#bytes.set(file, size)
    this.#freeBytes += size
    this.#free.push(file)
    this.#serve()
  }

  /** The row that named the file was deleted, by a transaction that a power cut may still undo. */
  rest(file: string, bytes: number): void {
    this.#bytes.set(file, Math.max(bytes, this.#bytes.get(file) ?? 0))
    this.#resting.push(file)
  }

  /** Everything written to queue.db before has reached the disk. */
  flushed(): void {
    if (this.#resting.length === 0) return
    const rested = this.#resting
    this.#resting = []
    for (const file of rested) this.reclaim(file, 0)
  }

  /** Unlinks a file; who has it open can go on reading it. */
  discard(file: string): void {
    this.#bytes.delete(file)
    this.#track(
      unlink(join(this.#dir, file)).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return
        this.#log.write('warn', 'qmgr.store_error', { file, reason: errorText(error) })
      }),
    )
  }

  /**
   * The disk is full: what is kept for the next large bodies goes back to the file system, and so does what becomes
   * free from now on, or a queue that empties would hold the very room that it waits for.
   */
  shrink(): void {
    this.#isScarce = true
    for (const file of this.#free.splice(0)) this.discard(file)
    this.#freeBytes = 0
    for (const waiting of this.#waiting.splice(0)) waiting.grant([])
  }

  /** The disk has room again. */
  grow(): void {
    this.#isScarce = false
    this.refill()
  }

  /** The owner is gone, or its connection is. */
  dropOwner(owner: SpoolOwner): void {
    this.#leaseCounts.delete(owner)
    for (const [file, holder] of this.#leased) {
      if (holder !== owner) continue
      this.#leased.delete(file)
      this.discard(file)
    }
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      if (this.#waiting[i]?.owner === owner) this.#waiting.splice(i, 1)
    }
  }

  /** Makes files ahead of need. */
  refill(): void {
    if (this.#making || this.#closed || this.#isScarce || this.#free.length >= this.#wanted()) return
    this.#making = true
    this.#track(
      this.#make()
        .catch((error: unknown) => {
          this.#log.write('error', 'qmgr.store_error', { reason: `spool: ${errorText(error)}` })
          for (const waiting of this.#waiting.splice(0)) waiting.grant([])
          this.#onError(errorCode(error))
        })
        .finally(() => {
          this.#making = false
          if (this.#waiting.length > 0) this.refill()
        }),
    )
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work)
    void work.finally(() => this.#underWay.delete(work))
  }

  #wanted(): number {
    let waiting = 0
    for (const each of this.#waiting) waiting += each.count
    return SPOOL_AHEAD + waiting
  }

  async #make(): Promise<void> {
    const made: string[] = []
    try {
      const missing = this.#wanted() - this.#free.length
      for (let i = 0; i < missing; i++) made.push(await this.#makeFile())
      // The names must be on the disk before a row can name them.
      const dir = await open(this.#dir, 'r')
      try {
        await dir.sync()
      } finally {
        await dir.close()
      }
    } catch (error) {
      for (const file of made) this.discard(file)
      throw error
    }
    for (const file of made) this.reclaim(file, SPOOL_PREALLOCATE_BYTES)
  }

  /** A new file, zero-filled: to overwrite what is allocated costs a half to a fifth of making a file grow. */
  async #makeFile(): Promise<string> {
    const file = String(this.#nextNumber++).padStart(6, '0')
    const path = join(this.#dir, file)
    const handle = await open(path, 'wx', OWN_MODE)
    try {
      await handle.write(ZEROS)
      await handle.sync()
    } catch (error) {
      await unlink(path)
      throw error
    } finally {
      await handle.close()
    }
    return file
  }

  /** Gives no more files; resolves when nothing is done to the folder any more. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0)) waiting.grant([])
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }
}

const ZEROS = Buffer.alloc(SPOOL_PREALLOCATE_BYTES)
