import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'

/** A server that did not know; the next one may. */
export interface Unknown {
  readonly kind: 'unknown'
  readonly reason: string
}

/** Servers that are asked for one answer. */
const SERVERS_MAX = 16
/** So long a server that did not answer comes last: whoever logs in should not wait for it each time. */
const REST_MS = 30_000
/** Servers whose failure is remembered: those of all domains. */
const RESTING_MAX = 1000

/** Asks servers in turn until one knows: those that have answered lately first, in their own order. */
export class Servers {
  readonly #clock: Clock
  readonly #restingUntilMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The first answer; 'unknown' with the last reason where there is none, or no server. Never rejects. */
  async ask<T extends { readonly kind: string }>(
    urls: readonly string[],
    question: (url: string) => Promise<T | Unknown>,
    signal: AbortSignal,
  ): Promise<T | Unknown> {
    let last: T | Unknown = { kind: 'unknown', reason: 'no server is named' }
    for (const url of this.#ordered(urls)) {
      last = await asked(url, question)
      if (last.kind !== 'unknown') {
        this.#restingUntilMs.delete(url)
        return last
      }
      if (signal.aborted) return last
      this.#rest(url)
    }
    return last
  }

  #ordered(urls: readonly string[]): readonly string[] {
    const nowMs = this.#clock.monotonicMs()
    const rests = (url: string): boolean => (this.#restingUntilMs.get(url) ?? 0) > nowMs
    return [...urls.filter((url) => !rests(url)), ...urls.filter(rests)].slice(0, SERVERS_MAX)
  }

  #rest(url: string): void {
    this.#restingUntilMs.delete(url)
    this.#restingUntilMs.set(url, this.#clock.monotonicMs() + REST_MS)
    if (this.#restingUntilMs.size <= RESTING_MAX) return
    const [oldest] = this.#restingUntilMs.keys()
    if (oldest !== undefined) this.#restingUntilMs.delete(oldest)
  }
}

async function asked<T extends { readonly kind: string }>(
  url: string,
  question: (url: string) => Promise<T | Unknown>,
): Promise<T | Unknown> {
  try {
    return await question(url)
  } catch (error) {
    return { kind: 'unknown', reason: `${url}: ${errorText(error)}` }
  }
}
