/* oxlint-disable no-underscore-dangle -- smtp-server's own names for what is overridden */
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { addressText, parsePath } from '#src/mail/address.ts'
import { mailboxPath } from '#src/mail/maildir.ts'
import { MailboxTransfer } from './mailbox-transfer.ts'
import { CommandStream } from './stream.ts'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { SMTPServer } from 'smtp-server'
import type { Log } from '#src/base/log.ts'
import type { Address, PathRules } from '#src/mail/address.ts'
import type { MaildirStore } from '#src/mail/maildir.ts'
import type { MailboxRecipient, Stored } from './mailbox-transfer.ts'
import type { StreamReceiver } from './stream.ts'

/** A mailbox: its local part without quotes, its domain in lower-case A-labels. */
export interface Mailbox {
  readonly local: string
  readonly domain: string
}

/** The mailbox of a recipient, given in the same spelling; undefined where there is none: 550 5.1.1. */
export type MailboxLookup = (local: string, domain: string) => Mailbox | undefined

/** What every connection of a store shares. */
export interface MailboxContext {
  readonly mailboxOf: MailboxLookup
  readonly store: MaildirStore
  readonly log: Log
  readonly hostname: string
  /** Octets of a message; 0 for none. */
  readonly messageBytesMax: number
}

/** Recipients of one message: each keeps a file open while a large message arrives. Delivery sends 50 at most. */
const RECIPIENTS_MAX = 100

/** Octets of a command line (line_length_limit). */
const LINE_BYTES_MAX = 2048

const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?$/

/**
 * One LMTP client of the embedded mailbox store. smtp-server leads the dialogue; what it does not do as LMTP
 * needs it is done here: addresses and parameters (its own parser knows no quoted local parts and takes unknown
 * parameters), each accepted RCPT as a recipient of its own (it merges repeated ones, and then too few replies
 * follow DATA), the content, which it searches octet by octet, and the greeting, which it delays by 100 ms.
 */
export class MailboxConnection extends SMTPConnection implements StreamReceiver {
  readonly lineBytesMax = LINE_BYTES_MAX
  readonly #context: MailboxContext
  #sender: Address | undefined
  #recipients: MailboxRecipient[] = []
  #transfer: MailboxTransfer | undefined
  #busy = false
  #stopping = false

  constructor(server: SMTPServer, socket: Socket | TLSSocket, context: MailboxContext) {
    super(server, socket)
    this.#context = context
  }

  /** Greets at once: an early talker is no danger to a store that only our own delivery can reach. */
  override init(): void {
    this._setListeners(() => this.connectionReady())
  }

  /** Ends the connection after the message that is under way, if one is. */
  stop(): void {
    this.#stopping = true
    if (!this.#busy) this.#sayGoodbye()
  }

  override _createParser(): CommandStream {
    const stream = new CommandStream(this)
    stream.on('error', () => this.close())
    return stream
  }

  received(): boolean {
    // The replies to one packet of commands leave in one packet.
    this._socket.cork()
    return true
  }

  pause(): void {
    this._socket.uncork()
  }

  line(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream()
    if (stream === undefined) return
    stream.hold()
    this._onCommand(Buffer.from(bytes.subarray(start, end)), () => stream.release())
  }

  badLine(why: 'too-long' | 'endless' | 'bare-newline'): void {
    if (why === 'endless') this.send(421, 'Command line too long')
    else this.send(500, why === 'too-long' ? 'Command line too long' : 'A command line ends with CR LF')
  }

  inputEnded(): void {
    // Half-closed: nobody will read a reply.
    this.close()
  }

  content(bytes: Buffer, start: number, end: number): number {
    const transfer = this.#transfer
    if (transfer === undefined) return end - start
    const taken = transfer.read(bytes, start, end)
    const { messageBytesMax } = this.#context
    const tooLarge = messageBytesMax > 0 && transfer.bytes > messageBytesMax
    if (tooLarge) transfer.drop()
    if (transfer.ended) this.#finish(transfer, tooLarge)
    else if (transfer.needsFlush) this.#wait(transfer.flush())
    return taken
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    const parsed = readPath(command, /^MAIL FROM: */i, true)
    if (parsed === undefined) this.send(501, 'Bad sender address syntax', 'SENDER_SYNTAX_ERROR')
    else if (this.#sender !== undefined) this.send(503, 'Nested MAIL command')
    else if (this.#mailParametersTaken(parsed.parameters)) {
      this.#sender = parsed.address
      this.send(250, 'Sender ok', 'MAIL_FROM_OK')
    }
    callback()
  }

  override handler_RCPT(command: Buffer, callback: () => void): void {
    const parsed = readPath(command, /^RCPT TO: */i, false)
    if (parsed === undefined) this.send(501, 'Bad recipient address syntax', 'MAILBOX_SYNTAX_ERROR')
    else if (this.#sender === undefined) this.send(503, 'Need MAIL command')
    else if (parsed.parameters.length > 0) this.send(555, `Unsupported option: ${parsed.parameters[0] ?? ''}`)
    else if (this.#recipients.length >= RECIPIENTS_MAX)
      this.send(452, 'Too many recipients', 'TOO_MANY_RECIPIENTS')
    else this.#addRecipient(parsed.address)
    callback()
  }

  override handler_DATA(_command: Buffer, callback: () => void): void {
    const stream = this.#stream()
    if (this.#recipients.length === 0 || stream === undefined) {
      // RFC 2033 section 4.2: without an accepted recipient DATA fails with 503.
      this.send(503, 'No valid recipients')
    } else {
      const { store, log } = this.#context
      this.#busy = true
      const sender = this.#sender?.text ?? ''
      this.#transfer = new MailboxTransfer(store, log, { sender, recipients: this.#recipients })
      stream.expectContent(true)
      this.send(354, 'End data with <CR><LF>.<CR><LF>')
    }
    callback()
  }

  override _resetSession(): void {
    super._resetSession()
    this.#sender = undefined
    this.#recipients = []
  }

  override _onClose(): void {
    // A message without its final dot is none.
    if (this.#transfer !== undefined && !this.#transfer.ended) {
      this.#transfer.discard()
      this.#transfer = undefined
    }
    super._onClose()
  }

  /** smtp-server's idle time-out must not cut a client that waits for our disk. */
  override _onTimeout(): void {
    if (this.#busy && this.#transfer?.ended === true) this._armTimeout()
    else super._onTimeout()
  }

  #addRecipient(address: Address): void {
    const domain = address.domain === '' ? this.#context.hostname : address.domain
    const mailbox = this.#context.mailboxOf(address.local, domain)
    if (mailbox === undefined) {
      this.send(550, 'No such mailbox here')
      return
    }
    const { local, domain: home } = mailbox
    this.#recipients.push({ address: addressText(local, home), path: mailboxPath(local, home) })
    this.send(250, 'Recipient ok', 'RCPT_TO_OK')
  }

  /** Zimbra's store takes BODY and SIZE; ours also SMTPUTF8. Says what is wrong with any other. */
  #mailParametersTaken(parameters: readonly string[]): boolean {
    const { messageBytesMax } = this.#context
    for (const parameter of parameters) {
      const [, keyword = '', value] = PARAMETER.exec(parameter) ?? []
      switch (keyword.toUpperCase()) {
        case 'SIZE':
          if (value === undefined || !/^[0-9]{1,20}$/.test(value))
            return this.#refuse(501, 'Bad message size syntax')
          if (messageBytesMax > 0 && Number(value) > messageBytesMax) {
            return this.#refuse(552, 'Message size exceeds fixed limit', 'MESSAGE_TOO_BIG')
          }
          break
        case 'BODY':
          if (!/^(?:7BIT|8BITMIME)$/i.test(value ?? '')) return this.#refuse(501, 'Bad BODY parameter')
          break
        case 'SMTPUTF8':
          if (value !== undefined) return this.#refuse(501, 'SMTPUTF8 takes no value')
          break
        default:
          return this.#refuse(555, `Unsupported option: ${parameter}`)
      }
    }
    return true
  }

  #refuse(code: number, text: string, context?: string): false {
    this.send(code, text, context)
    return false
  }

  /** The final dot was read: every recipient's answer, in order. */
  #finish(transfer: MailboxTransfer, tooLarge: boolean): void {
    this.#stream()?.expectContent(false)
    if (tooLarge) {
      transfer.discard()
      for (const _ of transfer.recipients)
        this.send(552, 'Message size exceeds fixed limit', 'MESSAGE_TOO_BIG')
      this.#endTransaction()
      return
    }
    this.#wait(this.#commit(transfer))
  }

  async #commit(transfer: MailboxTransfer): Promise<void> {
    const stored = await transfer.commit()
    this._socket.cork()
    for (const [index, outcome] of stored.entries()) this.#answer(outcome, transfer.recipients[index])
    this.#endTransaction()
    this._socket.uncork()
  }

  #answer(outcome: Stored, recipient: MailboxRecipient | undefined): void {
    const whom = `<${recipient?.address ?? ''}>`
    switch (outcome) {
      case 'stored':
        this.send(250, `${whom} Saved`, 'RCPT_TO_OK')
        break
      case 'full':
        this.send(452, `${whom} Insufficient system storage`, 'SYSTEM_FULL')
        break
      case 'failed':
        this.send(451, `${whom} The mailbox cannot be written`, 'SYSTEM_ERROR')
        break
    }
  }

  #endTransaction(): void {
    this.#transfer = undefined
    this.#busy = false
    this._resetSession()
    if (this.#stopping) this.#sayGoodbye()
  }

  #sayGoodbye(): void {
    this.send(421, 'Service closing', 'NETWORK_ERROR')
  }

  /** Reads no more until it has ended; it never rejects. */
  #wait(work: Promise<void>): void {
    const stream = this.#stream()
    stream?.hold()
    void work.finally(() => stream?.release())
  }

  #stream(): CommandStream | undefined {
    return this._parser instanceof CommandStream ? this._parser : undefined
  }
}

interface PathCommand {
  readonly address: Address
  readonly parameters: readonly string[]
}

/** The path and the parameters of MAIL or RCPT; undefined where it is neither. */
function readPath(command: Buffer, verb: RegExp, empty: boolean): PathCommand | undefined {
  const rules: PathRules = { utf8: true, empty }
  const text = command.toString('utf8')
  const start = verb.exec(text)?.[0].length
  if (start === undefined) return undefined
  const parsed = parsePath(text, start, rules)
  if (parsed.kind !== 'ok') return undefined
  const rest = text.slice(parsed.end)
  if (rest !== '' && !rest.startsWith(' ')) return undefined
  return { address: parsed.address, parameters: rest.split(' ').filter((word) => word !== '') }
}
