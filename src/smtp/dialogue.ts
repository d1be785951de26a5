import type { Buffer } from 'node:buffer'
import { errorText } from '#src/base/fault.ts'
import type { Facts } from '#src/base/fault.ts'
import type { EventName } from '#src/base/events.ts'
import { formatReply, replyText } from '#src/base/reply.ts'
import type { Reply } from '#src/base/reply.ts'
import { Authentication } from './authentication.ts'
import type { AuthStep } from './authentication.ts'
import { accessRules } from './auth-rules.ts'
import type { AccessRules } from './auth-rules.ts'
import { COMMANDS, UNKNOWN_COMMAND } from './commands.ts'
import type { Circumstances, Command, Step } from './commands.ts'
import { ContentIntake } from './intake.ts'
import { RECIPIENTS_MAX } from '#src/queue/limits.ts'
import type { SmtpEnvironment } from './environment.ts'
import type { DialogueParts, Wire } from './wire.ts'
import { isForeign, readCommandLine } from './line.ts'
import { parseAddress } from '#src/mail/address.ts'
import type { Address } from '#src/mail/address.ts'
import type { Eventually, RecipientVerdict } from './ports.ts'
import type { Received } from './reception.ts'
import { receivedFacts } from './received-facts.ts'
import { grantPriority } from './priority.ts'
import { REPLY, shuttingDown, timeoutExceeded, tooManyErrors } from './replies.ts'
import { AUTH_LINE_MAX } from './sasl.ts'
import { addRecipient, greetingOf, inTransaction, newEnvelope, START, withoutTransaction } from './session.ts'
import type { Greeting, Session } from './session.ts'
import { Tally } from './tally.ts'

/** Who said no HELO, where `smtpd_helo_required` is off. */
const UNGREETED: Greeting = { helo: 'unknown', esmtp: false }
/** Words of a line that are shown in the log. */
const SHOWN_MAX = 100

/**
 * One client's session: takes its lines and its content, applies the rules (commands.ts), asks policy, and says
 * what comes of it. It knows no socket.
 */
export class Dialogue {
  readonly #id: string
  readonly #environment: SmtpEnvironment
  readonly #client: DialogueParts['client']
  readonly #wire: Wire
  readonly #intake: ContentIntake
  readonly #authentication: Authentication
  #rules: AccessRules
  readonly #tally = new Tally()
  #session: Session = START
  #errors = 0
  #junk = 0
  /** The command being dealt with, for the log and the counts. */
  #command = UNKNOWN_COMMAND
  /** What the command in hand is about, for the log of its refusal. */
  #sender: string | undefined
  #recipient: string | undefined
  #busy = 0
  #stopping = false

  constructor(parts: DialogueParts) {
    this.#id = parts.id
    this.#environment = parts.environment
    this.#client = parts.client
    this.#wire = parts.wire
    this.#intake = new ContentIntake(parts)
    this.#authentication = new Authentication(parts)
    this.#rules = this.#access()
  }

  /** Whether the client waits for us and not we for it: its idle time does not count. */
  get busy(): boolean {
    return this.#busy > 0
  }

  get tally(): string {
    return this.#tally.toString()
  }

  /** The longest line that is taken now; where AUTH is offered it may come with a long response (RFC 4954 section 4). */
  get lineBytesMax(): number {
    const { lineBytesMax } = this.#environment.settings
    return this.#rules.mechanisms.length === 0 ? lineBytesMax : Math.max(lineBytesMax, AUTH_LINE_MAX)
  }

  /** A command line, without its CRLF. */
  line(bytes: Buffer, start: number, end: number): void {
    this.#sender = undefined
    this.#recipient = undefined
    if (this.#authentication.underWay) {
      this.#authLine(bytes, start, end)
      return
    }
    const line = readCommandLine(bytes, start, end)
    if (line.kind === 'bad') {
      this.#command = UNKNOWN_COMMAND
      this.#answer(line.reply)
      return
    }
    const command = COMMANDS.get(line.verb)
    if (end - start > this.#environment.settings.lineBytesMax && command?.name !== 'auth') {
      this.badLine('too-long')
      return
    }
    if (command === undefined) {
      this.#unknown(line.verb, line.text)
      return
    }
    this.#command = command.name
    const refusal = this.#outOfPlace(command)
    if (refusal !== undefined) {
      this.#answer(refusal)
      return
    }
    if (command.junk) {
      this.#junk += 1
      if (this.#junk > this.#environment.settings.junkCommandLimit) this.#errors += 1
    }
    this.#perform(command.run(this.#session, line.args, this.#circumstances()))
  }

  /** Why a command may not be said here and now, whatever it says. */
  #outOfPlace(command: Command): Reply | undefined {
    if (this.#outOfStep(command.endsGroup)) return REPLY.outOfStep
    return this.#rules.tlsFirst && command.beforeTls !== true ? REPLY.tlsFirst : undefined
  }

  #circumstances(): Circumstances {
    return {
      settings: this.#environment.settings,
      tls: this.#client.tls,
      tlsOffered: this.#wire.tlsOffered,
      rules: this.#rules,
      authenticated: this.#client.user !== '',
    }
  }

  #access(): AccessRules {
    return accessRules(this.#environment.settings, this.#client.service, this.#client.tls)
  }

  /** A line of an exchange: nothing may stand behind it that was sent before the answer (RFC 4954 section 4). */
  #authLine(bytes: Buffer, start: number, end: number): void {
    this.#command = 'auth'
    if (this.#outOfStep(true)) {
      this.#authentication.abandon()
      this.#answer(REPLY.outOfStep)
      return
    }
    this.#authStep(this.#authentication.line(bytes, start, end))
  }

  #authStep(step: AuthStep): void {
    if (step.kind === 'wait') {
      // What comes of it was logged, with the name.
      this.#after(step.reply, (reply) => this.#answer(reply, false), REPLY.authUnavailable)
    } else if (this.#authentication.underWay) this.#say([step.reply], false)
    else this.#answer(step.reply)
  }

  /** A line that is none. */
  badLine(why: 'too-long' | 'endless' | 'bare-newline'): void {
    const { underWay } = this.#authentication
    this.#command = underWay ? 'auth' : UNKNOWN_COMMAND
    if (underWay && why !== 'too-long') this.#authentication.abandon()
    switch (why) {
      case 'too-long':
        if (underWay) this.#authStep(this.#authentication.tooLong())
        else this.#answer(REPLY.lineTooLong)
        break
      case 'endless':
        this.#answer({ ...REPLY.lineTooLong, close: true })
        break
      case 'bare-newline':
        this.#answer(REPLY.bareNewlineInCommand)
        break
    }
  }

  /** Content from `start` to `end`; returns how much of it was taken. */
  content(bytes: Buffer, start: number, end: number): number {
    const step = this.#intake.take(bytes, start, end)
    switch (step.kind) {
      case 'more':
        if (step.stalled !== undefined) this.#waitFor(step.stalled)
        break
      case 'message':
        this.#finish()
        break
      case 'chunk':
        this.#wire.expectContent(false)
        if (step.stalled !== undefined) this.#waitFor(step.stalled)
        this.#answer(step.reply)
        break
      case 'cut':
        this.#wire.expectContent(false)
        this.#dropTransaction()
        this.#answer({ ...step.reply, close: true })
        break
    }
    return step.taken
  }

  /** TLS is up: nothing of before holds (RFC 3207 section 4.2). */
  tlsStarted(): void {
    this.#move(START)
    this.#client.forget()
    this.#client.tls = true
    this.#rules = this.#access()
    this.noteTls()
  }

  /** What the handshake has told that has just been; smtpd_tls_loglevel: a line for it. */
  noteTls(): void {
    const { facts, fingerprints } = this.#wire.clientCertificate
    this.#client.fingerprints = fingerprints
    this.#tally.secured(this.#client.service, this.#wire.cipher)
    if (!this.#environment.settings.logsTls) return
    this.#log('info', 'smtpd.tls', { cipher: this.#wire.cipher, ...facts })
  }

  /** Nothing has come for as long as we wait. */
  timedOut(): void {
    this.#say([timeoutExceeded(this.#environment.settings.hostname)], true)
  }

  /** Whether a command or content takes longer than `smtpd_per_request_deadline` allows. */
  overdue(nowMs: number, lineStartedMs: number): boolean {
    const { requestDeadline, timeoutMs, dataRateMin } = this.#environment.settings
    if (!requestDeadline || this.busy) return false
    if (lineStartedMs > 0 && nowMs - lineStartedMs > timeoutMs) return true
    return this.#intake.overdue(nowMs, timeoutMs, dataRateMin)
  }

  /** A graceful stop: a transaction may end, then the session does. */
  stop(): void {
    this.#stopping = true
    if (this.#busy === 0 && !inTransaction(this.#session)) this.#sayStopped()
  }

  /** The grace is over. */
  cut(): void {
    this.#sayStopped()
  }

  /** The connection is gone. */
  lost(): void {
    const bytes = this.#intake.lost()
    if (bytes !== undefined) {
      this.#log('info', 'smtpd.lost', { ...this.#who(), id: this.#intake.id, command: this.#command, bytes })
    }
    this.#dropTransaction()
  }

  #perform(step: Step): void {
    switch (step.kind) {
      case 'answer':
        this.#move(step.next)
        this.#answer(step.reply)
        break
      case 'mail':
        this.#mail(step)
        break
      case 'recipient':
        this.#rcpt(step)
        break
      case 'data':
        this.#intake.beginData(step.envelope, this.#protocol(step.envelope.parameters.smtpUtf8))
        this.#wire.expectContent(true)
        this.#say([REPLY.startData], false)
        break
      case 'chunk':
        this.#chunk(step)
        break
      case 'skip':
        this.#move(step.next)
        this.#intake.beginSkip(step.octets, step.reply)
        if (step.octets === 0) this.#answer(step.reply)
        else this.#wire.expectContent(true)
        break
      case 'startTls':
        this.#tally.count(this.#command, true)
        // Never late: the handshake begins right behind it.
        this.#wire.say(formatReply(REPLY.startTls), 0, false)
        this.#wire.startTls()
        break
      case 'auth':
        this.#authStep(this.#authentication.begin(step.mechanism, step.initial))
        break
    }
  }

  #mail(step: Extract<Step, { kind: 'mail' }>): void {
    const { queue, policy } = this.#environment
    this.#sender = step.sender.text
    const admission = queue.admission()
    if (admission !== 'open') {
      this.#answer(admission === 'full' ? REPLY.storageFull : REPLY.queueUnavailable)
      return
    }
    const decided = (refusal: Reply | undefined): void => {
      const { parameters, reply } = grantPriority(step.parameters, () => policy.trusts(this.#client))
      const envelope = newEnvelope(this.#canonicalSender(step.sender), parameters)
      const greeting = greetingOf(this.#session) ?? UNGREETED
      if (refusal === undefined) this.#move({ at: 'mail', greeting, envelope })
      this.#answer(refusal ?? reply)
    }
    this.#after(policy.mail(this.#client, step.sender.text), decided, REPLY.temporary)
  }

  /** The envelope has the canonical sender; what the client said stays in the log. */
  #canonicalSender(sender: Address): Address {
    const canonical = this.#environment.canonicalSender?.(sender.text) ?? sender.text
    return canonical === sender.text ? sender : (parseAddress(canonical) ?? sender)
  }

  #rcpt(step: Extract<Step, { kind: 'recipient' }>): void {
    const { settings, policy } = this.#environment
    const { envelope, postmaster } = step
    const address = postmaster ? settings.postmaster : step.recipient.text
    this.#recipient = address
    const decided = (verdict: RecipientVerdict): void => {
      if (verdict.kind !== 'accept' && !postmaster) {
        if (verdict.kind === 'refuse-message') envelope.refusal ??= REPLY.aliasExpansion
        this.#answer(verdict.reply)
        return
      }
      const deliverTo =
        verdict.kind === 'accept' && verdict.deliverTo.length > 0 ? verdict.deliverTo : [address]
      if (envelope.recipients.length + deliverTo.length > RECIPIENTS_MAX) {
        this.#answer(REPLY.tooManyRecipients)
        return
      }
      addRecipient(envelope, deliverTo, { original: address, ...step.parameters })
      this.#answer(REPLY.recipientOk)
    }
    const unsure: RecipientVerdict = { kind: 'refuse', reply: REPLY.temporary }
    this.#after(policy.recipient(this.#client, envelope.sender.text, address), decided, unsure)
  }

  #chunk(step: Extract<Step, { kind: 'chunk' }>): void {
    const { envelope } = step
    const before = this.#session.at === 'bdat' ? this.#session.octets : 0
    const greeting = greetingOf(this.#session)
    if (greeting === undefined) return
    this.#move({ at: 'bdat', greeting, envelope, octets: before + step.octets })
    this.#intake.beginChunk(step, this.#protocol(envelope.parameters.smtpUtf8))
    if (step.octets > 0) this.#wire.expectContent(true)
    else this.#finish()
  }

  /** The last octet of a message is here. */
  #finish(): void {
    this.#wire.expectContent(false)
    this.#session = withoutTransaction(this.#session)
    this.#wait()
    this.#tally.waits()
    void this.#intake.finish().then((received) => this.#finished(received))
  }

  #finished(received: Received): void {
    const { event, facts } = receivedFacts(received, this.#intake.last, this.#client)
    this.#log('info', event, { ...this.#who(), ...facts })
    if (received.kind === 'queued') {
      this.#errors = 0
      this.#junk = 0
    }
    if (!this.#wire.closed) this.#answer(received.reply, false, 'message')
    this.#resume()
  }

  #unknown(verb: string, text: string): void {
    this.#command = UNKNOWN_COMMAND
    if (!this.#environment.settings.forbiddenCommands.includes(verb) && !isForeign(verb, text)) {
      this.#answer(REPLY.unknownCommand)
      return
    }
    this.#tally.count(UNKNOWN_COMMAND, false)
    const command = text.slice(0, SHOWN_MAX)
    this.#log('warn', 'smtpd.reject', { ...this.#who(), command, reply: replyText(REPLY.breaksRules) })
    this.#say([REPLY.breaksRules], true)
  }

  /**
   * RFC 2920 section 3.1: a HELO client may not send ahead at all, others not behind a command whose answer
   * decides what may follow.
   */
  #outOfStep(endsGroup: boolean): boolean {
    if (!this.#environment.settings.forbidUnauthPipelining || !this.#wire.hasMore) return false
    return endsGroup || greetingOf(this.#session)?.esmtp !== true
  }

  /** Answers the command in hand; refusals are counted and logged. */
  #answer(reply: Reply, logged = true, stage: 'message' | 'command' = 'command'): void {
    const refused = reply.code >= 400
    this.#tally.answered(this.#command, reply, stage)
    if (refused && logged) {
      const command = this.#command.toUpperCase()
      this.#log('info', 'smtpd.reject', { ...this.#who(), command, reply: replyText(reply) })
    }
    const { hardErrorLimit, hostname } = this.#environment.settings
    const replies = [reply]
    // Policy may say 421 or 521 (RFC 5321 section 3.8, RFC 7504 section 4) without knowing that they end a session.
    let hangUp = reply.close === true || reply.code === 421 || reply.code === 521
    if (!hangUp && this.#errors + (refused ? 1 : 0) >= hardErrorLimit) {
      replies.push(tooManyErrors(hostname))
      hangUp = true
    } else if (!hangUp && this.#stopping && !inTransaction(this.#session)) {
      replies.push(shuttingDown(hostname))
      hangUp = true
    }
    this.#say(replies, hangUp)
    if (refused) this.#errors += 1
  }

  /** Sends replies; a client with many errors waits for each (`smtpd_error_sleep_time`). */
  #say(replies: readonly Reply[], hangUp: boolean): void {
    const { softErrorLimit, errorDelayMs } = this.#environment.settings
    const delayMs = this.#errors >= softErrorLimit ? errorDelayMs : 0
    this.#wire.say(replies.map(formatReply).join(''), delayMs, hangUp)
  }

  #sayStopped(): void {
    this.#wire.say(formatReply(shuttingDown(this.#environment.settings.hostname)), 0, true)
  }

  /** Runs `then` at once where the decision is there, and otherwise when it comes; reading waits for it. */
  #after<T>(decision: Eventually<T>, then: (value: T) => void, unsure: T): void {
    if (!(decision instanceof Promise)) {
      then(decision)
      return
    }
    this.#wait()
    this.#tally.waits()
    const settle = (value: T): void => {
      if (!this.#wire.closed) then(value)
      this.#resume()
    }
    decision.then(settle, (error: unknown) => {
      this.#log('error', 'smtpd.error', { error: errorText(error) })
      settle(unsure)
    })
  }

  #waitFor(promise: Promise<void>): void {
    this.#wait()
    void promise.then(() => this.#resume())
  }

  #wait(): void {
    this.#busy += 1
    this.#wire.hold()
  }

  #resume(): void {
    this.#busy -= 1
    this.#wire.release()
  }

  #move(next: Session): void {
    // A message in chunks that is not gone on with (RSET, EHLO, STARTTLS, QUIT) was never sent.
    if (this.#session.at === 'bdat' && next.at !== 'bdat') this.#intake.abandon()
    this.#session = next
    if (next.at === 'greeted') this.#client.helo = next.greeting.helo
  }

  #dropTransaction(): void {
    this.#intake.abandon()
    this.#session = withoutTransaction(this.#session)
  }

  /** RFC 3848 and RFC 6531 section 4.3. HELO has no form for TLS. */
  #protocol(smtpUtf8: boolean): string {
    if (greetingOf(this.#session)?.esmtp !== true) return 'SMTP'
    const { tls, user } = this.#client
    return `${smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${tls ? 'S' : ''}${user === '' ? '' : 'A'}`
  }

  #who(): Facts {
    const session = this.#session
    const envelope = session.at === 'mail' || session.at === 'bdat' ? session.envelope : undefined
    return {
      ...this.#client.facts(this.#environment.settings.logsClientPort),
      helo: this.#client.helo,
      proto: greetingOf(session)?.esmtp === true ? 'ESMTP' : 'SMTP',
      from: envelope?.sender.text ?? this.#sender,
      to: this.#recipient,
    }
  }

  #log(level: 'info' | 'warn' | 'error', event: EventName, facts: Facts): void {
    this.#environment.log.write(level, event, { session: this.#id, ...facts })
  }
}
