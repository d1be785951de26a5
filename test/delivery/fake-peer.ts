import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

/** One connection of a FakePeer, as its script sees it. */
export class Conversation {
  readonly socket: Socket
  /** Where the client connected from; a socket that has closed does not know it any more. */
  readonly from: string
  /** Which connection of the peer this is, from 0. */
  readonly number: number
  /** Every line that came, in order, without line ends. */
  readonly heard: string[] = []
  #text = ''
  #ended = false
  #waiting: (() => void)[] = []

  constructor(socket: Socket, number: number) {
    this.socket = socket
    this.from = socket.remoteAddress ?? ''
    this.number = number
    socket.setEncoding('latin1')
    socket.setNoDelay(true)
    socket.on('data', (text: string) => {
      this.#text += text
      this.#wake()
    })
    const end = (): void => {
      this.#ended = true
      this.#wake()
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  /** The next line; '' when the client is gone. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 2)
        this.heard.push(line)
        return line
      }
      if (this.#ended) return ''
      await this.#more()
    }
  }

  /** The message up to the final dot, still stuffed; undefined when the client went away in it. */
  async message(): Promise<string | undefined> {
    const parts = ['\r\n']
    for (;;) {
      const text = this.#text
      this.#text = ''
      // The end may lie across two packets; a large message must not be searched again for each.
      const tail = parts.pop() ?? ''
      const joined = tail + text
      const end = joined.indexOf('\r\n.\r\n')
      if (end >= 0) {
        parts.push(joined.slice(0, end + 2))
        this.#text = joined.slice(end + 5)
        return parts.join('').slice(2)
      }
      parts.push(joined.slice(0, -4), joined.slice(-4))
      if (this.#ended) return undefined
      await this.#more()
    }
  }

  /** Resolves when so many characters of the client wait unread. */
  async bytes(count: number): Promise<void> {
    while (this.#text.length < count && !this.#ended) await this.#more()
  }

  /** Characters of the client that wait unread. */
  get waiting(): number {
    return this.#text.length
  }

  /** Takes so many of them. */
  read(count: number): string {
    const text = this.#text.slice(0, count)
    this.#text = this.#text.slice(count)
    return text
  }

  say(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text)
  }

  /** Answers each line as `answers` has it until the client is gone or one has no answer. */
  async answer(...answers: readonly string[]): Promise<void> {
    for (const answer of answers) {
      await this.line()
      this.say(answer)
    }
  }

  /** Resolves when the client has closed. */
  async closed(): Promise<void> {
    while (!this.#ended) await this.#more()
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await promise
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** What a peer does with a connection; when it returns the connection stays as it is. */
export type Script = (conversation: Conversation) => Promise<void> | void

/** A next hop that follows a script, on a port of its own. */
export class FakePeer {
  readonly conversations: Conversation[] = []
  readonly #server: Server
  readonly #failures: unknown[] = []

  private constructor(server: Server) {
    this.#server = server
  }

  /** `address`: one of this machine, or the path of a socket in the file system. */
  static async listen(script: Script, port = 0, address = '127.0.0.1'): Promise<FakePeer> {
    const server = createServer({ allowHalfOpen: true })
    const peer = new FakePeer(server)
    server.on('connection', (socket) => {
      const conversation = new Conversation(socket, peer.conversations.length)
      peer.conversations.push(conversation)
      Promise.resolve(script(conversation)).catch((error: unknown) => peer.#failures.push(error))
    })
    if (address.startsWith('/')) server.listen(address)
    else server.listen(port, address)
    await once(server, 'listening')
    return peer
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** What scripts threw. */
  get failures(): readonly unknown[] {
    return this.#failures
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.conversations) socket.destroy()
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

export const LHLO_ALL =
  '250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE\r\n250 ENHANCEDSTATUSCODES\r\n'

/** Greets, answers LHLO or EHLO, and goes on with `then`. */
export function greeted(then: Script, hello: string = LHLO_ALL, greeting = '220 peer LMTP\r\n'): Script {
  return async (conversation) => {
    conversation.say(greeting)
    await conversation.line()
    conversation.say(hello)
    await then(conversation)
  }
}

/** What a well-behaved peer does with messages until the client leaves. `bodies` gets each one. */
export function wellBehaved(
  bodies: string[] = [],
  hello: string = LHLO_ALL,
  protocol: 'lmtp' | 'smtp' = 'lmtp',
): Script {
  return greeted(async (conversation) => {
    let recipients = 0
    for (;;) {
      const line = await conversation.line()
      const verb = line.slice(0, 4).toUpperCase()
      if (line === '') return
      if (verb === 'MAIL') conversation.say('250 2.1.0 ok\r\n')
      else if (verb === 'RCPT') {
        recipients += 1
        conversation.say('250 2.1.5 ok\r\n')
      } else if (verb === 'DATA') {
        conversation.say('354 go\r\n')
        const message = await conversation.message()
        if (message === undefined) return
        bodies.push(message)
        conversation.say('250 2.0.0 taken\r\n'.repeat(protocol === 'lmtp' ? recipients : 1))
        recipients = 0
      } else if (verb === 'QUIT') {
        conversation.say('221 bye\r\n')
        conversation.socket.end()
        return
      } else {
        recipients = 0
        conversation.say('250 2.0.0 ok\r\n')
      }
    }
  }, hello)
}
