// oxlint-disable no-underscore-dangle -- smtp-server's members are named so
import type { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { Facts } from '#src/base/fault.ts'
import type { EventName } from '#src/base/events.ts'
import { formatReply, reply, replyText } from '#src/base/reply.ts'
import type { Reply } from '#src/base/reply.ts'
import { Client } from './client.ts'
import { COUNTS, countRefusal } from './counts.ts'
import { Dialogue } from './dialogue.ts'
import type { SmtpEnvironment } from './environment.ts'
import type { ReceptionTools } from './reception.ts'
import { REPLY, shuttingDown, tooManyConnections } from './replies.ts'
import { readIntoReusedBuffer } from '#src/net/reused-buffer.ts'
import { NOBODY_ASKED, shownCertificate } from './server-tls.ts'
import type { ShownCertificate } from './server-tls.ts'
import { CommandStream } from './stream.ts'
import type { StreamReceiver } from './stream.ts'
import { Transcript } from './transcript.ts'
import type { Wire } from './wire.ts'

/** What a connection wants of the server that accepted it. */
export interface ConnectionHost {
  readonly environment: SmtpEnvironment
  readonly tools: ReceptionTools
  readonly service: Client['service']
  /** Whether there is a certificate to offer. */
  readonly tlsOffered: boolean
  /** Where clients are asked for a certificate: how long its chain may be. */
  readonly clientDepthMax: number | undefined
  /** Whether there are more connections than `connectionsMax` with this one. */
  readonly full: boolean
  /** Whether the machine is about to start anew, and new clients are to come again later. */
  readonly draining: boolean
}

/** A read of so many octets is part of a large message. */
const LARGE_READ_BYTES = 16_384

/** Errors of a socket that only mean that the client went away. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

/**
 * One connection. smtp-server's SMTPConnection has the life of the socket, the idle time-out, STARTTLS and
 * implicit TLS; commands, replies and content are ours (dialogue.ts). Every member that is overridden here, or
 * that this rests on, has its contract test in test/smtp/contract.test.ts.
 */
export class Connection extends SMTPConnection implements StreamReceiver, Wire {
  readonly #host: ConnectionHost
  readonly #environment: SmtpEnvironment
  readonly #client: Client
  readonly #dialogue: Dialogue
  readonly #transcript: Transcript | undefined
  #stream: CommandStream
  /** Replies that were said and not sent: those to one pipeline go in one write. */
  #said = ''
  /** Large reads were seen: the socket reads into a buffer that is used again, where it can. */
  #reuses = false
  #greeted = false
  /** Of performance.now(); 0 before the socket is read. */
  #openedMs = 0
  #admitted = false
  #waitsForDrain = false
  #delay: NodeJS.Timeout | undefined

  // oxlint-disable-next-line max-params -- the base class has three, the host is ours
  constructor(
    server: ConstructorParameters<typeof SMTPConnection>[0],
    socket: Socket | TLSSocket,
    options: SMTPConnectionOptions | null | undefined,
    host: ConnectionHost,
  ) {
    super(server, socket, options)
    this.#host = host
    this.#environment = host.environment
    const name = host.environment.names.lookup(this.remoteAddress)
    this.#client = new Client(this.remoteAddress, this.remotePort, name, host.service)
    this.#transcript = host.environment.sessionErrors === undefined ? undefined : new Transcript()
    this.#stream = ownStream(this._parser)
    this.#dialogue = new Dialogue({
      id: this.id,
      environment: host.environment,
      tools: host.tools,
      client: this.#client,
      wire: this,
    })
  }

  // What the dialogue wants of us.

  say(text: string, delayMs: number, hangUp: boolean): void {
    if (delayMs > 0 && !this.closed) {
      // Nothing else may be said before it: the stream waits, and a dialogue only speaks when it is read to.
      this.hold()
      this.#delay = setTimeout(() => {
        this.say(text, 0, hangUp)
        this.release()
      }, delayMs)
      return
    }
    this.#transcript?.said(text)
    this.#said += text
    if (hangUp) this.close()
  }

  hold(): void {
    this.#stream.hold()
    this.#flush()
  }

  release(): void {
    this.#stream.release()
  }

  expectContent(content: boolean): void {
    this.#stream.expectContent(content)
  }

  get hasMore(): boolean {
    return this.#stream.hasMore
  }

  get closed(): boolean {
    return this._closing || this._closed
  }

  get tlsOffered(): boolean {
    return this.#host.tlsOffered
  }

  get cipher(): string {
    const socket = this._socket
    if (!(socket instanceof TLSSocket)) return ''
    return `${socket.getProtocol() ?? 'TLS'} with cipher ${socket.getCipher().name}`
  }

  get clientCertificate(): ShownCertificate {
    const socket = this._socket
    const depthMax = this.#host.clientDepthMax
    if (depthMax === undefined || !(socket instanceof TLSSocket)) return NOBODY_ASKED
    return shownCertificate(socket, depthMax)
  }

  startTls(): void {
    this.#flush()
    this.upgrade(() => undefined)
    this.#stream = ownStream(this._parser)
  }

  // What the stream wants of us.

  get lineBytesMax(): number {
    return this.#dialogue.lineBytesMax
  }

  received(octets: number): boolean {
    if (this.#greeted) return true
    if (this.closed) return false
    this.#log('warn', 'smtpd.early_talker', { bytes: octets, reply: replyText(REPLY.earlyTalker) })
    this.#refuse(REPLY.earlyTalker)
    return false
  }

  line(bytes: Buffer, start: number, end: number): void {
    this.#transcript?.heard(bytes, start, end)
    try {
      this.#dialogue.line(bytes, start, end)
    } catch (error) {
      this.#fail(error)
    }
  }

  badLine(why: 'too-long' | 'endless' | 'bare-newline'): void {
    this.#dialogue.badLine(why)
  }

  content(bytes: Buffer, start: number, end: number): number {
    if (!this.#reuses && end - start >= LARGE_READ_BYTES) this.#reuseBuffer()
    try {
      return this.#dialogue.content(bytes, start, end)
    } catch (error) {
      this.#fail(error)
      return end - start
    }
  }

  /** A large message comes: no fresh memory for each piece of it. */
  #reuseBuffer(): void {
    const socket = this._socket
    this.#reuses = true
    readIntoReusedBuffer(socket, (bytes) => {
      const stream = this.#stream
      if (stream.isClosed || stream.destroyed || stream.takeBorrowed(bytes)) return true
      stream.once('drain', () => socket.resume())
      return false
    })
  }

  pause(): void {
    this.#flush()
    const socket = this._socket
    if (this._upgrading) return
    if (!socket.writableNeedDrain || socket.destroyed || this.#waitsForDrain || this.closed) return
    // A client that does not read its replies gets no more of them, or they would fill our memory.
    this.#waitsForDrain = true
    this.#stream.hold()
    socket.once('drain', () => {
      this.#waitsForDrain = false
      this.#stream.release()
    })
  }

  inputEnded(): void {
    if (!this.closed) this.close()
  }

  // What the server wants of us.

  /** A graceful stop. */
  stop(): void {
    this.#dialogue.stop()
    this.#flush()
  }

  /** The grace of a stop is over. */
  cut(): void {
    if (this.closed) return
    this.#dialogue.cut()
  }

  /** Called now and then: `smtpd_per_request_deadline`. */
  checkDeadline(nowMs: number): void {
    if (!this.closed && this.#dialogue.overdue(nowMs, this.#stream.lineStartedMs)) this.#dialogue.timedOut()
  }

  // What smtp-server calls.

  override init(): void {
    this._setListeners(() => this.#opened())
  }

  override _createParser(): CommandStream {
    return new CommandStream(this)
  }

  /** The base class says a few things of its own (a refused client certificate, its own close). */
  override send(code: number, data?: string | string[] | null): void {
    this.#refuse(reply(code, '', data === undefined || data === null ? '' : [data].flat().join(' ')))
  }

  override close(): void {
    this.#flush()
    super.close()
  }

  /** Called by `upgrade` when TLS is up. */
  override _resetSession(): void {
    this.#dialogue.tlsStarted()
  }

  override _onTimeout(): void {
    if (this._closing) this._socket.destroy()
    else if (this.#greeted && this.#dialogue.busy) this._armTimeout()
    else this.#dialogue.timedOut()
  }

  override _onError(error: Error): void {
    const gone = GONE.has(errorCode(error))
    if (this._upgrading) COUNTS.tlsFailures.of(this.#client.service).add()
    else if (!gone) COUNTS.errors.add()
    // A client that has said QUIT often does not wait for our answer, and nothing is lost by it.
    if (!gone || !this.closed) this.#log(gone ? 'info' : 'warn', 'smtpd.error', { error: errorText(error) })
    this._socket.destroy()
  }

  override _onCloseEvent(): void {
    this._onClose()
  }

  override _onClose(): void {
    clearTimeout(this._closeTimer)
    clearTimeout(this.#delay)
    if (this._parser !== false) {
      this._parser.isClosed = true
      this._socket.unpipe(this._parser)
      this._parser = false
    }
    this._server.connections.delete(this)
    if (this._closed) return
    this._closed = true
    this._closing = false
    if (this.#openedMs > 0) COUNTS.sessions.of(this.#client.service).value -= 1
    this.#dialogue.lost()
    if (this.#admitted) this.#environment.policy.disconnect(this.#client)
    if (this.#transcript !== undefined && this.#transcript.classes.size > 0)
      this.#environment.sessionErrors?.(this.#transcript, this.#client)
    this.#log('info', 'smtpd.disconnect', { commands: this.#dialogue.tally })
  }

  /** The socket is read from now on. */
  #opened(): void {
    this.#openedMs = performance.now()
    COUNTS.connections.of(this.#client.service).add()
    COUNTS.sessions.of(this.#client.service).value += 1
    this.#log('info', 'smtpd.connect', { port: this.remotePort, listener: this.#client.service })
    if (this.#client.tls) this.#dialogue.noteTls()
    if (this.#host.draining) {
      this.#refuse(shuttingDown(this.#environment.settings.hostname))
      return
    }
    if (this.#host.full) {
      this.#refuse(REPLY.serverBusy)
      return
    }
    const decision = this.#environment.policy.connect(this.#client)
    if (!(decision instanceof Promise)) {
      this.#decided(decision)
      return
    }
    decision.then(
      (refusal) => this.#decided(refusal),
      (error: unknown) => {
        this.#log('error', 'smtpd.error', { error: errorText(error) })
        this.#refuse(tooManyConnections(this.#environment.settings.hostname, this.remoteAddress))
      },
    )
  }

  #decided(refusal: Reply | undefined): void {
    if (refusal === undefined) this.#admitted = true
    if (this._closed) {
      // It left while we asked, and nobody has taken it off the count.
      if (this.#admitted) this.#environment.policy.disconnect(this.#client)
    } else if (refusal !== undefined) {
      this.#refuse(refusal)
    } else {
      // Two steps are one turn of the event loop behind us: what the client sent before it read a greeting is
      // read in between (RFC 5321 section 3.1), and nobody waits for it.
      setImmediate(() => setImmediate(() => this.#greet()))
    }
  }

  #greet(): void {
    if (this.closed) return
    this.#greeted = true
    COUNTS.greetingSeconds.observeMs(performance.now() - this.#openedMs)
    const { hostname, banner } = this.#environment.settings
    this.say(formatReply(reply(220, '', `${hostname} ${banner}`)), 0, false)
    this.#flush()
  }

  /** Says why and hangs up, outside of any dialogue. */
  #refuse(value: Reply): void {
    if (this.closed) return
    this.say(formatReply(value), 0, false)
    if (value.code >= 400) {
      countRefusal('connect', value)
      COUNTS.refusedConnections.of(this.#client.service).add()
    }
    if (value !== REPLY.earlyTalker) {
      this.#log('info', 'smtpd.reject', { command: 'CONNECT', reply: replyText(value) })
    }
    this.close()
  }

  /** A fault of ours ends this session and no other. */
  #fail(error: unknown): void {
    COUNTS.errors.add()
    this.#log('error', 'smtpd.error', { error: errorText(error) })
    this.#refuse({ ...REPLY.internal, close: true })
  }

  /** One write for all that was said. Nothing is ever written in clear while TLS is being set up. */
  #flush(): void {
    if (this.#said === '') return
    const text = this.#said
    this.#said = ''
    if (!this._upgrading && this._socket.writable) this._socket.write(text)
  }

  #log(level: 'info' | 'warn' | 'error', event: EventName, facts: Facts): void {
    const who = this.#client.facts(this.#environment.settings.logsClientPort)
    this.#environment.log.write(level, event, { session: this.id, ...who, ...facts })
  }
}

/** The stream that `_createParser` made: the base class keeps it under a wider type. */
function ownStream(parser: SMTPConnection['_parser']): CommandStream {
  if (parser instanceof CommandStream) return parser
  throw new TypeError('smtp-server did not use the stream that it was given')
}
