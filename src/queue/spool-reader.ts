import { read } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errorCode } from '#src/base/fault.ts'
import { Descriptors } from './descriptors.ts'
import { READ_BLOCK_BYTES, SPOOL_KEEP_OPEN_BYTES_MAX } from './limits.ts'

/** Blocks kept for the next file: as many files are read at once when every delivery of a busy store is a large one. */
const IDLE_BLOCKS_MAX = 32

/** What a body in spool/ has to be. */
export interface SpoolBody {
  readonly file: string
  readonly length: number
  readonly crc32: number
}

/** Reads bodies from spool/. Descriptors and blocks are used again: a fresh one of each would cost more than the read. */
export class SpoolReader {
  readonly #dir: string
  readonly #descriptors = new Descriptors('r')
  readonly #idle: Buffer[] = []

  constructor(dir: string) {
    this.#dir = dir
  }

  /**
   * The file in blocks, each valid until the next is asked for. The checksum is known to hold only after the last
   * one, so the last block is kept back until then: who sends the blocks on never has the end of a damaged message.
   * Throws what `damaged` makes of a reason where the bytes are not what they should be, else the system's error.
   */
  async *blocks(body: SpoolBody, damaged: (reason: string) => Error): AsyncGenerator<Uint8Array> {
    const path = join(this.#dir, body.file)
    const fd = await this.#open(path, damaged)
    const block = this.#idle.pop() ?? Buffer.allocUnsafeSlow(READ_BLOCK_BYTES)
    let sound = false
    try {
      let crc = 0
      for (let at = 0; at < body.length;) {
        const got = await readAt(fd, block, Math.min(block.length, body.length - at), at)
        if (got === 0) throw damaged('the file of the body is too short')
        at += got
        const bytes = block.subarray(0, got)
        crc = crc32(bytes, crc)
        if (at === body.length && crc !== body.crc32) throw damaged('the checksum of the body does not hold')
        yield bytes
      }
      sound = true
    } finally {
      this.#descriptors.give(path, fd, sound && body.length <= SPOOL_KEEP_OPEN_BYTES_MAX)
      if (this.#idle.length < IDLE_BLOCKS_MAX) this.#idle.push(block)
    }
  }

  async #open(path: string, damaged: (reason: string) => Error): Promise<number> {
    try {
      return await this.#descriptors.take(path)
    } catch (error) {
      throw errorCode(error) === 'ENOENT' ? damaged('the file of the body is gone') : error
    }
  }

  close(): void {
    this.#descriptors[Symbol.dispose]()
  }
}

// oxlint-disable-next-line max-params -- as the system call
function readAt(fd: number, into: Buffer, length: number, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  read(fd, into, 0, length, position, (error, got) => {
    if (error === null) resolve(got)
    else reject(error)
  })
  return promise
}
