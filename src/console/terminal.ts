import { constants, openSync, writeSync } from 'node:fs'
import { ReadStream } from 'node:tty'
import { VT100 } from './grid.ts'
import type { Size } from './grid.ts'
import { KeyReader } from './keys.ts'
import type { Key } from './keys.ts'
import type { Send } from './screen.ts'

export interface TerminalEvents {
  readonly onKey: (key: Key) => void
  readonly onSize: (size: Size) => void
  /** It hung up. */
  readonly onGone: () => void
}

/** How long after ESC the rest of a sequence may take: a terminal at 300 baud, or a console server in between. */
const ESCAPE_MS = 300
/** Asks where the cursor is when it was sent as far as it goes (DSR 6): the size, where the kernel knows none. */
export const ASK_SIZE = '\u001b7\u001b[999;999H\u001b[6n\u001b8'

/**
 * Standard input and output as a terminal. Node writes to a terminal without coming back before it has taken all, so a
 * line that is held (XOFF, a cable without its handshake) would hold the whole process: output goes through a
 * descriptor of its own that does not wait.
 */
export class Terminal implements Disposable {
  readonly send: Send
  readonly #input: ReadStream
  readonly #output = process.stdout
  readonly #keys = new KeyReader()
  readonly #onResize: () => void
  #lone: NodeJS.Timeout | undefined

  constructor(events: TerminalEvents) {
    this.#input = new ReadStream(0)
    const fd = openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    this.send = (octets) => writeSync(fd, octets)
    this.#input.setRawMode(true)
    this.#input.on('data', (octets: Buffer) => this.#read(octets, events))
    this.#input.on('end', () => events.onGone())
    this.#input.on('error', () => events.onGone())
    // Also where the size is what it was: between two quick changes the terminal has lost what it showed. Standard
    // output has heard of it before us; it is only asked for its size, and nothing is written through it.
    this.#onResize = () => events.onSize(this.size)
    process.on('SIGWINCH', this.#onResize)
  }

  /** Whether the kernel knows the size; of a serial line it knows none. */
  get knowsSize(): boolean {
    return this.#output.rows > 0 && this.#output.columns > 0
  }

  get size(): Size {
    const { rows, columns } = this.#output
    return this.knowsSize ? { rows, columns } : VT100
  }

  #read(octets: Buffer, { onKey }: TerminalEvents): void {
    clearTimeout(this.#lone)
    for (const key of this.#keys.read(octets)) onKey(key)
    if (!this.#keys.waiting) return
    this.#lone = setTimeout(() => {
      for (const key of this.#keys.rest()) onKey(key)
    }, ESCAPE_MS)
  }

  /** Gives the terminal back as it was. */
  [Symbol.dispose](): void {
    clearTimeout(this.#lone)
    process.off('SIGWINCH', this.#onResize)
    this.#input.setRawMode(false)
    this.#input.destroy()
  }
}
