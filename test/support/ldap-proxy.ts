import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'

/**
 * What stands between a client and slapd, and can be told to misbehave. 'through': nothing. 'slow': each answer waits
 * `delayMs`. 'silent': takes everything and answers nothing. 'nonsense': answers with bytes that are not LDAP.
 * 'garbled': answers with LDAP of which some bytes are others. 'closed': ends every connection.
 */
export type Behaviour = 'through' | 'slow' | 'silent' | 'nonsense' | 'garbled' | 'closed'

export class LdapProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #delayMs: number
  #behaviour: Behaviour = 'through'
  /** Connections that were opened so far. */
  connections = 0

  private constructor(server: Server, port: number, delayMs: number) {
    this.#server = server
    this.port = port
    this.#delayMs = delayMs
  }

  static async start(target: number, delayMs = 500): Promise<LdapProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const proxy = new LdapProxy(server, address.port, delayMs)
    server.on('connection', (socket) => proxy.#serve(socket, target))
    return proxy
  }

  get url(): string {
    return `ldap://127.0.0.1:${this.port}`
  }

  /** From now on, for connections that there are, too. */
  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour
    if (behaviour === 'closed') for (const socket of this.#sockets) socket.destroy()
  }

  #serve(client: Socket, target: number): void {
    this.connections += 1
    if (this.#behaviour === 'closed') {
      client.destroy()
      return
    }
    const server = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      if (this.#behaviour === 'nonsense') client.write('220 this is not LDAP\r\n')
      else if (this.#behaviour !== 'silent') server.write(chunk)
    })
    server.on('data', (chunk: Buffer) => this.#answer(client, chunk))
  }

  #answer(client: Socket, chunk: Buffer): void {
    switch (this.#behaviour) {
      case 'through':
        client.write(chunk)
        break
      case 'slow':
        setTimeout(() => client.destroyed || client.write(chunk), this.#delayMs)
        break
      case 'garbled':
        client.write(chunk.map((octet, at) => (at > 4 && at % 7 === 0 ? octet ^ 0x5a : octet)))
        break
      case 'silent':
      case 'nonsense':
      case 'closed':
        break
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
