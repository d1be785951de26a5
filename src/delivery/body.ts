import type { BodySource } from '#src/queue/ports.ts'
import type { ContentFacts } from './envelope.ts'

/**
 * Turns the message as it is stored into what goes over the wire: lines folded at 998 octets, no bare CR or LF, a
 * last line that ends, and for DATA a dot put before each dot that starts a line (RFC 5321 section 4.5.2). One for
 * each connection, used again for each message. `match/encoder.ts` is it; delivery only needs to know this much of it.
 */
export interface BodyEncoder {
  begin(mode: 'data' | 'bdat'): void
  // oxlint-disable-next-line max-params -- as the native one, which makes no garbage
  /** Encodes `input` from `start` to `end` into `out` at `outStart`, where 2 * length + 8 octets must be free; octets written. */
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): number
  /** Ends the last line and, for DATA, writes the final dot: 8 octets must be free. */
  finish(out: Uint8Array, outStart: number): number
}

/** The message of one delivery: our header lines, then the stored body. */
export interface Content {
  readonly prefix: string
  readonly body: BodySource
}

/** Octets of one write at most: twice a block of 128 KiB and our header lines, so that a message of a block is one write. */
const OUT_BYTES = 272 * 1024
/** What a call of the encoder may add beyond twice its input, and finish() after it. */
const SLACK = 16
/** Room before a chunk for `BDAT 278528 LAST` CRLF. */
const CHUNK_HEAD_BYTES = 24
/** Below this much room for input a buffer counts as full. */
const ROOM_MIN = 4096
/** Buffers kept for the next message; more are in use only while peers are slow to read. */
const KEPT_MAX = 32

const kept: Buffer[] = []

function takeBuffer(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(OUT_BYTES)
}

function giveBuffer(buffer: Buffer): void {
  if (kept.length < KEPT_MAX) kept.push(buffer)
}

/**
 * Where encoded bytes go. Resolves to true once `bytes` may be used again and more is wanted, to false when nobody
 * wants more. `last`: the final dot is in it, or it is the last chunk; then nobody waits for it but to have the
 * buffer back.
 */
export type Sink = (bytes: Buffer, last: boolean) => Promise<boolean>

/** How a message is framed: as DATA with its dot, or in BDAT chunks (RFC 3030), each with its command before it. */
export type Framing = 'data' | 'bdat'

/**
 * Sends a message through the encoder in as few writes as possible, each awaited, so that memory stays at one
 * buffer however large the message. A body that lies in memory goes out before the first await.
 */
export async function sendBody(
  content: Content,
  encoder: BodyEncoder,
  framing: Framing,
  sink: Sink,
): Promise<void> {
  const out = takeBuffer()
  let clean = false
  try {
    encoder.begin(framing)
    const feed = new Feed(encoder, out, framing, sink)
    // Only an await gives way to others, so a body in memory must not go through `for await`.
    const first = content.prefix === '' ? undefined : feed.add(Buffer.from(content.prefix))
    if (first !== undefined && !(await first)) return
    const blocks = content.body.blocks()
    if (Symbol.iterator in blocks) {
      for (const block of blocks) {
        const wait = feed.add(block)
        if (wait !== undefined && !(await wait)) return
      }
    } else {
      for await (const block of blocks) {
        const wait = feed.add(block)
        if (wait !== undefined && !(await wait)) return
      }
    }
    clean = await feed.finish()
  } finally {
    // After a failed write the socket may still hold the buffer; it is left to the collector.
    if (clean) giveBuffer(out)
  }
}

/** Fills one buffer and hands it on when it is full; a chunk's command is put before it when its length is known. */
class Feed {
  readonly #encoder: BodyEncoder
  readonly #out: Buffer
  readonly #sink: Sink
  /** Where the message begins in the buffer. */
  readonly #from: number
  #used: number

  // oxlint-disable-next-line max-params -- as sendBody
  constructor(encoder: BodyEncoder, out: Buffer, framing: Framing, sink: Sink) {
    this.#encoder = encoder
    this.#out = out
    this.#sink = sink
    this.#from = framing === 'bdat' ? CHUNK_HEAD_BYTES : 0
    this.#used = this.#from
  }

  /** Encodes a block; undefined when it fitted and there is nothing to wait for, else whether to go on. */
  add(block: Uint8Array): Promise<boolean> | undefined {
    if (block.length <= this.#room()) {
      this.#used += this.#encoder.write(block, 0, block.length, this.#out, this.#used)
      return undefined
    }
    return this.#addLarge(block)
  }

  finish(): Promise<boolean> {
    this.#used += this.#encoder.finish(this.#out, this.#used)
    return this.#flush(true)
  }

  async #addLarge(block: Uint8Array): Promise<boolean> {
    let at = 0
    while (at < block.length) {
      const room = this.#room()
      if (room < ROOM_MIN && this.#used > this.#from) {
        if (!(await this.#flush(false))) return false
        continue
      }
      const end = Math.min(block.length, at + room)
      this.#used += this.#encoder.write(block, at, end, this.#out, this.#used)
      at = end
    }
    return true
  }

  /** Octets of input that surely fit, finish() included. */
  #room(): number {
    return Math.max(0, (this.#out.length - this.#used - SLACK) >> 1)
  }

  #flush(last: boolean): Promise<boolean> {
    const begin = this.#from === 0 ? 0 : this.#command(last)
    const bytes = this.#out.subarray(begin, this.#used)
    this.#used = this.#from
    return this.#sink(bytes, last)
  }

  /** Writes `BDAT length [LAST]` right before the chunk; where it begins. */
  #command(last: boolean): number {
    const command = `BDAT ${this.#used - this.#from}${last ? ' LAST' : ''}\r\n`
    const begin = this.#from - command.length
    this.#out.write(command, begin, 'latin1')
    return begin
  }
}

const CR = 0x0d
const LF = 0x0a

/** Reads the message once to learn whether it holds 8-bit octets, in the header section and anywhere. */
export async function readContentFacts(content: Content): Promise<ContentFacts> {
  const scan = new EightBitScan()
  scan.add(Buffer.from(content.prefix))
  for await (const block of content.body.blocks()) {
    scan.add(block)
    if (scan.settled) break
  }
  return { eightBit: scan.eightBit, eightBitHeader: scan.eightBitHeader }
}

class EightBitScan {
  eightBit = false
  eightBitHeader = false
  #inHeader = true
  /** Octets of an empty line seen so far; a header section may start with one. */
  #lineLength = 0

  /** Whether more octets could change nothing. */
  get settled(): boolean {
    return this.eightBit && !this.#inHeader
  }

  add(block: Uint8Array): void {
    for (const octet of block) {
      if (octet > 127) {
        this.eightBit = true
        if (this.#inHeader) this.eightBitHeader = true
      }
      if (this.#inHeader) this.#line(octet)
      else if (this.eightBit) return
    }
  }

  #line(octet: number): void {
    if (octet === LF) {
      if (this.#lineLength === 0) this.#inHeader = false
      this.#lineLength = 0
    } else if (octet !== CR) {
      this.#lineLength += 1
    }
  }
}
