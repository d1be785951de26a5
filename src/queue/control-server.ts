import { chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { once } from 'node:events'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import { ACTIONS } from './changes.ts'
import type { Action, ActionResult } from './changes.ts'
import { ACTION_IDS_MAX, LIST_PAGE } from './limits.ts'
import { listPage } from './listing.ts'
import type { QueueReader } from './queue-reader.ts'
import type { WriterPort } from './writer-handle.ts'

export interface ControlOptions {
  readonly reader: QueueReader
  readonly writer: Pick<WriterPort, 'act'>
  readonly isActive: (seq: number) => boolean
  readonly log: Log
}

/** A request is one line: 5000 ids of 20 characters are a tenth of this. */
const REQUEST_CHARS_MAX = 1024 * 1024
const CONNECTIONS_MAX = 32
/** A tool that neither asks nor reads for so long has forgotten us. */
const SILENCE_MS = 30_000

/**
 * Serves the tools: one request per connection, a JSON object on a line.
 *
 *     {"op":"list"}                                   a line per message, then {"end":true}
 *     {"op":"act","action":"hold","ids":["…"]|null}   {"count":1,"missing":[]}; null is ALL
 *
 * What cannot be done is answered with {"error":"…"}. A list is read in pages between which mail goes on.
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
        void this.#answer(socket, text.slice(0, end))
      } else if (text.length > REQUEST_CHARS_MAX) {
        socket.destroy()
      }
    })
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    try {
      const request: unknown = JSON.parse(line)
      if (!isRecord(request)) throw new TypeError('a request is an object')
      if (request['op'] === 'list') await this.#list(socket)
      else if (request['op'] === 'act') socket.write(`${JSON.stringify(await this.#act(request))}\n`)
      else throw new TypeError('no such request')
    } catch (error) {
      if (!socket.destroyed) socket.write(`${JSON.stringify({ error: errorText(error) })}\n`)
    }
    socket.end()
  }

  async #list(socket: Socket): Promise<void> {
    const { reader, isActive } = this.#options
    for (let after: number | undefined = 0; after !== undefined && !socket.destroyed;) {
      const page = listPage(reader, after, LIST_PAGE, isActive)
      after = page.next
      const text = page.messages.map((message) => `${JSON.stringify(message)}\n`).join('')
      if (text !== '' && !socket.write(text))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')])
      else await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write('{"end":true}\n')
  }

  async #act(request: Readonly<Record<string, unknown>>): Promise<ActionResult> {
    const action = ACTIONS.find((each) => each === request['action'])
    if (action === undefined) throw new TypeError('no such action')
    const ids = readIds(request['ids'])
    const result = await this.#options.writer.act(action, ids)
    logAction(this.#options.log, action, ids, result)
    return result
  }
}

function readIds(value: unknown): readonly string[] | null {
  if (value === null) return null
  if (!Array.isArray(value) || value.length > ACTION_IDS_MAX)
    throw new TypeError('ids are a list of 5000 at most')
  const ids: string[] = []
  for (const id of value) {
    if (typeof id !== 'string') throw new TypeError('an id is a text')
    ids.push(id)
  }
  return ids
}

/** Ids named one by one in the line; a request for many is summed up. */
const IDS_LOGGED_MAX = 20

/** An operator's hand on the queue is always in the log. */
export function logAction(
  log: Log,
  action: Action,
  ids: readonly string[] | null,
  result: ActionResult,
): void {
  log.write('info', 'qmgr.action', {
    action,
    ids: ids === null ? 'ALL' : ids.slice(0, IDS_LOGGED_MAX),
    count: result.count,
    missing: result.missing.length,
  })
}
