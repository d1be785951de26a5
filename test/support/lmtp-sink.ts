import { createHash } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { errorCode } from '#src/base/fault.ts'
import { freePorts } from './temp.ts'

/** So many ports are tried before the sink says that none is free. */
const PORT_TRIES_MAX = 5

/** One message that the sink answered 250 to, for one recipient. */
export interface SinkDelivery {
  /** The X-Ledger-Id header; '' where the message has none. */
  readonly ledgerId: string
  readonly recipient: string
  readonly sender: string
  /** Of the message from its X-Ledger-Id line on: what the client sent, without the lines put on top. */
  readonly sha256: string
  /** Monotonic clock of this process, to order it with faults. */
  readonly atMs: number
  /** The whole message, only where the sink keeps messages. */
  readonly message: Buffer
}

export interface SinkOptions {
  /** One that is free if not given. */
  readonly port?: number
  /** The reply to a recipient after its message; undefined is 250, '' none at all: it hangs. Decides per recipient, as LMTP does. */
  readonly answer?: (recipient: string, ledgerId: string, sender: string) => string | undefined
  /** Keeps whole messages in `deliveries`, for small tests; or those from the null sender, which are reports. */
  readonly keep?: boolean | 'reports'
  /** Told of each recipient that came as far as its message, whatever it is answered. */
  readonly attempted?: (attempt: SinkAttempt) => void
}

/** One recipient of one transaction that came as far as the final dot. */
export interface SinkAttempt {
  readonly ledgerId: string
  readonly sender: string
  /** When MAIL came, on the clock of `SinkDelivery.atMs`. */
  readonly beganMs: number
}

/** The header that marks a message of the ledger, and where what the client sent begins. */
const MARK = 'X-Ledger-Id: '

/**
 * A mailbox server's LMTP side in the test's own process, outside whatever is being broken. It takes everything,
 * remembers what it answered 250 to, and shares no code with src/.
 */
export class LmtpSink {
  readonly deliveries: SinkDelivery[] = []
  readonly #options: SinkOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0
  /** Connections that were ever made, to see reuse. */
  connections = 0
  #wake: (() => void)[] = []

  private constructor(options: SinkOptions) {
    this.#options = options
    this.#server = createServer((socket) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
      const session = new SinkSession(options, (delivery) => {
        this.deliveries.push(delivery)
        for (const wake of this.#wake.splice(0)) wake()
      })
      session.serve(socket)
    })
  }

  static async listen(options: SinkOptions = {}): Promise<LmtpSink> {
    const sink = new LmtpSink(options)
    await sink.open()
    return sink
  }

  get port(): number {
    return this.#port
  }

  /** Listens, and again on the same port after `shut`: nobody else is given it meanwhile. */
  async open(): Promise<void> {
    if (this.#port !== 0) await this.#listen(this.#port)
    else if (this.#options.port === undefined) await this.#listenAnywhere()
    else await this.#listen(this.#options.port)
  }

  /** A port that was free a moment ago may be a stranger's now: then another is taken. */
  async #listenAnywhere(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const [port = 0] = await freePorts(1)
      try {
        await this.#listen(port)
        return
      } catch (error) {
        if (errorCode(error) !== 'EADDRINUSE' || tries >= PORT_TRIES_MAX) throw error
      }
    }
  }

  async #listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = port
  }

  /** Stops listening and drops every connection: what a mailbox server that is down looks like. */
  async shut(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Resolves once `count` deliveries were answered 250; rejects after `withinMs`. */
  async taken(count: number, withinMs = 60_000): Promise<void> {
    const signal = AbortSignal.timeout(withinMs)
    // A timeout signal alone does not keep the process alive.
    const alive = setTimeout(() => {}, withinMs)
    try {
      while (this.deliveries.length < count) {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const fail = (): void => {
          reject(new Error(`the sink took ${this.deliveries.length} of ${count} within ${withinMs} ms`))
        }
        if (signal.aborted) fail()
        signal.addEventListener('abort', fail, { once: true })
        this.#wake.push(resolve)
        await promise
        signal.removeEventListener('abort', fail)
      }
    } finally {
      clearTimeout(alive)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shut()
  }
}

class SinkSession {
  readonly #options: SinkOptions
  readonly #took: (delivery: SinkDelivery) => void
  #say: (text: string) => void = () => {}
  #chunks: Buffer[] = []
  #inData = false
  #sender = ''
  #beganMs = 0
  #recipients: string[] = []

  constructor(options: SinkOptions, took: (delivery: SinkDelivery) => void) {
    this.#options = options
    this.#took = took
  }

  serve(socket: Socket): void {
    this.#say = (text) => {
      socket.write(text)
      if (text.startsWith('221')) socket.end()
    }
    this.#say('220 sink.example LMTP\r\n')
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      // Joining is quadratic for a large body, so it waits for what could end one.
      if (!this.#inData || endsData(this.#chunks)) this.#read()
    })
  }

  #read(): void {
    let bytes: Buffer = Buffer.concat(this.#chunks)
    for (;;) {
      const rest = this.#inData ? this.#readData(bytes) : this.#readCommand(bytes)
      if (rest === undefined) break
      bytes = rest
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes]
  }

  #readCommand(bytes: Buffer): Buffer | undefined {
    const at = bytes.indexOf('\r\n')
    if (at < 0) return undefined
    this.#say(this.#answer(bytes.toString('latin1', 0, at)))
    return bytes.subarray(at + 2)
  }

  #answer(line: string): string {
    const verb = line.slice(0, 4).toUpperCase()
    switch (verb) {
      case 'LHLO':
        return '250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n'
      case 'MAIL':
        this.#sender = addressIn(line)
        this.#beganMs = performance.now()
        this.#recipients = []
        return '250 2.1.0 Ok\r\n'
      case 'RCPT':
        this.#recipients.push(addressIn(line))
        return '250 2.1.5 Ok\r\n'
      case 'DATA':
        if (this.#recipients.length === 0) return '503 5.5.1 No recipients\r\n'
        this.#inData = true
        return '354 Go on\r\n'
      case 'RSET':
      case 'NOOP':
        this.#recipients = []
        return '250 2.0.0 Ok\r\n'
      case 'QUIT':
        return '221 2.0.0 Bye\r\n'
      default:
        return '500 5.5.2 Unknown\r\n'
    }
  }

  #readData(bytes: Buffer): Buffer | undefined {
    const empty = bytes.subarray(0, 3).equals(Buffer.from('.\r\n'))
    const at = empty ? -2 : bytes.indexOf('\r\n.\r\n')
    if (!empty && at < 0) return undefined
    this.#inData = false
    const wire = bytes.toString('latin1', 0, at + 2)
    const message = Buffer.from(wire.replace(/(^|\r\n)\.\./g, '$1.'), 'latin1')
    for (const recipient of this.#recipients) this.#settle(recipient, message)
    this.#recipients = []
    return bytes.subarray(at + 5)
  }

  #settle(recipient: string, message: Buffer): void {
    const start = ledgerStart(message)
    const ledgerId = start < 0 ? '' : ledgerIdAt(message, start)
    const said = this.#options.answer?.(recipient, ledgerId, this.#sender) ?? '250 2.1.5 Taken'
    this.#options.attempted?.({ ledgerId, sender: this.#sender, beganMs: this.#beganMs })
    // Noted before it is answered: once the 250 may have been read, it must be in the list.
    if (said.startsWith('250')) {
      this.#took({
        ledgerId,
        recipient,
        sender: this.#sender,
        sha256: createHash('sha256')
          .update(message.subarray(Math.max(start, 0)))
          .digest('hex'),
        atMs: performance.now(),
        message: this.#keeps() ? message : Buffer.alloc(0),
      })
    }
    if (said !== '') this.#say(`${said}\r\n`)
  }

  #keeps(): boolean {
    const { keep } = this.#options
    return keep === true || (keep === 'reports' && this.#sender === '')
  }
}

function endsData(chunks: readonly Buffer[]): boolean {
  const tail = Buffer.concat(chunks.slice(-5)).subarray(-5).toString('latin1')
  // A pipelining client may have sent commands behind the dot: those chunks do not end in it, but in a line.
  return tail.endsWith('\r\n')
}

function addressIn(line: string): string {
  const open = line.indexOf('<')
  const close = line.lastIndexOf('>')
  return open < 0 || close < open ? '' : line.slice(open + 1, close)
}

function ledgerStart(message: Buffer): number {
  if (message.toString('latin1', 0, MARK.length) === MARK) return 0
  const at = message.indexOf(`\r\n${MARK}`)
  return at < 0 ? -1 : at + 2
}

function ledgerIdAt(message: Buffer, start: number): string {
  return message.toString('latin1', start + MARK.length, message.indexOf('\r\n', start))
}
