import { Buffer } from 'node:buffer'
import { createRequire } from 'node:module'

/** 'pcre' as pcre_table(5); 'extended' and 'basic' as regexp_table(5). */
export type PatternSyntax = 'pcre' | 'extended' | 'basic'

/** Start and end, in octets, of the whole match and of each group; -1 for a group that took no part. */
export type PatternMatch =
  | { readonly kind: 'match'; readonly offsets: readonly number[] }
  | { readonly kind: 'none' }
  /** It would have cost more than a match may (native/pattern.cc): nobody knows. */
  | { readonly kind: 'given-up'; readonly reason: string }

interface NativePattern {
  problem(): string
  match(subject: Uint8Array): readonly number[] | string | null
}

interface NativePatterns {
  readonly Pattern: new (source: Uint8Array, letters: string, syntax: PatternSyntax) => NativePattern
}

const NONE: PatternMatch = { kind: 'none' }

let native: NativePatterns | undefined

/** Loaded when there is a table: few processes have one. */
function load(): NativePatterns {
  const require = createRequire(import.meta.url)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it holds is tested in test/match/pattern.test.ts
  native ??= require('../../build/Release/postern_pattern.node') as NativePatterns
  return native
}

/** One regular expression (PCRE2) over octets, whose every match is bounded in time and memory. */
export class Pattern {
  readonly #native: NativePattern

  private constructor(made: NativePattern) {
    this.#native = made
  }

  /** `letters`: those of pcre_table(5) that are on (i, m, s, x, A, E, U). A text says why it is no pattern. */
  static compile(source: string, letters: string, syntax: PatternSyntax): Pattern | string {
    const made = new (load().Pattern)(Buffer.from(source), letters, syntax)
    const problem = made.problem()
    return problem === '' ? new Pattern(made) : problem
  }

  match(subject: Uint8Array): PatternMatch {
    const found = this.#native.match(subject)
    if (found === null) return NONE
    if (typeof found === 'string') return { kind: 'given-up', reason: found }
    return { kind: 'match', offsets: found }
  }
}
