import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Log } from '#src/base/log.ts'
import { migrate } from '#src/store/migrate.ts'
import { openStore, storeErrorKind } from '#src/store/sqlite.ts'
import type { Store } from '#src/store/sqlite.ts'
import { PAGE_BYTES } from './limits.ts'
import { damageMarkPath, databasePath } from './paths.ts'
import type { QueuePaths } from './paths.ts'
import { MESSAGE_COLUMNS, RECIPIENT_COLUMNS } from './rows.ts'
import { MIGRATIONS } from './schema.ts'
import { isSpoolFile } from './submission.ts'

/** What could be saved out of a damaged queue.db. */
export interface RescueReport {
  /** Messages that are whole, as far as SQLite can tell; their checksums are looked at when they are sent. */
  readonly saved: number
  /** Messages without a readable body, or some recipients: set aside as corrupt. */
  readonly incomplete: number
  /** Row numbers that are named somewhere and of which nothing could be read. */
  readonly lost: number
  /** The old file, kept for a person to look at. */
  readonly kept: string
}

/** Notes that a damaged page was met; the next start rescues what can be read. */
export function markDamaged(queueDir: string): void {
  closeSync(openSync(damageMarkPath(queueDir), 'a', 0o600))
}

/**
 * Before queue.db is opened at a start: if a damaged page was met in it, or it is no database any more, all that
 * can be read is copied into a new one, row by row, and the old one is kept beside it. The box never stops for it.
 * undefined: there was nothing to do. Needs the queue's lock.
 */
export function rescueQueue(paths: QueuePaths, nowMs: number, log: Log): RescueReport | undefined {
  const path = databasePath(paths.queueDir)
  const done = `${path}.rescued`
  // An earlier rescue was interrupted between its two last steps.
  if (!existsSync(path) && existsSync(done)) renameSync(done, path)
  if (!existsSync(path)) return undefined
  if (!existsSync(damageMarkPath(paths.queueDir)) && isSound(path)) return undefined
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const kept = `${path}.damaged-${stamp}`
  const making = `${path}.rescuing`
  for (const suffix of ['', '-wal', '-shm']) rmSync(making + suffix, { force: true })
  const counts = copyAll(path, making)
  renameSync(making, done)
  syncFolder(paths.queueDir)
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, kept + suffix)
  }
  renameSync(done, path)
  keepUnknownFiles(paths, path, `${kept}-spool`)
  syncFolder(paths.queueDir)
  rmSync(damageMarkPath(paths.queueDir), { force: true })
  const report = { ...counts, kept }
  log.write('error', 'qmgr.corrupt', {
    ...report,
    reason: 'queue.db was damaged; what could be read was saved',
  })
  return report
}

/** Whether the beginning of each table can be read. */
function isSound(path: string): boolean {
  try {
    using store = disposable(openStore(path))
    if (Number(store.pragma('user_version', { simple: true })) === 0) return true
    for (const table of ['message', 'body', 'recipient', 'trace'])
      store.prepare(`SELECT * FROM ${table} LIMIT 1`).get()
    return true
  } catch (error) {
    if (storeErrorKind(error) === 'damaged') return false
    throw error
  }
}

type Counts = Pick<RescueReport, 'saved' | 'incomplete' | 'lost'>

function copyAll(from: string, to: string): Counts {
  using fresh = disposable(openStore(to, { pageBytes: PAGE_BYTES }))
  migrate(fresh, MIGRATIONS)
  let old: Store
  try {
    old = openStore(from)
  } catch (error) {
    // Not even its first page: nothing can be found in it.
    if (storeErrorKind(error) === 'damaged') return { saved: 0, incomplete: 0, lost: 0 }
    throw error
  }
  using source = disposable(old)
  const counts = { saved: 0, incomplete: 0, lost: 0 }
  fresh.transaction(() => {
    const copier = new Copier(source, fresh)
    for (const seq of allSeqs(source)) {
      const what = copier.copy(seq)
      if (what !== 'nothing') counts[what]++
    }
    copyTable(source, fresh, 'trace', 'n, id, at_ms, event, facts')
    copyTable(source, fresh, 'generation', 'number, at_ms, hash')
  })()
  fresh.pragma('wal_checkpoint(TRUNCATE)')
  return counts
}

/** Gaps in the row numbers up to this are probed one by one: about a minute. */
const GAP_PROBED_MAX = 1_000_000

/**
 * Every row number that any tree names, from both of its ends up to where it breaks; between the two ends of the
 * message table each number is tried.
 */
function allSeqs(store: Store): number[] {
  const seqs = new Set<number>()
  for (const from of ['message', 'body', 'recipient', 'message INDEXED BY sqlite_autoindex_message_1']) {
    const first = walk(store, `SELECT seq FROM ${from} ORDER BY seq`, seqs)
    const last = walk(store, `SELECT seq FROM ${from} ORDER BY seq DESC`, seqs)
    if (first === undefined || last === undefined || last - first > GAP_PROBED_MAX) continue
    for (let seq = first + 1; seq < last; seq++) seqs.add(seq)
  }
  return [...seqs].toSorted((a, b) => a - b)
}

/** Adds what a query gives until it breaks; the last number before that, undefined if it did not break. */
function walk(store: Store, sql: string, into: Set<number>): number | undefined {
  let last = 0
  try {
    for (const seq of store.prepare<[]>(sql).pluck().iterate()) {
      if (typeof seq !== 'number') continue
      into.add(seq)
      last = seq
    }
    return undefined
  } catch (error) {
    if (storeErrorKind(error) !== 'damaged') throw error
    return last
  }
}

/** A question mark for each column. */
function marks(columns: string): string {
  return columns.replaceAll(/\w+/g, '?')
}

/**
 * The columns that a table has in both, with commas: the file may be of an earlier release, and what a later migration
 * has added is wanted too. `known` is what every release has.
 */
function columnsOfBoth(from: Store, to: Store, table: string, known: string): string {
  const names = (store: Store): string[] =>
    readable(() =>
      store.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table),
    ) ?? []
  const old = new Set(names(from))
  const both = names(to).filter((name) => old.has(name))
  return known.split(', ').every((name) => both.includes(name)) ? both.join(', ') : known
}

/** What an operator reads of a message that is not whole any more. */
const INCOMPLETE = 'queue.db was damaged, and not all of this message could be saved'

class Copier {
  readonly #message
  readonly #recipients
  readonly #body
  readonly #putMessage
  readonly #putRecipient
  readonly #putBody
  readonly #aside
  readonly #spoolColumn: number

  constructor(from: Store, to: Store) {
    const message = columnsOfBoth(from, to, 'message', MESSAGE_COLUMNS)
    const recipient = columnsOfBoth(from, to, 'recipient', RECIPIENT_COLUMNS)
    this.#spoolColumn = message.split(', ').indexOf('spool')
    this.#message = from.prepare<[number], unknown[]>(`SELECT ${message} FROM message WHERE seq = ?`).raw()
    this.#recipients = from
      .prepare<[number], unknown[]>(`SELECT ${recipient} FROM recipient WHERE seq = ? ORDER BY n`)
      .raw()
    this.#body = from.prepare<[number]>('SELECT bytes FROM body WHERE seq = ?').pluck()
    this.#putMessage = to.prepare(`INSERT INTO message (${message}) VALUES (${marks(message)})`)
    this.#putRecipient = to.prepare(`INSERT INTO recipient (${recipient}) VALUES (${marks(recipient)})`)
    this.#putBody = to.prepare('INSERT INTO body (seq, bytes) VALUES (?, ?)')
    this.#aside = to.prepare(
      `UPDATE recipient SET state = 'corrupt', last_reply = '${INCOMPLETE}' WHERE seq = ?`,
    )
  }

  copy(seq: number): keyof Counts | 'nothing' {
    const message = readable(() => this.#message.get(seq))
    const recipients: unknown[][] = []
    const whole = readable(() => {
      for (const row of this.#recipients.iterate(seq)) recipients.push(row)
      return true
    })
    if (message === undefined) return recipients.length === 0 && whole === true ? 'nothing' : 'lost'
    if (readable(() => this.#putMessage.run(...message)) === undefined) return 'lost'
    let complete = whole === true
    for (const row of recipients) complete &&= readable(() => this.#putRecipient.run(...row)) !== undefined
    const inRow = message[this.#spoolColumn] === null
    if (inRow) complete &&= readable(() => this.#putBody.run(seq, this.#body.get(seq))) !== undefined
    if (!complete) this.#aside.run(seq)
    return complete ? 'saved' : 'incomplete'
  }
}

/** undefined where the row cannot be read, or is none that the new database takes. */
function readable<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    const kind = storeErrorKind(error)
    if (kind === 'full' || kind === 'io') throw error
    return undefined
  }
}

function copyTable(from: Store, to: Store, table: string, columns: string): void {
  const put = to.prepare(`INSERT OR IGNORE INTO ${table} (${columns}) VALUES (${marks(columns)})`)
  const [key] = columns.split(',')
  for (const order of ['ASC', 'DESC']) {
    readable(() => {
      for (const row of from
        .prepare<[], unknown[]>(`SELECT ${columns} FROM ${table} ORDER BY ${key} ${order}`)
        .raw()
        .iterate()) {
        put.run(...row)
      }
    })
  }
}

/** Files that no saved row names may belong to a message whose row was lost: kept, not recycled. */
function keepUnknownFiles(paths: QueuePaths, database: string, into: string): void {
  using store = disposable(openStore(database))
  const known = new Set(
    store.prepare<[], string>('SELECT spool FROM message WHERE spool IS NOT NULL').pluck().all(),
  )
  const unknown = readdirSync(paths.spoolDir).filter((file) => isSpoolFile(file) && !known.has(file))
  if (unknown.length === 0) return
  mkdirSync(into, { recursive: true, mode: 0o700 })
  for (const file of unknown) renameSync(join(paths.spoolDir, file), join(into, file))
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function disposable(store: Store): Store & Disposable {
  return Object.assign(store, { [Symbol.dispose]: () => void store.close() })
}
