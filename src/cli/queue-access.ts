import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { systemClock } from '#src/base/clock.ts'
import { Fault, errorCode } from '#src/base/fault.ts'
import { memoryLog } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Action, ActionResult } from '#src/queue/changes.ts'
import { ACTION_IDS_MAX, LIST_PAGE, PAGE_BYTES } from '#src/queue/limits.ts'
import { listPage } from '#src/queue/listing.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { QUEUE_LOCK, controlSocketPath, databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import { Writer } from '#src/queue/writer.ts'
import { acquireLock } from '#src/store/lock.ts'
import { openStore } from '#src/store/sqlite.ts'

/** The queue as the tools reach it: through the daemon where one runs, in the file itself where none does. */
export interface QueueAccess extends AsyncDisposable {
  list(): AsyncIterable<ListedMessage>
  /** `null` is ALL. */
  act(action: Action, ids: readonly string[] | null): Promise<ActionResult>
}

/** A daemon that is just ending or starting holds the lock for so long at most before its socket answers. */
const LOCK_WAIT_MS = 2000

/** Throws STORE_LOCKED where something holds the queue and does not answer. */
export async function openQueue(paths: QueuePaths): Promise<QueueAccess> {
  const path = controlSocketPath(paths.runDir)
  if (await answers(path)) return new DaemonAccess(path)
  return await openFile(paths)
}

async function answers(path: string): Promise<boolean> {
  try {
    const socket = await dial(path)
    socket.destroy()
    return true
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return false
    throw error
  }
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket))
    socket.once('error', reject)
  })
}

class DaemonAccess implements QueueAccess {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async *#ask(request: object): AsyncGenerator<Readonly<Record<string, unknown>>> {
    const socket = await dial(this.#path)
    try {
      socket.end(`${JSON.stringify(request)}\n`)
      for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
        const answer: unknown = JSON.parse(line)
        if (!isRecord(answer)) continue
        if (typeof answer['error'] === 'string') throw new Error(answer['error'])
        yield answer
      }
    } finally {
      socket.destroy()
    }
  }

  async *list(): AsyncGenerator<ListedMessage> {
    for await (const answer of this.#ask({ op: 'list' })) {
      if (answer['end'] === true) return
      if (isListed(answer)) yield answer
    }
    throw new Error('the queue manager broke off in the middle of the list')
  }

  async act(action: Action, ids: readonly string[] | null): Promise<ActionResult> {
    if (ids === null) return await this.#actOnce(action, null)
    let count = 0
    const missing: string[] = []
    for (let i = 0; i < ids.length; i += ACTION_IDS_MAX) {
      const part = await this.#actOnce(action, ids.slice(i, i + ACTION_IDS_MAX))
      count += part.count
      missing.push(...part.missing)
    }
    return { count, missing }
  }

  async #actOnce(action: Action, ids: readonly string[] | null): Promise<ActionResult> {
    for await (const { count, missing } of this.#ask({ op: 'act', action, ids })) {
      if (typeof count !== 'number' || !Array.isArray(missing)) break
      return { count, missing: missing.filter((id) => typeof id === 'string') }
    }
    throw new Error('the queue manager gave no answer')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }
}

/** Both ends are of one release; what matters is that nothing else than our own line gets here. */
function isListed(value: object): value is ListedMessage {
  return 'queue' in value && 'id' in value && 'recipients' in value && Array.isArray(value.recipients)
}

/** Without a daemon: the file itself, under the daemon's lock. */
async function openFile(paths: QueuePaths): Promise<QueueAccess> {
  if (!existsSync(databasePath(paths.queueDir))) return EMPTY
  const lock = await acquireLock({
    dir: paths.queueDir,
    name: QUEUE_LOCK,
    purpose: 'a postern queue command',
    waitMs: LOCK_WAIT_MS,
    clock: systemClock,
  })
  mkdirSync(paths.spoolDir, { recursive: true, mode: 0o700 })
  const log = memoryLog()
  const db = new QueueDb(openStore(databasePath(paths.queueDir), { pageBytes: PAGE_BYTES }))
  const reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
  const spool = new SpoolPool(paths.spoolDir, db.spoolFiles(), log, () => {})
  const failure: { error?: unknown } = {}
  const writer = new Writer({
    db,
    spool,
    clock: systemClock,
    log,
    space: { open: true, closeNow: () => {} },
    events: {
      accepted: () => {},
      answered: () => {},
      settled: () => {},
      acted: () => {},
      committed: () => {},
      fatal: (error) => {
        failure.error = error
      },
    },
  })
  return {
    async *list() {
      for (let after: number | undefined = 0; after !== undefined;) {
        const page = listPage(reader, after, LIST_PAGE, () => false)
        yield* page.messages
        after = page.next
      }
    },
    act: (action, ids) => writer.act(action, ids === null ? { kind: 'all' } : { kind: 'ids', ids }),
    [Symbol.asyncDispose]: async () => {
      await spool.close()
      reader[Symbol.dispose]()
      db[Symbol.dispose]()
      lock[Symbol.dispose]()
      if (failure.error !== undefined) throw new Fault('QUEUE_WRITER_DIED', {}, failure.error)
    },
  }
}

/** A queue that no daemon has made yet. */
const EMPTY: QueueAccess = {
  async *list() {
    // Nothing was ever queued.
  },
  act: (_, ids) => Promise.resolve({ count: 0, missing: ids ?? [] }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
