import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

/** RFC 5321 section 4.5.3.1.4, with room for what extensions add. */
const COMMAND_BYTES_MAX = 16_384

/**
 * `sendmail -bs`: passes an SMTP dialogue on, one command at a time. A program that writes all its commands at once
 * into a pipe would otherwise speak before it is greeted, which a server takes for a robot (RFC 5321 section 4.3.1).
 */
export async function relayDialogue(input: Readable, socket: Socket, output: Writable): Promise<void> {
  const reader = new InputReader(input)
  const replies = new ReplyReader(socket, output)
  await replies.next()
  for (;;) {
    const line = await reader.line()
    if (line === undefined) break
    await send(socket, line)
    const command = line.toString('latin1').trim().toUpperCase()
    const chunk = /^BDAT (\d{1,15})(?: LAST)?$/.exec(command)?.[1]
    if (chunk !== undefined) await reader.pass(Number(chunk), (bytes) => send(socket, bytes))
    const code = await replies.next()
    if (code === undefined || command === 'QUIT') break
    if (command === 'DATA' && code === 354) {
      await passData(reader, socket)
      await replies.next()
    }
  }
  socket.end()
}

/** Up to and with the line that is a dot. */
async function passData(reader: InputReader, socket: Socket): Promise<void> {
  for (let line = await reader.line(); line !== undefined; line = await reader.line()) {
    await send(socket, line)
    if (line.length === 3 && line.toString('latin1') === '.\r\n') return
  }
}

async function send(socket: Socket, bytes: Buffer): Promise<void> {
  if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), once(socket, 'close')])
}

/** Lines of standard input, each ended by CRLF whatever it was ended by. */
class InputReader {
  readonly #chunks: AsyncIterator<unknown>
  #buffer = Buffer.alloc(0)

  constructor(input: Readable) {
    this.#chunks = input[Symbol.asyncIterator]()
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next()
    if (done === true) return false
    this.#buffer = Buffer.concat([this.#buffer, Buffer.isBuffer(value) ? value : Buffer.from(String(value))])
    return true
  }

  async line(): Promise<Buffer | undefined> {
    let end = this.#buffer.indexOf(10)
    while (end < 0 && this.#buffer.length < COMMAND_BYTES_MAX) {
      if (!(await this.#more())) break
      end = this.#buffer.indexOf(10)
    }
    if (this.#buffer.length === 0) return undefined
    const taken = end < 0 ? this.#buffer.length : end + 1
    const line = this.#buffer.subarray(0, taken)
    this.#buffer = this.#buffer.subarray(taken)
    // A line longer than all limits goes on in pieces; the server says what it thinks of it.
    if (end < 0) return line
    const bare = line.at(-2) === 13 ? line.subarray(0, -2) : line.subarray(0, -1)
    return Buffer.concat([bare, Buffer.from('\r\n')])
  }

  async pass(count: number, to: (bytes: Buffer) => Promise<void>): Promise<void> {
    for (let left = count; left > 0;) {
      if (this.#buffer.length === 0 && !(await this.#more())) return
      const bytes = this.#buffer.subarray(0, left)
      this.#buffer = this.#buffer.subarray(bytes.length)
      left -= bytes.length
      await to(bytes)
    }
  }
}

/** Whole replies, passed on as they come. */
class ReplyReader {
  readonly #chunks: AsyncIterator<unknown>
  readonly #output: Writable
  #text = ''

  constructor(socket: Socket, output: Writable) {
    this.#chunks = socket[Symbol.asyncIterator]()
    this.#output = output
  }

  /** The code of the next reply; undefined where the server has closed. */
  async next(): Promise<number | undefined> {
    for (;;) {
      const last = /^(\d{3})(?: .*)?\r\n/m.exec(this.#text)
      if (last !== null) {
        this.#text = this.#text.slice(last.index + last[0].length)
        return Number(last[1])
      }
      const { value, done } = await this.#chunks.next()
      if (done === true) return undefined
      const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value))
      this.#output.write(bytes)
      this.#text += bytes.toString('latin1')
    }
  }
}
