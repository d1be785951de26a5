import type { Socket } from 'node:net'
import { crc32 } from 'node:zlib'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { FrameDecoder, FrameWriter, parseHead } from '#src/net/frames.ts'
import { readIntoReusedBuffer } from '#src/net/reused-buffer.ts'
import { UnixServer } from '#src/net/unix-server.ts'
import {
  HEAD_BYTES_MAX,
  LEASE_COUNT_MAX,
  SMTPD_CONNECTIONS_MAX,
  SMTPD_SOCKET_MODE,
  TAIL_BYTES_MAX,
} from './limits.ts'
import { isCount, isText } from './rows.ts'
import type { SpoolPool } from './spool-pool.ts'
import { readSubmission } from './submission.ts'
import type { SubmitOutcome } from './types.ts'
import type { Writer } from './writer.ts'

export interface SubmitServerOptions {
  readonly writer: Writer
  readonly spool: SpoolPool
  readonly log: Log
  readonly space: { readonly open: boolean }
}

/** A client that does not read its answers is cut off when so many octets wait for it. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024

/** The Unix socket on which smtpd hands messages over (ARCHITECTURE.md, "smtpd to qmgr"). */
export class SubmitServer {
  readonly #options: SubmitServerOptions
  readonly #server: UnixServer
  readonly #connections = new Set<Connection>()
  #stopping = false

  constructor(options: SubmitServerOptions) {
    this.#options = options
    this.#server = new UnixServer((socket) => this.#accept(socket), {
      connectionsMax: SMTPD_CONNECTIONS_MAX,
      mode: SMTPD_SOCKET_MODE,
    })
  }

  /** Listens; the caller holds the queue's lock. */
  listen(path: string): Promise<void> {
    return this.#server.listen(path)
  }

  /** Sends the answers that wait, without waiting for the end of the turn. */
  flush(): void {
    for (const connection of this.#connections) connection.flush()
  }

  /** Tells every client whether mail may be taken. */
  announce(open: boolean): void {
    for (const connection of this.#connections) connection.sendSpace(open)
  }

  /** Takes no more connections and no more submissions; clients answer 451 from now on. */
  stop(): void {
    this.#stopping = true
    this.#server.stopListening()
    for (const connection of this.#connections) connection.end()
  }

  #accept(socket: Socket): void {
    if (this.#stopping) {
      socket.destroy()
      return
    }
    const connection = new Connection(socket, this.#options)
    this.#connections.add(connection)
    socket.on('close', () => {
      this.#connections.delete(connection)
      this.#options.spool.dropOwner(connection)
    })
    connection.sendSpace(this.#options.space.open)
  }
}

class Connection {
  readonly #socket: Socket
  readonly #options: SubmitServerOptions
  readonly #out: FrameWriter
  #done: [number, SubmitOutcome][] = []
  #ending = false

  constructor(socket: Socket, options: SubmitServerOptions) {
    this.#socket = socket
    this.#options = options
    this.#out = new FrameWriter(socket)
    const limits = { headBytesMax: HEAD_BYTES_MAX, tailBytesMax: TAIL_BYTES_MAX }
    const decoder = new FrameDecoder(limits, (head, tail) => this.#frame(head, tail))
    const take = (chunk: Buffer, borrowed: boolean): true => {
      try {
        if (!this.#ending) decoder.push(chunk, borrowed)
      } catch (error) {
        this.#fail(error)
      }
      return true
    }
    socket.on('data', (chunk: Buffer) => take(chunk, false))
    // Where it cannot be, what comes goes on coming as 'data'.
    readIntoReusedBuffer(socket, (chunk) => take(chunk, true))
    socket.on('error', (error) => {
      options.log.write('warn', 'qmgr.store_error', { reason: `connection of smtpd: ${error.message}` })
    })
  }

  sendSpace(open: boolean): void {
    this.#send({ t: 'space', open })
  }

  flush(): void {
    if (this.#done.length > 0) {
      const done = this.#done
      this.#done = []
      this.#send({ t: 'done', done })
    }
    this.#out.flush()
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#fail(new Error('answers are not read'))
  }

  end(): void {
    this.#ending = true
    this.flush()
    this.#socket.end()
  }

  #send(head: object): void {
    this.#out.write(JSON.stringify(head))
  }

  #fail(error: unknown): void {
    this.#ending = true
    this.#options.log.write('error', 'qmgr.store_error', {
      reason: `connection of smtpd: ${errorText(error)}`,
    })
    this.#socket.destroy()
  }

  #frame(head: string, tail: Buffer): void {
    const frame = parseHead(head)
    switch (frame['t']) {
      case 'submit':
        this.#submit(frame, head, tail)
        return
      case 'lease':
        this.#lease(frame['count'])
        return
      case 'giveback':
        this.#giveBack(frame)
        return
      default:
        throw new Error('unknown frame')
    }
  }

  #submit(frame: Readonly<Record<string, unknown>>, head: string, tail: Buffer): void {
    const { n } = frame
    if (!isCount(n)) throw new Error('submission without a number')
    const answer = (outcome: SubmitOutcome): void => {
      this.#done.push([n, outcome])
      // Answers of a commit are flushed by it; those given at once go out at the end of the turn.
      if (this.#done.length === 1) setImmediate(() => this.flush())
    }
    const message = readSubmission(frame['m'], tail)
    if (typeof message === 'string') {
      this.#options.log.write('error', 'qmgr.store_error', { reason: `bad submission: ${message}` })
      answer('failed')
      return
    }
    const { body } = message
    const sound =
      body.kind === 'spool'
        ? this.#options.spool.submit(this, body.file)
        : crc32(body.bytes) === message.bodyCrc32
    if (!sound) {
      const reason = body.kind === 'spool' ? `no lease on ${body.file}` : 'the body is not what was received'
      this.#options.log.write('error', 'qmgr.store_error', { id: message.id, reason })
      answer('failed')
      return
    }
    this.#options.writer.submit({ message, head, owner: this, answer })
  }

  #lease(count: unknown): void {
    if (!isCount(count) || count === 0 || count > LEASE_COUNT_MAX) throw new Error('lease of no count')
    if (!this.#options.space.open) {
      this.#send({ t: 'leased', files: [] })
      return
    }
    this.#options.spool.lease(this, count, (files) => this.#send({ t: 'leased', files }))
  }

  #giveBack(frame: Readonly<Record<string, unknown>>): void {
    const { file, bytes, damaged } = frame
    if (!isText(file) || !isCount(bytes)) throw new Error('giveback of no file')
    this.#options.spool.giveBack(this, file, bytes, damaged === true)
  }
}
