/** A reply of the peer, one line or several. */
export interface PeerReply {
  /** 200 to 599. Of several lines the last one's, as Postfix takes it. */
  readonly code: number
  /** The lines as they came, code included, without line ends. */
  readonly lines: readonly string[]
}

/**
 * The longest reply line taken, octets without line end. RFC 5321 section 4.5.3.1.5 allows 512; real servers
 * go over it in 5xx texts, so four times that, which is also Postfix's line_length_limit.
 */
export const REPLY_LINE_MAX = 2048

/** The most lines of one reply. The longest EHLO replies of real servers have some 25. */
export const REPLY_LINES_MAX = 100

/** Characters of a reply that are kept for the queue, the log and a bounce. */
export const REPLY_TEXT_MAX = 2048

const LF = 0x0a
const CR = 0x0d
const HYPHEN = 0x2d
const SPACE = 0x20
const ZERO = 0x30

/** What a packet held: whole replies, and behind them perhaps something that is none. */
export interface ReadReplies {
  readonly replies: readonly PeerReply[]
  /**
   * What follows is no reply (RFC 5321 section 4.2) or goes over a limit; the reader is of no more use. The
   * replies before it were given and stay given.
   */
  readonly garbage: boolean
}

/**
 * Cuts a peer's bytes into replies, at whichever offsets they arrive. It never holds more than one unfinished
 * line and REPLY_LINES_MAX finished ones: a peer that goes on for ever costs nothing.
 */
export class ReplyReader {
  /** An unfinished line, copied: the buffer that it came in is used again. */
  #rest: Buffer | undefined
  /** The lines of an unfinished reply. */
  #lines: string[] = []

  /** Whether a reply has begun and not ended. */
  get partial(): boolean {
    return this.#rest !== undefined || this.#lines.length > 0
  }

  /** The replies that are complete with these bytes. */
  push(bytes: Buffer): ReadReplies {
    const replies: PeerReply[] = []
    let input = bytes
    if (this.#rest !== undefined) {
      input = Buffer.concat([this.#rest, bytes])
      this.#rest = undefined
    }
    let at = 0
    for (;;) {
      const end = input.indexOf(LF, at)
      if (end < 0) break
      const stop = end > at && input[end - 1] === CR ? end - 1 : end
      if (!this.#line(input, at, stop, replies)) return { replies, garbage: true }
      at = end + 1
    }
    if (at < input.length) {
      if (input.length - at > REPLY_LINE_MAX + 1) return { replies, garbage: true }
      this.#rest = Buffer.from(input.subarray(at))
    }
    return { replies, garbage: false }
  }

  /** Takes one line; false when it is no reply line. */
  #line(input: Buffer, start: number, stop: number, replies: PeerReply[]): boolean {
    const length = stop - start
    if (length < 3 || length > REPLY_LINE_MAX) return false
    const code = codeAt(input, start)
    if (code === 0) return false
    const mark = length === 3 ? SPACE : input[start + 3]
    if (mark !== SPACE && mark !== HYPHEN) return false
    const text = decode(input, start, stop)
    if (mark === SPACE) {
      this.#lines.push(text)
      replies.push({ code, lines: this.#lines })
      this.#lines = []
      return true
    }
    if (this.#lines.length >= REPLY_LINES_MAX - 1) return false
    this.#lines.push(text)
    return true
  }
}

/** The code that starts a line, 0 when it is none: first digit 2 to 5 (RFC 5321 section 4.2.1). */
function codeAt(input: Buffer, at: number): number {
  const a = (input[at] ?? 0) - ZERO
  const b = (input[at + 1] ?? 0) - ZERO
  const c = (input[at + 2] ?? 0) - ZERO
  if (a < 2 || a > 5 || b < 0 || b > 9 || c < 0 || c > 9) return 0
  return a * 100 + b * 10 + c
}

const NON_ASCII = /[\u0080-\u00ff]/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** UTF-8 where it is (RFC 6531 section 3.7.4.2), else one character an octet. */
function decode(input: Buffer, start: number, stop: number): string {
  const text = input.toString('latin1', start, stop)
  if (!NON_ASCII.test(text)) return text
  try {
    return utf8.decode(input.subarray(start, stop))
  } catch {
    // Not UTF-8: a text in some national character set. Its ASCII part is what can be shown.
    return text.replace(new RegExp(NON_ASCII, 'g'), '?')
  }
}

/** What must not stand in a log line, a mailq line or a header field. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** The reply verbatim in one line, its lines joined by a space, control characters as '?', bounded. */
export function replyLine(reply: PeerReply): string {
  const lines = reply.lines
  const text = lines.length === 1 ? (lines[0] ?? '') : lines.join(' ')
  const safe = text.replace(UNSAFE, '?')
  return safe.length > REPLY_TEXT_MAX ? `${safe.slice(0, REPLY_TEXT_MAX - 3)}...` : safe
}

const ENHANCED = /^[2-5][0-9][0-9][ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]|$)/

/**
 * The RFC 3463 status of a reply, '' where it has none: of several lines the last one's that has one, since Postfix looks
 * at the last (RFC 2034 section 4 wants one in all). One whose class is not that of the reply code is of no use (the
 * same section) and counts as none.
 */
export function enhancedStatus(reply: PeerReply): string {
  const statuses = reply.lines.map((line) => ENHANCED.exec(line)?.[1] ?? '')
  return statuses.findLast((status) => Number(status[0]) === Math.trunc(reply.code / 100)) ?? ''
}

/** The status of a reply; where it brings none, `class.0.0` as Postfix has it. */
export function replyStatus(reply: PeerReply): string {
  const said = enhancedStatus(reply)
  return said === '' ? `${Math.trunc(reply.code / 100)}.0.0` : said
}
