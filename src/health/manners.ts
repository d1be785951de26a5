import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errorText } from '#src/base/fault.ts'

/** For what is no page: a browser that is led here shows it as text, runs nothing of it, and shows it in no frame. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'"
const HEADERS = [
  ['content-security-policy', NOTHING],
  // Who writes to whom is kept by nobody on the way.
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
] as const

/** Every answer has these headers unless its own route says otherwise, and what is wrong is told as `{"error":…}`. */
export function addManners(app: FastifyInstance): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    dress(reply)
    return await Promise.resolve(payload)
  })
  app.setNotFoundHandler(async (request, reply) => {
    if (request.method === 'GET' || request.method === 'HEAD')
      return await reply
        .code(404)
        .send({ error: 'there is nothing here: /api/v1/openapi.json tells what there is' })
    // RFC 9110 section 15.5.6.
    return await reply.code(405).header('allow', 'GET, HEAD').send({ error: 'this can only be read' })
  })
  app.setErrorHandler(async (error, _request, reply) => {
    const isTheirs = statusOf(error) < 500
    return await reply.code(statusOf(error)).send({ error: isTheirs ? errorText(error) : 'a fault of ours' })
  })
}

/** What has no route because it cannot be read. */
export function unreadable(_error: Error, _request: FastifyRequest, reply: FastifyReply): void {
  // No hook sees it.
  dress(reply)
  reply.code(400).send({ error: 'this address cannot be read' })
}

function dress(reply: FastifyReply): void {
  for (const [name, value] of HEADERS) if (!reply.hasHeader(name)) reply.header(name, value)
}

function statusOf(error: unknown): number {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : 500
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500
}
