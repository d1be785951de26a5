import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { systemClock } from '#src/base/clock.ts'
import { Fault, errorCode } from '#src/base/fault.ts'
import { memoryLog } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Action, ActionResult, ActionWhy } from './changes.ts'
import { NO_WHY } from './changes.ts'
import { answers, listedPages } from './control-requests.ts'
import type { QueueTools, Request } from './control-requests.ts'
import { ACTION_IDS_MAX, LIST_PAGE, PAGE_BYTES } from './limits.ts'
import { isEmptyFilter } from './list-filter.ts'
import type { QueueFilter } from './list-filter.ts'
import { NONE_ACTIVE } from './listing.ts'
import type { ActiveSeqs, ListedMessage } from './listing.ts'
import { QUEUE_LOCK, controlSocketPath, databasePath } from './paths.ts'
import type { QueuePaths } from './paths.ts'
import { QueueDb } from './queue-db.ts'
import { QueueReader } from './queue-reader.ts'
import { MIGRATIONS } from './schema.ts'
import { SpoolPool } from './spool-pool.ts'
import { TraceIndex } from './trace-index.ts'
import { searchNow } from './trace-search.ts'
import { Writer } from './writer.ts'
import { acquireLock } from '#src/store/lock.ts'
import { schemaVersion } from '#src/store/migrate.ts'
import { openStore } from '#src/store/sqlite.ts'

/** The queue as the tools reach it: through the daemon where one runs, in the file itself where none does. */
export interface QueueAccess extends AsyncDisposable {
  readonly running: boolean
  /** A page at a time: a turn for each of a million messages would take as long as to read them. */
  pages(filter?: QueueFilter, limit?: number): AsyncIterable<readonly ListedMessage[]>
  /** `null` is ALL, or all that the filter means. */
  act(action: Action, ids: readonly string[] | null, which?: Which): Promise<ActionResult>
  /** Any other request (control-requests.ts). Throws an Error with the words of the one who refuses it. */
  ask(request: Request): AsyncIterable<Record<string, unknown>>
}

export interface Which {
  readonly filter?: QueueFilter
  readonly why?: ActionWhy
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
    if (await isServed(path)) return runningAccess(paths, path)
    try {
      return await openFile(paths)
    } catch (error) {
      const isLocked = error instanceof Fault && error.code === 'STORE_LOCKED'
      if (!isLocked || systemClock.monotonicMs() >= untilMs) throw error
    }
  }
}

/** No daemon, or one that ends at this moment. */
const NOBODY_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET'])

async function isServed(path: string): Promise<boolean> {
  try {
    const socket = await dial(path)
    socket.destroy()
    return true
  } catch (error) {
    const code = errorCode(error)
    if (NOBODY_THERE.has(code)) return false
    throw error
  }
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket))
    socket.once('error', reject)
  })
}

/**
 * Beside a daemon: what only looks is answered here, from the file over a connection that cannot write, so that a
 * listing of a million messages costs the daemon nothing and its deliveries go on; all else is asked of the daemon.
 */
function runningAccess(paths: QueuePaths, path: string): QueueAccess {
  const reader = readerOf(paths)
  const daemon = (request: Request) => askDaemon(path, request)
  const tools: QueueTools | undefined = reader && {
    reader,
    spoolDir: paths.spoolDir,
    active: () => activeOf(daemon),
    act: () => Promise.reject(new Error('only the daemon acts')),
    log: memoryLog(),
    search: () => Promise.reject(new Error('only the daemon searches')),
  }
  const ask = (request: Request) =>
    tools !== undefined && LOOKING.has(String(request['op'])) ? records(request, tools) : daemon(request)
  return accessOver({
    running: true,
    ask,
    pages:
      tools === undefined
        ? (request) => pagesOver(daemon, request)
        : (request) => listedPages(request, tools),
    close: () => Promise.resolve(reader?.[Symbol.dispose]()),
  })
}

/** What a daemon tells line by line. */
async function* pagesOver(ask: Ask, request: Request): AsyncGenerator<readonly ListedMessage[]> {
  for await (const answer of ask(request)) {
    if (answer['end'] === true) return
    if (isListed(answer)) yield [answer]
  }
  throw new Error('the queue manager broke off in the middle of the list')
}

/** Requests that only look. */
const LOOKING: ReadonlySet<string> = new Set([
  'list',
  'shape',
  'queues',
  'domains',
  'show',
  'body',
  'resolve',
])

/** undefined where the daemon is of another release than we are, or its file cannot be read by us. */
function readerOf(paths: QueuePaths): QueueReader | undefined {
  let store: ReturnType<typeof openStore> | undefined
  try {
    store = openStore(databasePath(paths.queueDir), { readonly: true })
    if (schemaVersion(store) === MIGRATIONS.length) return new QueueReader(store)
  } catch {
    // The daemon can, or says why it cannot either.
  }
  store?.close()
  return undefined
}

/** Of a daemon that has just ended nothing is in memory. */
async function activeOf(daemon: Ask): Promise<ActiveSeqs> {
  try {
    for await (const { active } of daemon({ op: 'active' }))
      if (Array.isArray(active)) return new Set(active.map(Number))
  } catch (error) {
    if (NOBODY_THERE.has(errorCode(error))) return NONE_ACTIVE
    throw error
  }
  throw new Error('the queue manager gave no answer')
}

type Ask = (request: Request) => AsyncIterable<Record<string, unknown>>

/** Who answers. */
interface Answering {
  readonly running: boolean
  readonly ask: Ask
  readonly pages: (request: Request) => AsyncIterable<readonly ListedMessage[]>
  readonly close: () => Promise<void>
}

/** What both ways have in common: only who answers differs. */
function accessOver({ running, ask, pages: read, close }: Answering): QueueAccess {
  const actOnce = async (request: Request): Promise<ActionResult> => {
    for await (const { count, missing } of ask(request)) {
      if (typeof count !== 'number' || !Array.isArray(missing)) break
      return { count, missing: missing.filter((id) => typeof id === 'string') }
    }
    throw new Error('the queue manager gave no answer')
  }
  const pages = (filter: QueueFilter = {}, limit?: number) => read({ op: 'list', filter, limit })
  /** Whatever the filter means is looked for here, and asked for by its ids. */
  async function* found(filter: QueueFilter): AsyncGenerator<string[]> {
    let ids: string[] = []
    for await (const page of pages(filter)) {
      for (const { id } of page) ids.push(id)
      if (ids.length < ACTION_IDS_MAX - LIST_PAGE) continue
      yield ids
      ids = []
    }
    if (ids.length > 0) yield ids
  }
  return {
    running,
    ask,
    pages,
    async act(action, ids, { filter = {}, why = NO_WHY } = {}) {
      const request = { op: 'act', action, filter, ...why }
      if (ids === null && isEmptyFilter(filter)) return await actOnce({ ...request, ids })
      let count = 0
      const missing: string[] = []
      for await (const some of ids === null ? found(filter) : slices(ids)) {
        const part = await actOnce({ ...request, ids: some })
        count += part.count
        // What has gone since it was found is nobody's mistake.
        if (ids !== null) missing.push(...part.missing)
      }
      return { count, missing }
    },
    [Symbol.asyncDispose]: close,
  }
}

function* slices(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += ACTION_IDS_MAX) yield ids.slice(at, at + ACTION_IDS_MAX)
}

/** How long a daemon may say nothing: it looks its memory through, or an action through a million messages. */
const SILENCE_MS = 60_000
const ACTION_SILENCE_MS = 1_800_000

/** Through the daemon. */
async function* askDaemon(path: string, request: Request): AsyncGenerator<Record<string, unknown>> {
  const socket = await dial(path)
  const silenceMs = request['op'] === 'act' ? ACTION_SILENCE_MS : SILENCE_MS
  socket.setTimeout(silenceMs, () => socket.destroy(new Error('the queue manager does not answer')))
  try {
    socket.end(`${JSON.stringify(request)}\n`)
    for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
      const answer: unknown = JSON.parse(line)
      if (!isRecord(answer)) continue
      if (typeof answer['error'] === 'string') throw new Error(answer['error'])
      yield answer
    }
  } catch (error) {
    if (errorCode(error) !== 'ECONNRESET') throw error
    throw new Error('the queue manager went away; what was asked for may be done or not', { cause: error })
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
    active: () => NONE_ACTIVE,
    act: (action, ids, why) => writer.act(action, ids === null ? { kind: 'all' } : { kind: 'ids', ids }, why),
    log,
    search: (filter, limit) => {
      using index = new TraceIndex(paths.queueDir)
      return Promise.resolve(searchNow(index, filter, limit))
    },
  }
  return accessOver({
    running: false,
    ask: (request) => records(request, tools),
    pages: (request) => listedPages(request, tools),
    close: async () => {
      await spool.close()
      reader[Symbol.dispose]()
      db[Symbol.dispose]()
      lock[Symbol.dispose]()
      if (failure.error !== undefined) throw new Fault('QUEUE_WRITER_DIED', {}, failure.error)
    },
  })
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
    active: () => NONE_ACTIVE,
    act: (_, ids) => Promise.resolve({ count: 0, missing: ids ?? [] }),
    log: memoryLog(),
    search: () => Promise.resolve({ ids: [], refusals: {}, lost: 0, complete: true }),
  }
  return accessOver({
    running: false,
    ask: (request) => records(request, tools),
    pages: (request) => listedPages(request, tools),
    close: () => Promise.resolve(db[Symbol.dispose]()),
  })
}
