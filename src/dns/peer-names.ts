import { Resolver } from 'node:dns/promises'
import type { Clock } from '#src/base/clock.ts'
import { canonicalDomain } from '#src/mail/address.ts'
import { addressBytes, isLoopback, plainAddress } from '#src/net/addresses.ts'

/** The two questions that are asked; node:dns/promises has this shape. */
export interface ReverseResolver {
  reverse(address: string): Promise<string[]>
  resolve4(name: string): Promise<string[]>
  resolve6(name: string): Promise<string[]>
  cancel(): void
}

/** The host name of a client: 'unknown' until, and unless, it is known and leads back to the client. */
export interface PeerName {
  readonly name: string
}

/** How long one question waits; no session waits for it, so this only bounds what is under way. */
const QUESTION_MS = 2000
/** Names that are remembered: some 200 bytes each. */
const CACHE_MAX = 20_000
/** Addresses asked for at once; a flood of new clients goes without names rather than with a queue of questions. */
const ASKING_MAX = 500
/** PTR records of one address that are tried; a host with more has no one name. */
const NAMES_MAX = 4
/** How long an answer holds. node:dns does not tell the TTL of PTR records, and five minutes are in use for them. */
const KNOWN_MS = 300_000
/** How long a failure holds, so that a client that hammers us does not hammer the name server. */
const UNKNOWN_MS = 60_000

interface Held {
  name: string
  untilMs: number
}

/** Looks up the names of clients (PTR record, confirmed by the address records of the name) in the background. */
export class PeerNames implements Disposable {
  readonly #clock: Clock
  readonly #resolver: ReverseResolver
  readonly #held = new Map<string, Held>()
  #asking = 0
  #closed = false

  constructor(clock: Clock, resolver: ReverseResolver = new Resolver({ timeout: QUESTION_MS, tries: 1 })) {
    this.#clock = clock
    this.#resolver = resolver
  }

  /** Starts the look-up, or joins one under way. Never waits, never throws; the answer appears in `name`. */
  lookup(address: string): PeerName {
    const plain = plainAddress(address)
    if (isLoopback(plain)) return { name: 'localhost' }
    const nowMs = this.#clock.monotonicMs()
    const held = this.#held.get(plain)
    if (held !== undefined && held.untilMs > nowMs) return held
    const fresh: Held = { name: 'unknown', untilMs: nowMs + UNKNOWN_MS }
    if (this.#closed || this.#asking >= ASKING_MAX) return fresh
    this.#keep(plain, fresh)
    void this.#ask(plain, fresh)
    return fresh
  }

  #keep(address: string, held: Held): void {
    this.#held.delete(address)
    if (this.#held.size >= CACHE_MAX) {
      const [oldest] = this.#held.keys()
      if (oldest !== undefined) this.#held.delete(oldest)
    }
    this.#held.set(address, held)
  }

  async #ask(address: string, held: Held): Promise<void> {
    this.#asking += 1
    try {
      const name = await this.#confirmed(address)
      if (name === undefined) return
      held.name = name
      held.untilMs = this.#clock.monotonicMs() + KNOWN_MS
    } catch {
      // No PTR record, no answer, a broken server: each means that the name is unknown, which it already is.
    } finally {
      this.#asking -= 1
    }
  }

  async #confirmed(address: string): Promise<string | undefined> {
    const isIpv4 = !address.includes(':')
    const wanted = addressBytes(address)
    for (const given of (await this.#resolver.reverse(address)).slice(0, NAMES_MAX)) {
      // Whoever owns the address writes the PTR record: it may say anything, an address literal or a forged name.
      const name = canonicalDomain(given)
      if (name === undefined) continue
      const found = await (isIpv4 ? this.#resolver.resolve4(name) : this.#resolver.resolve6(name)).catch(
        () => [],
      )
      if (found.some((one) => Buffer.compare(addressBytes(one), wanted) === 0)) return name
    }
    return undefined
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#resolver.cancel()
  }
}
