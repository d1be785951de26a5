import type { Socket } from 'node:net'
import { UnixServer } from '#src/net/unix-server.ts'
import { SMTPD_CONNECTIONS_MAX, SMTPD_SOCKET_MODE } from './limits.ts'
import { REFUSAL_CHARS_MAX, readRefusal } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/** Where smtpd tells what it refuses; in the trace thread, which nobody's mail waits for. */
export class RefusalServer {
  readonly #server: UnixServer
  readonly #take: (refusals: readonly Refusal[], lost: number) => void

  constructor(take: (refusals: readonly Refusal[], lost: number) => void) {
    this.#take = take
    this.#server = new UnixServer((socket) => this.#serve(socket), {
      connectionsMax: SMTPD_CONNECTIONS_MAX,
      mode: SMTPD_SOCKET_MODE,
    })
  }

  /** Listens; qmgr holds the queue's lock. */
  listen(path: string): Promise<void> {
    return this.#server.listen(path)
  }

  close(): void {
    this.#server.close()
  }

  #serve(socket: Socket): void {
    let rest = ''
    socket.setEncoding('utf8')
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
