import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Compiled databases on disk. libhs checks its own files with a CRC that does not cover all of them (some
 * flipped bits are accepted), so each file carries a SHA-256 of ours. A file that is damaged, foreign or of
 * another version is as good as none.
 *
 *     magic (16) | key (32) | SHA-256 over key and database (32) | database
 */
const MAGIC = Buffer.from('postern-hsdb-1\r\n', 'latin1')
const KEY_AT = 16
const DIGEST_AT = 48
const DATABASE_AT = 80

/** Databases of earlier signatures that are kept beside the newest: for a step back. */
const KEPT_MAX = 4

/** Nothing near this was seen (100,000 signatures: 12 MB); a larger file is not ours. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024

const SUFFIX = '.hsdb'

/** The database kept under this key, or undefined. */
export function readCache(folder: string, key: string): Uint8Array | undefined {
  const bytes = readIfThere(join(folder, key + SUFFIX))
  if (bytes === undefined || bytes.length < DATABASE_AT) return undefined
  if (!bytes.subarray(0, KEY_AT).equals(MAGIC)) return undefined
  if (bytes.subarray(KEY_AT, DIGEST_AT).toString('hex') !== key) return undefined
  const database = bytes.subarray(DATABASE_AT)
  if (!digestOf(key, database).equals(bytes.subarray(DIGEST_AT, DATABASE_AT))) return undefined
  // libhs wants its input aligned; a copy of its own is.
  return new Uint8Array(database)
}

/**
 * Keeps a database. Not being able to (full disk, read-only folder) costs time at the next start and nothing
 * else, so the answer is whether it was kept.
 */
export function writeCache(folder: string, key: string, database: Uint8Array): boolean {
  if (database.length === 0) return false
  const file = join(folder, key + SUFFIX)
  const temporary = `${file}.${process.pid}.tmp`
  const head = Buffer.concat([MAGIC, Buffer.from(key, 'hex'), digestOf(key, database)])
  try {
    writeFileSync(temporary, Buffer.concat([head, database]), { mode: 0o600 })
    renameSync(temporary, file)
    removeOld(folder)
    return true
  } catch {
    rmSync(temporary, { force: true })
    return false
  }
}

function digestOf(key: string, database: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.from(key, 'hex')).update(database).digest()
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return statSync(file).size > FILE_BYTES_MAX ? undefined : readFileSync(file)
  } catch {
    return undefined // absent or unreadable: it is compiled anew
  }
}

function removeOld(folder: string): void {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => ({ name, changedMs: statSync(join(folder, name)).mtimeMs }))
    .toSorted((a, b) => b.changedMs - a.changedMs)
  for (const { name } of files.slice(KEPT_MAX)) rmSync(join(folder, name), { force: true })
}
