import { addon, type NativeScanner } from './addon.ts'
import type { SignatureSet } from './signatures.ts'
import type { BareNewline, ScanLimits, ScanReport } from './types.ts'

export interface ScannerOptions {
  readonly limits: ScanLimits
  /** What `refusedNewline` answers to; the octets that come out are the same. */
  readonly bareNewline: BareNewline
}

/** Places in the shared state, as in native/addon.cc. */
const CONSUMED = 0
const PRODUCED = 1
const ENDED = 2
const BARE_LF = 3
const BARE_CR = 4
const TOTAL = 5
const STATE_LENGTH = 6

/**
 * Scans messages one after the other, each while its octets arrive: end of DATA, dots, line ends, MIME,
 * signatures. One per session or pooled; for one thread. Memory does not grow with the message.
 *
 * `begin`, any number of `write`, `finish`. Where the report says `needsRecheck`, the stored octets are gone
 * through once more before a verdict: `beginRecheck`, `recheck` for each block in order, `finishRecheck`.
 */
export class MessageScanner {
  readonly #native: NativeScanner
  readonly #state: Float64Array
  readonly #rejectsBare: boolean

  /** `signatures` may be closed while scanners still use it. */
  constructor(signatures: SignatureSet, options: ScannerOptions) {
    // Shared memory cannot be detached: the addon writes into it without asking again.
    this.#state = new Float64Array(new SharedArrayBuffer(STATE_LENGTH * Float64Array.BYTES_PER_ELEMENT))
    this.#native = new addon.Scanner(signatures.native, options.limits, this.#state)
    this.#rejectsBare = options.bareNewline === 'reject'
  }

  /** The octets of room that `write` wants for `length` octets of input. */
  static outputMax(length: number): number {
    return 2 * length + 8
  }

  /** Starts a new message, whatever state the last one was left in. 'bdat': no dots, and no end is looked for. */
  begin(framing: 'data' | 'bdat'): void {
    this.#native.begin(framing)
  }

  /**
   * Takes input[start, end) off the wire and writes what is to be stored to out[outStart, …), which has room
   * for `outputMax(end - start)` octets and does not overlap the input. Then see `consumed`, `produced`, `ended`.
   */
  // oxlint-disable-next-line max-params -- one call for each chunk of mail: an object would be garbage
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): void {
    this.#native.write(input, start, end, out, outStart)
  }

  /** Octets of its input that the last `write` took. Once `ended`, those behind it are commands. */
  get consumed(): number {
    return this.#state[CONSUMED] ?? 0
  }

  /** Octets that the last `write` put out. */
  get produced(): number {
    return this.#state[PRODUCED] ?? 0
  }

  /** Whether the end of DATA was seen. Never for BDAT. */
  get ended(): boolean {
    return this.#state[ENDED] === 1
  }

  get bareLf(): boolean {
    return this.#state[BARE_LF] === 1
  }

  get bareCr(): boolean {
    return this.#state[BARE_CR] === 1
  }

  /** A bare CR or LF was seen and the setting is to refuse such mail. */
  get refusedNewline(): boolean {
    return this.#rejectsBare && (this.bareLf || this.bareCr)
  }

  /** Octets put out for this message so far. */
  get bytes(): number {
    return this.#state[TOTAL] ?? 0
  }

  /** The message is over. `limits` that holds 'error' means that the scan could not be done: 451, never clean. */
  finish(): ScanReport {
    return parseReport(this.#native.finish())
  }

  beginRecheck(): void {
    this.#native.beginRecheck()
  }

  /** The next octets as `write` put them out. */
  recheck(stored: Uint8Array): void {
    this.#native.recheck(stored)
  }

  /** The report again, with the hits that the second look confirmed; `needsRecheck` is false. */
  finishRecheck(): ScanReport {
    return parseReport(this.#native.finishRecheck())
  }

  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function parseReport(json: string): ScanReport {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by native/core/report_json.cc
  return JSON.parse(json) as ScanReport
}
