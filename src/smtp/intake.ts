import type { Buffer } from 'node:buffer'
import type { Reply } from '#src/base/reply.ts'
import type { DialogueParts } from './wire.ts'
import { Reception } from './reception.ts'
import type { Received, ReceptionFacts } from './reception.ts'
import { COUNTS, countReceived } from './counts.ts'
import { chunkOk, REPLY } from './replies.ts'
import type { Envelope } from './session.ts'

/** What became of content that came in. `taken` octets of it were content. */
export type Taken =
  | { readonly kind: 'more'; readonly taken: number; readonly stalled: Promise<void> | undefined }
  /** The message is whole. */
  | { readonly kind: 'message'; readonly taken: number }
  /** A chunk of BDAT is whole, and this is its answer. */
  | {
      readonly kind: 'chunk'
      readonly taken: number
      readonly reply: Reply
      readonly stalled: Promise<void> | undefined
    }
  /** The client goes on and on with a message that is refused. */
  | { readonly kind: 'cut'; readonly taken: number; readonly reply: Reply }

/** What the next octets of content are. */
type Expected =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'data' }
  | { readonly kind: 'chunk'; readonly octets: number; readonly last: boolean; left: number }
  | { readonly kind: 'skip'; readonly reply: Reply; left: number }

const NOTHING: Expected = { kind: 'nothing' }

/**
 * The content of a session's messages: DATA up to its final dot, or chunks of BDAT by count (RFC 3030), or
 * chunks that are to be thrown away.
 */
export class ContentIntake {
  readonly #parts: DialogueParts
  #expected: Expected = NOTHING
  #reception: Reception | undefined
  /** The message that was finished last, for the log. */
  #last: ReceptionFacts | undefined
  #startedMs = 0
  #octets = 0

  constructor(parts: DialogueParts) {
    this.#parts = parts
  }

  /** The client is gone: the octets of a message that is not whole; undefined if there is none. */
  lost(): number | undefined {
    if (this.#reception !== undefined) COUNTS.lost.add()
    return this.#reception?.bytes
  }

  get id(): string | undefined {
    return this.#reception?.facts.id
  }

  /** The message that `finish` was called for. */
  get last(): ReceptionFacts {
    if (this.#last === undefined) throw new Error('no message was finished')
    return this.#last
  }

  beginData(envelope: Envelope, protocol: string): void {
    this.#reception = this.#newReception(envelope, protocol, 'data')
    this.#expect({ kind: 'data' })
  }

  beginChunk(
    chunk: { readonly envelope: Envelope; readonly octets: number; readonly last: boolean },
    protocol: string,
  ): void {
    this.#reception ??= this.#newReception(chunk.envelope, protocol, 'bdat')
    this.#expect({ kind: 'chunk', octets: chunk.octets, last: chunk.last, left: chunk.octets })
  }

  beginSkip(octets: number, reply: Reply): void {
    this.#expect(octets === 0 ? NOTHING : { kind: 'skip', reply, left: octets })
  }

  take(bytes: Buffer, start: number, end: number): Taken {
    this.#octets += end - start
    const expected = this.#expected
    switch (expected.kind) {
      case 'data':
        return this.#takeData(bytes, start, end)
      case 'chunk':
        return this.#takeChunk(expected, bytes, { start, end })
      case 'skip': {
        const taken = Math.min(expected.left, end - start)
        expected.left -= taken
        if (expected.left > 0) return { kind: 'more', taken, stalled: undefined }
        this.#expected = NOTHING
        return { kind: 'chunk', taken, reply: expected.reply, stalled: undefined }
      }
      case 'nothing':
        throw new Error('content came where none was expected')
    }
  }

  /** Judges and submits the message that is whole. Never rejects. */
  async finish(): Promise<Received> {
    const reception = this.#reception
    this.#reception = undefined
    this.#expected = NOTHING
    if (reception === undefined) throw new Error('no message is under way')
    this.#last = reception.facts
    const received = await reception.finish()
    countReceived(received, reception.facts.client.service)
    return received
  }

  /** The message under way is not wanted any more. */
  abandon(): void {
    this.#reception?.abandon()
    this.#reception = undefined
    this.#expected = NOTHING
  }

  /** Postfix `smtpd_min_data_rate`: content may take the time-out and what its octets are worth. */
  overdue(nowMs: number, timeoutMs: number, octetsPerSecond: number): boolean {
    if (this.#expected.kind === 'nothing') return false
    return nowMs - this.#startedMs > timeoutMs + (this.#octets / octetsPerSecond) * 1000
  }

  #expect(expected: Expected): void {
    this.#expected = expected
    this.#octets = 0
    if (this.#parts.environment.settings.requestDeadline) {
      this.#startedMs = this.#parts.environment.clock.monotonicMs()
    }
  }

  #takeData(bytes: Buffer, start: number, end: number): Taken {
    const reception = this.#reception
    if (reception === undefined) throw new Error('no message is under way')
    const taken = reception.take(bytes, start, end)
    if (reception.ended) return { kind: 'message', taken }
    if (reception.beyondPatience) return { kind: 'cut', taken, reply: REPLY.tooBig }
    return { kind: 'more', taken, stalled: reception.stalled }
  }

  #takeChunk(
    expected: Extract<Expected, { kind: 'chunk' }>,
    bytes: Buffer,
    { start, end }: { readonly start: number; readonly end: number },
  ): Taken {
    const reception = this.#reception
    if (reception === undefined) throw new Error('no message is under way')
    const taken = reception.take(bytes, start, Math.min(end, start + expected.left))
    expected.left -= taken
    if (expected.left > 0) return { kind: 'more', taken, stalled: reception.stalled }
    if (expected.last) return { kind: 'message', taken }
    this.#expected = NOTHING
    return { kind: 'chunk', taken, reply: chunkOk(expected.octets), stalled: reception.stalled }
  }

  #newReception(envelope: Envelope, protocol: string, mode: 'data' | 'bdat'): Reception {
    const { client, environment, tools, wire } = this.#parts
    const arrivedMs = environment.clock.nowMs()
    const facts: ReceptionFacts = {
      id: environment.newQueueId(arrivedMs),
      arrivedMs,
      envelope,
      client,
      helo: client.helo,
      protocol,
      tls: wire.cipher !== '' && environment.settings.tlsReceivedHeader ? wire.cipher : '',
      settings: environment.settings,
    }
    return new Reception(tools, facts, mode)
  }
}
