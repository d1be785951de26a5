import { close, open } from 'node:fs'

/** Descriptors kept open for files that are used again and again: to open and close one costs as much as to fill it. */
const KEPT_MAX = 64

/**
 * Open descriptors of spool files by name, so that a recycled file is not opened anew for each message. A name
 * stands for one file for as long as one qmgr runs (its numbers only grow), so whoever keeps descriptors drops them
 * when qmgr is another one.
 */
export class Descriptors implements Disposable {
  readonly #flags: 'r' | 'r+'
  readonly #kept = new Map<string, number>()
  #closed = false

  constructor(flags: 'r' | 'r+') {
    this.#flags = flags
  }

  /** The caller has it alone until it gives it back. Rejects with the system error. */
  take(path: string): number | Promise<number> {
    const fd = this.#kept.get(path)
    if (fd !== undefined) {
      this.#kept.delete(path)
      return fd
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    open(path, this.#flags, (error, opened) => {
      if (error === null) resolve(opened)
      else reject(error)
    })
    return promise
  }

  /** `keep` false: the file may be gone, or holds more of the disk than an open descriptor should. */
  give(path: string, fd: number, keep: boolean): void {
    if (this.#closed || !keep || this.#kept.has(path)) {
      closeQuietly(fd)
      return
    }
    this.#kept.set(path, fd)
    if (this.#kept.size <= KEPT_MAX) return
    const [oldest] = this.#kept
    if (oldest === undefined) return
    this.#kept.delete(oldest[0])
    closeQuietly(oldest[1])
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const fd of this.#kept.values()) closeQuietly(fd)
    this.#kept.clear()
  }
}

/** What was synced is on the disk, and what was only read is unharmed: an error of close can mean nothing to us. */
function closeQuietly(fd: number): void {
  close(fd, () => {})
}
