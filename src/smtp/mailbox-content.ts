const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e

type State = 'line-start' | 'text' | 'cr' | 'dot' | 'dot-cr'

/**
 * The content of DATA as it goes into a Maildir: the stuffed dots gone (RFC 5321 section 4.5.2), CRLF as LF,
 * which is what everything that reads a Maildir expects. Only CRLF.CRLF ends it; a bare CR or LF is content.
 */
export class MailboxContent {
  #state: State = 'line-start'
  #ended = false

  /** Whether the final dot was seen. */
  get ended(): boolean {
    return this.#ended
  }

  /** Reads `input` from `start` to `end`; what it stands for, and how many octets were read (all but behind the final dot). */
  read(input: Buffer, start: number, end: number): { readonly content: Buffer; readonly octets: number } {
    // A CR held back from the octets before is at most one more than comes in.
    const out = Buffer.allocUnsafe(end - start + 1)
    let used = 0
    let at = start
    while (at < end && !this.#ended) {
      if (this.#state === 'text') {
        const found = input.indexOf(CR, at)
        const stop = found < 0 || found >= end ? end : found
        used += input.copy(out, used, at, stop)
        at = stop
        if (at < end) {
          this.#state = 'cr'
          at += 1
        }
      } else {
        const octet = input[at] ?? 0
        if (this.#step(octet)) at += 1
        if (this.#emit >= 0) {
          out[used] = this.#emit
          used += 1
          this.#emit = -1
        }
      }
    }
    return { content: out.subarray(0, used), octets: at - start }
  }

  /** An octet that #step puts out; -1 for none. */
  #emit = -1

  /** Takes one octet at a place where dots and line ends are decided; false leaves it to the next state. */
  #step(octet: number): boolean {
    switch (this.#state) {
      case 'line-start':
        if (octet !== DOT) return this.#turn('text')
        this.#state = 'dot'
        return true
      case 'dot':
        // The first dot of a line is never content.
        if (octet !== CR) return this.#turn('text')
        this.#state = 'dot-cr'
        return true
      case 'dot-cr':
        if (octet === LF) {
          this.#ended = true
          return true
        }
        this.#emit = CR
        return this.#turn('text')
      case 'cr':
        if (octet === LF) {
          this.#emit = LF
          this.#state = 'line-start'
          return true
        }
        this.#emit = CR
        return this.#turn('text')
      case 'text':
        return this.#turn('text')
    }
  }

  #turn(state: State): false {
    this.#state = state
    return false
  }
}
