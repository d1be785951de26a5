import { errorCode } from '#src/base/fault.ts'
import { changes } from './diff.ts'
import type { Frame } from './diff.ts'

/** A way to the terminal that never waits: tells how many octets it took, and throws EAGAIN where it takes none. */
export type Send = (octets: Uint8Array) => number

/** How often a line that took no more is tried again. */
const RETRY_MS = 100

/**
 * Sends what has changed. While the line does not take what was sent before, frames are dropped: what is held is the
 * rest of one frame and the newest one, however long the line is dead.
 */
export class Screen implements Disposable {
  readonly #send: Send
  readonly #onGone: (error: unknown) => void
  #shown: Frame | undefined
  #rest: Uint8Array = new Uint8Array()
  #next: Frame | undefined
  #timer: NodeJS.Timeout | undefined
  #sent = 0

  constructor(send: Send, onGone: (error: unknown) => void) {
    this.#send = send
    this.#onGone = onGone
  }

  /** Whether the line has not yet taken what was sent. */
  get stalled(): boolean {
    return this.#rest.length > 0
  }

  /** Octets that the line has taken so far. */
  get sent(): number {
    return this.#sent
  }

  show(frame: Frame): void {
    this.#next = frame
    this.#pump()
  }

  /** Nothing is known of what the terminal shows: all of it is sent with the next frame. */
  forget(): void {
    this.#shown = undefined
  }

  /** Octets outside of any frame; not sent to a line that is stalled. */
  raw(text: string): void {
    if (this.stalled) return
    this.#rest = Buffer.from(text, 'latin1')
    this.#pump()
  }

  #pump(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    try {
      this.#drain()
      if (!this.stalled && this.#next !== undefined) {
        this.#rest = Buffer.from(changes(this.#shown, this.#next), 'latin1')
        this.#shown = this.#next
        this.#next = undefined
        this.#drain()
      }
    } catch (error) {
      this.#onGone(error)
      return
    }
    if (this.stalled) this.#timer = setTimeout(() => this.#pump(), RETRY_MS)
  }

  #drain(): void {
    try {
      while (this.#rest.length > 0) {
        const taken = this.#send(this.#rest)
        this.#sent += taken
        this.#rest = this.#rest.subarray(taken)
      }
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN') throw error
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
