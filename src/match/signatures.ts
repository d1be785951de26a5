import { addon, type NativeSignatureSet } from './addon.ts'
import { readCache, writeCache } from './cache.ts'
import type { SignatureInfo, SignatureSource } from './types.ts'

export interface BuildOptions {
  /** Where compiled databases are kept; not kept if undefined. The folder must exist and be ours alone. */
  readonly cacheDir?: string
  /** 'plain' for the stand-in; by default libhs, where it can run. */
  readonly engine?: 'hyperscan' | 'plain'
}

/**
 * Signatures ready for scanning; immutable. Takes time and memory by the number of signatures (100,000: some
 * seconds, 230 MB; from the cache milliseconds). EICAR's test signature is always part of it.
 */
export class SignatureSet {
  /** For MessageScanner. */
  readonly native: NativeSignatureSet
  readonly info: SignatureInfo

  private constructor(native: NativeSignatureSet, cached: boolean) {
    this.native = native
    this.info = { ...native.info(), cached }
  }

  /** A line that cannot be used is a problem in `info`, not an error; nor is a cache that cannot be used. */
  static build(sources: readonly SignatureSource[], options: BuildOptions = {}): SignatureSet {
    const native = new addon.SignatureSet(sources)
    const plain = options.engine === 'plain'
    const cacheDir = plain ? undefined : options.cacheDir
    const key = cacheDir === undefined ? '' : native.cacheKey()
    const kept = cacheDir === undefined ? undefined : readCache(cacheDir, key)
    if (kept !== undefined && native.load(kept)) return new SignatureSet(native, true)
    native.compile(plain)
    if (cacheDir !== undefined) writeCache(cacheDir, key, native.serialize())
    return new SignatureSet(native, false)
  }

  /** Scanners that use it keep what they need. */
  close(): void {
    this.native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
