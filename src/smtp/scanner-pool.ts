import type { ContentScanner, ScannerPool } from './ports.ts'

/** Scanners that are kept for the next message: as many as receive content at once in a busy process. */
const IDLE_MAX = 32

/** Scanners of one generation, made when they are needed. */
export class Scanners implements ScannerPool {
  readonly #make: () => ContentScanner
  readonly #idle: ContentScanner[] = []
  #closed = false

  constructor(make: () => ContentScanner) {
    this.#make = make
  }

  take(): ContentScanner {
    return this.#idle.pop() ?? this.#make()
  }

  give(scanner: ContentScanner): void {
    if (this.#closed || this.#idle.length >= IDLE_MAX) scanner.close()
    else this.#idle.push(scanner)
  }

  /** Nobody takes one any more; those that are out are closed when they come back. */
  close(): void {
    this.#closed = true
    for (const scanner of this.#idle) scanner.close()
    this.#idle.length = 0
  }
}
