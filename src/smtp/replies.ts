import { reply } from '#src/base/reply.ts'
import type { Reply } from '#src/base/reply.ts'

/**
 * What we say, in Postfix's words where it has some, so that people and their tools know them. Enhanced status
 * codes (RFC 2034) are on all but the greeting, the answers to EHLO and HELO, and 354.
 */
export const REPLY = {
  ok: reply(250, '2.0.0', 'Ok'),
  senderOk: reply(250, '2.1.0', 'Ok'),
  recipientOk: reply(250, '2.1.5', 'Ok'),
  startData: reply(354, '', 'End data with <CR><LF>.<CR><LF>'),
  bye: closing(221, '2.0.0', 'Bye'),
  breaksRules: closing(221, '2.7.0', 'Error: I can break rules, too. Goodbye.'),
  startTls: reply(220, '2.0.0', 'Ready to start TLS'),

  unknownCommand: reply(500, '5.5.2', 'Error: command not recognized'),
  badSyntax: reply(500, '5.5.2', 'Error: bad syntax'),
  badUtf8: reply(500, '5.5.2', 'Error: bad UTF-8 syntax'),
  controlCharacter: reply(500, '5.5.2', 'Error: control character in command'),
  bareNewlineInCommand: reply(500, '5.5.2', 'Error: bare <LF> received'),
  lineTooLong: reply(500, '5.5.2', 'Error: command too long'),
  notImplemented: reply(502, '5.5.1', 'Error: command not implemented'),
  heloSyntax: reply(501, '', 'Syntax: HELO hostname'),
  ehloSyntax: reply(501, '', 'Syntax: EHLO hostname'),
  mailSyntax: reply(501, '5.5.4', 'Syntax: MAIL FROM:<address>'),
  rcptSyntax: reply(501, '5.5.4', 'Syntax: RCPT TO:<address>'),
  dataSyntax: reply(501, '5.5.4', 'Syntax: DATA'),
  rsetSyntax: reply(501, '5.5.4', 'Syntax: RSET'),
  quitSyntax: reply(501, '5.5.4', 'Syntax: QUIT'),
  vrfySyntax: reply(501, '5.5.4', 'Syntax: VRFY address [SMTPUTF8]'),
  startTlsSyntax: reply(501, '5.5.4', 'Syntax: STARTTLS'),
  /** The length of what follows is unknown, so there is no way to go on. */
  bdatSyntax: closing(521, '5.5.4', 'Syntax: BDAT count [LAST]'),

  heloFirst: reply(503, '5.5.1', 'Error: send HELO/EHLO first'),
  nestedMail: reply(503, '5.5.1', 'Error: nested MAIL command'),
  needMail: reply(503, '5.5.1', 'Error: need MAIL command'),
  needRcpt: reply(503, '5.5.1', 'Error: need RCPT command'),
  /** As Postfix's cleanup(8) says it where virtual_alias_expansion_limit was met. */
  aliasExpansion: reply(451, '4.6.0', 'Error: alias expansion error'),
  noValidRecipients: reply(554, '5.5.1', 'Error: no valid recipients'),
  mailAfterBdat: reply(503, '5.5.1', 'Error: MAIL after BDAT'),
  rcptAfterBdat: reply(503, '5.5.1', 'Error: RCPT after BDAT'),
  dataAfterBdat: reply(503, '5.5.1', 'Error: DATA after BDAT'),
  nullBdat: reply(551, '5.7.1', 'Null BDAT request'),
  tlsActive: reply(554, '5.5.1', 'Error: TLS already active'),
  tlsFirst: reply(530, '5.7.0', 'Must issue a STARTTLS command first'),

  authNotEnabled: reply(503, '5.5.1', 'Error: authentication not enabled'),
  authSyntax: reply(501, '5.5.4', 'Syntax: AUTH mechanism'),
  authTwice: reply(503, '5.5.1', 'Error: already authenticated'),
  authInTransaction: reply(503, '5.5.1', 'Error: MAIL transaction in progress'),
  /** RFC 4954 section 6. */
  authNeedsTls: reply(538, '5.7.11', 'Encryption required for requested authentication mechanism'),
  authUnknownMechanism: reply(504, '5.5.4', 'Error: unrecognized authentication type'),
  authAborted: reply(501, '5.7.0', 'Authentication aborted'),
  authBadBase64: reply(501, '5.5.2', 'Error: invalid base64 in authentication exchange'),
  authMalformed: reply(501, '5.5.2', 'Error: malformed authentication response'),
  authLineTooLong: reply(500, '5.5.6', 'Authentication exchange line is too long'),
  authRequired: reply(530, '5.7.0', 'Authentication required'),
  authOk: reply(235, '2.7.0', 'Authentication successful'),
  /** The same for a wrong password, a locked account and one that is not there. */
  authFailed: reply(535, '5.7.8', 'Error: authentication failed'),
  authUnavailable: reply(454, '4.7.0', 'Temporary authentication failure'),
  badAuthParameter: reply(501, '5.5.4', 'Bad AUTH parameter syntax'),

  badSender: reply(501, '5.1.7', 'Bad sender address syntax'),
  badRecipient: reply(501, '5.1.3', 'Bad recipient address syntax'),
  needUtf8: reply(553, '5.6.7', 'Must declare SMTPUTF8 to send unicode address'),
  badPriority: reply(501, '5.5.4', 'Bad MT-PRIORITY parameter syntax'),
  /** RFC 6710 section 4.1: taken, but not as it was asked for. */
  priorityNotGranted: reply(250, '2.3.6', '0 Ok, but priority is for clients that are known here'),
  badSize: reply(501, '5.5.4', 'Bad message size syntax'),
  badBody: reply(501, '5.5.4', 'Bad BODY parameter syntax'),
  badRet: reply(501, '5.5.4', 'Bad RET parameter syntax'),
  badEnvid: reply(501, '5.5.4', 'Bad ENVID parameter syntax'),
  badNotify: reply(501, '5.5.4', 'Error: Bad NOTIFY parameter syntax'),
  badOrcpt: reply(501, '5.5.4', 'Error: Bad ORCPT parameter syntax'),
  badUtf8Parameter: reply(501, '5.5.4', 'Bad SMTPUTF8 parameter syntax'),
  tooManyRecipients: reply(452, '4.5.3', 'Error: too many recipients'),

  tooBigAtMail: reply(552, '5.3.4', 'Message size exceeds fixed limit'),
  tooBigChunk: reply(552, '5.3.4', 'Chunk exceeds message size limit'),
  tooBig: reply(552, '5.3.4', 'Error: message file too big'),
  tooManyHops: reply(554, '5.4.0', 'Error: too many hops'),
  bareNewlineInContent: reply(550, '5.5.2', 'Error: bare <CR> or <LF> received'),
  nulInContent: reply(550, '5.6.0', 'Error: message content contains a NUL character'),
  storageFull: reply(452, '4.3.1', 'Insufficient system storage'),
  queueWriteError: reply(451, '4.3.0', 'Error: queue file write error'),
  queueUnavailable: reply(451, '4.3.0', 'Error: queue service unavailable, try again later'),
  temporary: reply(451, '4.3.0', 'Error: temporary lookup failure, try again later'),
  internal: reply(451, '4.3.0', 'Error: internal error, try again later'),

  /** postscreen's answer to a client that talks before the greeting: it breaks RFC 5321 section 3.1. */
  earlyTalker: closing(521, '5.5.1', 'Protocol error'),
  outOfStep: closing(554, '5.5.0', 'Error: SMTP protocol synchronization'),
  serverBusy: closing(421, '4.3.2', 'All server ports are busy'),
} as const

function closing(code: number, dsn: string, text: string): Reply {
  return { code, dsn, text, close: true }
}

/** `smtpd_client_auth_rate_limit`. */
export function tooManyAuths(address: string): Reply {
  return reply(450, '4.7.1', `Error: too many AUTH commands from ${address}`)
}

/** Replies of 421 begin with our name, as all of Postfix's do. */
export function tooManyAuthFailures(hostname: string, address: string): Reply {
  return closing(421, '4.7.0', `${hostname} Error: too many authentication failures from ${address}`)
}

export function timeoutExceeded(hostname: string): Reply {
  return closing(421, '4.4.2', `${hostname} Error: timeout exceeded`)
}

export function tooManyErrors(hostname: string): Reply {
  return closing(421, '4.7.0', `${hostname} Error: too many errors`)
}

export function shuttingDown(hostname: string): Reply {
  return closing(421, '4.3.2', `${hostname} Service shutting down, try again later`)
}

export function tooManyConnections(hostname: string, address: string): Reply {
  return closing(421, '4.7.0', `${hostname} Error: too many connections from ${address}`)
}

/** RFC 5321 section 4.1.1.11. */
export function unsupportedOption(option: string): Reply {
  return reply(555, '5.5.4', `Unsupported option: ${option}`)
}

/** A parameter may stand once (RFC 3461 section 4; RFC 5321 section 4.1.2 has no list of equals). */
export function duplicateOption(keyword: string): Reply {
  return reply(501, '5.5.4', `Error: duplicate ${keyword} parameter`)
}

export function notFullyQualified(address: string, role: 'Sender' | 'Recipient'): Reply {
  return reply(504, '5.5.2', `<${address}>: ${role} address rejected: need fully-qualified address`)
}

export function discarded(octets: number): Reply {
  return reply(551, '5.0.0', `Discarded ${octets} bytes after earlier error`)
}

export function chunkOk(octets: number): Reply {
  return reply(250, '2.0.0', `Ok: ${octets} bytes`)
}

export function queuedAs(id: string): Reply {
  return reply(250, '2.0.0', `Ok: queued as ${id}`)
}
