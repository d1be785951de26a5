import { domainToASCII } from 'node:url'
import { encodeXtext } from '#src/mail/xtext.ts'
import { localResult } from './failure.ts'
import type { QueuedMessage, QueuedRecipient } from '#src/queue/ports.ts'
import type { PeerName, Result } from './failure.ts'
import type { Capabilities } from './handshake.ts'

/** A recipient that takes part in a transaction: its place in the request and its command. */
export interface EnvelopeRecipient {
  readonly index: number
  readonly command: string
}

/** One transaction, planned for what the peer offers. */
export interface Envelope {
  readonly protocol: 'lmtp' | 'smtp'
  readonly peer: PeerName
  readonly pipelining: boolean
  /** The message goes in BDAT chunks (RFC 3030), without DATA. */
  readonly chunking: boolean
  readonly mail: string
  readonly recipients: readonly EnvelopeRecipient[]
}

/** What a plan found: the transaction (none when nobody is left), and who fails before it. */
export interface Plan {
  readonly envelope: Envelope | undefined
  readonly failed: ReadonlyMap<number, Result>
}

/** What must be known of the body, and only for a hop that lacks an extension: see needsContentFacts. */
export interface ContentFacts {
  /** An octet above 127 somewhere. */
  readonly eightBit: boolean
  /** An octet above 127 in the header section. */
  readonly eightBitHeader: boolean
}

export interface PlanInput {
  readonly protocol: 'lmtp' | 'smtp'
  readonly peer: PeerName
  readonly capabilities: Capabilities
  readonly message: QueuedMessage
  readonly recipients: readonly QueuedRecipient[]
  /** undefined where needsContentFacts said that they do not matter. */
  readonly content: ContentFacts | undefined
}

/**
 * Whether the content decides if the message may go to this hop: it was declared 8-bit or internationalised,
 * and the hop takes no such mail. Then, and only then, the content is read before it is sent.
 */
export function needsContentFacts(message: QueuedMessage, capabilities: Capabilities): boolean {
  return (message.eightBit && !capabilities.eightBitMime) || (message.smtpUtf8 && !capabilities.smtpUtf8)
}

/** Plans the transaction: parameters only where the peer offers them, early failures where it cannot take the mail. */
export function plan(input: PlanInput): Plan {
  const { message, recipients, capabilities } = input
  const whole = wholeFailure(input)
  const failed = new Map<number, Result>()
  const taken: EnvelopeRecipient[] = []
  for (const [index, recipient] of recipients.entries()) {
    const failure = whole ?? recipientFailure(recipient, input)
    if (failure === undefined) taken.push({ index, command: rcptCommand(recipient, input) })
    else failed.set(index, failure)
  }
  if (taken.length === 0) return { envelope: undefined, failed }
  const utf8 = message.smtpUtf8 || !isAscii(message.sender) || recipients.some((r) => !isAscii(r.address))
  return {
    envelope: {
      protocol: input.protocol,
      peer: input.peer,
      pipelining: capabilities.pipelining,
      chunking: capabilities.chunking,
      mail: mailCommand(input, utf8),
      recipients: taken,
    },
    failed,
  }
}

/** Why nobody can get this message over this hop. */
function wholeFailure(input: PlanInput): Result | undefined {
  const { message, capabilities, peer } = input
  if (!isSafePath(message.sender) && message.sender !== '') {
    return localResult('bounced', '5.1.7', 'The sender address cannot be sent in an SMTP command')
  }
  if (capabilities.sizeMax > 0 && message.sizeBytes > capabilities.sizeMax) {
    return localResult(
      'bounced',
      '5.3.4',
      `message size ${message.sizeBytes} exceeds size limit ${capabilities.sizeMax} of server ${peer}`,
    )
  }
  return contentFailure(input)
}

/** What an extension that the hop lacks makes impossible. */
function contentFailure(input: PlanInput): Result | undefined {
  const { message, capabilities, peer, content } = input
  if (!capabilities.smtpUtf8) {
    // RFC 6531 section 3.5: no downgrade. What is all ASCII in envelope and header may go as ordinary mail.
    const needed =
      !isAscii(asciiDomain(message.sender)) || (message.smtpUtf8 && (content?.eightBitHeader ?? false))
    if (needed) return utf8Failure(peer)
  }
  if (message.eightBit && !capabilities.eightBitMime && (content?.eightBit ?? false)) {
    // RFC 6152 section 3 leaves conversion or failure. Conversion breaks signatures (DKIM, S/MIME, PGP), so it fails.
    return localResult(
      'bounced',
      '5.6.3',
      `message has 8-bit content, but 8BITMIME was not offered by host ${peer}`,
    )
  }
  return undefined
}

function recipientFailure(recipient: QueuedRecipient, input: PlanInput): Result | undefined {
  if (!isSafePath(recipient.address)) {
    return localResult('bounced', '5.1.3', 'The recipient address cannot be sent in an SMTP command')
  }
  if (!input.capabilities.smtpUtf8 && !isAscii(asciiDomain(recipient.address))) return utf8Failure(input.peer)
  return undefined
}

function utf8Failure(peer: PeerName): Result {
  return localResult('bounced', '5.6.7', `SMTPUTF8 is required, but was not offered by host ${peer}`)
}

function mailCommand(input: PlanInput, utf8: boolean): string {
  const { message, capabilities } = input
  let command = `MAIL FROM:<${capabilities.smtpUtf8 ? message.sender : asciiDomain(message.sender)}>`
  if (capabilities.size) command += ` SIZE=${message.sizeBytes}`
  if (capabilities.eightBitMime && message.eightBit) command += ' BODY=8BITMIME'
  if (capabilities.smtpUtf8 && utf8) command += ' SMTPUTF8'
  if (capabilities.requireTls && message.requireTls === true) command += ' REQUIRETLS'
  if (capabilities.mtPriority && message.priority !== undefined) command += ` MT-PRIORITY=${message.priority}`
  if (input.protocol === 'smtp' && capabilities.dsn) {
    if (message.ret !== '') command += ` RET=${message.ret}`
    if (isSafeValue(message.envid)) command += ` ENVID=${message.envid}`
  }
  return `${command}\r\n`
}

/** On LMTP nothing but the address: Zimbra's server takes no parameter on RCPT. */
function rcptCommand(recipient: QueuedRecipient, input: PlanInput): string {
  const { capabilities } = input
  let command = `RCPT TO:<${capabilities.smtpUtf8 ? recipient.address : asciiDomain(recipient.address)}>`
  if (input.protocol === 'smtp' && capabilities.dsn) {
    if (recipient.notify.length > 0) command += ` NOTIFY=${recipient.notify.join(',')}`
    command += orcptParameter(recipient)
  }
  return `${command}\r\n`
}

/** Where the client gave no ORCPT, the address that it gave (RFC 3461 section 5.2.1), as Postfix does. */
function orcptParameter({ orcpt, original }: QueuedRecipient): string {
  if (isSafeValue(orcpt)) return ` ORCPT=${orcpt}`
  if (orcpt !== '' || !PLAIN_PATH.test(original)) return ''
  return ` ORCPT=rfc822;${encodeXtext(original)}`
}

// oxlint-disable-next-line no-control-regex -- NUL to DEL are ASCII
const ASCII = /^[\u0000-\u007f]*$/

function isAscii(text: string): boolean {
  return ASCII.test(text)
}

/** The address with its domain in A-labels (RFC 5891), for a hop that takes no other; unchanged if it has none. */
function asciiDomain(address: string): string {
  if (isAscii(address)) return address
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : domainToASCII(address.slice(at + 1))
  return domain === '' ? address : `${address.slice(0, at + 1)}${domain}`
}

/** Printable ASCII without space, as xtext is (RFC 3461 section 4); bounded by a command line's length. */
const SAFE_VALUE = /^[!-~]{1,500}$/

function isSafeValue(value: string): boolean {
  return SAFE_VALUE.test(value)
}

/** RFC 5321 section 4.5.3.1.3 has 256; some room for UTF-8 and for what the front door let in. */
const PATH_MAX = 1000

const PLAIN_PATH = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$/
/** Outside of quotes no space, angle bracket or quote; inside no control character; `\` takes the next one along. */
const ANY_PATH =
  // oxlint-disable-next-line no-control-regex -- control characters are what is kept out
  /^(?:"(?:[^"\\\u0000-\u001f\u007f-\u009f\u2028\u2029]|\\[\u0020-\u007e])*"|[^\s<>"\\\u0000-\u001f\u007f-\u009f]+)+$/

/**
 * Whether an address may stand between the angle brackets of MAIL or RCPT without becoming another command or
 * a parameter. It is not asked whether it is a good address: the front door has decided that.
 */
function isSafePath(address: string): boolean {
  if (address.length > PATH_MAX) return false
  return PLAIN_PATH.test(address) || ANY_PATH.test(address)
}
