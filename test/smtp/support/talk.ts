import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'

/** A client that says exactly what it is told and reads whole replies. */
export class Talk implements AsyncDisposable {
  #socket: Socket | TLSSocket
  #text = ''
  #closed = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  static async open(port: number): Promise<Talk> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    await once(socket, 'connect')
    return new Talk(socket)
  }

  /** Greeting and EHLO done. */
  static async greeted(port: number, helo = 'client.example'): Promise<Talk> {
    const talk = await Talk.open(port)
    await talk.reply()
    await talk.ask(`EHLO ${helo}`)
    return talk
  }

  get socket(): Socket {
    return this.#socket
  }

  get closed(): boolean {
    return this.#closed
  }

  write(octets: string | Uint8Array): void {
    this.#socket.write(typeof octets === 'string' ? Buffer.from(octets) : octets)
  }

  /** Resolves when the kernel has taken the octets. */
  async flushed(octets: Uint8Array): Promise<void> {
    if (this.#closed || this.#socket.destroyed) return
    this.#socket.write(octets)
    while (this.#socket.writableNeedDrain && !this.#closed) await this.#more()
  }

  /** One command, and its reply. */
  async ask(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return await this.reply()
  }

  async askAll(...lines: string[]): Promise<string[]> {
    const replies: string[] = []
    for (const line of lines) replies.push(await this.ask(line))
    return replies
  }

  /** The next whole reply, its lines joined by `\n`; '' when the server has hung up. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(?:[0-9]{3}-[^\n]*\n)*[0-9]{3} [^\n]*\n/.exec(this.#text)?.[0]
      if (found !== undefined) {
        this.#text = this.#text.slice(found.length)
        return found.trimEnd().replaceAll('\r\n', '\n')
      }
      if (this.#closed) return ''
      await this.#more()
    }
  }

  async replies(count: number): Promise<string[]> {
    const replies: string[] = []
    for (let n = 0; n < count; n += 1) replies.push(await this.reply())
    return replies
  }

  /** All that is still said until the server hangs up. */
  async rest(): Promise<string> {
    while (!this.#closed) await this.#more()
    const text = this.#text
    this.#text = ''
    return text
  }

  async startTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const plain = this.#socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('close')
    const secure = connectTls({ socket: plain, rejectUnauthorized: false, ...options })
    await once(secure, 'secureConnect')
    this.#socket = secure
    this.#listen(secure)
    return secure
  }

  /** Ends our side, as `nc -N` does. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    await this.rest()
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8')
      this.#wake?.()
    })
    socket.on('drain', () => this.#wake?.())
    socket.on('error', () => this.#wake?.())
    socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  async #more(): Promise<void> {
    const waiting = Promise.withResolvers<undefined>()
    this.#wake = () => waiting.resolve(undefined)
    await waiting.promise
  }
}
