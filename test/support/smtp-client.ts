import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A reply as it came: every line's text, without codes and line ends. */
export interface ClientReply {
  readonly code: number
  readonly lines: readonly string[]
  /** Enhanced status code of the last line, '' if it has none. */
  readonly dsn: string
  /** The whole reply in one line, for messages of failed tests. */
  readonly text: string
}

/** The server closed the connection, or never answered. */
export class ConnectionLost extends Error {}

/** The longest wait for one reply; Postfix's own clients wait 300 s. */
const REPLY_WITHIN_MS = 60_000
/** More than this without a line end is no reply. */
const UNREAD_MAX = 1_000_000

/**
 * An SMTP (or LMTP) client that says what it is told, byte for byte, right or wrong. It shares nothing with the
 * client in src/delivery.
 */
export class SmtpClient {
  #socket: Socket
  #unread = ''
  #closed = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  /** Connects; `greeting` is still to be read. */
  static async connect(port: number, host = '127.0.0.1'): Promise<SmtpClient> {
    const socket = connect({ port, host, noDelay: true })
    await once(socket, 'connect')
    return new SmtpClient(socket)
  }

  /** Connects with TLS from the first octet, whoever answers; `greeting` is still to be read. */
  static async connectTls(port: number, host = '127.0.0.1'): Promise<SmtpClient> {
    const socket = connectTls({ port, host, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    return new SmtpClient(socket)
  }

  /** Connects, reads the greeting and says EHLO. */
  static async greeted(port: number, helo = 'client.example'): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port)
    const greeting = await client.reply()
    if (greeting.code !== 220) {
      client.destroy()
      throw new ConnectionLost(`greeted with ${greeting.text}`)
    }
    await client.command(`EHLO ${helo}`)
    return client
  }

  #listen(): void {
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => {
      this.#unread += text
      if (this.#unread.length > UNREAD_MAX) this.#socket.destroy()
      this.#wake?.()
    })
    this.#socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
    // 'close' follows, and whoever waits is told there.
    this.#socket.on('error', () => {})
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Sends bytes as they are. A string is latin1: one character, one octet. */
  write(bytes: string | Uint8Array): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** As `write`, and waits until the kernel has taken them where they are many. */
  async writeAll(bytes: Uint8Array): Promise<void> {
    if (this.#closed) throw new ConnectionLost('closed before the write')
    if (this.#socket.write(bytes)) return
    // Not by once(): a connection that is reset is an error there, and here one that is lost.
    await new Promise<void>((resolve) => {
      this.#socket.once('drain', resolve).once('close', () => resolve())
    })
  }

  /** Sends one line and gives its reply. */
  async command(line: string): Promise<ClientReply> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** The next reply; throws ConnectionLost when none comes any more. */
  async reply(): Promise<ClientReply> {
    const end = performance.now() + REPLY_WITHIN_MS
    const lines: string[] = []
    for (;;) {
      const line = await this.#line(end)
      lines.push(line.slice(4))
      if (line[3] !== '-') {
        const code = Number(line.slice(0, 3))
        const dsn = /^[245]\.\d{1,3}\.\d{1,3}(?= )/.exec(lines.at(-1) ?? '')?.[0] ?? ''
        return { code, lines, dsn, text: `${code} ${lines.join(' / ')}` }
      }
    }
  }

  async #line(end: number): Promise<string> {
    for (;;) {
      const at = this.#unread.indexOf('\r\n')
      if (at >= 0) {
        const line = this.#unread.slice(0, at)
        this.#unread = this.#unread.slice(at + 2)
        return line
      }
      if (this.#closed)
        throw new ConnectionLost(`closed; unread: ${JSON.stringify(this.#unread.slice(0, 200))}`)
      await this.#more(end - performance.now())
    }
  }

  async #more(withinMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(
      () => {
        reject(new ConnectionLost(`no reply within ${REPLY_WITHIN_MS} ms`))
      },
      Math.max(withinMs, 0),
    )
    this.#wake = resolve
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#wake = undefined
    }
  }

  /** STARTTLS without looking at the certificate, then EHLO again. */
  async startTls(helo = 'client.example'): Promise<ClientReply> {
    const ready = await this.command('STARTTLS')
    if (ready.code !== 220) return ready
    await this.handshake()
    return this.command(`EHLO ${helo}`)
  }

  /** The handshake alone, once STARTTLS was answered 220; with a certificate of our own where one is given. */
  async handshake(own: { cert?: Buffer; key?: Buffer } = {}): Promise<void> {
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('close')
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false, ...own })
    await once(secure, 'secureConnect')
    this.#socket = secure
    this.#listen()
  }

  /** AUTH PLAIN (RFC 4616). */
  async authenticate(user: string, password: string): Promise<ClientReply> {
    return this.command(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`)
  }

  /** One message, command by command. Gives the reply that ended it: the refusal, or the one to its last dot. */
  async send(mail: { from: string; to: readonly string[]; message: Uint8Array }): Promise<ClientReply> {
    const from = await this.command(`MAIL FROM:<${mail.from}>`)
    if (from.code !== 250) return from
    for (const address of mail.to) {
      const to = await this.command(`RCPT TO:<${address}>`)
      if (to.code !== 250) return to
    }
    const data = await this.command('DATA')
    if (data.code !== 354) return data
    await this.writeAll(dotStuffed(mail.message))
    return this.reply()
  }

  /** QUIT, and waits for the end. */
  async quit(): Promise<void> {
    if (this.#closed) return
    this.write('QUIT\r\n')
    try {
      await this.reply()
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
    this.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.destroy()
  }
}

/** As it goes over the wire after DATA: dots doubled at line starts, ended by a line with one dot. */
export function dotStuffed(message: Uint8Array): Uint8Array {
  const text = Buffer.from(message).toString('latin1')
  const stuffed = text.replace(/(^|\r\n)\./g, '$1..')
  return Buffer.from(stuffed.endsWith('\r\n') ? `${stuffed}.\r\n` : `${stuffed}\r\n.\r\n`, 'latin1')
}
