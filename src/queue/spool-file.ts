import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { SpoolWriter } from './types.ts'

/** Called once, when the file is not needed any more and nothing is on its way into it. */
export type GiveBack = (file: string, bytes: number, damaged: boolean) => void

/** One leased file of spool/, overwritten in place from its beginning. */
export class SpoolFile implements SpoolWriter {
  readonly file: string
  readonly #handle: FileHandle
  readonly #giveBack: GiveBack
  #length = 0
  #syncedLength = 0
  /** A write or flush has failed: what the disk holds is not known, and no later flush can mend that. */
  #damaged = false
  #last: Promise<unknown> = Promise.resolve()
  #over = false

  private constructor(file: string, handle: FileHandle, giveBack: GiveBack) {
    this.file = file
    this.#handle = handle
    this.#giveBack = giveBack
  }

  static async open(path: string, file: string, giveBack: GiveBack): Promise<SpoolFile> {
    return new SpoolFile(file, await open(path, 'r+'), giveBack)
  }

  /** Whether all `length` octets were written and have reached the disk. */
  holds(length: number): boolean {
    return !this.#damaged && this.#length === length && this.#syncedLength === length
  }

  async write(bytes: Uint8Array): Promise<void> {
    const at = this.#length
    this.#length += bytes.length
    await this.#guard(this.#writeAll(bytes, at))
  }

  async #writeAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }

  async sync(): Promise<void> {
    const length = this.#length
    await this.#guard(this.#handle.datasync())
    this.#syncedLength = length
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    const room = Math.min(into.length, this.#length - offset)
    if (room <= 0) return 0
    const { bytesRead } = await this.#handle.read(into, 0, room, offset)
    return bytesRead
  }

  discard(): void {
    this.#end(() => this.#giveBack(this.file, this.#length, this.#damaged))
  }

  /** Closes the file without giving it back: it was submitted, or its lease is over. */
  release(): void {
    this.#end(() => {})
  }

  /** Whatever is on its way into the file must have arrived, or it would land in the next message. */
  #end(then: () => void): void {
    if (this.#over) return
    this.#over = true
    void this.#last
      .catch(() => {})
      .then(() => this.#handle.close())
      .catch(() => {
        this.#damaged = true
      })
      .then(then)
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    this.#last = Promise.allSettled([this.#last, work])
    try {
      await work
    } catch (error) {
      this.#damaged = true
      throw error
    }
  }
}
