import type { Answer, RecordData, RecordType } from './records.ts'

/** Any answer, as the cache keeps it. */
export type AnyAnswer = Answer<RecordData[RecordType]>

/** Answers kept at once. */
export const CACHE_ENTRIES_MAX = 10_000
/** Rough octets kept at once: a domain may publish 64 KiB in one TXT record, and another, and another. */
export const CACHE_OCTETS_MAX = 16 * 1_048_576
/** What an entry takes beside its data. */
const ENTRY_OCTETS = 300
const RECORD_OCTETS = 100

interface Entry {
  readonly answer: AnyAnswer
  readonly expiresMs: number
  readonly octets: number
}

/** Answers until their time is over; where there is no room, the one longest unused goes. Time is monotonic. */
export class AnswerCache {
  /** In the order of use: the oldest first. */
  readonly #entries = new Map<string, Entry>()
  #octets = 0

  get size(): number {
    return this.#entries.size
  }

  get octets(): number {
    return this.#octets
  }

  get(key: string, nowMs: number): AnyAnswer | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.expiresMs <= nowMs) {
      this.#drop(key, entry)
      return undefined
    }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.answer
  }

  put(key: string, answer: AnyAnswer, expiresMs: number): void {
    const old = this.#entries.get(key)
    if (old !== undefined) this.#drop(key, old)
    const entry = { answer, expiresMs, octets: octetsOf(key, answer) }
    this.#entries.set(key, entry)
    this.#octets += entry.octets
    for (const [oldest, dropped] of this.#entries) {
      if (this.#entries.size <= CACHE_ENTRIES_MAX && this.#octets <= CACHE_OCTETS_MAX) break
      this.#drop(oldest, dropped)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#octets = 0
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#octets -= entry.octets
  }
}

function octetsOf(key: string, answer: AnyAnswer): number {
  let octets = ENTRY_OCTETS + 2 * key.length
  if (answer.kind !== 'found') return octets
  for (const record of answer.records) {
    octets += RECORD_OCTETS
    if (typeof record === 'string') octets += record.length
    else if ('data' in record) octets += record.data.length
  }
  return octets
}
