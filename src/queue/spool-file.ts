import { fdatasync, read, write } from 'node:fs'
import type { Descriptors } from './descriptors.ts'
import { SPOOL_KEEP_OPEN_BYTES_MAX } from './limits.ts'
import type { SpoolWriter } from './types.ts'

/** Called once, when the file is not needed any more and nothing is on its way into it. */
export type GiveBack = (file: string, bytes: number, damaged: boolean) => void

/** Where a leased file lies and whose descriptor writes into it. */
export interface SpoolPlace {
  readonly file: string
  readonly path: string
  readonly descriptors: Descriptors
}

/** One leased file of spool/, overwritten in place from its beginning. */
export class SpoolFile implements SpoolWriter {
  readonly #place: SpoolPlace
  readonly #fd: number
  readonly #giveBack: GiveBack
  #length = 0
  #syncedLength = 0
  /** A write or flush has failed: what the disk holds is not known, and no later flush can mend that. */
  #damaged = false
  #underWay = 0
  #over: (() => void) | undefined
  #closed = false

  private constructor(place: SpoolPlace, fd: number, giveBack: GiveBack) {
    this.#place = place
    this.#fd = fd
    this.#giveBack = giveBack
  }

  static async open(place: SpoolPlace, giveBack: GiveBack): Promise<SpoolFile> {
    return new SpoolFile(place, await place.descriptors.take(place.path), giveBack)
  }

  get file(): string {
    return this.#place.file
  }

  /** Whether all `length` octets were written and have reached the disk. */
  holds(length: number): boolean {
    return !this.#damaged && this.#length === length && this.#syncedLength === length
  }

  async write(bytes: Uint8Array): Promise<void> {
    let at = this.#length
    this.#length += bytes.length
    for (let done = 0; done < bytes.length;) {
      const from = done
      const written = await this.#call((then) => write(this.#fd, bytes, from, bytes.length - from, at, then))
      done += written
      at += written
    }
  }

  async sync(): Promise<void> {
    const length = this.#length
    await this.#call((then) => fdatasync(this.#fd, (error) => then(error, 0)))
    this.#syncedLength = length
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    const room = Math.min(into.length, this.#length - offset)
    if (room <= 0) return 0
    return await this.#call((then) => read(this.#fd, into, 0, room, offset, then))
  }

  discard(): void {
    this.#end(() => this.#giveBack(this.file, this.#length, this.#damaged))
  }

  /** Ends the use of the file without giving it back: it was submitted, or its lease is over. */
  release(): void {
    this.#end(() => {})
  }

  /** Whatever is on its way into the file must have arrived, or it would land in the next message. */
  #end(then: () => void): void {
    if (this.#closed || this.#over !== undefined) return
    this.#over = () => {
      this.#closed = true
      const keep = !this.#damaged && this.#length <= SPOOL_KEEP_OPEN_BYTES_MAX
      this.#place.descriptors.give(this.#place.path, this.#fd, keep)
      then()
    }
    if (this.#underWay === 0) this.#over()
  }

  /** One call to the system; a failure marks the file. */
  #call(start: (then: (error: Error | null, count: number) => void) => void): Promise<number> {
    // The rest of a write that was under way when the file was given up: somebody else's file by now.
    if (this.#closed) return Promise.reject(new Error('the spool file was given back'))
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#underWay += 1
    start((error, count) => {
      this.#underWay -= 1
      if (error === null) {
        resolve(count)
      } else {
        this.#damaged = true
        reject(error)
      }
      if (this.#underWay === 0 && !this.#closed) this.#over?.()
    })
    return promise
  }
}
