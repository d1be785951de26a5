import type { FastifyInstance } from 'fastify'
import { expose } from './exposition.ts'
import type { HealthReader } from './reader.ts'
import { readinessOf } from './state.ts'

/** What can be asked: `docs/health.md`. */
export async function addRoutes(app: FastifyInstance, reader: HealthReader): Promise<void> {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'alive' }))
  app.get('/readyz', async (_request, reply) => {
    const readiness = readinessOf(await reader.state())
    return await reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  app.get('/metrics', async (request, reply) => {
    const { metrics } = await reader.state()
    const { contentType, text } = await expose(metrics, request.headers.accept ?? '')
    return await reply.type(contentType).send(text)
  })
}
