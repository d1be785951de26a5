// oxlint-disable no-underscore-dangle -- smtp-server's members are named so
import { Buffer } from 'node:buffer'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'

const EMPTY = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d
/** How many lines are dispatched before other connections have their turn. */
const LINES_PER_TURN = 100
/** How much of one endless line is read and thrown away before the client is cut. */
const LINE_DISCARD_MAX = 1_048_576
/**
 * Input that may wait in the stream while we wait for a disk or a directory. More than one read of a socket
 * (64 KiB), so that a stream that keeps up is never paused.
 */
const INPUT_WAITING_MAX = 131_073

/** Who the stream reads for. Every call may `hold` the stream. */
export interface StreamReceiver {
  /** Octets of the longest command line, without CRLF. */
  readonly lineBytesMax: number
  /** Octets have come; false throws them away. */
  received(octets: number): boolean
  /** A command line from `start` to `end`, without its CRLF. */
  line(bytes: Buffer, start: number, end: number): void
  /** A line that is none: too long (told as soon as it is), endless, or ended by a lone LF. */
  badLine(why: 'too-long' | 'endless' | 'bare-newline'): void
  /** Content from `start` to `end`; returns how many octets were taken, at least one. */
  content(bytes: Buffer, start: number, end: number): number
  /** No more input at hand, or a wait begins: what was said can be sent in one write. */
  pause(): void
  /** The client has ended its side and everything it sent was dealt with. */
  inputEnded(): void
}

/**
 * Cuts the octets of a client into command lines and content. Only CRLF ends a line. It works on the buffers as
 * they come from the socket; nothing is kept but the beginning of a line that has not ended yet.
 *
 * It replaces the reading half of smtp-server's SMTPStream and keeps what STARTTLS rests on there: a stream with
 * `isClosed` set throws away whatever it still holds and never calls its receiver again.
 */
export class CommandStream extends SMTPStream {
  readonly #receiver: StreamReceiver
  #chunk: Buffer = EMPTY
  #at = 0
  /** Octets of the write under way, as the base class counts them. */
  #writing = 0
  /** The chunk lies in a buffer that the caller uses again. */
  #borrowed = false
  #next: ((error?: Error | null) => void) | undefined
  #holds = 0
  #running = false
  #content = false
  #linesThisTurn = 0
  #partial: Buffer = EMPTY
  #partialLength = 0
  #discarded = 0
  #lineStartedMs = 0

  constructor(receiver: StreamReceiver) {
    super({ highWaterMark: INPUT_WAITING_MAX, decodeStrings: false })
    this.#receiver = receiver
  }

  /** Stops the reading until `release` was called as often. */
  hold(): void {
    this.#holds += 1
  }

  release(): void {
    this.#holds -= 1
    if (this.#holds === 0 && !this.#running && this.#next !== undefined) this.#run()
  }

  /** What follows is content (true) or commands (false). */
  expectContent(content: boolean): void {
    this.#content = content
  }

  /** Whether the client has sent more than the line that is being looked at. */
  get hasMore(): boolean {
    return this.#at < this.#chunk.length || this.writableLength > this.#writing
  }

  /** When a line that has not ended yet began (monotonic ms); 0 if there is none. */
  get lineStartedMs(): number {
    return this.#lineStartedMs
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding | 'buffer',
    next: (error?: Error | null) => void,
  ): void {
    if (this.isClosed || !this.#receiver.received(chunk.length)) {
      next()
      return
    }
    this.#chunk = chunk
    this.#at = 0
    this.#writing = chunk.length
    this.#next = next
    if (this.#holds === 0) this.#run()
    else this.#own()
  }

  /**
   * Takes octets out of a buffer that is used again when this returns: what cannot be dealt with at once is copied.
   * False: it has enough for now, and says 'drain' when it wants more.
   */
  takeBorrowed(bytes: Buffer): boolean {
    if (this.#next !== undefined || this.writableLength > 0) return this.write(Buffer.from(bytes))
    this.#borrowed = true
    try {
      return this.write(bytes)
    } finally {
      this.#borrowed = false
    }
  }

  /** Makes what is left of the chunk our own, because we keep it beyond the call that brought it. */
  #own(): void {
    if (!this.#borrowed) return
    this.#borrowed = false
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#at))
    this.#at = 0
  }

  /** The end of the input: a line without CRLF is not a command. */
  override _flushData(): void {
    if (!this.isClosed) this.#receiver.inputEnded()
  }

  #run(): void {
    this.#running = true
    do {
      while (this.#holds === 0 && !this.isClosed && this.#at < this.#chunk.length) {
        if (this.#content) this.#at += this.#receiver.content(this.#chunk, this.#at, this.#chunk.length)
        else this.#readLine()
      }
      // May hold: a client that does not read its replies gets no more of them.
      this.#receiver.pause()
    } while (this.#holds === 0 && !this.isClosed && this.#at < this.#chunk.length)
    this.#running = false
    if (this.#holds > 0 && !this.isClosed) {
      this.#own()
      return
    }
    const next = this.#next
    this.#next = undefined
    this.#chunk = EMPTY
    this.#writing = 0
    next?.()
  }

  #readLine(): void {
    const chunk = this.#chunk
    const start = this.#at
    const newline = chunk.indexOf(LF, start)
    const end = newline < 0 ? chunk.length : newline + 1
    this.#at = end
    if (this.#discarded > 0) {
      this.#discard(end - start, newline >= 0)
    } else if (newline < 0) {
      this.#keep(chunk, start, end)
    } else if (this.#partialLength === 0) {
      this.#dispatch(chunk, start, end)
    } else if (this.#keep(chunk, start, end)) {
      const line = this.#partial
      const length = this.#partialLength
      this.#dropPartial()
      this.#dispatch(line, 0, length)
    } else if (newline >= 0) {
      this.#discarded = 0
    }
    this.#linesThisTurn += 1
    if (this.#linesThisTurn >= LINES_PER_TURN) this.#yield()
  }

  /** `end` is behind the LF. */
  #dispatch(bytes: Buffer, start: number, end: number): void {
    if (end - start < 2 || bytes[end - 2] !== CR) this.#receiver.badLine('bare-newline')
    else if (end - 2 - start > this.#receiver.lineBytesMax) this.#receiver.badLine('too-long')
    else this.#receiver.line(bytes, start, end - 2)
  }

  /** Keeps the beginning of a line; false if it is longer than a line may be. */
  #keep(chunk: Buffer, start: number, end: number): boolean {
    const length = this.#partialLength + end - start
    const room = this.#receiver.lineBytesMax + 2
    if (length > room) {
      this.#dropPartial()
      this.#discarded = length
      this.#receiver.badLine('too-long')
      return false
    }
    if (this.#partialLength === 0) {
      this.#lineStartedMs = performance.now()
      this.#partial = Buffer.allocUnsafe(room)
    }
    chunk.copy(this.#partial, this.#partialLength, start, end)
    this.#partialLength = length
    return true
  }

  #dropPartial(): void {
    this.#partial = EMPTY
    this.#partialLength = 0
    this.#lineStartedMs = 0
  }

  #discard(octets: number, ended: boolean): void {
    this.#discarded += octets
    if (this.#discarded > LINE_DISCARD_MAX) this.#receiver.badLine('endless')
    if (ended) this.#discarded = 0
  }

  #yield(): void {
    this.#linesThisTurn = 0
    if (!this.hasMore) return
    this.hold()
    setImmediate(() => this.release())
  }
}
