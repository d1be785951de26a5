import type { FastifyInstance } from 'fastify'
import { addApi } from './api.ts'
import type { ApiTools } from './api.ts'
import { expose } from './exposition.ts'
import { addPage } from './page.ts'
import { readinessOf } from './state.ts'

/** What can be asked: `docs/health.md`. */
export function addRoutes(app: FastifyInstance, tools: ApiTools): void {
  const { reader } = tools
  addPage(app)
  addApi(app, tools)
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
