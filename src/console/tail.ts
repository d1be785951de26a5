import { open } from 'node:fs/promises'
import { errorCode, errorText } from '#src/base/fault.ts'

/** As much of the end of a file as is read when it is first looked at, and of one growth. */
const BLOCK_BYTES = 65_536
/** Lines that are kept. */
const LINES_MAX = 2000
/** A longer line is cut. */
const LINE_CHARS_MAX = 2000

/** The end of a file that grows, and is set aside and begun anew now and then. */
export class Tail {
  readonly #file: string
  #lines: string[] = []
  #part = ''
  #inode = 0n
  #at = 0n

  constructor(file: string) {
    this.#file = file
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  /** Reads what has been written since the last time; the reason why it cannot be read, or ''. */
  async read(): Promise<string> {
    try {
      await using handle = await open(this.#file, 'r')
      const { ino, size } = await handle.stat({ bigint: true })
      if (ino !== this.#inode || size < this.#at) {
        this.#inode = ino
        this.#at = 0n
        this.#part = ''
      }
      // Of what came too fast the end counts.
      const skipped = size - this.#at > BigInt(BLOCK_BYTES)
      if (skipped) this.#at = size - BigInt(BLOCK_BYTES)
      const block = Buffer.alloc(Number(size - this.#at))
      const { bytesRead } = await handle.read(block, 0, block.length, Number(this.#at))
      this.#at += BigInt(bytesRead)
      this.#take(block.subarray(0, bytesRead).toString('utf8'), skipped)
      return ''
    } catch (error) {
      return errorCode(error) === 'ENOENT' ? `there is no ${this.#file} yet` : errorText(error)
    }
  }

  #take(text: string, skipped: boolean): void {
    const lines = ((skipped ? '' : this.#part) + text).split('\n')
    // The last line may not be whole yet; nor is the first behind a gap.
    this.#part = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX)
    if (skipped) lines.shift()
    this.#lines = [...this.#lines, ...lines.map((line) => line.slice(0, LINE_CHARS_MAX))].slice(-LINES_MAX)
  }
}
