import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { ACTIONS } from './changes.ts'
import type { Action, ActionResult, ActionWhy } from './changes.ts'
import { ACTION_IDS_MAX, ACTION_STEP, LIST_PAGE } from './limits.ts'
import { findIds, findPages } from './list-find.ts'
import { isEmptyFilter, matches, readFilter } from './list-filter.ts'
import type { QueueFilter } from './list-filter.ts'
import { bodyBlocks, insideOf } from './list-inside.ts'
import { idsLike } from './list-ids.ts'
import { messagePage, readPageWish } from './list-page.ts'
import { SHAPE_BUCKETS_MAX, countDomains, countQueues, shape } from './list-shape.ts'
import { listOne, listPage, listSeqs } from './listing.ts'
import type { ActiveSeqs, ListedMessage } from './listing.ts'
import type { ProgressReport } from './progress.ts'
import type { QueueReader } from './queue-reader.ts'
import { Damage, isCount, isText } from './rows.ts'
import { readTraceFilter } from './trace-document.ts'
import type { TraceSearch } from './trace-search.ts'

/**
 * What the tools can ask of the queue. qmgr answers all of it over its socket; what only looks, a tool answers itself
 * from the file, with the list of what is in memory that qmgr gives it (tool-access.ts), so that a listing of a
 * million messages costs qmgr nothing. A request is a JSON object, an answer one or several; between two of them mail
 * goes on.
 *
 *     {"op":"list","filter":{…},"limit":100}          a line per message, then {"end":true}
 *     {"op":"page","queues":[…],"after":7,"limit":100} {"messages":[…],"next":9}: of rows above 7; next is null at the end
 *     {"op":"act","action":"hold","ids":["…"]|null}   {"count":1,"missing":[]}; null is ALL, or all of "filter";
 *                                                     "note" and "by" are kept in the trace
 *     {"op":"show","id":"…"}                          {"message":…,"envelope":…,"recipients":[…],"trace":[…]}
 *     {"op":"body","id":"…"}                          {"message":…,"inside":…,…}, {"chunk":"base64"}…, {"end":true}
 *     {"op":"shape","filter":{…},…}                   {"rows":[["TOTAL",[3,1,…]],…]}
 *     {"op":"trace","filter":{…},"limit":20}          per message {"id":…,"trace":[…],"message":…|null}, {"end":true,…}
 *     {"op":"queues"}                                 {"incoming":0,"active":0,…}: messages
 *     {"op":"domains"}                                {"domains":[{"domain":…,"state":…,"recipients":…},…]}
 *     {"op":"active"}                                 {"active":[7,9,…]}: row numbers of what is in memory
 *     {"op":"progress"}                               {"oldestDueMs":0,"oldestDueId":"","stalled":false}; of a daemon only
 *     {"op":"resolve","ids":["…"]}                    {"ids":["…"],"ambiguous":["…"]}: ids as they are, whatever their case
 */
export interface QueueTools {
  readonly reader: QueueReader
  readonly spoolDir: string
  /** Row numbers of what is in memory now. */
  readonly active: () => ActiveSeqs | Promise<ActiveSeqs>
  readonly act: (action: Action, ids: readonly string[] | null, why: ActionWhy) => Promise<ActionResult>
  readonly log: Log
  readonly search: TraceSearch
  /** How far behind its schedule the queue is; absent where nobody delivers. */
  readonly progress?: () => ProgressReport
}

export type Request = Readonly<Record<string, unknown>>
export type Answer = object

const HANDLERS: ReadonlyMap<string, (request: Request, tools: QueueTools) => AsyncGenerator<Answer>> =
  new Map([
    ['list', list],
    ['page', pageAnswer],
    ['act', act],
    ['show', show],
    ['body', body],
    ['shape', shapeAnswer],
    ['trace', traceAnswer],
    ['queues', queues],
    ['domains', domains],
    ['active', activeAnswer],
    ['resolve', resolveIds],
    ['progress', progressAnswer],
  ])

/** Throws a TypeError for what is no request. */
export async function* answers(request: Request, tools: QueueTools): AsyncGenerator<Answer> {
  const handler = HANDLERS.get(String(request['op']))
  if (handler === undefined) throw new TypeError('no such request')
  yield* handler(request, tools)
}

async function* progressAnswer(_request: Request, { progress }: QueueTools): AsyncGenerator<Answer> {
  if (progress === undefined) throw new TypeError('nothing is delivered')
  yield await Promise.resolve(progress())
}

async function* list(request: Request, tools: QueueTools): AsyncGenerator<Answer> {
  for await (const page of listedPages(request, tools)) yield* page
  yield { end: true }
}

async function* pageAnswer(request: Request, { reader, active }: QueueTools): AsyncGenerator<Answer> {
  const wish = readPageWish(request)
  yield (await lastOf(messagePage(reader, wish, await active()))) ?? {}
}

/** The messages that a request "list" means, a page at a time; between two pages mail goes on. */
export async function* listedPages(
  request: Request,
  { reader, active }: Pick<QueueTools, 'reader' | 'active'>,
): AsyncGenerator<readonly ListedMessage[]> {
  const filter = readFilter(request['filter'])
  let left = request['limit'] === undefined ? Infinity : readCount(request['limit'], 'limit')
  for (const page of pagesOf(reader, filter, await active())) {
    yield page.slice(0, Math.min(page.length, left))
    left -= page.length
    if (left <= 0) return
    await turn()
  }
}

/** Without a filter the queue is read straight through. */
function* pagesOf(reader: QueueReader, filter: QueueFilter, active: ActiveSeqs) {
  if (!isEmptyFilter(filter)) {
    yield* findPages(reader, filter, active)
    return
  }
  for (let after: number | undefined = 0; after !== undefined;) {
    const page = listPage(reader, after, LIST_PAGE, active)
    after = page.next
    yield page.messages
  }
}

async function* act(request: Request, tools: QueueTools): AsyncGenerator<Answer> {
  const action = ACTIONS.find((each) => each === request['action'])
  if (action === undefined) throw new TypeError('no such action')
  const ids = readIds(request['ids'])
  const filter = readFilter(request['filter'])
  const why = { by: readShort(request['by']), note: readShort(request['note']) }
  const chosen = { action, ids, filter, why }
  const result = isEmptyFilter(filter)
    ? await tools.act(action, ids, why)
    : await (ids === null ? actOnFound(chosen, tools) : actOnMeant(chosen, ids, tools))
  logAction(tools.log, chosen, result)
  yield result
}

interface Chosen {
  readonly action: Action
  readonly ids: readonly string[] | null
  readonly filter: QueueFilter
  readonly why: ActionWhy
}

/** With ids and a filter: those of the ids that it means (postsuper -h ID deferred). */
async function actOnMeant(
  { action, filter, why }: Chosen,
  ids: readonly string[],
  { reader, active, act: write }: QueueTools,
): Promise<ActionResult> {
  const memory = await active()
  const missing: string[] = []
  const meant: string[] = []
  for (let at = 0; at < ids.length; at += LIST_PAGE) {
    const some = ids.slice(at, at + LIST_PAGE)
    const found = new Set(
      listSeqs(reader, some.map((id) => reader.seqOf(id)).filter(isCount), memory)
        .filter((message) => matches(filter, message))
        .map(({ id }) => id),
    )
    for (const id of some) (found.has(id) ? meant : missing).push(id)
    await turn()
  }
  const done = await write(action, meant, why)
  return { count: done.count, missing: [...missing, ...done.missing] }
}

async function actOnFound(
  { action, filter, why }: Chosen,
  { reader, active, act: write }: QueueTools,
): Promise<ActionResult> {
  let count = 0
  let meant: string[] = []
  for (const ids of findIds(reader, filter, await active())) {
    meant.push(...ids)
    // Each step is a commit, and so a flush of the disk.
    if (meant.length >= ACTION_STEP) {
      count += (await write(action, meant, why)).count
      meant = []
    } else {
      await turn()
    }
  }
  if (meant.length > 0) count += (await write(action, meant, why)).count
  return { count, missing: [] }
}

async function* show(request: Request, { reader, active }: QueueTools): AsyncGenerator<Answer> {
  const id = readId(request)
  const trace = reader.trace(id)
  const seq = reader.seqOf(id)
  const listed = seq === undefined ? undefined : listOne(reader, seq, (await active()).has(seq))
  const loaded = seq === undefined ? undefined : reader.load(seq)
  if (listed === undefined || loaded === undefined || loaded instanceof Damage) {
    yield { message: listed ?? null, envelope: null, recipients: [], trace }
    return
  }
  yield { message: listed, envelope: loaded.message, recipients: loaded.recipients, trace }
}

async function* body(request: Request, { reader, spoolDir, active }: QueueTools): AsyncGenerator<Answer> {
  const id = readId(request)
  const seq = reader.seqOf(id)
  const message = seq === undefined ? undefined : listOne(reader, seq, (await active()).has(seq))
  const inside = seq === undefined ? undefined : insideOf(reader, seq)
  if (seq === undefined || message === undefined || inside === undefined) {
    yield { missing: true }
    return
  }
  const loaded = reader.load(seq)
  const sound = loaded === undefined || loaded instanceof Damage ? undefined : loaded
  yield { message, inside, envelope: sound?.message ?? null, recipients: sound?.recipients ?? [] }
  const blocks = bodyBlocks(reader, spoolDir, seq, inside)
  for (;;) {
    const { done, value } = await blocks.next()
    if (done === true) {
      yield { end: true, damage: value }
      return
    }
    yield { chunk: value.toString('base64') }
  }
}

async function* traceAnswer(
  request: Request,
  { reader, active, search }: QueueTools,
): AsyncGenerator<Answer> {
  const { ids, refusals, lost, complete } = isText(request['id'])
    ? await search({ id: request['id'] }, 1)
    : await search(readTraceFilter(request['filter']), readCount(request['limit'], 'limit'))
  for (const id of ids) {
    const seq = reader.seqOf(id)
    const message = seq === undefined ? undefined : listOne(reader, seq, (await active()).has(seq))
    yield { id, trace: [...(refusals[id] ?? []), ...reader.trace(id)], message: message ?? null }
  }
  yield { end: true, complete, lost }
}

async function* shapeAnswer(request: Request, { reader, active }: QueueTools): AsyncGenerator<Answer> {
  const buckets = readCount(request['buckets'], 'buckets')
  const bucketMinutes = readCount(request['bucketMinutes'], 'bucketMinutes')
  if (buckets < 1 || buckets > SHAPE_BUCKETS_MAX || bucketMinutes < 1)
    throw new TypeError(`buckets are 1 to ${SHAPE_BUCKETS_MAX}, of a minute at least`)
  const options = {
    filter: readFilter(request['filter']),
    bySender: request['bySender'] === true,
    linear: request['linear'] === true,
    buckets,
    bucketMinutes,
    nowMs: systemClock.nowMs(),
  }
  const result = await lastOf(shape(reader, options, await active()))
  yield { rows: result === undefined ? [] : [...result] }
}

async function* queues(_: Request, { reader, active }: QueueTools): AsyncGenerator<Answer> {
  yield (await lastOf(countQueues(reader, await active()))) ?? {}
}

async function* domains(_: Request, { reader }: QueueTools): AsyncGenerator<Answer> {
  yield { domains: (await lastOf(countDomains(reader))) ?? [] }
}

async function* activeAnswer(_: Request, { active }: QueueTools): AsyncGenerator<Answer> {
  yield { active: [...(await active()).keys()] }
}

async function* resolveIds(request: Request, { reader }: QueueTools): AsyncGenerator<Answer> {
  const ids: string[] = []
  const ambiguous: string[] = []
  for (const id of readIds(request['ids']) ?? []) {
    const found = idsLike(reader, id)
    if (found.length > 1) ambiguous.push(id)
    else ids.push(found[0] ?? id)
  }
  yield { ids, ambiguous }
}

/** Runs a count to its end, with a turn for others wherever it offers one. */
async function lastOf<T>(steps: Iterable<T | undefined>): Promise<T | undefined> {
  let last: T | undefined
  for (const step of steps) {
    last = step
    if (step === undefined) await turn()
  }
  return last
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function readId(request: Request): string {
  const id = request['id']
  if (!isText(id)) throw new TypeError('an id is a text')
  return id
}

/** Words of an operator: who, and why. */
const WORDS_CHARS_MAX = 200

function readShort(value: unknown): string {
  if (value === undefined) return ''
  if (!isText(value) || value.length > WORDS_CHARS_MAX)
    throw new TypeError(`"note" and "by" are texts of ${WORDS_CHARS_MAX} characters at most`)
  return value
}

function readCount(value: unknown, what: string): number {
  if (!isCount(value)) throw new TypeError(`${what} is a count`)
  return value
}

function readIds(value: unknown): readonly string[] | null {
  if (value === null) return null
  if (!Array.isArray(value) || value.length > ACTION_IDS_MAX)
    throw new TypeError('ids are a list of 5000 at most')
  const ids: string[] = []
  for (const id of value) {
    if (!isText(id)) throw new TypeError('an id is a text')
    ids.push(id)
  }
  return ids
}

/** Ids named one by one in the line; a request for many is summed up. */
const IDS_LOGGED_MAX = 20

/** An operator's hand on the queue is always in the log. */
function logAction(log: Log, { action, ids, filter, why }: Chosen, result: ActionResult): void {
  log.write('info', 'qmgr.action', {
    action,
    ids: ids === null ? 'ALL' : ids.slice(0, IDS_LOGGED_MAX),
    filter: isEmptyFilter(filter) ? undefined : JSON.stringify(filter),
    by: why.by === '' ? undefined : why.by,
    note: why.note === '' ? undefined : why.note,
    count: result.count,
    missing: result.missing.length,
  })
}
