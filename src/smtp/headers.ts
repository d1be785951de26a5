import { compactUtc, mailDate } from '#src/mail/date.ts'
import type { HeaderReport } from '#src/match/types.ts'
import type { Origin } from '#src/queue/types.ts'

/** What the header lines that we put on top are made of. */
export interface HeaderFacts {
  readonly hostname: string
  readonly id: string
  readonly arrivedMs: number
  readonly origin: Origin
  /** As `TLSv1.3 with cipher TLS_AES_256_GCM_SHA384`; '' where there is none or it is not to be shown. */
  readonly tls: string
  /** The authenticated user, where `smtpd_sasl_authenticated_header` shows it; otherwise ''. */
  readonly user: string
  /** As RCPT gave it, where there was one accepted RCPT; otherwise ''. */
  readonly onlyRecipient: string
  readonly sender: string
  /** RFC 6710; 0 is not written. */
  readonly priority: number
}

/**
 * The trace line of RFC 5321 section 4.4, folded as Postfix folds it. `for` is there only when the message has
 * one recipient, so that no recipient learns of another. Every part was checked or neutered where it came in, and
 * is bounded there (HELO 255, address 254), so no line comes near 998 octets (RFC 5322 section 2.1.1).
 */
export function receivedHeader(facts: HeaderFacts): string {
  const { origin } = facts
  const tls = facts.tls === '' ? '' : `\r\n\t(using ${facts.tls})`
  const user = facts.user === '' ? '' : `\r\n\t(Authenticated sender: ${comment(facts.user)})`
  const recipient = facts.onlyRecipient === '' ? '' : `\r\n\tfor <${oneLine(facts.onlyRecipient)}>`
  const priority = facts.priority === 0 ? '' : `\r\n\tPRIORITY ${facts.priority}`
  return (
    `Received: from ${word(origin.helo)} (${word(origin.clientName)} [${literal(origin.clientAddress)}])${tls}${user}\r\n` +
    `\tby ${word(facts.hostname)} (Postern) with ${origin.protocol} id ${facts.id}${recipient}${priority};` +
    `${recipient === '' ? '\r\n\t' : ' '}${mailDate(facts.arrivedMs)}\r\n`
  )
}

/**
 * The headers that RFC 5322 section 3.6 requires and the message lacks (Postfix `always_add_missing_headers`),
 * but none that a DKIM signature covers: signed as absent, adding it would break the signature (RFC 6376 section
 * 5.4).
 */
export function missingHeaders(facts: HeaderFacts, header: HeaderReport): string {
  const signed = new Set(header.dkimSigned)
  let added = ''
  if (!header.hasMessageId && !signed.has('message-id')) {
    added += `Message-Id: <${ownMessageId(facts)}>\r\n`
  }
  if (!header.hasDate && !signed.has('date')) added += `Date: ${mailDate(facts.arrivedMs)}\r\n`
  if (!header.hasFrom && !signed.has('from')) added += `From: ${fromField(facts)}\r\n`
  if (!header.hasRecipient && !signed.has('to') && !signed.has('cc') && !signed.has('bcc')) {
    added += 'To: undisclosed-recipients:;\r\n'
  }
  return added
}

/** The Message-ID that `missingHeaders` gives. */
export function ownMessageId(facts: HeaderFacts): string {
  return `${compactUtc(facts.arrivedMs)}.${facts.id}@${facts.hostname}`
}

/**
 * Whether a body begins with a header line or an empty one, so that header lines may be put straight before it.
 * If it begins with anything else an empty line has to come between: text would look like a broken header, and a
 * line that begins with a blank would become part of our last line.
 */
export function beginsWithHeader(start: Uint8Array): boolean {
  for (const [at, octet] of start.entries()) {
    if (octet === 0x3a) return at > 0
    if (octet === 0x0d && at === 0) return true
    // RFC 5322 section 3.6.8: printable, and blanks before the colon as in section 4.5.
    if (octet < 0x20 || octet > 0x7e) return octet === 0x09 && at > 0 && blanksToColon(start, at)
    if (octet === 0x20) return at > 0 && blanksToColon(start, at)
  }
  return start.length === 0
}

function blanksToColon(start: Uint8Array, from: number): boolean {
  let at = from
  while (start[at] === 0x20 || start[at] === 0x09) at += 1
  return start[at] === 0x3a
}

/** Postfix writes MAILER-DAEMON for the null sender. */
function fromField({ sender, hostname }: HeaderFacts): string {
  return sender === '' ? `MAILER-DAEMON@${hostname} (Mail Delivery System)` : oneLine(sender)
}

/** A name that is sure to be one word without brackets: those would begin a comment or a route. */
function word(name: string): string {
  return name.replaceAll(/[^!#-'*-:=?A-Z[\]^-~]/g, '?')
}

/** Text within brackets that cannot end them (RFC 5322 section 3.2.2). */
function comment(text: string): string {
  return oneLine(text).replaceAll(/[()\\]/g, '?')
}

/** RFC 5321 section 4.1.3. */
function literal(address: string): string {
  return address.includes(':') ? `IPv6:${address}` : address
}

function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')
}
