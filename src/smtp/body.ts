import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { errorCode } from '#src/base/fault.ts'
import { INLINE_BODY_MAX_BYTES } from '#src/queue/limits.ts'
import type { Body, QueueSubmitter, SpoolWriter } from '#src/queue/types.ts'

const EMPTY = Buffer.alloc(0)
/** A large body goes to its file in blocks of this size or a little more. */
const BLOCK_BYTES = 262_144
/** The most that one `append` may bring: what 64 KiB of input can become, doubled, and a little. */
export const APPEND_MAX_BYTES = 131_088
/** Idle blocks that a process keeps: eight transfers. Fresh ones cost page faults, kept ones cost memory. */
const IDLE_BLOCKS_MAX = 16
/** A small body that grows at all grows to this at least, then doubles up to the limit of inline bodies. */
const GROWTH_BYTES_MIN = 4096

/** Why a body could not be kept: the disk is full, it failed, or there is no queue manager. */
export type StoreFailure = 'full' | 'failed' | 'unavailable'

/** Blocks of memory for large bodies, used again and again. */
export class BlockPool {
  readonly #idle: Buffer[] = []

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES + APPEND_MAX_BYTES)
  }

  give(block: Buffer): void {
    if (this.#idle.length < IDLE_BLOCKS_MAX) this.#idle.push(block)
  }
}

/**
 * One message's octets on their way to the queue: a small body stays in memory, a larger one goes to a spool
 * file from the moment it is large. At most two blocks are in memory; when one is being written and the other is
 * full, the caller is asked to wait.
 */
export class BodyStore {
  readonly #queue: QueueSubmitter
  readonly #blocks: BlockPool
  /** While small: the body. Later: the block that is being filled. */
  #filling: Buffer = EMPTY
  #filled = 0
  #length = 0
  #crc = 0
  #spool: SpoolWriter | undefined
  #large = false
  #failure: StoreFailure | undefined
  /** The write under way, or the opening of the file. */
  #busy: Promise<void> | undefined
  #closed = false

  constructor(queue: QueueSubmitter, blocks: BlockPool) {
    this.#queue = queue
    this.#blocks = blocks
  }

  get length(): number {
    return this.#length
  }

  get crc32(): number {
    return this.#crc
  }

  get failure(): StoreFailure | undefined {
    return this.#failure
  }

  /** Resolves when there is room for the next `append`; undefined while there is. */
  get stalled(): Promise<void> | undefined {
    return this.#large && this.#filled >= BLOCK_BYTES ? this.#busy : undefined
  }

  /** Takes a copy of `bytes`, at most APPEND_MAX_BYTES. After a failure they are only counted. */
  append(bytes: Uint8Array): void {
    this.#length += bytes.length
    if (this.#failure !== undefined || this.#closed) return
    this.#crc = crc32(bytes, this.#crc)
    if (!this.#large && this.#length > INLINE_BODY_MAX_BYTES) this.#becomeLarge()
    if (!this.#large) this.#makeRoom(this.#filled + bytes.length)
    this.#filling.set(bytes, this.#filled)
    this.#filled += bytes.length
    if (this.#large && this.#filled >= BLOCK_BYTES && this.#busy === undefined) void this.#writeBlock()
  }

  /**
   * The body, complete and, if it lies in a file, synced; or why there is none. A small body is there at once.
   */
  complete(): Body | Promise<Body | StoreFailure> {
    if (this.#large) return this.#completeFile()
    return { kind: 'inline', bytes: this.#filling.subarray(0, this.#filled) }
  }

  /** The stored octets from the beginning, each piece valid until the next is asked for. */
  async *stored(): AsyncGenerator<Uint8Array> {
    if (!this.#large) {
      yield this.#filling.subarray(0, this.#filled)
      return
    }
    await this.#drain()
    // What could not be written cannot be looked at; `complete` then says so, and the message is not taken.
    if (this.#failure !== undefined) return
    const block = this.#blocks.take()
    try {
      let at = 0
      while (at < this.#length) {
        const got = (await this.#spool?.read(at, block)) ?? 0
        if (got === 0) throw new Error('a spool file is shorter than what was written to it')
        yield block.subarray(0, got)
        at += got
      }
    } finally {
      this.#blocks.give(block)
    }
  }

  /** The message is not wanted: the file goes back unused. Safe at any time, and twice. */
  discard(): void {
    if (this.#closed) return
    this.#closed = true
    if (!this.#large) return
    const busy = this.#busy
    if (busy === undefined) this.#giveBack()
    else void busy.then(() => this.#giveBack())
  }

  #giveBack(): void {
    this.#spool?.discard()
    this.#spool = undefined
    this.#releaseBlock()
  }

  #releaseBlock(): void {
    if (this.#filling !== EMPTY) this.#blocks.give(this.#filling)
    this.#filling = EMPTY
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#filling.length) return
    // Most small messages come in one piece: the first room is exact, only a second piece makes it grow.
    const spare = this.#filled === 0 ? 0 : Math.max(this.#filling.length * 2, GROWTH_BYTES_MIN)
    const room = Math.min(INLINE_BODY_MAX_BYTES, Math.max(bytes, spare))
    const larger = Buffer.allocUnsafeSlow(room)
    larger.set(this.#filling.subarray(0, this.#filled))
    this.#filling = larger
  }

  #becomeLarge(): void {
    const block = this.#blocks.take()
    block.set(this.#filling.subarray(0, this.#filled))
    this.#filling = block
    this.#large = true
    this.#busy = this.#queue.openSpool().then(
      (spool) => this.#opened(spool),
      (error: unknown) => this.#failed(error),
    )
  }

  #opened(spool: SpoolWriter | 'full' | 'unavailable'): void {
    this.#busy = undefined
    if (typeof spool === 'string') {
      this.#failure = spool
      return
    }
    this.#spool = spool
    if (this.#filled >= BLOCK_BYTES && !this.#closed) void this.#writeBlock()
  }

  /** Starts the write of the block that was filled, and goes on in another. */
  #writeBlock(): Promise<void> | undefined {
    const spool = this.#spool
    if (spool === undefined) return undefined
    const block = this.#filling
    const bytes = block.subarray(0, this.#filled)
    this.#filling = this.#blocks.take()
    this.#filled = 0
    this.#busy = spool.write(bytes).then(
      () => this.#written(block),
      (error: unknown) => {
        this.#blocks.give(block)
        this.#failed(error)
      },
    )
    return this.#busy
  }

  #written(block: Buffer): void {
    this.#busy = undefined
    this.#blocks.give(block)
    if (this.#filled >= BLOCK_BYTES && !this.#closed) void this.#writeBlock()
  }

  #failed(error: unknown): void {
    this.#busy = undefined
    this.#failure = errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT' ? 'full' : 'failed'
  }

  /** Resolves when every octet has gone into the file, or could not. */
  async #drain(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy
    if (this.#filled > 0 && this.#failure === undefined) await this.#writeBlock()
  }

  async #completeFile(): Promise<Body | StoreFailure> {
    await this.#drain()
    const spool = this.#spool
    if (spool !== undefined && this.#failure === undefined) {
      await spool.sync().catch((error: unknown) => this.#failed(error))
    }
    this.#releaseBlock()
    if (this.#failure !== undefined) return this.#failure
    return spool === undefined ? 'unavailable' : { kind: 'spool', file: spool.file, length: this.#length }
  }
}
