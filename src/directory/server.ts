import type { Socket } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import { FrameWriter, parseHead, readFrames } from '#src/net/frames.ts'
import { UnixServer } from '#src/net/unix-server.ts'
import type { DirectoryAnswers, DirectoryHandlers, DirectoryRequest } from './service.ts'
import { answerMs, FRAME_LIMITS, isRequest, REQUESTS_MAX } from './service.ts'

/** smtpd processes, master and tools. */
const CONNECTIONS_MAX = 512

/** What smtpd may ask. */
export const LOOKUPS: ReadonlySet<DirectoryRequest['kind']> = new Set(['recipient', 'domain', 'authenticate'])

/** A socket of the `directory` process. */
export class DirectoryServer {
  readonly #handlers: DirectoryHandlers
  readonly #allowed: ReadonlySet<DirectoryRequest['kind']> | undefined
  readonly #server: UnixServer
  readonly #stop = new AbortController()

  /** `allowed`: what may be asked by whoever is in the group of the socket's folder; everything, by its owner, without. */
  constructor(handlers: DirectoryHandlers, allowed?: ReadonlySet<DirectoryRequest['kind']>) {
    this.#handlers = handlers
    this.#allowed = allowed
    this.#server = new UnixServer((socket) => this.#serve(socket), {
      connectionsMax: CONNECTIONS_MAX,
      mode: allowed === undefined ? 0o600 : 0o660,
    })
  }

  listen(path: string): Promise<void> {
    return this.#server.listen(path)
  }

  close(): void {
    this.#stop.abort()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    const gone = new AbortController()
    const out = new FrameWriter(socket)
    let underWay = 0
    readFrames(socket, FRAME_LIMITS, (head) => {
      const { n, ...request } = parseHead(head)
      if (
        typeof n !== 'number' ||
        !isRequest(request) ||
        this.#allowed?.has(request.kind) === false ||
        underWay >= REQUESTS_MAX
      ) {
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
    socket.on('close', () => gone.abort())
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
      case 'lockouts':
        return this.#handlers.lockouts(request, signal)
      case 'forgive':
        return this.#handlers.forgive(request, signal)
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
    lockouts: { kind: 'unavailable', reason },
    forgive: { kind: 'unavailable', reason },
  }
  return answers[kind]
}
