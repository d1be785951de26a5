import { createRequire } from 'node:module'
import type { ScanLimits, SignatureProblem, SignatureSource } from './types.ts'

/**
 * The native addon, loaded here and nowhere else. `import` of a .node file warns as experimental in Node 26,
 * so it is required. Built by `native/build.sh` into build/Release.
 */
interface NativeAddon {
  readonly SignatureSet: new (sources: readonly SignatureSource[]) => NativeSignatureSet
  readonly Scanner: new (
    signatures: NativeSignatureSet,
    limits: ScanLimits,
    state: Float64Array,
  ) => NativeScanner
  readonly Encoder: new () => NativeEncoder
}

/** Parsed signatures; ready for a scanner after `load` that returned true, or `compile`. */
export interface NativeSignatureSet {
  /** Hexadecimal SHA-256 of all that the compiled form depends on. */
  cacheKey(): string
  /** False where the octets are no database of this libhs and machine. */
  load(serialized: Uint8Array): boolean
  compile(plain: boolean): void
  /** Empty where there is nothing to keep. */
  serialize(): Uint8Array
  info(): {
    readonly signatures: number
    readonly engine: 'hyperscan' | 'plain'
    readonly databaseBytes: number
    readonly problems: readonly SignatureProblem[]
  }
  close(): void
}

export interface NativeScanner {
  begin(framing: 'data' | 'bdat'): void
  // oxlint-disable-next-line max-params -- one call for each chunk of mail: an object would be garbage
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): void
  /** A ScanReport in JSON. */
  finish(): string
  beginRecheck(): void
  recheck(stored: Uint8Array): void
  /** A ScanReport in JSON. */
  finishRecheck(): string
  close(): void
}

export interface NativeEncoder {
  begin(bdat: boolean): void
  // oxlint-disable-next-line max-params -- as in NativeScanner
  write(input: Uint8Array, start: number, end: number, out: Uint8Array, outStart: number): number
  finish(out: Uint8Array, outStart: number): number
}

const require = createRequire(import.meta.url)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it holds is tested in test/native
export const addon = require('../../build/Release/postern.node') as NativeAddon
