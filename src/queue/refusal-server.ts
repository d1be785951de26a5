import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { REFUSAL_CHARS_MAX, readRefusal } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/** One for each smtpd, and some that are just being replaced. */
const CONNECTIONS_MAX = 256

/** Where smtpd tells what it refuses; in the trace thread, which nobody's mail waits for. */
export class RefusalServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #take: (refusals: readonly Refusal[], lost: number) => void

  constructor(take: (refusals: readonly Refusal[], lost: number) => void) {
    this.#take = take
    this.#server = createServer((socket) => this.#serve(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens; a socket file that a predecessor left is replaced (qmgr holds the queue's lock). */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    let rest = ''
    socket.setEncoding('utf8')
    socket.on('close', () => this.#sockets.delete(socket))
    // An smtpd that ends; what it had to tell is told.
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > REFUSAL_CHARS_MAX) {
        socket.destroy()
        return
      }
      this.#lines(lines)
    })
  }

  #lines(lines: readonly string[]): void {
    const refusals: Refusal[] = []
    let lost = 0
    for (const line of lines) {
      const read = readRefusal(line)
      if (read === undefined) lost++
      else if ('lost' in read) lost += read.lost
      else refusals.push(read)
    }
    if (refusals.length + lost > 0) this.#take(refusals, lost)
  }
}
