import type { Socket } from 'node:net'

/** One LDAP message: an entry with all its values. Lists of 50,000 members take a few megabytes. */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024
/** What a server may send as the answer to one request: a page of entries. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024

/** What the server sent is not LDAP, or more than anybody asked for. */
export class LdapNonsense extends Error {}

const SEQUENCE = 0x30
/** Tag, and up to five octets of length: what must be there before the length of a message is known. */
const HEAD_BYTES_MAX = 6
/** Lengths of more octets than this are over every limit (X.690 section 8.1.3.5). */
const LENGTH_OCTETS_MAX = 4

/**
 * Cuts a stream into whole LDAP messages (RFC 4511 section 5.1), because the parser behind it keeps what is not whole
 * without a bound, copies it anew with each packet, and calls itself for each message of one packet.
 */
export class MessageCutter {
  #pieces: Buffer[] = []
  #held = 0
  /** Length of the message that has begun; 0 while it is not known. */
  #wanted = 0
  #answered = 0

  /** A new request: what may come for it is counted from here. */
  begin(): void {
    this.#answered = 0
  }

  /** The messages that are whole now. Throws LdapNonsense; then the connection has lost its place. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#answered += chunk.length
    if (this.#answered > ANSWER_BYTES_MAX)
      throw new LdapNonsense(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`)
    this.#pieces.push(chunk)
    this.#held += chunk.length
    for (;;) {
      if (this.#wanted === 0) this.#wanted = this.#lengthOfNext()
      if (this.#wanted === 0 || this.#held < this.#wanted) return
      const all = this.#joined()
      const message = all.subarray(0, this.#wanted)
      this.#pieces = all.length > this.#wanted ? [all.subarray(this.#wanted)] : []
      this.#held = all.length - this.#wanted
      this.#wanted = 0
      yield message
    }
  }

  #joined(): Buffer {
    const [only] = this.#pieces
    return only !== undefined && this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces)
  }

  /** 0 where too little is there to tell. */
  #lengthOfNext(): number {
    if (this.#held === 0) return 0
    const [first] = this.#pieces
    const head = first !== undefined && first.length >= HEAD_BYTES_MAX ? first : this.#joined()
    if (head[0] !== SEQUENCE) throw new LdapNonsense('what the server sends is not LDAP')
    const short = head[1]
    if (short === undefined) return 0
    if (short < 0x80) return 2 + short
    const octets = short & 0x7f
    if (octets === 0 || octets > LENGTH_OCTETS_MAX) throw new LdapNonsense('a message has no length')
    if (head.length < 2 + octets) return 0
    const length = 2 + octets + head.readUIntBE(2, octets)
    if (length > MESSAGE_BYTES_MAX)
      throw new LdapNonsense(`a message is longer than ${MESSAGE_BYTES_MAX} bytes`)
    return length
  }
}

/** Hands the socket's listeners whole messages instead of packets; nonsense is told, and ends the connection. */
export function cutMessages<S extends Socket>(
  socket: S,
  cutter: MessageCutter,
  onNonsense: (error: LdapNonsense) => void,
): S {
  const emit = socket.emit.bind(socket)
  const cut = (event: string, ...args: unknown[]): boolean => {
    const [chunk] = args
    if (event !== 'data' || !Buffer.isBuffer(chunk)) return emit(event, ...args)
    try {
      for (const message of cutter.push(chunk)) emit('data', message)
    } catch (error) {
      if (!(error instanceof LdapNonsense)) throw error
      onNonsense(error)
      socket.destroy(error)
    }
    return true
  }
  socket.emit = cut
  return socket
}
