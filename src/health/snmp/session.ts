import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { AgentXPdu } from 'net-snmp'
import type { PduVariables, Varbind } from 'net-snmp'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { AgentxSocket } from '#src/config/snmp.ts'
import { PDU, answerTo, failedAnswer } from './answers.ts'
import { FrameReader, HEADER_BYTES } from './frames.ts'
import type { Frame } from './frames.ts'
import type { Rows } from './rows.ts'

export interface SessionOptions {
  readonly socket: AgentxSocket
  readonly clock: Clock
  /** Who we are, in snmpd's list of sessions, and the objects we answer for. */
  readonly description: string
  readonly identity: string
  readonly subtrees: readonly string[]
  /** What is answered now; there after a second at the latest. */
  readonly rows: () => Rows | Promise<Rows>
  /** An answer could not be made. */
  readonly onError: (reason: string) => void
}

/** snmpd's answer to something of ours. */
interface Reply {
  readonly error: number
}

/** snmpd answers at once; one that does not is stuck, and is left. */
const ANSWER_MS = 10_000
/** Now and then it is asked whether it is there, which also keeps its sysUpTime and ours together. */
const PING_MS = 60_000
/** snmpd gives up an answer after that; whole seconds. */
const ROW_TIMEOUT_S = 5
/** Questions that are being answered; snmpd asks one or a few at a time. */
const QUESTIONS_MAX = 1000
/** Answers that it does not read. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024
/** RFC 2741 section 7.1.4.1: the lower the more important; the usual one. */
const PRIORITY = 127

/** One connection to snmpd, from Open on (RFC 2741 section 7.1). It never throws for what comes over it: it ends. */
export class AgentxSession {
  readonly #o: SessionOptions
  readonly #socket: Socket
  readonly #reader = new FrameReader()
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>()
  readonly #ended = Promise.withResolvers<string>()
  #reason = ''
  #sessionId = 0
  #packetId = 0
  #questions = 0
  /** When snmpd's sysUpTime was 0, of our clock. */
  #upSinceMs = 0
  #ping: NodeJS.Timeout | undefined

  constructor(options: SessionOptions) {
    this.#o = options
    const { socket } = options
    this.#socket =
      socket.kind === 'unix' ? connect(socket.path) : connect({ host: socket.address, port: socket.port })
    this.#socket.on('data', (chunk: Buffer) => this.#onBytes(chunk))
    this.#socket.on('error', (error) => this.end(errorText(error)))
    this.#socket.on('close', () => this.end('it has closed the connection'))
  }

  /** Resolves with the reason when it has ended. */
  get ended(): Promise<string> {
    return this.#ended.promise
  }

  get isOver(): boolean {
    return this.#reason !== ''
  }

  /** sysUpTime of snmpd, in seconds. */
  get sysUpTimeS(): number {
    return (this.#o.clock.monotonicMs() - this.#upSinceMs) / 1000
  }

  /** Opens the session and registers what we answer for. False where it has ended instead. */
  async open(): Promise<boolean> {
    const { description, identity, subtrees } = this.#o
    const opened = await this.#ask({ pduType: PDU.open, oid: identity, descr: description, timeout: 0 })
    if (!this.#isWell(opened, 'it does not want a session')) return false
    for (const oid of subtrees) {
      const registered = await this.#ask({
        pduType: PDU.register,
        oid,
        timeout: ROW_TIMEOUT_S,
        priority: PRIORITY,
      })
      if (!this.#isWell(registered, `it does not let us answer for ${oid}`)) return false
    }
    const told = await this.#ask({ pduType: PDU.addAgentCaps, oid: identity, descr: description })
    if (!this.#isWell(told, 'it does not want to hear what we answer for')) return false
    this.#ping = setInterval(() => void this.#ask({ pduType: PDU.ping }), PING_MS).unref()
    return !this.isOver
  }

  /** Has snmpd tell everybody who is to be told; whether it has taken that over. */
  async notify(varbinds: readonly Varbind[]): Promise<boolean> {
    return (await this.#ask({ pduType: PDU.notify, varbinds }))?.error === 0
  }

  /** Ends it, for this reason. May be called again. */
  end(reason: string): void {
    if (this.#reason !== '') return
    this.#reason = reason === '' ? 'it ended' : reason
    clearInterval(this.#ping)
    this.#socket.destroy()
    for (const told of this.#waiting.values()) told(undefined)
    this.#waiting.clear()
    this.#ended.resolve(this.#reason)
  }

  #isWell(reply: Reply | undefined, otherwise: string): boolean {
    if (reply !== undefined && reply.error !== 0) this.end(`${otherwise} (error ${reply.error} of RFC 2741)`)
    return reply !== undefined && reply.error === 0 && !this.isOver
  }

  /** Asks snmpd; undefined where the session ended instead. */
  async #ask(variables: PduVariables): Promise<Reply | undefined> {
    if (this.isOver) return undefined
    this.#packetId += 1
    const packetId = this.#packetId
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    this.#waiting.set(packetId, resolve)
    const late = setTimeout(() => this.end('it does not answer'), ANSWER_MS)
    this.#send(() => {
      const pdu = AgentXPdu.createFromVariables({ ...variables, sessionID: this.#sessionId })
      pdu.packetID = packetId
      return pdu.toBuffer()
    })
    const reply = await promise
    clearTimeout(late)
    return reply
  }

  #onBytes(chunk: Buffer): void {
    const { frames, wrong } = this.#reader.read(chunk)
    for (const frame of frames) this.#onFrame(frame)
    if (wrong !== '') this.end(wrong)
  }

  #onFrame(frame: Frame): void {
    if (this.isOver) return
    switch (frame.header.type) {
      case PDU.response:
        this.#onReply(frame)
        break
      case PDU.close:
        this.end('it has closed the session')
        break
      default:
        void this.#answer(frame)
    }
  }

  /** sysUpTime, error and index (section 6.2.16). */
  #onReply({ header, bytes }: Frame): void {
    if (bytes.length < HEADER_BYTES + 8) {
      this.end('an answer is cut short')
      return
    }
    this.#upSinceMs = this.#o.clock.monotonicMs() - bytes.readUInt32BE(HEADER_BYTES) * 10
    if (this.#sessionId === 0) this.#sessionId = header.sessionId
    const waits = this.#waiting.get(header.packetId)
    this.#waiting.delete(header.packetId)
    waits?.({ error: bytes.readUInt16BE(HEADER_BYTES + 4) })
  }

  async #answer(frame: Frame): Promise<void> {
    if (this.#questions >= QUESTIONS_MAX) {
      this.end('it asks for more than can be answered')
      return
    }
    this.#questions += 1
    const given = this.#o.rows()
    // Rows that are at hand are answered in this turn: a walk is a thousand questions, one after the other.
    const rows = given instanceof Promise ? await given : given
    this.#questions -= 1
    this.#send(() => this.#answerOf(frame, rows))
  }

  #answerOf(frame: Frame, rows: Rows): Buffer | undefined {
    try {
      return answerTo(frame, rows)
    } catch (error) {
      this.#o.onError(errorText(error))
      return failedAnswer(frame)
    }
  }

  #send(make: () => Buffer | undefined): void {
    if (this.isOver) return
    const bytes = make()
    if (bytes === undefined) return
    this.#socket.write(bytes)
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.end('it does not read what it asked for')
  }
}
