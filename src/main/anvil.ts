import { addressBytes, plainAddress } from '#src/net/addresses.ts'

/** Postfix smtpd_client_ipv6_prefix_length: a client with IPv6 has a whole network to itself and counts as one. */
const IPV6_PREFIX_BITS = 84
/** Clients that are counted at once; a table that is full lets in without counting, as Postfix does without anvil. */
const CLIENTS_MAX = 200_000

/**
 * Counts the connections of each client over all smtpd processes, as Postfix's anvil does. What a process held goes
 * away with it.
 */
export class AnvilCounts {
  readonly #total = new Map<string, number>()
  readonly #byHolder = new Map<number, Map<string, number>>()

  /** Whether the client may have one more connection; if so it is counted for the holder (a process). */
  admit(holder: number, address: string, max: number): boolean {
    const client = clientKey(address)
    const count = this.#total.get(client) ?? 0
    if (max > 0 && count >= max) return false
    if (count === 0 && this.#total.size >= CLIENTS_MAX) return true
    this.#total.set(client, count + 1)
    const held = this.#byHolder.getOrInsertComputed(holder, () => new Map<string, number>())
    held.set(client, (held.get(client) ?? 0) + 1)
    return true
  }

  leave(holder: number, address: string): void {
    const client = clientKey(address)
    const held = this.#byHolder.get(holder)
    if (held === undefined || !lower(held, client, 1)) return
    lower(this.#total, client, 1)
  }

  /** The process is gone, and with it all its connections. */
  forget(holder: number): void {
    for (const [client, count] of this.#byHolder.get(holder) ?? []) lower(this.#total, client, count)
    this.#byHolder.delete(holder)
  }

  count(address: string): number {
    return this.#total.get(clientKey(address)) ?? 0
  }

  /** Clients that have a connection now. */
  get clients(): number {
    return this.#total.size
  }
}

function lower(counts: Map<string, number>, key: string, by: number): boolean {
  const count = counts.get(key)
  if (count === undefined) return false
  if (count > by) counts.set(key, count - by)
  else counts.delete(key)
  return true
}

function clientKey(address: string): string {
  const plain = plainAddress(address)
  if (!plain.includes(':')) return plain
  const bytes = addressBytes(plain.split('%')[0] ?? plain)
  return Buffer.from(bytes.map((byte, i) => byte & maskOf(i))).toString('hex')
}

function maskOf(i: number): number {
  const kept = Math.min(8, Math.max(0, IPV6_PREFIX_BITS - 8 * i))
  return 0xff & (0xff << (8 - kept))
}
