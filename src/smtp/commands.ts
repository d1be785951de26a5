import { parsePath } from '#src/mail/address.ts'
import type { Address } from '#src/mail/address.ts'
import type { Reply } from '#src/base/reply.ts'
import { parseMailParameters, parseRcptParameters } from './parameters.ts'
import type { MailParameters, RcptParameters } from './parameters.ts'
import type { AccessRules } from './auth-rules.ts'
import { discarded, notFullyQualified, REPLY, unsupportedOption } from './replies.ts'
import { MECHANISMS } from './sasl.ts'
import type { Mechanism } from './sasl.ts'
import { START, greetingOf, withoutTransaction } from './session.ts'
import type { Envelope, Session } from './session.ts'
import type { SmtpSettings } from './settings.ts'

/** What the rules know beside the session. */
export interface Circumstances {
  readonly settings: SmtpSettings
  readonly tls: boolean
  /** Whether there is a certificate. */
  readonly tlsOffered: boolean
  readonly rules: AccessRules
  /** Whether the client has authenticated. */
  readonly authenticated: boolean
}

/**
 * What is to be done about a command. Where it is more than an answer, the connection does it, and says 250 or
 * why not.
 */
export type Step =
  | { readonly kind: 'answer'; readonly reply: Reply; readonly next: Session }
  /** The sender is well-formed: ask the queue and policy. */
  | { readonly kind: 'mail'; readonly sender: Address; readonly parameters: MailParameters }
  /** The recipient is well-formed: ask policy. */
  | {
      readonly kind: 'recipient'
      readonly envelope: Envelope
      readonly recipient: Address
      /** `<postmaster>` without a domain: taken whatever policy says (RFC 5321 section 4.5.1). */
      readonly postmaster: boolean
      readonly parameters: RcptParameters
    }
  | { readonly kind: 'data'; readonly envelope: Envelope }
  | { readonly kind: 'chunk'; readonly envelope: Envelope; readonly octets: number; readonly last: boolean }
  /** Octets that follow belong to a BDAT that is refused: read them, throw them away, then answer. */
  | { readonly kind: 'skip'; readonly octets: number; readonly reply: Reply; readonly next: Session }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'auth'; readonly mechanism: Mechanism; readonly initial: string | undefined }

export interface Command {
  /** As in the log line at the end of a session. */
  readonly name: string
  /** RFC 2920 section 3.1: must be the last of a group, because what follows depends on the answer. */
  readonly endsGroup: boolean
  /** Counts against `smtpd_junk_command_limit`. */
  readonly junk: boolean
  /** May be said before TLS where TLS is required (RFC 3207 section 4). */
  readonly beforeTls?: boolean
  readonly run: (session: Session, args: string, about: Circumstances) => Step
}

/** The words that we know. Nothing is ever looked up under a name that a client has chosen but here. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['EHLO', { name: 'ehlo', endsGroup: true, junk: true, beforeTls: true, run: ehlo }],
  ['HELO', { name: 'helo', endsGroup: true, junk: true, beforeTls: true, run: helo }],
  ['STARTTLS', { name: 'starttls', endsGroup: false, junk: false, beforeTls: true, run: startTls }],
  ['AUTH', { name: 'auth', endsGroup: true, junk: false, run: auth }],
  ['MAIL', { name: 'mail', endsGroup: false, junk: false, run: mail }],
  ['RCPT', { name: 'rcpt', endsGroup: false, junk: false, run: rcpt }],
  ['DATA', { name: 'data', endsGroup: true, junk: false, run: data }],
  ['BDAT', { name: 'bdat', endsGroup: false, junk: false, run: bdat }],
  ['RSET', { name: 'rset', endsGroup: false, junk: true, run: rset }],
  ['NOOP', { name: 'noop', endsGroup: false, junk: true, beforeTls: true, run: noop }],
  ['VRFY', { name: 'vrfy', endsGroup: false, junk: true, run: vrfy }],
  ['EXPN', { name: 'expn', endsGroup: false, junk: true, run: notImplemented }],
  ['ETRN', { name: 'etrn', endsGroup: false, junk: true, run: notImplemented }],
  ['HELP', { name: 'help', endsGroup: false, junk: true, run: help }],
  ['QUIT', { name: 'quit', endsGroup: false, junk: false, beforeTls: true, run: quit }],
])

/** For the counts of what we do not know. */
export const UNKNOWN_COMMAND = 'unknown'

/** RFC 5321 section 4.5.3.1.2, with the brackets of a literal. */
const HELO_MAX = 255
/** Postfix's NEUTER_CHARACTERS and all that is no printable ASCII: the name ends in Received and in the log. */
const HELO_UNSAFE = /[^!#-'*-:=A-Z[\]^-~]/g

const HELP_TEXT = `Commands: ${[...COMMANDS.keys()].join(' ')}`
/** RFC 3030 section 2; fifteen digits keep the sum exact. */
const BDAT_FORM = /^([0-9]{1,15})(?:[ \t]+(LAST))?$/i
/** How many times the size limit a refused message may go on for before the client is cut. */
const LYING_FACTOR = 2

function answer(reply: Reply, next: Session): Step {
  return { kind: 'answer', reply, next }
}

function ehlo(session: Session, args: string, about: Circumstances): Step {
  const name = heloName(args)
  if (name === undefined) return answer(REPLY.ehloSyntax, session)
  // RFC 5321 section 4.1.4: a second EHLO is as RSET.
  return answer(ehloReply(about), { at: 'greeted', greeting: { helo: name, esmtp: true } })
}

function helo(session: Session, args: string, about: Circumstances): Step {
  const name = heloName(args)
  if (name === undefined) return answer(REPLY.heloSyntax, session)
  const reply = { code: 250, dsn: '', text: about.settings.hostname }
  return answer(reply, { at: 'greeted', greeting: { helo: name, esmtp: false } })
}

function heloName(args: string): string | undefined {
  return args === '' || args.length > HELO_MAX ? undefined : args.replaceAll(HELO_UNSAFE, '?')
}

/** RFC 5321 section 4.1.1.1. A size of 0 says that there is no limit (RFC 1870 section 4). */
function ehloReply({ settings, tls, tlsOffered, rules }: Circumstances): Reply {
  const mechanisms = rules.mechanisms.join(' ')
  const text = [
    settings.hostname,
    'PIPELINING',
    `SIZE ${settings.messageBytesMax}`,
    ...(tlsOffered && !tls ? ['STARTTLS'] : []),
    ...(mechanisms === '' ? [] : [`AUTH ${mechanisms}`]),
    ...(mechanisms !== '' && settings.brokenSaslAuthClients ? [`AUTH=${mechanisms}`] : []),
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
    'DSN',
    'SMTPUTF8',
    'CHUNKING',
    'MT-PRIORITY',
    // RFC 8689 section 3: nobody can promise it in plaintext.
    ...(tls ? ['REQUIRETLS'] : []),
  ]
  return { code: 250, dsn: '', text }
}

/** RFC 3207 section 4: no parameter, not inside TLS, and afterwards all is forgotten. */
function startTls(session: Session, args: string, about: Circumstances): Step {
  if (args !== '') return answer(REPLY.startTlsSyntax, session)
  if (about.tls) return answer(REPLY.tlsActive, session)
  return about.tlsOffered ? { kind: 'startTls' } : answer(REPLY.notImplemented, session)
}

/** RFC 4954 section 4: behind EHLO, outside of a transaction, once. */
function auth(session: Session, args: string, about: Circumstances): Step {
  const { rules, settings, authenticated } = about
  if (session.at === 'start') return answer(REPLY.heloFirst, session)
  if (!settings.authEnabled) return answer(REPLY.authNotEnabled, session)
  if (session.at !== 'greeted') return answer(REPLY.authInTransaction, session)
  if (rules.hiddenByTls) {
    return answer(about.tlsOffered ? REPLY.authNeedsTls : REPLY.authNotEnabled, session)
  }
  if (authenticated) return answer(REPLY.authTwice, session)
  const [name = '', initial, ...more] = args.split(/[ \t]+/)
  if (name === '' || more.length > 0) return answer(REPLY.authSyntax, session)
  const mechanism = MECHANISMS.find((one) => one === name.toUpperCase())
  if (mechanism === undefined || !rules.mechanisms.includes(mechanism)) {
    return answer(REPLY.authUnknownMechanism, session)
  }
  return { kind: 'auth', mechanism, initial }
}

function mail(session: Session, args: string, about: Circumstances): Step {
  switch (session.at) {
    case 'start':
      if (about.settings.heloRequired) return answer(REPLY.heloFirst, session)
      if (about.rules.authFirst && !about.authenticated) return answer(REPLY.authRequired, session)
      return mailFrom(session, args, about)
    case 'mail':
      return answer(REPLY.nestedMail, session)
    case 'bdat':
    case 'discard':
      return answer(REPLY.mailAfterBdat, session)
    case 'greeted':
      if (about.rules.authFirst && !about.authenticated) return answer(REPLY.authRequired, session)
      return mailFrom(session, args, about)
  }
}

function mailFrom(session: Session, args: string, about: Circumstances): Step {
  const start = /^from:[ \t]*/i.exec(args)?.[0].length
  if (start === undefined || start === args.length) return answer(REPLY.mailSyntax, session)
  const path = parsePath(args, start, { utf8: true, empty: true })
  if (path.kind !== 'ok') return answer(REPLY.badSender, session)
  const rest = restBehind(args, path.end)
  if (rest === undefined) return answer(REPLY.badSender, session)
  const parameters = parseMailParameters(rest)
  if (!parameters.ok) return answer(parameters.reply, session)
  const unknown = notOffered(parameters.value, about)
  if (unknown !== '') return answer(unsupportedOption(unknown), session)
  const { sizeBytes, smtpUtf8 } = parameters.value
  // The parameter stands behind the address that it allows (RFC 6531 section 3.4).
  if (!smtpUtf8 && !isAscii(args.slice(start, path.end))) return answer(REPLY.needUtf8, session)
  const max = about.settings.messageBytesMax
  if (max > 0 && sizeBytes > max) return answer(REPLY.tooBigAtMail, session)
  const sender = path.address
  if (sender.text !== '' && sender.domain === '') {
    return answer(notFullyQualified(sender.text, 'Sender'), session)
  }
  return { kind: 'mail', sender, parameters: parameters.value }
}

/** A parameter of an extension that this client was not offered; '' for none. */
function notOffered({ auth: said, requireTls }: MailParameters, { tls, rules }: Circumstances): string {
  if (said !== '' && rules.mechanisms.length === 0) return said
  return requireTls && !tls ? 'REQUIRETLS' : ''
}

function rcpt(session: Session, args: string, about: Circumstances): Step {
  switch (session.at) {
    case 'start':
    case 'greeted':
      return answer(REPLY.needMail, session)
    case 'bdat':
    case 'discard':
      return answer(REPLY.rcptAfterBdat, session)
    case 'mail':
      return rcptTo(session, session.envelope, args, about)
  }
}

// oxlint-disable-next-line max-params -- the state, what it holds, and what is said
function rcptTo(session: Session, envelope: Envelope, args: string, about: Circumstances): Step {
  const start = /^to:[ \t]*/i.exec(args)?.[0].length
  if (start === undefined || start === args.length) return answer(REPLY.rcptSyntax, session)
  const path = parsePath(args, start, { utf8: envelope.parameters.smtpUtf8, empty: false })
  if (path.kind === 'utf8') return answer(REPLY.needUtf8, session)
  if (path.kind === 'bad') return answer(REPLY.badRecipient, session)
  const rest = restBehind(args, path.end)
  if (rest === undefined) return answer(REPLY.badRecipient, session)
  const parameters = parseRcptParameters(rest)
  if (!parameters.ok) return answer(parameters.reply, session)
  // RFC 6533 section 3: utf-8-addr-unitext goes with SMTPUTF8 only.
  if (!envelope.parameters.smtpUtf8 && !isAscii(parameters.value.orcpt))
    return answer(REPLY.badOrcpt, session)
  if (envelope.accepted >= about.settings.recipientsMax) return answer(REPLY.tooManyRecipients, session)
  const recipient = path.address
  const postmaster = recipient.domain === '' && recipient.local.toLowerCase() === 'postmaster'
  if (recipient.domain === '' && !postmaster) {
    return answer(notFullyQualified(recipient.text, 'Recipient'), session)
  }
  return { kind: 'recipient', envelope, recipient, postmaster, parameters: parameters.value }
}

/** What follows an address: nothing, or blanks and parameters; anything else belongs to no address. */
function restBehind(args: string, end: number): string | undefined {
  if (end === args.length) return ''
  return args[end] === ' ' || args[end] === '\t' ? args.slice(end + 1) : undefined
}

function data(session: Session, args: string): Step {
  switch (session.at) {
    case 'start':
    case 'greeted':
      return answer(REPLY.needRcpt, session)
    case 'bdat':
    case 'discard':
      return answer(REPLY.dataAfterBdat, session)
    case 'mail':
      if (args === '' && session.envelope.refusal !== undefined)
        return answer(session.envelope.refusal, session)
      if (session.envelope.accepted === 0) return answer(REPLY.noValidRecipients, session)
      return args === '' ? { kind: 'data', envelope: session.envelope } : answer(REPLY.dataSyntax, session)
  }
}

/** RFC 3030 section 2. Whatever is answered, the octets announced come, so they are always read. */
function bdat(session: Session, args: string, about: Circumstances): Step {
  const [, count, lastWord] = BDAT_FORM.exec(args) ?? []
  if (count === undefined) return answer(REPLY.bdatSyntax, session)
  const octets = Number(count)
  const last = lastWord !== undefined
  const taken = session.at === 'bdat' || session.at === 'discard' ? session.octets : 0
  const all = taken + octets
  const max = about.settings.messageBytesMax
  if (max > 0 && all > max * LYING_FACTOR) {
    return answer({ ...REPLY.tooBigChunk, close: true }, session)
  }
  const next: Session = last
    ? withoutTransaction(session)
    : { at: 'discard', greeting: greetingOf(session), octets: all }
  const envelope = bdatEnvelope(session, octets, last)
  if ('code' in envelope) return { kind: 'skip', octets, reply: envelope, next }
  if (max > 0 && all > max) return { kind: 'skip', octets, reply: REPLY.tooBigChunk, next }
  return { kind: 'chunk', envelope, octets, last }
}

/** The envelope that a chunk belongs to, or why it belongs to none. */
function bdatEnvelope(session: Session, octets: number, last: boolean): Envelope | Reply {
  // As Postfix: a million empty chunks would cost us and not the client.
  if (octets === 0 && !last) return REPLY.nullBdat
  switch (session.at) {
    case 'start':
    case 'greeted':
      return REPLY.needRcpt
    case 'discard':
      return discarded(octets)
    case 'mail':
      if (session.envelope.refusal !== undefined) return session.envelope.refusal
      return session.envelope.accepted === 0 ? REPLY.noValidRecipients : session.envelope
    case 'bdat':
      return session.envelope
  }
}

function rset(session: Session, args: string): Step {
  if (args !== '') return answer(REPLY.rsetSyntax, session)
  return answer(REPLY.ok, withoutTransaction(session))
}

/** RFC 5321 section 4.1.1.9: an argument is ignored. */
function noop(session: Session): Step {
  return answer(REPLY.ok, session)
}

/** RFC 5321 section 3.5.3: 252 and no more, so that nobody can try out names. */
function vrfy(session: Session, args: string): Step {
  if (session.at === 'start') return answer(REPLY.heloFirst, session)
  const utf8 = /[ \t]smtputf8$/i.test(args)
  const asked = utf8 ? args.slice(0, -'smtputf8'.length).trimEnd() : args
  if (asked === '') return answer(REPLY.vrfySyntax, session)
  if (!utf8 && !isAscii(asked)) return answer(REPLY.needUtf8, session)
  return answer({ code: 252, dsn: '2.0.0', text: asked }, session)
}

function help(session: Session): Step {
  return answer({ code: 214, dsn: '2.0.0', text: HELP_TEXT }, session)
}

function notImplemented(session: Session): Step {
  return answer(REPLY.notImplemented, session)
}

function quit(session: Session, args: string): Step {
  return args === '' ? answer(REPLY.bye, START) : answer(REPLY.quitSyntax, session)
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the whole of ASCII is meant
  return !/[^\u0000-\u007f]/.test(text)
}
