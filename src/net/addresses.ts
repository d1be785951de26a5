import { BlockList, isIP } from 'node:net'

/** A network in one family: address and number of leading bits. */
export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
  /** Written with a `!` in front: what is inside is excepted, as in Postfix's mynetworks. */
  readonly excluded: boolean
}

/**
 * Reads one word of a network list as Postfix writes it: `192.0.2.0/24`, `192.0.2.1`, `[2001:db8::]/32`,
 * `2001:db8::/32`, each with or without a leading `!`. undefined if it is none of these. Bits beyond the prefix
 * must be 0, as Postfix demands: `192.0.2.1/24` is most often a slip for /32.
 */
export function parseNetwork(word: string): Network | undefined {
  const match = /^(!?)(?:\[([^\]]+)\]|([^[\]/]+))(?:\/(\d{1,3}))?$/.exec(word)
  if (match === null) return undefined
  const address = match[2] ?? match[3] ?? ''
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return undefined
  const bits = version === 4 ? 32 : 128
  const prefix = match[4] === undefined ? bits : Number(match[4])
  if (prefix > bits || !hostBitsAreZero(address, prefix)) return undefined
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6', excluded: match[1] === '!' }
}

/** The 4 or 16 bytes of an IP address that `isIP` accepts. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.'), Number)
  const halves = address.split('::')
  const head = groups(halves[0] ?? '')
  const tail = groups(halves[1] ?? '')
  const bytes = new Uint8Array(16)
  bytes.set(head)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 255]
  })
}

function hostBitsAreZero(address: string, prefix: number): boolean {
  return addressBytes(address).every((byte, i) => {
    const kept = Math.min(8, Math.max(0, prefix - 8 * i))
    return (byte & (255 >> kept)) === 0 || kept === 8
  })
}

/** IPv4 addresses that came in over an IPv6 socket look like `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  const lower = address.toLowerCase()
  return lower.startsWith('::ffff:') && isIP(lower.slice(7)) === 4 ? lower.slice(7) : address
}

/** Which addresses a list of networks holds. The first word that fits decides, as in Postfix's match lists. */
export class NetworkList {
  readonly #rules: readonly { readonly list: BlockList; readonly excluded: boolean }[]

  /** Words that are no network are a mistake of the caller: lists are checked where they are read. */
  constructor(words: readonly string[]) {
    const rules: { list: BlockList; excluded: boolean }[] = []
    for (const word of words) {
      const network = parseNetwork(word)
      if (network === undefined) throw new TypeError(`not a network: ${word}`)
      let last = rules.at(-1)
      if (last === undefined || last.excluded !== network.excluded) {
        last = { list: new BlockList(), excluded: network.excluded }
        rules.push(last)
      }
      last.list.addSubnet(network.address, network.prefix, network.family)
    }
    this.#rules = rules
  }

  has(address: string): boolean {
    const plain = plainAddress(address)
    const version = isIP(plain)
    if (version === 0) return false
    for (const rule of this.#rules) {
      if (rule.list.check(plain, version === 4 ? 'ipv4' : 'ipv6')) return !rule.excluded
    }
    return false
  }
}

/** Whether the address is this machine's own: 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address)
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}
