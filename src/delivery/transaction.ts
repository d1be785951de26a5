import { BODY, CLEAN, DROP, RESET, STALE, WAIT } from './dialogue.ts'
import { brokenResult, repliedResult } from './failure.ts'
import { enhancedStatus } from './replies.ts'
import type { Dialogue, Step } from './dialogue.ts'
import type { Break, Result, Stage } from './failure.ts'
import type { Envelope } from './envelope.ts'
import type { PeerReply } from './replies.ts'

export interface TransactionOptions {
  /** The connection has an unfinished transaction behind it: RSET goes first. */
  readonly reset: boolean
  /** The connection was used before, so it may have died since. */
  readonly reused: boolean
}

/** The dot alone: what RFC 2920 section 3.1 wants after a 354 that nobody can use. */
const LONE_DOT: Step = { kind: 'end', keep: 'drop', farewell: '.\r\nQUIT\r\n' }

/** Replies that mean that the command itself is not known (RFC 5321 section 4.2.4). */
const UNKNOWN_COMMAND: ReadonlySet<number> = new Set([500, 502, 504])

/**
 * One message over one connection, without the socket: which command goes when, and which recipient has which
 * outcome. With PIPELINING everything up to DATA is one packet (RFC 2920), else it is command by command. LMTP
 * answers the final dot once for each accepted recipient, in order (RFC 2033 section 4.2); SMTP once for all.
 *
 * With CHUNKING the message follows the answers to RCPT at once, in BDAT chunks, so that a message that nobody may
 * have is never sent. The last chunk is what the dot is otherwise: before it is said nothing can have been taken.
 *
 * An outcome, once given, is never changed: what was answered stays answered however the rest ends.
 */
export class Transaction implements Dialogue {
  readonly #envelope: Envelope
  readonly #options: TransactionOptions
  readonly #results = new Map<number, Result>()
  /** Indexes of recipients that had a 2xx to RCPT, in order. */
  readonly #accepted: number[] = []
  /** How many of them the replies to the dot have reached. */
  #answered = 0
  /** Which RCPT the next reply belongs to. */
  #next = 0
  #stage: Stage
  #silent = true
  #mailRefused = false
  /** The peer accepted recipients of a transaction that it had refused. */
  #contradicted = false
  /** Chunks before the last that the peer has not answered yet. */
  #chunksDue = 0
  #chunksTaken = false
  /** What a chunk was refused with, when the last one was on its way already. */
  #refusedChunk: Result | undefined
  #chunkingUnknown = false
  /** The peer said 421 to a recipient after the dot: it will close. */
  #closing = false
  #paused = false
  #brokenBy: Break | undefined
  #ended = false

  constructor(envelope: Envelope, options: TransactionOptions) {
    this.#envelope = envelope
    this.#options = options
    this.#stage = options.reset ? 'rset' : 'mail'
  }

  get stage(): Stage {
    return this.#stage
  }

  /** Outcomes by recipient index. Complete once a step of kind 'end' other than 'stale' was given. */
  get results(): ReadonlyMap<number, Result> {
    return this.#results
  }

  /** Whether the peer said 421. */
  get toldToPause(): boolean {
    return this.#paused
  }

  /** Whether the message goes in chunks. */
  get chunking(): boolean {
    return this.#envelope.chunking
  }

  /** Whether the next chunk must wait: without PIPELINING each one is answered before the next (RFC 3030 section 2). */
  get holdsChunks(): boolean {
    return this.#chunksDue > 0 && !this.#envelope.pipelining
  }

  /** The peer had offered CHUNKING and does not know BDAT: nothing was taken, and another connection may use DATA. */
  get chunkingUnknown(): boolean {
    return this.#chunkingUnknown
  }

  /** What ended the dialogue before its time; undefined when it came to its end. */
  get brokenBy(): Break | undefined {
    return this.#brokenBy
  }

  /** The first packet. */
  start(): string {
    const envelope = this.#envelope
    const reset = this.#options.reset ? 'RSET\r\n' : ''
    if (!envelope.pipelining) return reset === '' ? envelope.mail : reset
    let text = reset + envelope.mail
    for (const recipient of envelope.recipients) text += recipient.command
    return envelope.chunking ? text : `${text}DATA\r\n`
  }

  reply(reply: PeerReply): Step {
    if (this.#ended) return DROP
    const first = this.#silent
    this.#silent = false
    this.#paused ||= reply.code === 421
    switch (this.#stage) {
      case 'rset':
        return this.#reset(reply)
      case 'mail':
        return this.#mail(reply, first)
      case 'rcpt':
        return this.#rcpt(reply)
      case 'data':
        return this.#data(reply)
      case 'body':
        return this.#early(reply)
      case 'dot':
        return this.#dot(reply)
      case 'greeting':
      case 'lhlo':
      case 'ehlo':
      case 'helo':
      case 'starttls':
      case 'auth':
        return this.broken('garbage')
    }
  }

  /** A chunk that is not the last is on its way. */
  chunkSent(): void {
    this.#chunksDue += 1
  }

  /** The final dot, or the last chunk, is on its way. */
  bodySent(): void {
    if (this.#stage === 'body') this.#stage = 'dot'
  }

  broken(cause: Break): Step {
    if (this.#options.reused && this.#provesStale(cause)) return STALE
    this.#brokenBy = cause
    this.#ended = true
    this.#finish(this.#refusedChunk ?? brokenResult(cause, this.#stage, this.#envelope.peer))
    return DROP
  }

  /** Nothing of this message was answered, so a fresh connection may try; and nobody waits for RSET twice. */
  #provesStale(cause: Break): boolean {
    if (cause === 'lost') return this.#silent
    return this.#stage === 'rset' && (cause === 'timeout' || cause === 'garbage')
  }

  #reset(reply: PeerReply): Step {
    // Nothing of this message went out yet, so a fresh connection may try.
    if (reply.code >= 300) return STALE
    // That was about the message before.
    this.#silent = true
    this.#stage = 'mail'
    return this.#envelope.pipelining ? WAIT : { kind: 'send', text: this.#envelope.mail }
  }

  #mail(reply: PeerReply, first: boolean): Step {
    if (reply.code === 421 && this.#options.reused && first) return STALE
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    if (reply.code < 300) {
      this.#stage = 'rcpt'
      return this.#envelope.pipelining ? WAIT : this.#sendRcpt()
    }
    this.#finish(repliedResult(reply, 'mail', this.#envelope.peer))
    if (reply.code === 421) return this.#end(DROP)
    if (!this.#envelope.pipelining) return this.#end(RESET)
    // The replies to the RCPTs and to DATA are still to come.
    this.#mailRefused = true
    this.#stage = 'rcpt'
    return WAIT
  }

  #rcpt(reply: PeerReply): Step {
    const { recipients, pipelining, peer } = this.#envelope
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    const recipient = recipients[this.#next]
    if (recipient === undefined) return this.broken('garbage')
    if (this.#mailRefused) {
      this.#contradicted ||= reply.code < 300
    } else if (reply.code < 300) {
      this.#accepted.push(recipient.index)
    } else {
      this.#results.set(recipient.index, this.#refusedRcpt(reply))
    }
    if (reply.code === 421) {
      this.#finish(repliedResult(reply, 'rcpt', peer))
      return this.#end(DROP)
    }
    this.#next += 1
    if (this.#next < recipients.length) return pipelining ? WAIT : this.#sendRcpt()
    if (this.#envelope.chunking) {
      if (this.#accepted.length === 0) return this.#end(RESET)
      this.#stage = 'body'
      return BODY
    }
    this.#stage = 'data'
    if (pipelining) return WAIT
    return this.#accepted.length === 0 ? this.#end(RESET) : { kind: 'send', text: 'DATA\r\n' }
  }

  #refusedRcpt(reply: PeerReply): Result {
    const result = repliedResult(reply, 'rcpt', this.#envelope.peer)
    // RFC 5321 section 4.5.3.1.10: an old server says 552 for "too many recipients" and means 452.
    const tooMany =
      reply.code === 552 &&
      (result.dsn === '5.5.3' || (enhancedStatus(reply) === '' && this.#accepted.length > 0))
    return tooMany ? { ...result, kind: 'deferred', dsn: '4.5.3' } : result
  }

  #data(reply: PeerReply): Step {
    if (reply.code === 354) {
      // A peer that refused MAIL and goes on all the same might take an empty message for mail: no dot for it.
      if (this.#contradicted) return this.#end(DROP)
      if (this.#accepted.length === 0) return this.#end(LONE_DOT)
      this.#stage = 'body'
      return BODY
    }
    if (reply.code < 400) return this.broken('garbage')
    if (!this.#mailRefused) this.#finish(repliedResult(reply, 'data', this.#envelope.peer))
    return this.#end(reply.code === 421 ? DROP : RESET)
  }

  /**
   * A reply before the dot. A refusal is believed, each for its recipient, and the message is broken off when
   * all are refused. An acceptance of what was not sent is not.
   */
  #early(reply: PeerReply): Step {
    if (this.#chunksDue > 0) return this.#chunk(reply)
    if (reply.code < 400) return this.broken('garbage')
    this.#answer(reply)
    return this.#answered === this.#accepted.length ? this.#end(DROP) : WAIT
  }

  /** The answer to a chunk that was not the last: one, for all recipients, in LMTP too. */
  #chunk(reply: PeerReply): Step {
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    this.#chunksDue -= 1
    if (reply.code < 300) {
      this.#chunksTaken = true
      return WAIT
    }
    if (this.#isUnknown(reply)) return this.#withoutChunks()
    const result = repliedResult(reply, 'bdat', this.#envelope.peer)
    if (this.#stage === 'body') {
      this.#finish(result)
      return this.#end(DROP)
    }
    // RFC 3030 section 2: it must refuse the chunks that were on their way, the last one too.
    this.#refusedChunk ??= result
    return WAIT
  }

  /** Section 4.2.4 of RFC 5321: 500, 502 and 504 are about the command and not about the mail. */
  #isUnknown({ code }: PeerReply): boolean {
    return !this.#chunksTaken && this.#refusedChunk === undefined && UNKNOWN_COMMAND.has(code)
  }

  /** It reads the chunk as commands now, so this connection is of no more use. */
  #withoutChunks(): Step {
    this.#chunkingUnknown = true
    return this.#end(STALE)
  }

  #dot(reply: PeerReply): Step {
    if (this.#chunksDue > 0) return this.#chunk(reply)
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    if (this.#refusedChunk !== undefined) {
      if (reply.code < 300) {
        // Refused and taken: nobody knows whether it has the message, and the log says so.
        this.#refusedChunk = undefined
        return this.broken('garbage')
      }
      this.#finish(this.#refusedChunk)
      return this.#end(DROP)
    }
    if (this.#envelope.chunking && this.#answered === 0 && this.#isUnknown(reply))
      return this.#withoutChunks()
    this.#answer(reply)
    if (this.#answered < this.#accepted.length) return WAIT
    return this.#end(this.#closing ? DROP : CLEAN)
  }

  /** Gives the next accepted recipient its answer, or all of them in SMTP. */
  #answer(reply: PeerReply): void {
    const stage = this.#envelope.chunking ? 'bdat' : 'dot'
    const result = repliedResult(reply, stage, this.#envelope.peer)
    // After a 421 the peer closes, but what it still says about the others counts: they may have their mail.
    this.#closing ||= reply.code === 421
    const upTo = this.#envelope.protocol === 'lmtp' ? this.#answered + 1 : this.#accepted.length
    for (; this.#answered < upTo; this.#answered += 1) {
      const index = this.#accepted[this.#answered]
      if (index !== undefined) this.#results.set(index, result)
    }
  }

  #sendRcpt(): Step {
    return { kind: 'send', text: this.#envelope.recipients[this.#next]?.command ?? '' }
  }

  /** Gives everyone without an outcome this one. */
  #finish(result: Result): void {
    for (const recipient of this.#envelope.recipients) {
      if (!this.#results.has(recipient.index)) this.#results.set(recipient.index, result)
    }
  }

  #end(step: Step): Step {
    this.#ended = true
    return step
  }
}
