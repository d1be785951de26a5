import { connect as connectTcp, isIPv6 } from 'node:net'
import { TLSSocket, connect as connectTls } from 'node:tls'
import { gauge } from '#src/base/metrics.ts'
import { errorCode, errorText } from '#src/base/fault.ts'
import { sendBody } from './body.ts'
import { WAIT } from './dialogue.ts'
import { Handshake } from './handshake.ts'
import { ReplyReader } from './replies.ts'
import { certificateProblem, tlsOptions } from './tls.ts'
import { Transaction } from './transaction.ts'
import type { NetConnectOpts, Socket } from 'node:net'
import type { Clock } from '#src/base/clock.ts'
import type { BodyEncoder, Content } from './body.ts'
import type { Dialogue, Step } from './dialogue.ts'
import type { Break, Stage } from './failure.ts'
import type { Capabilities } from './handshake.ts'
import type { PeerReply } from './replies.ts'
import type { AgentSettings, DeliveryTimeouts } from './settings.ts'
import type { TlsFailure } from './tls-outcome.ts'
import type { TlsPolicy } from './tls.ts'
import type { PeerTranscript } from './transcript.ts'

/** One address of a destination. */
export interface PeerAddress {
  readonly protocol: 'lmtp' | 'smtp'
  /** As routing named it, without brackets. */
  readonly host: string
  /** An IP address, or the path of a socket in the file system; then the port is 0. */
  readonly address: string
  readonly port: number
}

export interface ConnectionContext {
  readonly settings: AgentSettings
  readonly clock: Clock
  readonly createEncoder: () => BodyEncoder
  /** What is said over it is written down there; undefined where nobody wants it. */
  readonly transcript: PeerTranscript | undefined
}

const sessions = gauge('postern_delivery_sessions')

/** How a talk ended: as Step 'end' says. */
export type Keep = 'clean' | 'reset' | 'drop' | 'stale'

/**
 * Every socket reads into this one buffer: what is read is taken apart before the next read can happen. It
 * saves an allocation for each packet of replies.
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** One TCP connection to a next hop: bytes, time-outs and TLS. What is said is decided by a Dialogue. */
export class Connection {
  readonly peer: PeerAddress
  readonly #context: ConnectionContext
  readonly #tls: TlsPolicy
  #socket: Socket
  #reader = new ReplyReader()
  #capabilities: Capabilities | undefined
  #dialogue: Dialogue | undefined
  #content: Content | undefined
  #resolve: ((keep: Keep) => void) | undefined
  #encoder: BodyEncoder | undefined
  /** Told when the peer has said something, while a chunk waits for the answer to the one before. */
  #onAnswer: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAtMs = Infinity
  #deadlineMs = Infinity
  #uses = 0
  #needsReset = false
  #connected = false
  #localAddress = ''
  #connectError = ''
  #dead = false
  readonly #openedMs: number
  /** Called once when the connection is gone while nobody talks over it. */
  onGone: () => void = () => {}

  constructor(peer: PeerAddress, tls: TlsPolicy, context: ConnectionContext) {
    this.#tls = tls
    this.peer = peer
    this.#context = context
    this.#openedMs = context.clock.monotonicMs()
    const where = placeOf(peer, context.settings)
    if (tls.level === 'none') {
      this.#socket = connectTcp({
        ...where,
        onread: {
          buffer: readBuffer,
          callback: (length, buffer) => {
            // The type allows any Uint8Array; it is the buffer above.
            this.#onBytes(Buffer.from(buffer.buffer, buffer.byteOffset, length))
            return true
          },
        },
      })
    } else {
      this.#socket = connectTcp(where)
      if (!tls.session.wrapped) this.#socket.on('data', (bytes: Buffer) => this.#onBytes(bytes))
    }
    this.#listen(this.#socket)
  }

  /** `host[address]`, as Postfix names a peer in sentences. */
  get name(): string {
    return `${this.peer.host}[${this.peer.address}]`
  }

  /** `host[address]:port`, as it stands behind relay=; a socket in the file system has no port. */
  get relay(): string {
    return this.peer.port === 0 ? this.name : `${this.name}:${this.peer.port}`
  }

  /** Whether the TCP connection was made. */
  get connected(): boolean {
    return this.#connected
  }

  /** Version and cipher of its TLS; '' for plaintext. */
  get tls(): string {
    const socket = this.#socket
    return socket instanceof TLSSocket ? `${socket.getProtocol() ?? ''} ${socket.getCipher().name}` : ''
  }

  /** What a policy that is only on trial would say of it; undefined for nothing. */
  audit(policy: TlsPolicy): TlsFailure | undefined {
    const socket = this.#socket
    return socket instanceof TLSSocket ? certificateProblem(policy, socket) : undefined
  }

  /** Our own address on it; '' before it is connected. */
  get localAddress(): string {
    return this.#localAddress
  }

  /** The system error that ended it before that, '' for a time-out. */
  get connectError(): string {
    return this.#connectError
  }

  /** What the peer offers; of a connection that is open. */
  get capabilities(): Capabilities | undefined {
    return this.#capabilities
  }

  /** Transactions begun so far. */
  get uses(): number {
    return this.#uses
  }

  get needsReset(): boolean {
    return this.#needsReset
  }

  /** Whether another transaction may go over it. */
  get reusable(): boolean {
    const { usesMax, reuseMs } = this.#context.settings
    return !this.#dead && this.#uses < usesMax && this.#context.clock.monotonicMs() - this.#openedMs < reuseMs
  }

  /** Connects and talks until MAIL could be said; `handshake` then knows why not, if not. */
  open(handshake: Handshake): Promise<Keep> {
    const { promise, resolve } = Promise.withResolvers<Keep>()
    this.#dialogue = handshake
    this.#resolve = resolve
    this.#expire(this.#context.settings.timeouts.connectMs)
    return promise
  }

  /** Carries one message; outcomes are in the transaction. */
  run(transaction: Transaction, content: Content): Promise<Keep> {
    const { promise, resolve } = Promise.withResolvers<Keep>()
    this.#uses += 1
    this.#needsReset = false
    this.#dialogue = transaction
    this.#content = content
    this.#resolve = resolve
    if (this.#dead) {
      this.#act(transaction.broken('lost'))
      return promise
    }
    this.#say(transaction, transaction.start())
    this.#expireStage(transaction.stage)
    return promise
  }

  /** Nobody needs it for now; it ends by itself after `idleMs`. */
  rest(): void {
    this.#expire(this.#context.settings.idleMs)
  }

  /** Says QUIT and closes; the peer has `quitMs` to close its side. */
  quit(): void {
    if (this.#dead) return
    this.#farewell('QUIT\r\n')
  }

  /**
   * Breaks off what has not been handed over. After the final dot the peer may have the message, so its answer
   * is waited for, `closeMs` at most.
   */
  cancel(): void {
    const dialogue = this.#dialogue
    if (dialogue === undefined) return
    if (dialogue.stage === 'dot') this.#expire(this.#context.settings.closeMs)
    else this.#act(dialogue.broken('cancelled'))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(socket: Socket): void {
    socket.on('connect', () => {
      this.#connected = true
      sessions.of(this.peer.protocol).value += 1
      this.#localAddress = socket.localAddress ?? ''
      const dialogue = this.#dialogue
      if (dialogue === undefined) return
      if (dialogue instanceof Handshake && dialogue.stage === 'starttls') this.#startTls(dialogue)
      else this.#expireStage(dialogue.stage)
    })
    socket.on('error', (error) => {
      if (!this.#connected) this.#connectError = errorCode(error)
    })
    socket.on('end', () => this.#gone())
    socket.on('close', () => this.#gone())
  }

  #gone(): void {
    if (this.#dialogue !== undefined) this.#act(this.#dialogue.broken('lost'))
    else this.#bury()
  }

  #die(): void {
    this.#dead = true
    clearTimeout(this.#timer)
    if (this.#connected) sessions.of(this.peer.protocol).value -= 1
  }

  /** Ends everything; no event of the socket means anything from here on. */
  #bury(): void {
    if (this.#dead) return
    this.#die()
    this.#timer = undefined
    this.#socket.destroy()
    this.onGone()
  }

  #onBytes(bytes: Buffer): void {
    const dialogue = this.#dialogue
    if (this.#dead) return
    if (dialogue === undefined) {
      // Words nobody asked for: a 421 before the peer closes, or an answer too many. Never start behind them.
      this.#bury()
      return
    }
    const { replies, garbage } = this.#reader.push(bytes)
    if (replies.length === 0 && !garbage) return
    const step = this.#decide(dialogue, replies)
    if (garbage) this.#context.transcript?.note('and what is no reply')
    const waits = step.kind === 'wait'
    if (garbage && waits) this.#act(dialogue.broken('garbage'))
    else if ((garbage || this.#reader.partial) && !waits) this.#act(this.#surplus(dialogue, step))
    else this.#act(step)
  }

  /**
   * Tells the dialogue every reply of a packet; what is to be done then. What one reply asks for is not done
   * before the rest of the packet was seen: an answer to what was not yet said is no answer.
   */
  #decide(dialogue: Dialogue, replies: readonly PeerReply[]): Step {
    let step: Step = WAIT
    for (const reply of replies) {
      this.#context.transcript?.heard(reply)
      if (step.kind === 'wait') step = dialogue.reply(reply)
      else if (step.kind === 'body') step = keepBody(step, dialogue.reply(reply))
      else step = this.#surplus(dialogue, step)
    }
    return step
  }

  /** There is more in the packet than the dialogue can have asked for. */
  #surplus(dialogue: Dialogue, step: Step): Step {
    if (step.kind === 'end') return step.keep === 'stale' ? step : { ...step, keep: 'drop' }
    if (step.kind === 'tls' && dialogue instanceof Handshake) {
      return dialogue.notSecured(`plaintext from ${this.name} behind its reply to STARTTLS`)
    }
    return dialogue.broken('garbage')
  }

  #act(step: Step): void {
    const dialogue = this.#dialogue
    if (dialogue === undefined) return
    switch (step.kind) {
      case 'wait':
        this.#expireStage(dialogue.stage)
        break
      case 'send':
        this.#say(dialogue, step.text)
        this.#expireStage(dialogue.stage)
        break
      case 'body':
        if (dialogue instanceof Transaction) void this.#sendBody(dialogue)
        break
      case 'tls':
        if (dialogue instanceof Handshake) this.#startTls(dialogue)
        break
      case 'end':
        this.#end(dialogue, step)
        break
    }
    this.#onAnswer?.()
  }

  #say(dialogue: Dialogue, text: string): void {
    this.#context.transcript?.said(text, dialogue.stage)
    this.#socket.write(text)
  }

  #end(dialogue: Dialogue, step: Extract<Step, { kind: 'end' }>): void {
    const resolve = this.#resolve
    this.#dialogue = undefined
    this.#content = undefined
    this.#resolve = undefined
    this.#deadlineMs = Infinity
    this.#context.transcript?.ended(dialogue)
    if (dialogue instanceof Handshake) this.#capabilities = dialogue.capabilities
    this.#needsReset = step.keep === 'reset'
    if (step.keep === 'drop' || step.keep === 'stale') {
      if (step.farewell !== '' && !this.#dead && this.#connected) this.#farewell(step.farewell)
      else this.#bury()
    }
    resolve?.(step.keep)
  }

  /**
   * Says the last words and closes; #dead from here on, but the socket lives until the peer has closed too, or
   * `quitMs` is over. No process waits for that before it ends.
   */
  #farewell(words: string): void {
    this.#die()
    const socket = this.#socket
    socket.end(words)
    socket.unref()
    this.#timer = setTimeout(() => socket.destroy(), this.#context.settings.timeouts.quitMs)
    this.#timer.unref()
    socket.once('close', () => {
      clearTimeout(this.#timer)
      this.onGone()
    })
  }

  async #sendBody(transaction: Transaction): Promise<void> {
    const content = this.#content
    if (content === undefined) return
    this.#context.transcript?.note('the message')
    this.#encoder ??= this.#context.createEncoder()
    const { dataXferMs } = this.#context.settings.timeouts
    this.#expire(dataXferMs)
    try {
      const framing = transaction.chunking ? 'bdat' : 'data'
      await sendBody(content, this.#encoder, framing, (bytes, last) => {
        if (this.#dialogue !== transaction) return Promise.resolve(false)
        const { promise, resolve } = Promise.withResolvers<boolean>()
        this.#socket.write(bytes, (error) => resolve(error === undefined || error === null))
        if (last) {
          transaction.bodySent()
          this.#expireStage('dot')
          return promise
        }
        this.#expire(dataXferMs)
        if (framing === 'data') return promise
        transaction.chunkSent()
        return promise.then((written) => written && this.#answered(transaction))
      })
    } catch {
      // The store has noted what is wrong with the body; here it only means that there is no dot to send.
      if (this.#dialogue === transaction) this.#act(transaction.broken('local'))
    }
  }

  /** Until the next chunk may go; false when none is wanted any more. */
  async #answered(transaction: Transaction): Promise<boolean> {
    while (this.#dialogue === transaction && transaction.holdsChunks) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#onAnswer = resolve
      await promise
    }
    this.#onAnswer = undefined
    return this.#dialogue === transaction
  }

  #startTls(handshake: Handshake): void {
    const plain = this.#socket
    plain.removeAllListeners()
    const secure = connectTls({ socket: plain, ...tlsOptions(this.#tls, this.peer.host) })
    this.#socket = secure
    this.#reader = new ReplyReader()
    this.#expireStage('starttls')
    let reason = 'the handshake was broken off'
    secure.on('error', (error) => {
      reason = errorText(error)
    })
    plain.on('error', (error) => {
      reason = errorText(error)
      secure.destroy()
    })
    const failed = (): void => {
      if (this.#dialogue === handshake && handshake.stage === 'starttls')
        this.#act(handshake.notSecured(reason))
      else this.#gone()
    }
    secure.on('close', failed)
    secure.on('end', failed)
    secure.once('secureConnect', () => {
      secure.on('data', (bytes: Buffer) => this.#onBytes(bytes))
      if (this.#dialogue !== handshake) return
      const problem = certificateProblem(this.#tls, secure)
      this.#act(problem === undefined ? handshake.secured() : handshake.notTrusted(problem))
    })
  }

  #expireStage(stage: Stage): void {
    this.#expire(STAGE_TIMEOUT[stage](this.#context.settings.timeouts))
  }

  /**
   * Moves the deadline. The timer itself is only touched when it would ring too late; when it rings too early
   * it is set anew, so a busy connection costs no timer for each reply.
   */
  #expire(ms: number): void {
    this.#deadlineMs = this.#context.clock.monotonicMs() + ms
    if (this.#deadlineMs >= this.#timerAtMs) return
    clearTimeout(this.#timer)
    this.#setTimer(ms)
  }

  #setTimer(ms: number): void {
    this.#timerAtMs = this.#context.clock.monotonicMs() + ms
    this.#timer = setTimeout(() => this.#ring(), Math.ceil(ms))
  }

  #ring(): void {
    this.#timerAtMs = Infinity
    if (this.#dead || this.#deadlineMs === Infinity) return
    const leftMs = this.#deadlineMs - this.#context.clock.monotonicMs()
    if (leftMs > 0) {
      this.#setTimer(leftMs)
      return
    }
    if (this.#dialogue === undefined) {
      this.quit()
      return
    }
    // In a busy process timers come before what has long arrived: read that first, then judge.
    setImmediate(() => this.#timedOut())
  }

  #timedOut(): void {
    if (this.#dead || this.#dialogue === undefined) return
    const leftMs = this.#deadlineMs - this.#context.clock.monotonicMs()
    if (leftMs > 0) {
      if (this.#timerAtMs === Infinity && leftMs !== Infinity) this.#setTimer(leftMs)
      return
    }
    if (!this.#connected) this.#connectError = 'ETIMEDOUT'
    this.#act(this.#dialogue.broken('timeout' satisfies Break))
  }
}

/** Where to connect to, and from which of our own addresses (smtp_bind_address, smtp_bind_address6). */
function placeOf({ address, port }: PeerAddress, { bind }: AgentSettings): NetConnectOpts {
  if (port === 0) return { path: address }
  const from = bind[isIPv6(address) ? 6 : 4]
  const where = { host: address, port, noDelay: true }
  return from === '' ? where : { ...where, localAddress: from }
}

/** A refusal for one recipient in the packet of the 354 does not keep the message from the others. */
function keepBody(body: Step, next: Step): Step {
  return next.kind === 'wait' ? body : next
}

const STAGE_TIMEOUT: Readonly<Record<Stage, (timeouts: DeliveryTimeouts) => number>> = {
  greeting: (t) => t.helloMs,
  lhlo: (t) => t.helloMs,
  ehlo: (t) => t.helloMs,
  helo: (t) => t.helloMs,
  starttls: (t) => t.startTlsMs,
  auth: (t) => t.helloMs,
  rset: (t) => t.rsetMs,
  mail: (t) => t.mailMs,
  rcpt: (t) => t.rcptMs,
  data: (t) => t.dataInitMs,
  body: (t) => t.dataXferMs,
  dot: (t) => t.dataDoneMs,
}
