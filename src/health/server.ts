import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import { fastify } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { checkPair } from '#src/net/pair.ts'
import type { HealthConfig } from '#src/config/health.ts'
import { addManners, unreadable } from './manners.ts'
import { PAGE_FILES } from './page.ts'
import type { QueueDesk } from './queue-desk.ts'
import type { HealthReader } from './reader.ts'
import { addRoutes } from './routes.ts'

/** What the server works by; a new generation may bring another. */
export interface HealthSettings {
  readonly health: HealthConfig
  /** What whoever asks has to know; '' for nothing. */
  readonly token: string
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string }
}

export interface HealthServerOptions {
  readonly reader: HealthReader
  readonly queue: QueueDesk
  readonly log: Log
  readonly clock: Clock
  readonly settings: HealthSettings
}

/** A port that is taken is tried again after this: mail does not wait for it. */
const AGAIN_MS = 5000
/** A certificate that is renewed is taken over within this, as smtpd does it. */
const PAIR_LOOK_MS = 60_000
/** Whoever asks are a few monitors and a browser or two. */
const CONNECTIONS_MAX = 64
/** A request must have come by then, headers first. */
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
/** A connection on which nothing is asked. */
const IDLE_MS = 15_000
/** How often those times are looked at. */
const CHECK_MS = 1000
/** One connection, before another may have its place. */
const REQUESTS_PER_SOCKET_MAX = 1000
/** A request line and headers; a bearer token has 1024 at most. */
const HEADER_BYTES_MAX = 8192
/** Nothing here takes a body. */
const BODY_BYTES_MAX = 1

/** Serves HTTP. Whatever clients do, they cost this process and not mail. */
export class HealthServer {
  readonly #o: HealthServerOptions
  #settings: HealthSettings
  #app: FastifyInstance | undefined
  /** The pair that is shown. */
  #shown = ''
  #told = ''

  constructor(options: HealthServerOptions) {
    this.#o = options
    this.#settings = options.settings
  }

  /** Listens, as soon as that can be, and takes over a certificate that is renewed, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#listen(signal)
    while (await elapsed(this.#o.clock, PAIR_LOOK_MS, signal)) this.#renew()
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { listen } = this.#settings.health
    if (listen === undefined) return
    while (!signal.aborted) {
      try {
        const app = this.#make()
        await app.listen({ host: listen.address, port: listen.port })
        this.#app = app
        this.#o.log.write('info', 'health.start', { address: listen.address, port: listen.port })
        return
      } catch (error) {
        this.#wrong(errorText(error))
        await elapsed(this.#o.clock, AGAIN_MS, signal)
      }
    }
  }

  /** A new generation. Where it listens, and whether it wants a token at all, takes hold at the next start. */
  adopt(settings: HealthSettings): void {
    this.#settings = settings
    this.#renew()
  }

  /** Shows the certificate as it is in its file now; one that cannot be used leaves the one before in its place. */
  #renew(): void {
    const server: unknown = this.#app?.server
    if (!this.#settings.health.tls || !(server instanceof TlsServer)) return
    try {
      const pair = pairOf(this.#settings.certificate)
      const text = pairText(pair)
      if (text === this.#shown) return
      const verdict = checkPair(pair.cert.toString(), pair.key.toString())
      if (verdict.kind === 'unusable') {
        this.#wrong(verdict.reason)
        return
      }
      server.setSecureContext(pair)
      this.#shown = text
    } catch (error) {
      this.#wrong(errorText(error))
    }
  }

  /** Said once as long as it is the same. */
  #wrong(reason: string): void {
    if (reason !== this.#told) this.#o.log.write('error', 'health.error', { reason })
    this.#told = reason
  }

  async close(): Promise<void> {
    await this.#app?.close()
  }

  #make(): FastifyInstance {
    const { health, certificate, token } = this.#settings
    const pair = health.tls ? pairOf(certificate) : undefined
    if (pair !== undefined) this.#shown = pairText(pair)
    const app: FastifyInstance = fastify({
      ...(pair === undefined ? {} : { https: pair }),
      logger: false,
      bodyLimit: BODY_BYTES_MAX,
      connectionTimeout: IDLE_MS,
      keepAliveTimeout: IDLE_MS,
      requestTimeout: REQUEST_MS,
      maxRequestsPerSocket: REQUESTS_PER_SOCKET_MAX,
      forceCloseConnections: true,
      frameworkErrors: unreadable,
      http: {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_MS,
        connectionsCheckingInterval: CHECK_MS,
      },
    })
    limit(app.server)
    addManners(app)
    if (token !== '') askForToken(app, () => this.#settings.token)
    const { reader, queue } = this.#o
    addRoutes(app, { reader, queue, isGuarded: token !== '' })
    return app
  }
}

function limit(server: Server): void {
  server.maxConnections = CONNECTIONS_MAX
}

/** RFC 8446 for whoever can; TLS 1.2 is what old monitors speak. */
function pairOf({ certificateFile, keyFile }: HealthSettings['certificate']) {
  return { cert: readFileSync(certificateFile), key: readFileSync(keyFile), minVersion: 'TLSv1.2' } as const
}

/** What tells one pair from another. */
function pairText({ cert, key }: ReturnType<typeof pairOf>): string {
  return `${cert.toString()}${key.toString()}`
}

/** RFC 6750 section 2.1. Digests are compared, so that neither length nor content of the token shows in the time. */
function askForToken(app: FastifyInstance, token: () => string): void {
  app.addHook('onRequest', async (request, reply) => {
    // The page itself holds nothing; it asks for the token and shows it with each question.
    if (PAGE_FILES.has(request.url)) return
    const wanted = digest(`Bearer ${token()}`)
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) return
    await reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'a token is wanted' })
  })
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
