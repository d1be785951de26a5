import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { systemClock } from '#src/base/clock.ts'
import { Fault, errorCode } from '#src/base/fault.ts'
import { memoryLog } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Action, ActionResult } from '#src/queue/changes.ts'
import { answers } from '#src/queue/control-requests.ts'
import type { QueueTools, Request } from '#src/queue/control-requests.ts'
import { ACTION_IDS_MAX, PAGE_BYTES } from '#src/queue/limits.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { QUEUE_LOCK, controlSocketPath, databasePath } from '#src/queue/paths.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import { TraceIndex } from '#src/queue/trace-index.ts'
import { searchNow } from '#src/queue/trace-search.ts'
import { Writer } from '#src/queue/writer.ts'
import { acquireLock } from '#src/store/lock.ts'
import { openStore } from '#src/store/sqlite.ts'

/** The queue as the tools reach it: through the daemon where one runs, in the file itself where none does. */
export interface QueueAccess extends AsyncDisposable {
  readonly running: boolean
  list(filter?: QueueFilter, limit?: number): AsyncIterable<ListedMessage>
  /** `null` is ALL, or all that the filter means. */
  act(action: Action, ids: readonly string[] | null, filter?: QueueFilter): Promise<ActionResult>
  /** Any other request (control-requests.ts). Throws an Error with the words of the one who refuses it. */
  ask(request: Request): AsyncIterable<Record<string, unknown>>
}

/**
 * A daemon that is just starting holds the lock before its socket answers, one that is ending after it: so for this
 * long both are tried in turn.
 */
const OPEN_WAIT_MS = 5000
/** One turn of it. */
const LOCK_WAIT_MS = 250

/** Throws STORE_LOCKED where something holds the queue and does not answer. */
export async function openQueue(paths: QueuePaths): Promise<QueueAccess> {
  const path = controlSocketPath(paths.runDir)
  const untilMs = systemClock.monotonicMs() + OPEN_WAIT_MS
  for (;;) {
    if (await isServed(path))
      return accessOver(
        true,
        (request) => askDaemon(path, request),
        () => Promise.resolve(),
      )
    try {
      return await openFile(paths)
    } catch (error) {
      const isLocked = error instanceof Fault && error.code === 'STORE_LOCKED'
      if (!isLocked || systemClock.monotonicMs() >= untilMs) throw error
    }
  }
}

async function isServed(path: string): Promise<boolean> {
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

/** What both ways have in common: only who answers differs. */
function accessOver(
  running: boolean,
  ask: (request: Request) => AsyncIterable<Record<string, unknown>>,
  close: () => Promise<void>,
): QueueAccess {
  const actOnce = async (request: Request): Promise<ActionResult> => {
    for await (const { count, missing } of ask(request)) {
      if (typeof count !== 'number' || !Array.isArray(missing)) break
      return { count, missing: missing.filter((id) => typeof id === 'string') }
    }
    throw new Error('the queue manager gave no answer')
  }
  return {
    running,
    ask,
    async *list(filter = {}, limit) {
      for await (const answer of ask({ op: 'list', filter, limit })) {
        if (answer['end'] === true) return
        if (isListed(answer)) yield answer
      }
      throw new Error('the queue manager broke off in the middle of the list')
    },
    async act(action, ids, filter = {}) {
      if (ids === null) return await actOnce({ op: 'act', action, ids, filter })
      let count = 0
      const missing: string[] = []
      for (let i = 0; i < ids.length; i += ACTION_IDS_MAX) {
        const some = ids.slice(i, i + ACTION_IDS_MAX)
        const part = await actOnce({ op: 'act', action, ids: some, filter })
        count += part.count
        missing.push(...part.missing)
      }
      return { count, missing }
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Through the daemon. */
async function* askDaemon(path: string, request: Request): AsyncGenerator<Record<string, unknown>> {
  const socket = await dial(path)
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

/** Both ends are of one release; what matters is that nothing else than our own line gets here. */
function isListed(value: unknown): value is ListedMessage {
  if (!isRecord(value)) return false
  return typeof value['queue'] === 'string' && Array.isArray(value['recipients'])
}

/** Without a daemon: the file itself, under the daemon's lock. */
async function openFile(paths: QueuePaths): Promise<QueueAccess> {
  if (!existsSync(databasePath(paths.queueDir))) return nothingYet(paths)
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
  const tools: QueueTools = {
    reader,
    spoolDir: paths.spoolDir,
    isActive: () => false,
    act: (action, ids) => writer.act(action, ids === null ? { kind: 'all' } : { kind: 'ids', ids }),
    log,
    search: (filter, limit) => {
      using index = new TraceIndex(paths.queueDir)
      return Promise.resolve(searchNow(index, filter, limit))
    },
  }
  return accessOver(
    false,
    (request) => records(request, tools),
    async () => {
      await spool.close()
      reader[Symbol.dispose]()
      db[Symbol.dispose]()
      lock[Symbol.dispose]()
      if (failure.error !== undefined) throw new Fault('QUEUE_WRITER_DIED', {}, failure.error)
    },
  )
}

async function* records(request: Request, tools: QueueTools): AsyncGenerator<Record<string, unknown>> {
  for await (const answer of answers(request, tools)) yield { ...answer }
}

/** A queue that no daemon has made yet: an empty one, which leaves nothing behind. */
function nothingYet(paths: QueuePaths): QueueAccess {
  const db = new QueueDb(openStore(':memory:'))
  const tools: QueueTools = {
    reader: new QueueReader(db.store),
    spoolDir: paths.spoolDir,
    isActive: () => false,
    act: (_, ids) => Promise.resolve({ count: 0, missing: ids ?? [] }),
    log: memoryLog(),
    search: () => Promise.resolve({ ids: [], complete: true }),
  }
  return accessOver(
    false,
    (request) => records(request, tools),
    () => Promise.resolve(db[Symbol.dispose]()),
  )
}
