import { Buffer } from 'node:buffer'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { Reply } from '#src/base/reply.ts'
import type { ScanReport } from '#src/match/types.ts'
import type { Body, NewMessage, NewRecipient, Origin, QueueSubmitter } from '#src/queue/types.ts'
import { APPEND_MAX_BYTES, BodyStore } from './body.ts'
import type { BlockPool, StoreFailure } from './body.ts'
import { COUNTS } from './counts.ts'
import { HeaderGate } from './header-gate.ts'
import { beginsWithHeader, missingHeaders, ownMessageId, receivedHeader } from './headers.ts'
import type { HeaderFacts } from './headers.ts'
import type { HeaderDecision, HeaderKind } from '#src/mail/header-action.ts'
import type { ClientInfo, ContentJudge, ContentScanner, HeaderChecks, ScannerPool, Verdict } from './ports.ts'
import { queuedAs, REPLY } from './replies.ts'
import type { Envelope } from './session.ts'
import type { SmtpSettings } from './settings.ts'

const EMPTY = Buffer.alloc(0)
/** The most input that is looked at in one call; what it becomes fits the scratch buffer. */
const SLICE_BYTES = 65_536
/** The first octets of a message, to see whether it begins with a header. A field name is shorter (998). */
const START_BYTES = 1000
/** How many times the size limit a refused message may go on for before the client is cut. */
const LYING_FACTOR = 2
/** As much of a field as a line of the log has room for. */
const FIELD_LOGGED_CHARS = 200
const NOBODY = { redirect: undefined, bcc: [] } as const

/** What receptions of one process share. */
export interface ReceptionTools {
  readonly queue: QueueSubmitter
  readonly scanners: ScannerPool
  readonly judge: ContentJudge
  /** header_checks; absent where there are none. */
  readonly headerChecks?: HeaderChecks
  /** Where mail for an address of an operator's rule goes: itself, or the mailboxes that it stands for. */
  readonly mailboxesOf?: (address: string) => readonly string[]
  readonly blocks: BlockPool
  readonly log: Log
  /** Output of one scanner call; emptied before the next, so one is enough. SLICE_BYTES * 2 + 8 octets. */
  readonly scratch: Buffer
}

export function newScratch(): Buffer {
  return Buffer.allocUnsafeSlow(SLICE_BYTES * 2 + 8)
}

/** Whose message it is. */
export interface ReceptionFacts {
  readonly id: string
  readonly arrivedMs: number
  readonly envelope: Envelope
  readonly client: ClientInfo
  readonly helo: string
  /** RFC 3848. */
  readonly protocol: string
  /** The cipher, for Received; '' for none. */
  readonly tls: string
  readonly settings: SmtpSettings
}

/** A message that is accepted, but for the disk. */
interface Whole {
  readonly report: ScanReport
  readonly verdict: Verdict
  readonly about: HeaderFacts
  /** Our own Received line. */
  readonly received: string
}

/** How a message ended. */
export type Received =
  | { readonly kind: 'queued'; readonly reply: Reply; readonly message: NewMessage; readonly bytes: number }
  | { readonly kind: 'refused'; readonly reply: Reply; readonly facts: Readonly<Record<string, unknown>> }
  /** Answered as if it were queued, and thrown away: an operator's rule says so (header_checks, DISCARD). */
  | {
      readonly kind: 'discarded'
      readonly reply: Reply
      readonly why: string
      readonly facts: Readonly<Record<string, unknown>>
    }

/**
 * The content of one message, from its first octet to the answer: each chunk goes through the scanner, which
 * writes what is to be stored, and on into the body; at the end the report is judged and the message submitted.
 */
export class Reception {
  readonly facts: ReceptionFacts
  readonly #tools: ReceptionTools
  readonly #body: BodyStore
  readonly #gate: HeaderGate | undefined
  #scanner: ContentScanner | undefined
  /** The beginning of the message, up to START_BYTES. */
  #start: Buffer = EMPTY
  #tooBig = false
  #ended = false
  /** Times are of performance.now(); what the scanner took is added up over the chunks. */
  readonly #beganMs = performance.now()
  #scanMs = 0

  constructor(tools: ReceptionTools, facts: ReceptionFacts, mode: 'data' | 'bdat') {
    this.#tools = tools
    this.facts = facts
    this.#body = new BodyStore(tools.queue, tools.blocks)
    this.#gate = this.#newGate()
    this.#scanner = tools.scanners.take()
    this.#scanner.begin(mode)
  }

  /** Octets so far, as they would be stored. */
  get bytes(): number {
    return this.#body.length
  }

  /** Whether CRLF.CRLF was seen. */
  get ended(): boolean {
    return this.#ended
  }

  /** Resolves when the disk has caught up; undefined while more may be taken. */
  get stalled(): Promise<void> | undefined {
    return this.#body.stalled
  }

  /** The message was refused in mid-stream, and the client has gone on for another whole message. */
  get beyondPatience(): boolean {
    return this.#tooBig && this.#body.length > this.facts.settings.messageBytesMax * LYING_FACTOR
  }

  /** Takes content from `start` to `end`; returns how many octets of it belong to the message. */
  take(input: Buffer, start: number, end: number): number {
    const scanner = this.#scanner
    if (scanner === undefined) return end - start
    const { scratch } = this.#tools
    const fromMs = performance.now()
    scanner.write(input, start, Math.min(end, start + SLICE_BYTES), scratch, 0)
    this.#scanMs += performance.now() - fromMs
    this.#ended = scanner.ended
    this.#store(scratch.subarray(0, scanner.produced))
    const max = this.facts.settings.messageBytesMax
    if (max > 0 && this.#body.length > max && !this.#tooBig) {
      this.#tooBig = true
      this.#body.discard()
    }
    return scanner.consumed
  }

  /** What the header checks let through goes into the body. */
  #store(produced: Buffer): void {
    const gate = this.#gate
    if (gate === undefined) {
      this.#append(produced)
      return
    }
    const passed = gate.take(produced)
    if (gate.isLost) this.#body.discard()
    for (let from = 0; from < passed.length; from += APPEND_MAX_BYTES)
      this.#append(passed.subarray(from, from + APPEND_MAX_BYTES))
  }

  #append(bytes: Buffer): void {
    if (this.#start.length < START_BYTES && bytes.length > 0) this.#keepStart(bytes)
    this.#body.append(bytes)
  }

  /** Nothing more comes: the client is gone or has changed its mind. */
  abandon(): void {
    this.#body.discard()
    this.#giveScanner()
  }

  /** The message is whole. Never rejects. */
  async finish(): Promise<Received> {
    try {
      return await this.#decide()
    } catch (error) {
      this.#body.discard()
      this.#tools.log.write('error', 'smtpd.error', { id: this.facts.id, error: errorText(error) })
      return { kind: 'refused', reply: REPLY.internal, facts: {} }
    } finally {
      this.#giveScanner()
    }
  }

  async #decide(): Promise<Received> {
    const scanner = this.#scanner
    if (scanner === undefined) throw new Error('a reception was finished twice')
    const endedMs = performance.now()
    COUNTS.transferSeconds.observeMs(endedMs - this.#beganMs)
    let report = scanner.finish()
    const refusal = this.#refusal(report)
    if (refusal !== undefined) return this.#refuse(refusal, {})
    if (report.needsRecheck && this.#body.failure === undefined) report = await this.#recheck(scanner)
    const verdict = this.#tools.judge.judge(report)
    COUNTS.scanSeconds.observeMs(this.#scanMs + performance.now() - endedMs)
    if (verdict.kind === 'refuse') return this.#refuse(verdict.reply, verdict.facts)
    const about = this.#headerFacts()
    const received = this.#checked(receivedHeader(about), report)
    const lost = this.#lost(verdict)
    if (lost !== undefined) return lost
    const body = this.#body.complete()
    const stored = body instanceof Promise ? await body : body
    if (typeof stored === 'string') return this.#refuse(storeReply(stored), {})
    return this.#submit(stored, { report, verdict, about, received })
  }

  /** What no judge needs to see. */
  #refusal(report: ScanReport): Reply | undefined {
    const { settings } = this.facts
    if (this.#tooBig) return REPLY.tooBig
    if (report.header.receivedCount > settings.hopsMax) return REPLY.tooManyHops
    if (settings.bareNewline === 'reject' && (report.bareLf || report.bareCr)) {
      return REPLY.bareNewlineInContent
    }
    if (settings.rejectNul && report.nul) return REPLY.nulInContent
    return undefined
  }

  #refuse(reply: Reply, facts: Readonly<Record<string, unknown>>): Received {
    this.#body.discard()
    return { kind: 'refused', reply, facts }
  }

  async #recheck(scanner: ContentScanner): Promise<ScanReport> {
    COUNTS.rechecks.add()
    scanner.beginRecheck()
    const stored = this.#body.stored()
    for await (const piece of this.#gate?.asSent(stored) ?? stored) scanner.recheck(piece)
    return scanner.finishRecheck()
  }

  /** The name is asked for as late as this, because its look-up runs while the message comes in. */
  #headerFacts(): HeaderFacts {
    const { envelope, settings, id, arrivedMs, client, helo, protocol } = this.facts
    const origin: Origin = {
      clientAddress: client.address,
      clientPort: client.port,
      clientName: client.name,
      helo,
      protocol,
    }
    return {
      hostname: settings.hostname,
      id,
      arrivedMs,
      origin,
      tls: this.facts.tls,
      user: settings.authenticatedHeader ? client.user : '',
      onlyRecipient: envelope.accepted === 1 ? (envelope.recipients[0]?.original ?? '') : '',
      sender: envelope.sender.text,
      priority: envelope.parameters.priority,
    }
  }

  /** What header_checks leave of our own Received line; they look at the headers of the parts, too. */
  #checked(received: string, report: ScanReport): string {
    const gate = this.#gate
    if (gate === undefined) return received
    const rest = gate.end()
    if (!gate.isLost) this.#append(rest)
    for (const { message, text } of report.headers ?? [])
      gate.part(message ? 'nested' : 'mime', Buffer.from(text, 'latin1'))
    return gate.own(received)
  }

  /** What header_checks made an end of; undefined where they did not. */
  #lost(verdict: Verdict): Received | undefined {
    if (this.#gate?.isLost !== true) return undefined
    const { refusal, discard } = this.#gate.outcome
    if (refusal !== undefined) return this.#refuse(refusal, { ...verdict.facts, verdict: 'header' })
    this.#body.discard()
    return {
      kind: 'discarded',
      reply: queuedAs(this.facts.id),
      why: discard ?? '',
      facts: { ...verdict.facts, verdict: 'discarded' },
    }
  }

  #newGate(): HeaderGate | undefined {
    const { headerChecks, log } = this.#tools
    if (headerChecks === undefined) return undefined
    const { settings, id, client, envelope } = this.facts
    const tell = ({ told, text }: HeaderDecision, kind: HeaderKind, field: string): void => {
      log.write(told === 'error' ? 'error' : 'info', 'smtpd.header_check', {
        id,
        action: told,
        kind,
        field: field.slice(0, FIELD_LOGGED_CHARS),
        client: client.address,
        name: client.name,
        helo: this.facts.helo,
        proto: this.facts.protocol,
        from: envelope.sender.text,
        to: envelope.recipients[0]?.original,
        text,
      })
    }
    return new HeaderGate(headerChecks, settings.headerBytesMax, tell)
  }

  /** Where it goes, after REDIRECT and BCC. */
  #recipients(): readonly NewRecipient[] {
    const { recipients } = this.facts.envelope
    const { redirect, bcc } = this.#gate?.outcome ?? NOBODY
    if (redirect === undefined && bcc.length === 0) return recipients
    const asked = redirect === undefined ? recipients : this.#others(redirect, [])
    return [...asked, ...bcc.flatMap((address) => this.#others(address, ['NEVER']))]
  }

  #others(address: string, notify: NewRecipient['notify']): readonly NewRecipient[] {
    const all = this.#tools.mailboxesOf?.(address) ?? [address]
    return all.map((one) => ({ address: one, original: address, orcpt: '', notify }))
  }

  async #submit(body: Body, { report, verdict, about, received }: Whole): Promise<Received> {
    const { envelope, settings, id, arrivedMs } = this.facts
    const hold = this.#gate?.outcome.hold
    const added = settings.addMissingHeaders ? missingHeaders(about, report.header) : ''
    const gap = beginsWithHeader(this.#start) ? '' : '\r\n'
    const message: NewMessage = {
      id,
      arrivedMs,
      sender: envelope.sender.text,
      recipients: this.#recipients(),
      eightBit: envelope.parameters.eightBit,
      smtpUtf8: envelope.parameters.smtpUtf8,
      ret: envelope.parameters.ret,
      envid: envelope.parameters.envid,
      origin: about.origin,
      prefix: received + added + gap,
      body,
      bodyCrc32: this.#body.crc32,
      messageId: report.header.messageId || (added.includes('Message-Id:') ? ownMessageId(about) : ''),
      verdict: verdict.facts,
      generation: settings.generation,
      ...(hold === undefined ? {} : { hold }),
      ...(envelope.parameters.requireTls ? { requireTls: true } : {}),
      ...(envelope.parameters.priority === 0 ? {} : { priority: envelope.parameters.priority }),
    }
    // The scanner is free while the disk works.
    this.#giveScanner()
    const fromMs = performance.now()
    const outcome = await this.#tools.queue.submit(message)
    COUNTS.commitSeconds.observeMs(performance.now() - fromMs)
    if (outcome !== 'queued') return { kind: 'refused', reply: storeReply(outcome), facts: {} }
    return { kind: 'queued', reply: queuedAs(id), message, bytes: this.#body.length }
  }

  #keepStart(produced: Buffer): void {
    const more = Buffer.from(produced.subarray(0, START_BYTES - this.#start.length))
    this.#start = this.#start.length === 0 ? more : Buffer.concat([this.#start, more])
  }

  #giveScanner(): void {
    if (this.#scanner !== undefined) this.#tools.scanners.give(this.#scanner)
    this.#scanner = undefined
  }
}

function storeReply(failure: StoreFailure): Reply {
  switch (failure) {
    case 'full':
      return REPLY.storageFull
    case 'failed':
      return REPLY.queueWriteError
    case 'unavailable':
      return REPLY.queueUnavailable
  }
}
