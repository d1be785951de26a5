import { MessageScanner } from './scanner.ts'
import type { ScannerOptions } from './scanner.ts'
import type { SignatureSet } from './signatures.ts'

/** Scanners that are kept for the next message; one holds some 100 KiB. More may be in use at once. */
const IDLE_MAX = 64

/**
 * The scanners of one signature set: costly to make, cheap to use again. A set that is replaced is retired: what
 * runs goes on with it, and the last scanner that comes back takes the set with it.
 */
export class ScannerPool {
  readonly #signatures: SignatureSet
  readonly #options: ScannerOptions
  readonly #idle: MessageScanner[] = []
  #retired = false

  constructor(signatures: SignatureSet, options: ScannerOptions) {
    this.#signatures = signatures
    this.#options = options
  }

  take(): MessageScanner {
    return this.#idle.pop() ?? new MessageScanner(this.#signatures, this.#options)
  }

  /** Also for a scanner in the middle of a message: the next `begin` starts it afresh. */
  give(scanner: MessageScanner): void {
    if (this.#retired || this.#idle.length >= IDLE_MAX) scanner.close()
    else this.#idle.push(scanner)
  }

  /** No new sessions come to this pool. Scanners that are out still work: they hold what they need of the set. */
  retire(): void {
    this.#retired = true
    for (const scanner of this.#idle.splice(0)) scanner.close()
  }
}
