import Database from 'better-sqlite3'
import { Fault } from '#src/base/fault.ts'

/** An open SQLite database. Nothing outside `store/` imports the package itself. */
export type Store = Database.Database
export type Statement<P extends unknown[] = unknown[], R = unknown> = Database.Statement<P, R>

export interface StoreOptions {
  /** Looks only; fails where the file does not exist. */
  readonly readonly?: boolean
  /** Holds only for a file that is made now; see PAGE_BYTES in queue/limits.ts for a measured one. */
  readonly pageBytes?: number
  /** Pages kept in memory. */
  readonly cacheBytes?: number
  /** Test aid: the file may not grow beyond so many pages (SQLITE_FULL then, as on a full disk). */
  readonly pagesMax?: number
}

/** How long a statement waits for another connection of ours, which holds a lock for microseconds at a time. */
const BUSY_MS = 5000

const CACHE_BYTES = 16 * 1024 * 1024

/**
 * 3.7.0 to 3.51.2 can corrupt a database in WAL mode when two connections write and checkpoint at once
 * (the "WAL-reset bug", mended in 3.51.3 of 2026-03-13).
 */
const VERSION_MIN = [3, 51, 3] as const

/** Opens a database in WAL mode with checkpoints left to the caller, `synchronous=FULL`. Throws a Fault. */
export function openStore(path: string, options: StoreOptions = {}): Store {
  const readonly = options.readonly === true
  const store = new Database(path, { timeout: BUSY_MS, readonly, fileMustExist: readonly })
  try {
    checkVersion(sqliteVersion(store))
    store.pragma(`cache_size = -${Math.floor((options.cacheBytes ?? CACHE_BYTES) / 1024)}`)
    if (!readonly) {
      if (options.pageBytes !== undefined) store.pragma(`page_size = ${options.pageBytes}`)
      // Free pages can be given back in small steps (incremental_vacuum) and never at a commit.
      store.pragma('auto_vacuum = incremental')
      store.pragma('journal_mode = wal')
      store.pragma('wal_autocheckpoint = 0')
      // A commit that has returned has reached the disk. Who can do with less says so for a moment.
      store.pragma('synchronous = full')
      store.pragma('trusted_schema = off')
      if (options.pagesMax !== undefined) store.pragma(`max_page_count = ${options.pagesMax}`)
    }
    return store
  } catch (error) {
    store.close()
    throw error
  }
}

export function sqliteVersion(store: Store): string {
  return String(store.prepare('SELECT sqlite_version()').pluck().get())
}

/** Throws STORE_SQLITE_OLD for a version older than 3.51.3. */
export function checkVersion(version: string): void {
  const parts = version.split('.').map(Number)
  for (const [i, least] of VERSION_MIN.entries()) {
    const part = parts[i] ?? 0
    if (part > least) return
    if (part < least || Number.isNaN(part)) {
      throw new Fault('STORE_SQLITE_OLD', { version, least: VERSION_MIN.join('.') })
    }
  }
}

/**
 * What an error of SQLite asks for. 'full': the disk (or a quota) has no room, the transaction is undone and may
 * be tried later. 'damaged': the file is not sound. 'io': reading or writing failed, nothing that this connection
 * believes can be trusted. 'other': not an error of SQLite, or one of ours.
 */
export type StoreErrorKind = 'full' | 'damaged' | 'io' | 'other'

export function storeErrorKind(error: unknown): StoreErrorKind {
  if (!(error instanceof Database.SqliteError)) return 'other'
  const { code } = error
  // The wal-index lies in the page cache; that it cannot grow is a full disk, met before anything was written.
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE') return 'full'
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return 'damaged'
  if (code.startsWith('SQLITE_IOERR') || code === 'SQLITE_CANTOPEN' || code === 'SQLITE_READONLY') return 'io'
  return 'other'
}
