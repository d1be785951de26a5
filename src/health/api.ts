import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ALARMS } from '#src/base/alarms.ts'
import type { QueueDesk } from './queue-desk.ts'
import type { HealthReader } from './reader.ts'
import { isRecord } from '#src/net/frames.ts'
import { cursorOf, domainPage, domainRows, placeOf } from './pages.ts'
import type { DomainOrder, Place } from './pages.ts'
import { readinessOf } from './state.ts'

export interface ApiTools {
  readonly reader: HealthReader
  readonly queue: QueueDesk
  /** Whether everybody here has shown a token: who writes to whom is told to nobody else. */
  readonly isGuarded: boolean
}

/** The description of this interface. */
const OPENAPI = readFileSync(new URL('openapi.json', import.meta.url))

const ID = /^[0-9A-Za-z]{6,32}$/
const QUEUES: ReadonlySet<string> = new Set(['incoming', 'active', 'deferred', 'hold', 'corrupt'])
const PAGE_MOST = 500
const PAGE_USUAL = 100

/** /api/v1: read-only JSON, as `src/health/openapi.json` describes it. */
export function addApi(app: FastifyInstance, tools: ApiTools): void {
  const { reader, queue } = tools
  app.get('/api/v1/openapi.json', (_request, reply) => reply.type('application/json').send(OPENAPI))
  app.get('/api/v1/status', async () => {
    const state = await reader.state()
    const { metrics: _, ...rest } = state
    return { ...rest, alarms: rest.alarms.map(withText), ...readinessOf(state) }
  })
  app.get('/api/v1/history', async () => {
    await reader.state()
    return { points: reader.history.points }
  })
  app.get('/api/v1/processes', async () => ({ processes: (await reader.state()).processes }))
  app.get('/api/v1/alarms', async () => ({ alarms: (await reader.state()).alarms.map(withText) }))
  app.get('/api/v1/queues', async () => (await reader.state()).queue)
  app.get('/api/v1/generations', async (request, reply) => {
    const wish = wishOf(request, 'generations')
    if (wish.kind === 'wrong') return await wrong(reply, wish.error)
    return await answer(reply, await generations(reader, wish))
  })
  app.get('/api/v1/domains', async (request, reply) => {
    if (!tools.isGuarded) return await unguarded(reply)
    const order = queryOf(request)['order'] ?? 'recipients'
    if (order !== 'recipients' && order !== 'domain')
      return await wrong(reply, 'the order is recipients or domain')
    const wish = wishOf(request, `domains ${order}`)
    if (wish.kind === 'wrong') return await wrong(reply, wish.error)
    return await answer(reply, await domains(queue, order, wish))
  })
  app.get('/api/v1/messages', async (request, reply) => {
    if (!tools.isGuarded) return await unguarded(reply)
    const { queue: name } = queryOf(request)
    if (name !== undefined && !QUEUES.has(name))
      return await wrong(reply, `there is no queue ${JSON.stringify(name)}`)
    const wish = wishOf(request, `messages ${name ?? ''}`)
    if (wish.kind === 'wrong') return await wrong(reply, wish.error)
    return await answer(reply, await messages(queue, name, wish))
  })
  app.get('/api/v1/trace/:id', async (request, reply) => {
    if (!tools.isGuarded) return await unguarded(reply)
    const { params } = request
    const id = typeof params === 'object' && params !== null && 'id' in params ? String(params.id) : ''
    if (!ID.test(id)) return await wrong(reply, 'this is no queue id')
    const found = await queue.trace(id)
    if (found.kind === 'told' && found.answer['id'] === undefined)
      return await reply.code(404).send({ error: 'nothing is known of this id' })
    return await answer(reply, found)
  })
}

function withText<T extends { readonly code: keyof typeof ALARMS }>(alarm: T) {
  return { ...alarm, text: ALARMS[alarm.code].text }
}

type Told = Awaited<ReturnType<QueueDesk['trace']>>

async function answer(reply: FastifyReply, told: Told): Promise<FastifyReply> {
  if (told.kind === 'told') return await reply.send(told.answer)
  return await reply.code(503).send({ error: told.reason })
}

async function wrong(reply: FastifyReply, error: string): Promise<FastifyReply> {
  return await reply.code(400).send({ error })
}

async function unguarded(reply: FastifyReply): Promise<FastifyReply> {
  const error = 'who writes to whom is told only to those who show a token: set token = "FILE" in [health]'
  return await reply.code(403).send({ error })
}

function queryOf({ query }: FastifyRequest): Readonly<Record<string, string | undefined>> {
  const read: Record<string, string | undefined> = {}
  if (typeof query !== 'object' || query === null) return read
  for (const [name, value] of Object.entries(query))
    read[name] = typeof value === 'string' ? value : undefined
  return read
}

/** Which page is wanted of the list `of`. */
interface Wish {
  readonly kind: 'wish'
  readonly of: string
  readonly limit: number
  /** What the page before has ended with; undefined for the first. */
  readonly after: Place | undefined
}

/** `limit=` and `cursor=`. */
function wishOf(
  request: FastifyRequest,
  of: string,
): Wish | { readonly kind: 'wrong'; readonly error: string } {
  const { limit: given = String(PAGE_USUAL), cursor } = queryOf(request)
  const limit = /^\d{1,3}$/.test(given) ? Number(given) : 0
  if (limit < 1 || limit > PAGE_MOST) return { kind: 'wrong', error: `limit is 1 to ${PAGE_MOST}` }
  if (cursor === undefined) return { kind: 'wish', of, limit, after: undefined }
  const after = placeOf(cursor, of)
  if (after === undefined)
    return { kind: 'wrong', error: 'the cursor is none, or not of this list: it is the next of an answer' }
  return { kind: 'wish', of, limit, after }
}

async function messages(queue: QueueDesk, name: string | undefined, wish: Wish): Promise<Told> {
  const { of, limit, after } = wish
  return withNext(await queue.messages(name, after?.row ?? 0, limit), ({ messages: list, next }) => ({
    messages: list,
    next: typeof next === 'number' ? cursorOf({ of, row: next }) : null,
  }))
}

async function domains(queue: QueueDesk, order: DomainOrder, { of, limit, after }: Wish): Promise<Told> {
  const [domain = '', state = ''] = after?.words ?? []
  return withNext(await queue.domains(), (told) => {
    const behind = after === undefined ? undefined : { recipients: after.row, domain, state }
    const { page, last } = domainPage(domainRows(told['domains']), order, { after: behind, limit })
    const next =
      last === undefined ? null : cursorOf({ of, row: last.recipients, words: [last.domain, last.state] })
    return { domains: page, next }
  })
}

async function generations(reader: HealthReader, { of, limit, after }: Wish): Promise<Told> {
  // One more than is wanted tells that there is a next page.
  const words = [String(limit + 1), ...(after === undefined ? [] : [String(after.row)])]
  return withNext(await reader.ask('generations', words), (told) => {
    const list: readonly unknown[] = Array.isArray(told['generations']) ? told['generations'] : []
    const last = list.length > limit ? list[limit - 1] : undefined
    const next = isRecord(last) ? cursorOf({ of, row: Number(last['number']) }) : null
    return { ...told, generations: list.slice(0, limit), next }
  })
}

type Answer = Readonly<Record<string, unknown>>

function withNext(told: Told, read: (answer: Answer) => Answer): Told {
  return told.kind === 'told' ? { kind: 'told', answer: read(told.answer) } : told
}
