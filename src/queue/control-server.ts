import type { Socket } from 'node:net'
import { once } from 'node:events'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { answerLine } from '#src/net/answer-line.ts'
import { isRecord } from '#src/net/frames.ts'
import { UnixServer } from '#src/net/unix-server.ts'
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

/** What only looks, and shows no body. */
export const LOOKS: ReadonlySet<string> = new Set(['list', 'page', 'queues', 'domains', 'trace', 'progress'])

/**
 * Serves the tools: one request per connection, a JSON object on a line, answered in JSON lines (control-requests.ts).
 * What cannot be done is answered with {"error":"…"}.
 */
export class ControlServer {
  readonly #options: ControlOptions
  readonly #server: UnixServer
  readonly #allowed: ReadonlySet<string> | undefined

  /** `allowed`: requests that are served to whoever is in the group of the socket's folder; all, to its owner, without. */
  constructor(options: ControlOptions, allowed?: ReadonlySet<string>) {
    this.#options = options
    this.#allowed = allowed
    const limits = { silenceMs: SILENCE_MS, charsMax: REQUEST_CHARS_MAX }
    this.#server = new UnixServer(
      (socket) => answerLine(socket, limits, (line) => this.#answer(socket, line)),
      { connectionsMax: CONNECTIONS_MAX, answersHalfOpen: true, mode: allowed === undefined ? 0o600 : 0o660 },
    )
  }

  /** Listens; the caller holds the queue's lock. */
  listen(path: string): Promise<void> {
    return this.#server.listen(path)
  }

  close(): void {
    this.#server.close()
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
      if (this.#allowed?.has(String(request['op'])) === false) throw new TypeError('that is not told here')
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
  }
}
