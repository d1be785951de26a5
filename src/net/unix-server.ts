import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

interface UnixServerOptions {
  /** One more is closed at once. */
  readonly connectionsMax: number
  /** Whether a peer that has said all it had to say, and closed its side, still gets its answer. */
  readonly answersHalfOpen?: boolean
  /** Of the socket's file; its owner alone without it. */
  readonly mode?: number
}

/**
 * A Unix socket on which a process of ours serves the others and the tools. Who may open it may do all that it offers.
 */
export class UnixServer {
  readonly #server: Server
  readonly #mode: number
  readonly #sockets = new Set<Socket>()

  /** `serve` is given each connection. One that breaks is closed: whoever asked knows, and asks anew when it is back. */
  constructor(serve: (socket: Socket) => void, options: UnixServerOptions) {
    this.#server = createServer({ allowHalfOpen: options.answersHalfOpen === true }, (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      serve(socket)
    })
    this.#mode = options.mode ?? 0o600
    this.#server.maxConnections = options.connectionsMax
  }

  /** Listens; a socket file that a killed predecessor left is replaced, so the caller holds a lock on what it serves. */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    // One connection that could not be taken (no descriptors left): its peer sees it closed, the others go on.
    this.#server.on('error', () => {})
    chmodSync(path, this.#mode)
  }

  /** Takes no more connections; those that are there go on. */
  stopListening(): void {
    this.#server.close()
  }

  /** Takes no more, and cuts those that are there. */
  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
