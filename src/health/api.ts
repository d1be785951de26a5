import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ALARMS } from '#src/base/alarms.ts'
import type { QueueDesk } from './queue-desk.ts'
import type { HealthReader } from './reader.ts'
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
  app.get(
    '/api/v1/generations',
    async (_request, reply) => await answer(reply, await reader.ask('generations')),
  )
  app.get('/api/v1/domains', async (request, reply) => {
    if (!tools.isGuarded) return await unguarded(reply)
    return await answer(reply, await queue.domains(limitOf(request)))
  })
  app.get('/api/v1/messages', async (request, reply) => {
    if (!tools.isGuarded) return await unguarded(reply)
    const { queue: name } = queryOf(request)
    if (name !== undefined && !QUEUES.has(name))
      return await wrong(reply, `there is no queue ${JSON.stringify(name)}`)
    return await answer(reply, await queue.messages(name, limitOf(request)))
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

/** `limit=`, kept within its bounds. */
function limitOf(request: FastifyRequest): number {
  const given = Number(queryOf(request)['limit'] ?? PAGE_USUAL)
  return Number.isInteger(given) && given > 0 ? Math.min(given, PAGE_MOST) : PAGE_USUAL
}
