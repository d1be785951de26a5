import type { Socket } from 'node:net'
import { Fault } from '#src/base/fault.ts'

/**
 * Frames over a Unix socket between processes of one release: two lengths, a JSON head, a binary tail.
 *
 *     0        4        8              8 + head          8 + head + tail
 *     | head   | tail   | JSON (UTF-8) | bytes           |      lengths: unsigned, 32 bits, big-endian
 */
export interface FrameLimits {
  readonly headBytesMax: number
  readonly tailBytesMax: number
}

const LENGTHS_BYTES = 8

/** Called for each frame in order. `tail` is a view that stays valid as long as it is held. */
export type FrameListener = (head: string, tail: Buffer) => void

const NO_TAIL = Buffer.alloc(0)

/**
 * Cuts a stream into frames. A frame that is longer than its limits throws FRAME_MALFORMED before anything of it
 * is stored; after that the stream has lost its place and the connection must be closed.
 */
export class FrameDecoder {
  readonly #limits: FrameLimits
  readonly #listener: FrameListener
  /** What has come of a frame that is not whole yet: either less than the lengths, or exactly one frame's room. */
  #partial: Buffer = NO_TAIL
  #filled = 0

  constructor(limits: FrameLimits, listener: FrameListener) {
    this.#limits = limits
    this.#listener = listener
  }

  /** `borrowed`: the memory of `chunk` is used again once this returns, so what is to stay is copied. */
  push(chunk: Buffer, borrowed = false): void {
    let at = this.#filled === 0 ? 0 : this.#fill(chunk)
    while (chunk.length - at >= LENGTHS_BYTES) {
      const frameBytes = this.#frameBytes(chunk, at)
      if (chunk.length - at < frameBytes) {
        this.#keep(chunk, at, frameBytes)
        return
      }
      this.#emit(chunk, at, borrowed)
      at += frameBytes
    }
    if (at < chunk.length) this.#keep(chunk, at, LENGTHS_BYTES)
  }

  /** Completes the frame that was begun in an earlier chunk; returns where the next one starts. */
  #fill(chunk: Buffer): number {
    let at = 0
    while (this.#filled > 0) {
      const wanted = this.#partial.length - this.#filled
      const copied = chunk.copy(this.#partial, this.#filled, at, at + wanted)
      this.#filled += copied
      at += copied
      if (copied < wanted) return at
      if (this.#partial.length === LENGTHS_BYTES) {
        const frameBytes = this.#frameBytes(this.#partial, 0)
        if (frameBytes > LENGTHS_BYTES) {
          this.#keep(this.#partial, 0, frameBytes)
          continue
        }
      }
      const whole = this.#partial
      this.#partial = NO_TAIL
      this.#filled = 0
      this.#emit(whole, 0, false)
    }
    return at
  }

  #keep(bytes: Buffer, at: number, room: number): void {
    const partial = Buffer.allocUnsafe(room)
    this.#filled = bytes.copy(partial, 0, at)
    this.#partial = partial
  }

  #frameBytes(bytes: Buffer, at: number): number {
    const head = bytes.readUInt32BE(at)
    const tail = bytes.readUInt32BE(at + 4)
    if (head > this.#limits.headBytesMax || tail > this.#limits.tailBytesMax) {
      throw new Fault('FRAME_MALFORMED', { headBytes: head, tailBytes: tail })
    }
    return LENGTHS_BYTES + head + tail
  }

  #emit(bytes: Buffer, at: number, borrowed: boolean): void {
    const headEnd = at + LENGTHS_BYTES + bytes.readUInt32BE(at)
    const tailEnd = headEnd + bytes.readUInt32BE(at + 4)
    const tail = bytes.subarray(headEnd, tailEnd)
    const kept = borrowed && tail.length > 0 ? Buffer.from(tail) : tail
    this.#listener(bytes.toString('utf8', at + LENGTHS_BYTES, headEnd), kept)
  }
}

/**
 * Hands what comes on a connection to `listener`, frame by frame. Whoever sends what is no frame, or one that the
 * listener throws at, is not of this release, and its place in the stream is lost: the connection is closed.
 */
export function readFrames(socket: Socket, limits: FrameLimits, listener: FrameListener): void {
  const decoder = new FrameDecoder(limits, listener)
  socket.on('data', (chunk: Buffer) => {
    try {
      decoder.push(chunk)
    } catch {
      socket.destroy()
    }
  })
}

export function encodeFrame(head: string, tail: Uint8Array = NO_TAIL): Buffer {
  const headBytes = Buffer.byteLength(head)
  const frame = Buffer.allocUnsafe(LENGTHS_BYTES + headBytes + tail.length)
  frame.writeUInt32BE(headBytes, 0)
  frame.writeUInt32BE(tail.length, 4)
  frame.write(head, LENGTHS_BYTES)
  frame.set(tail, LENGTHS_BYTES + headBytes)
  return frame
}

/** The least of a socket that frames are written to. */
interface Sink {
  write(bytes: Uint8Array): boolean
  readonly destroyed: boolean
  readonly writableLength: number
}

/** Frames of one turn up to this are gathered without an allocation. */
const GATHER_BYTES = 256 * 1024

/** UTF-8 needs three octets at most for each unit of a JavaScript string. */
const UTF8_FACTOR = 3

/**
 * Writes frames, all of one turn of the event loop in one piece: a system call costs more than the copy. The
 * flush comes with setImmediate, which is after every socket that was readable in this turn.
 */
export class FrameWriter {
  readonly #sink: Sink
  /** Used again as long as the kernel takes all of it at once, which is nearly always. */
  #gathered = Buffer.allocUnsafeSlow(0)
  #used = 0
  #scheduled = false

  constructor(sink: Sink) {
    this.#sink = sink
  }

  write(head: string, tail: Uint8Array = NO_TAIL): void {
    const bytesMax = LENGTHS_BYTES + head.length * UTF8_FACTOR + tail.length
    if (this.#used + bytesMax > GATHER_BYTES) this.flush()
    if (bytesMax > GATHER_BYTES) {
      if (!this.#sink.destroyed) this.#sink.write(encodeFrame(head, tail))
      return
    }
    if (this.#gathered.length === 0) this.#gathered = Buffer.allocUnsafeSlow(GATHER_BYTES)
    const gathered = this.#gathered
    const at = this.#used + LENGTHS_BYTES
    const headBytes = gathered.write(head, at)
    gathered.writeUInt32BE(headBytes, this.#used)
    gathered.writeUInt32BE(tail.length, this.#used + 4)
    gathered.set(tail, at + headBytes)
    this.#used = at + headBytes + tail.length
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Hands over what is gathered, without waiting for the end of the turn. */
  flush(): void {
    if (this.#used === 0) return
    const bytes = this.#gathered.subarray(0, this.#used)
    this.#used = 0
    if (this.#sink.destroyed) return
    this.#sink.write(bytes)
    // What the kernel has not taken yet is still read from this memory.
    if (this.#sink.writableLength > 0) this.#gathered = Buffer.allocUnsafeSlow(0)
  }
}

/** The object that a frame's head is, or FRAME_MALFORMED. */
export function parseHead(head: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(head)
  } catch (error) {
    throw new Fault('FRAME_MALFORMED', { reason: 'not JSON' }, error)
  }
  if (!isRecord(value)) throw new Fault('FRAME_MALFORMED', { reason: 'not an object' })
  return value
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
