import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import { FrameDecoder, FrameWriter, parseHead } from '#src/net/frames.ts'
import type { DirectoryAnswers, DirectoryHandlers, DirectoryRequest } from './service.ts'
import { answerMs, FRAME_BYTES_MAX, isRequest, REQUESTS_MAX } from './service.ts'

/** smtpd processes, master and tools. */
const CONNECTIONS_MAX = 512

/** The socket of the `directory` process. Who may open it may ask everything: its mode is 0600. */
export class DirectoryServer {
  readonly #handlers: DirectoryHandlers
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #stop = new AbortController()

  constructor(handlers: DirectoryHandlers) {
    this.#handlers = handlers
    this.#server = createServer((socket) => this.#serve(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens; a socket file that a killed predecessor left is replaced. */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  }

  close(): void {
    this.#stop.abort()
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    const gone = new AbortController()
    const out = new FrameWriter(socket)
    let underWay = 0
    const decoder = new FrameDecoder({ headBytesMax: FRAME_BYTES_MAX, tailBytesMax: 0 }, (head) => {
      const { n, ...request } = parseHead(head)
      if (typeof n !== 'number' || !isRequest(request) || underWay >= REQUESTS_MAX) {
        socket.destroy()
        return
      }
      underWay += 1
      void this.#answer(request, gone.signal)
        .then((answer) => {
          if (!socket.destroyed) out.write(JSON.stringify({ n, answer }))
          return undefined
        })
        .finally(() => {
          underWay -= 1
        })
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        decoder.push(chunk)
      } catch {
        // Whoever sends what is no frame is not of this release; its place in the stream is lost.
        socket.destroy()
      }
    })
    // The other process ended; it asks anew when it is back.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      gone.abort()
      this.#sockets.delete(socket)
    })
  }

  async #answer(request: DirectoryRequest, gone: AbortSignal): Promise<unknown> {
    const ms = answerMs(request.kind)
    const over = AbortSignal.timeout(ms)
    const signal = AbortSignal.any([over, gone, this.#stop.signal])
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error(`no answer within ${ms / 1000} s`)), {
        once: true,
      })
    })
    try {
      return await Promise.race([this.#handle(request, signal), late])
    } catch (error) {
      return unavailable(request.kind, errorText(error))
    }
  }

  async #handle(request: DirectoryRequest, signal: AbortSignal): Promise<unknown> {
    switch (request.kind) {
      case 'recipient':
        return this.#handlers.recipient(request, signal)
      case 'domain':
        return this.#handlers.domain(request, signal)
      case 'authenticate':
        return this.#handlers.authenticate(request, signal)
      case 'poll':
        return this.#handlers.poll(request, signal)
      case 'accept':
        return this.#handlers.accept(request, signal)
      case 'status':
        return this.#handlers.status(request, signal)
    }
  }
}

/** The answer that says that nobody knows. */
export function unavailable<K extends DirectoryRequest['kind']>(
  kind: K,
  reason: string,
): DirectoryAnswers[K] {
  const answers: DirectoryAnswers = {
    recipient: { kind: 'unavailable', reason },
    domain: 'unavailable',
    authenticate: { kind: 'unavailable', reason },
    poll: { kind: 'unavailable', reason },
    accept: { kind: 'unavailable', reason },
    status: { reason },
  }
  return answers[kind]
}
