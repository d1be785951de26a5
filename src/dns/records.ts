import { SocketAddress, isIP } from 'node:net'
import { plainAddress } from '#src/net/addresses.ts'

/**
 * What a question to the DNS can be and what can come back. No I/O, no packet: those who decide by DNS (mx.ts,
 * delivery, policy) need only this file and a `NameLookup`.
 */

/** The records that mail needs. */
export type RecordType = 'A' | 'AAAA' | 'MX' | 'PTR' | 'TXT' | 'TLSA' | 'CNAME' | 'SOA'

/** RFC 1035 section 3.3.9. `host` in lower case without the last dot; '' is the root: a null MX (RFC 7505). */
export interface MxRecord {
  readonly preference: number
  readonly host: string
}

/** RFC 6698 section 2.1. Any numbers: which of them can be used is for DANE to say. */
export interface TlsaRecord {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly data: Uint8Array
}

/** RFC 1035 section 3.3.13, as far as anybody asks. */
export interface SoaRecord {
  readonly primary: string
  readonly serial: number
  /** Seconds that "there is no such" may be kept at most (RFC 2308 section 4). */
  readonly minimumSeconds: number
}

/** What each type's data is here. Addresses are as `addressSpelling` has them, names in lower case without the last dot. */
export interface RecordData {
  readonly A: string
  readonly AAAA: string
  readonly MX: MxRecord
  readonly PTR: string
  /** The character-strings joined without anything between (RFC 7208 section 3.3), one character per octet. */
  readonly TXT: string
  readonly TLSA: TlsaRecord
  readonly CNAME: string
  readonly SOA: SoaRecord
}

/** Why an answer is not known. None of these says that the name or record does not exist. */
export type UnknownCause =
  /** The server could not find out (RCODE 2), or the domain's servers do not answer it. */
  | 'servfail'
  /** The server said that signatures do not hold (RFC 8914 codes 1, 2, 5 to 12). */
  | 'bogus'
  /** The server does not serve us, or does not understand us (RCODE 1, 4, 5 and others). */
  | 'refused'
  | 'timeout'
  /** No server could be reached: refused, unreachable, none configured. */
  | 'unreachable'
  /** What came back is no answer: broken, contradictory, or beyond our limits. */
  | 'malformed'
  /** More aliases than CNAME_CHAIN_MAX, or in a circle. */
  | 'loop'
  /** Too many questions under way at once. */
  | 'overload'
  /** The caller's signal was aborted. */
  | 'cancelled'

/**
 * Three kinds of answer, and nobody may take one for another: RFC 5321 section 5.1 lets mail bounce for 'none',
 * and never for 'unknown'.
 */
export type Answer<Data> =
  | {
      readonly kind: 'found'
      readonly records: readonly Data[]
      /** Where the aliases ended; the question itself if there were none. DANE needs it (RFC 7672 section 2.2.2). */
      readonly canonicalName: string
      /** Whether each step, aliases included, was proven by DNSSEC (the AD bit of a resolver that we may believe). */
      readonly secure: boolean
      readonly ttlSeconds: number
    }
  | {
      readonly kind: 'none'
      /** 'nxdomain': no record of any type at that name. 'nodata': none of this type. */
      readonly why: 'nxdomain' | 'nodata'
      readonly canonicalName: string
      /** Whether its absence is proven. */
      readonly secure: boolean
      readonly ttlSeconds: number
    }
  | {
      readonly kind: 'unknown'
      readonly cause: UnknownCause
      /** For the log: what the server or the network said. */
      readonly detail: string
    }

/** Asks one question. Resolves always, within a bounded time; never rejects. */
export interface NameLookup {
  lookup<T extends RecordType>(name: string, type: T, signal?: AbortSignal): Promise<Answer<RecordData[T]>>
}

/** RFC 1035 section 2.3.4, in characters without the last dot. */
const NAME_MAX = 253
/** RFC 1035 section 2.3.4. */
const LABEL_MAX = 63

/** Printable ASCII without the dot that parts labels, the backslash that would escape it, and quotes. */
const LABEL = /^[!#-Z[\]^-~]+$/
const HOST_LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/

/**
 * The one spelling of a name: lower case, without the last dot; undefined where it cannot be asked for. '.' is
 * the root and stays. A-labels only: who has U-labels converts them first (`canonicalDomain` of mail/address.ts).
 */
export function dnsName(text: string): string | undefined {
  if (text === '.') return text
  const name = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase()
  if (name === '' || name.length > NAME_MAX) return undefined
  for (const label of name.split('.')) {
    if (label.length > LABEL_MAX || !LABEL.test(label)) return undefined
  }
  return name
}

/** Whether a name (as `dnsName` spells it) can be that of a host: letters, digits, hyphen, underscore. */
export function isHostName(name: string): boolean {
  if (name === '' || name.length > NAME_MAX) return false
  return name.split('.').every((label) => label.length <= LABEL_MAX && HOST_LABEL.test(label))
}

/**
 * The one spelling of an IP address, that of sockets and of `os.networkInterfaces()`, so that two can be compared:
 * an IPv6 address can be written in many ways, and an IPv4 one as IPv6 (`::ffff:192.0.2.1`).
 */
export function addressSpelling(address: string): string {
  return isIP(address) === 6 ? plainAddress(new SocketAddress({ address, family: 'ipv6' }).address) : address
}
