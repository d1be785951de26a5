import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Clock } from '#src/base/clock.ts'
import { Fault } from '#src/base/fault.ts'

/** Exclusive use of something, for as long as this process lives or until it is disposed. */
export interface StoreLock extends Disposable {
  readonly name: string
}

export interface LockRequest {
  readonly dir: string
  /** What is locked; the file is `lock-<name>.db`. */
  readonly name: string
  /** Who holds it and what for, told to those who wait in vain: 'qmgr', 'postern queue delete'. */
  readonly purpose: string
  /** How long a holder that is about to die is waited for. */
  readonly waitMs: number
  readonly clock: Clock
  readonly signal?: AbortSignal
}

const POLL_MS = 25

/**
 * Takes the lock or throws STORE_LOCKED. It is a lock of the kernel on a file (`BEGIN EXCLUSIVE` held for life),
 * so it is free again the moment the holder is gone, however it died. No other code of this process may open the
 * file: POSIX drops all locks of a process on a file with the first descriptor that is closed.
 */
export async function acquireLock(request: LockRequest): Promise<StoreLock> {
  const path = join(request.dir, `lock-${request.name}.db`)
  const holderPath = join(request.dir, `lock-${request.name}.holder`)
  const deadlineMs = request.clock.monotonicMs() + request.waitMs
  for (;;) {
    const db = tryLock(path)
    if (db !== undefined) {
      writeFileSync(holderPath, `${request.purpose} (process ${process.pid})\n`)
      return { name: request.name, [Symbol.dispose]: () => void db.close() }
    }
    if (request.clock.monotonicMs() >= deadlineMs) {
      throw new Fault('STORE_LOCKED', { lock: path, holder: holderName(holderPath) })
    }
    await request.clock.sleep(POLL_MS, request.signal)
  }
}

function tryLock(path: string): Database.Database | undefined {
  const db = new Database(path, { timeout: 0 })
  try {
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined
    throw error
  }
}

/** Written beside the lock, because the locked file itself cannot be read. */
function holderName(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    // The holder has not written it yet; the lock itself is what counts.
    return 'unknown'
  }
}
