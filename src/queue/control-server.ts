import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Action, ActionWhy } from './changes.ts'
import { answers } from './control-requests.ts'
import type { ActiveSeqs } from './listing.ts'
import type { ProgressReport } from './progress.ts'
import type { QueueReader } from './queue-reader.ts'
import type { TraceSearch } from './trace-search.ts'
import type { WriterPort } from './writer-handle.ts'

export interface ControlOptions {
  readonly reader: QueueReader
  readonly spoolDir: string
  readonly writer: Pick<WriterPort, 'act'>
  readonly active: () => ActiveSeqs
  readonly log: Log
  readonly search: TraceSearch
  readonly progress: () => ProgressReport
}

/** A request is one line: 5000 ids of 20 characters are a tenth of this. */
const REQUEST_CHARS_MAX = 1024 * 1024
const CONNECTIONS_MAX = 32
/** A tool that neither asks nor reads for so long has forgotten us. */
const SILENCE_MS = 30_000

/** Answers are joined to writes of about this size. */
const WRITE_CHARS = 16_384

/**
 * Serves the tools: one request per connection, a JSON object on a line, answered in JSON lines (control-requests.ts).
 * What cannot be done is answered with {"error":"…"}.
 */
export class ControlServer {
  readonly #options: ControlOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(options: ControlOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens; a socket file that a predecessor left is replaced (the caller holds the queue's lock). */
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
    let text = ''
    socket.on('close', () => this.#sockets.delete(socket))
    // A tool that was stopped in the middle of a list; nothing is lost with it.
    socket.on('error', () => socket.destroy())
    socket.setTimeout(SILENCE_MS, () => socket.destroy())
    socket.setEncoding('utf8')
    socket.on('end', () => {
      if (!text.includes('\n')) socket.destroy()
    })
    socket.on('data', (chunk: string) => {
      const before = text.length
      text += chunk
      const end = text.indexOf('\n', before)
      if (end >= 0) {
        socket.removeAllListeners('data')
        // An action on a million messages takes its time; that its end is read is waited for no longer than before.
        socket.setTimeout(0)
        void this.#answer(socket, text.slice(0, end))
      } else if (text.length > REQUEST_CHARS_MAX) {
        socket.destroy()
      }
    })
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const { reader, spoolDir, active, writer, log, search, progress } = this.#options
    const tools = {
      reader,
      spoolDir,
      active,
      log,
      search,
      progress,
      act: (action: Action, ids: readonly string[] | null, why: ActionWhy) => writer.act(action, ids, why),
    }
    try {
      const request: unknown = JSON.parse(line)
      if (!isRecord(request)) throw new TypeError('a request is an object')
      let text = ''
      for await (const answer of answers(request, tools)) {
        if (socket.destroyed) return
        text += `${JSON.stringify(answer)}\n`
        if (text.length < WRITE_CHARS) continue
        const room = socket.write(text)
        text = ''
        if (room) continue
        socket.setTimeout(SILENCE_MS)
        await Promise.race([once(socket, 'drain'), once(socket, 'close')])
        socket.setTimeout(0)
      }
      socket.write(text)
    } catch (error) {
      if (!socket.destroyed) socket.write(`${JSON.stringify({ error: errorText(error) })}\n`)
    }
    socket.setTimeout(SILENCE_MS)
    socket.end()
  }
}
