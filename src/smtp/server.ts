// oxlint-disable no-underscore-dangle -- smtp-server's members are named so
import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPServer } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { errorText } from '#src/base/fault.ts'
import { BlockPool } from './body.ts'
import { COUNTS } from './counts.ts'
import { Connection } from './connection.ts'
import type { ConnectionHost } from './connection.ts'
import type { SmtpEnvironment } from './environment.ts'
import type { ClientInfo } from './ports.ts'
import { newScratch } from './reception.ts'
import { TlsContexts } from './server-tls.ts'
import type { ServerTls } from './server-tls.ts'
import type { ReceptionTools } from './reception.ts'

/** Where to listen: a free choice of `port` is 0; `fd` is a socket that somebody opened for us. */
export type ListenAt =
  | { readonly host: string; readonly port: number; readonly reusePort: boolean }
  | { readonly fd: number }

export interface ServerOptions {
  readonly environment: SmtpEnvironment
  readonly service: ClientInfo['service']
  /** Without it STARTTLS is not offered, and no other certificate is ever served in its place. */
  readonly tls: ServerTls | undefined
}

/** Of `connectionsMax`: with so many sessions a process is under stress, and new clients have to be quick. */
const STRESS_SHARE = 0.8

/** How often slow requests are looked for; only with `smtpd_per_request_deadline`. */
const DEADLINE_CHECK_MS = 5000

/**
 * One listener. smtp-server's SMTPServer has the sockets, TLS contexts, SNI, implicit TLS and the PROXY protocol;
 * connections are ours.
 */
export class Server extends SMTPServer implements ConnectionHost {
  readonly service: ClientInfo['service']
  readonly #sessionIds: () => string
  #environment: SmtpEnvironment
  /** The same for sessions that begin under stress. */
  #stressed: SmtpEnvironment
  #tools: ReceptionTools
  #tls: ServerTls | undefined
  #contexts: TlsContexts | undefined
  #deadlines: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined
  #drain: NodeJS.Timeout | undefined

  constructor({ environment, service, tls }: ServerOptions) {
    super({
      secure: service === 'submissions',
      name: environment.settings.hostname,
      socketTimeout: environment.settings.timeoutMs,
      closeTimeout: environment.settings.stopGraceMs,
      // A client that has ended its side still gets its replies.
      allowHalfOpen: true,
      logger: false,
      disableReverseLookup: true,
      authOptional: true,
      // Whatever a client shows, it is we who look at it.
      rejectUnauthorized: false,
    })
    this.service = service
    this.#sessionIds = sessionIds()
    this.#environment = environment
    this.#stressed = stressed(environment)
    this.#tools = toolsOf(environment)
    this.takeTls(tls)
  }

  /** What a session that begins now goes by. */
  get environment(): SmtpEnvironment {
    return this.#underStress ? this.#stressed : this.#environment
  }

  get #underStress(): boolean {
    return this.connections.size >= this.#environment.settings.connectionsMax * STRESS_SHARE
  }

  get tools(): ReceptionTools {
    return this.#tools
  }

  get tlsOffered(): boolean {
    return this.#tls !== undefined
  }

  /** smtpd_tls_ask_ccert; how long a chain of certificates may be. undefined: nobody is asked. */
  get clientDepthMax(): number | undefined {
    return this.#tls?.clients.ask === true ? this.#tls.clients.depthMax : undefined
  }

  get full(): boolean {
    return this.connections.size > this.#environment.settings.connectionsMax
  }

  get draining(): boolean {
    return this.#drain !== undefined
  }

  /**
   * New clients get 421 4.3.2, and so do those that are in no transaction: the machine is about to start anew. Where
   * that does not come about, all is as before after `ms`; with 0 it is at once.
   */
  drain(ms: number): void {
    clearTimeout(this.#drain)
    this.#drain = undefined
    if (ms === 0) return
    this.#drain = setTimeout(() => {
      this.#drain = undefined
    }, ms).unref()
    for (const connection of this.#connections()) connection.stop()
  }

  /** A new generation, for sessions that begin from now on. */
  adopt(environment: SmtpEnvironment, tls: ServerTls | undefined): void {
    this.#environment = environment
    this.#stressed = stressed(environment)
    this.#tools = { ...toolsOf(environment), blocks: this.#tools.blocks, scratch: this.#tools.scratch }
    this.options.closeTimeout = environment.settings.stopGraceMs
    this.takeTls(tls)
    this.#watchDeadlines()
  }

  /** Resolves when connections are taken, with the port; rejects with the system error. */
  async start(at: ListenAt): Promise<number> {
    const listening = Promise.withResolvers<undefined>()
    this.server.once('error', listening.reject)
    this.server.listen(at, () => listening.resolve(undefined))
    try {
      await listening.promise
    } finally {
      this.server.off('error', listening.reject)
    }
    this.#watchDeadlines()
    const address = this.server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /**
   * Takes no more connections; those in a transaction may end it within `stopGraceMs`, the others get 421 4.3.2
   * at once. Resolves when the last is gone.
   */
  async stop(): Promise<void> {
    this.#stopping ??= this.#stopNow()
    await this.#stopping
  }

  override connect(socket: Socket | TLSSocket, socketOptions?: SMTPConnectionOptions | null): void {
    // smtp-server reads it when the session begins to listen.
    this.options.socketTimeout = this.environment.settings.timeoutMs
    const connection = new Connection(this, socket, socketOptions, this)
    this.connections.add(connection)
    connection.init()
  }

  /** Without a PROXY header to wait for there is nothing to wait for, and our session ids are cheap. */
  override _handleProxy(...[socket, callback]: Parameters<SMTPServer['_handleProxy']>): void {
    if (!this._expectsProxyHeader(socket)) {
      callback(null, { id: this.#sessionIds() })
      return
    }
    super._handleProxy(socket, callback)
  }

  /**
   * smtp-server would serve its own published key where it is given none. Contexts are ours, so there is nothing to make
   * here; without one a handshake fails.
   */
  override updateSecureContext(): void {
    this.secureContext = new Map()
  }

  override _resolveSNI(...[servername, callback]: Parameters<SMTPServer['_resolveSNI']>): void {
    const contexts = this.#contexts
    if (contexts === undefined) callback(new Error('no certificate'))
    else callback(null, contexts.named(servername))
  }

  override onSecure(...[, , callback]: Parameters<SMTPServer['onSecure']>): void {
    callback()
  }

  /** Passwords are checked by way of `environment`; nobody comes in by the package's own AUTH or XCLIENT. */
  override onAuth(...[, , callback]: Parameters<SMTPServer['onAuth']>): void {
    callback(new Error('not taken here'))
  }

  /** Of the listening socket after it has listened, or of a TLS handshake. Neither may end the process. */
  override _onError(error: Error): void {
    if (this.service === 'submissions') COUNTS.tlsFailures.of(this.service).add()
    this.#environment.log.write('warn', 'smtpd.error', { error: errorText(error) })
  }

  /** For clients that come from now on; handshakes under way have theirs. Throws where no context can be made of it. */
  takeTls(tls: ServerTls | undefined): void {
    if (tls === this.#tls) return
    const contexts = tls === undefined ? undefined : new TlsContexts(tls, this.service)
    const made = contexts?.default
    this.#tls = tls
    this.#contexts = contexts
    this.secureContext = made === undefined ? new Map() : new Map([['*', made]])
    this.options.requestCert = tls?.clients.ask === true
  }

  async #stopNow(): Promise<void> {
    clearInterval(this.#deadlines)
    clearTimeout(this.#drain)
    const closed = Promise.withResolvers<undefined>()
    this.server.close(() => closed.resolve(undefined))
    for (const socket of this._pendingSockets.values()) socket.destroy()
    for (const connection of this.#connections()) connection.stop()
    const grace = setTimeout(() => {
      for (const connection of this.#connections()) connection.cut()
    }, this.#environment.settings.stopGraceMs)
    await closed.promise
    clearTimeout(grace)
  }

  #watchDeadlines(): void {
    clearInterval(this.#deadlines)
    this.#deadlines = undefined
    if (!this.#environment.settings.requestDeadline || this.#stopping !== undefined) return
    this.#deadlines = setInterval(() => {
      const nowMs = this.#environment.clock.monotonicMs()
      for (const connection of this.#connections()) connection.checkDeadline(nowMs)
    }, DEADLINE_CHECK_MS).unref()
  }

  #connections(): Connection[] {
    return [...this.connections].filter((connection) => connection instanceof Connection)
  }
}

function toolsOf(environment: SmtpEnvironment): ReceptionTools {
  const { queue, scanners, judge, headerChecks, mailboxesOf, log } = environment
  return {
    queue,
    scanners,
    judge,
    log,
    ...(headerChecks === undefined ? {} : { headerChecks }),
    ...(mailboxesOf === undefined ? {} : { mailboxesOf }),
    blocks: new BlockPool(),
    scratch: newScratch(),
  }
}

/**
 * Ids that tell the sessions of all processes apart without asking for chance each time: when the process began
 * to listen, something random, and a number.
 */
function sessionIds(): () => string {
  const prefix = `${Date.now().toString(36)}${randomInt(36 ** 3)
    .toString(36)
    .padStart(3, '0')}`
  let next = 0
  return () => {
    next += 1
    return `${prefix}.${next.toString(36)}`
  }
}

/** What Postfix's defaults say for `stress`: `smtpd_timeout`, `smtpd_hard_error_limit`, `smtpd_junk_command_limit`. */
const STRESS_TIMEOUT_MS = 10_000
const STRESS_LIMIT = 1

/** Settings with which a client that idles, errs or plays soon gives its place to another (Postfix's STRESS_README). */
function stressed(environment: SmtpEnvironment): SmtpEnvironment {
  const { settings } = environment
  return {
    ...environment,
    settings: {
      ...settings,
      timeoutMs: Math.min(settings.timeoutMs, STRESS_TIMEOUT_MS),
      hardErrorLimit: Math.min(settings.hardErrorLimit, STRESS_LIMIT),
      junkCommandLimit: Math.min(settings.junkCommandLimit, STRESS_LIMIT),
    },
  }
}
