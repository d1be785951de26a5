/** The header of an AgentX message (RFC 2741 section 6.1), in the one order of octets that we speak. */
export interface Header {
  readonly type: number
  readonly sessionId: number
  readonly transactionId: number
  readonly packetId: number
  /** Whether it is about another context than the default one. */
  readonly hasContext: boolean
}

export interface Frame {
  readonly header: Header
  /** The whole message, header and all. */
  readonly bytes: Buffer
}

export const HEADER_BYTES = 20
/** A message of SNMP has 64 KiB at most, and what snmpd makes of it is not twice as long. */
const PAYLOAD_BYTES_MAX = 256 * 1024
/** Flags of section 6.1. */
const CONTEXT = 0x08
const NETWORK_ORDER = 0x10

/** Cuts what a socket brings into messages: TCP and Unix sockets know no borders. */
export class FrameReader {
  #kept: Buffer = Buffer.alloc(0)

  /** The messages that are whole now; `wrong` where what came is none, and nothing behind it can be trusted. */
  read(chunk: Buffer): { readonly frames: readonly Frame[]; readonly wrong: string } {
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk])
    const frames: Frame[] = []
    let at = 0
    let wrong = ''
    while (this.#kept.length - at >= HEADER_BYTES) {
      const payload = this.#kept.readUInt32BE(at + 16)
      wrong = problemOf(this.#kept, at, payload)
      if (wrong !== '' || this.#kept.length - at < HEADER_BYTES + payload) break
      const bytes = this.#kept.subarray(at, at + HEADER_BYTES + payload)
      frames.push({ header: headerOf(bytes), bytes })
      at += bytes.length
    }
    this.#kept = wrong === '' ? this.#kept.subarray(at) : Buffer.alloc(0)
    return { frames, wrong }
  }
}

function problemOf(bytes: Buffer, at: number, payload: number): string {
  if (bytes[at] !== 1) return 'it speaks another version of AgentX'
  if (((bytes[at + 2] ?? 0) & NETWORK_ORDER) === 0)
    return 'it does not speak in the order of octets that was agreed'
  if (payload > PAYLOAD_BYTES_MAX || payload % 4 !== 0) return 'a message has a length that cannot be'
  return ''
}

function headerOf(bytes: Buffer): Header {
  return {
    type: bytes[1] ?? 0,
    hasContext: ((bytes[2] ?? 0) & CONTEXT) !== 0,
    sessionId: bytes.readUInt32BE(4),
    transactionId: bytes.readUInt32BE(8),
    packetId: bytes.readUInt32BE(12),
  }
}

/**
 * Whether the start of each search range may itself be the answer (section 5.2), which the package does not tell.
 * Throws a RangeError for what is cut short.
 */
export function includes(bytes: Buffer, from: number, count: number): readonly boolean[] {
  let at = from
  return Array.from({ length: count }, () => {
    const isIncluded = bytes.readUInt8(at + 2) === 1
    for (let n = 0; n < 2; n += 1) at += 4 + 4 * bytes.readUInt8(at)
    return isIncluded
  })
}
