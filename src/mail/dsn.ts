import { decodeUnicodeXtext, decodeXtext } from './xtext.ts'

/**
 * Delivery status notifications: multipart/report of RFC 6522 with the message/delivery-status of RFC 3464, and
 * their internationalised forms (RFC 6533). Only the format; who gets one and what it says is decided elsewhere.
 *
 * No text that is put in can make a line, a field or a part of its own: every control character becomes '?', and
 * the boundary is made of random octets that no text can know.
 */

/** RFC 3464 section 2.3.3. */
export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** One recipient's group of fields. */
export interface DsnRecipient {
  readonly address: string
  /** ORCPT as given, `rfc822;user+40example.com`; '' for none. */
  readonly orcpt: string
  readonly action: DsnAction
  /** RFC 3463. */
  readonly status: string
  /** The peer that gave the diagnostic; '' for none. */
  readonly remoteMta: string
  readonly diagnosticType: 'smtp' | 'x-postern'
  readonly diagnostic: string
  /** What a person reads, one paragraph. */
  readonly text: string
  /** When it was tried last (RFC 3464 section 2.3.7), a date of RFC 5322; '' for not known. */
  readonly lastAttempt?: string
  /** Until when it is tried (section 2.3.9), likewise; '' for none. */
  readonly retryUntil?: string
}

/** The message that is reported about. */
export interface DsnOriginal {
  /** 'message': all of it. 'headers': its header section. */
  readonly kind: 'message' | 'headers'
  /** Lines ended by CRLF, cut at a line's end. */
  readonly bytes: Uint8Array
}

export interface DsnReport {
  readonly from: string
  readonly to: string
  readonly subject: string
  /** Dates of RFC 5322. */
  readonly date: string
  readonly messageId: string
  /** Random, of boundary characters; see `dsnBoundary`. */
  readonly boundary: string
  readonly reportingMta: string
  readonly queueId: string
  readonly sender: string
  /** ENVID as given, in xtext; '' for none. */
  readonly envid: string
  readonly arrivalDate: string
  /** The client that handed the message over: a domain or an address literal (RFC 3464 section 2.2.4); '' for none. */
  readonly receivedFrom?: string
  /** The paragraphs above the recipients, each line ended by '\n'. */
  readonly intro: string
  readonly recipients: readonly DsnRecipient[]
  readonly original: DsnOriginal
  /** What the part with the original is called: 'Undelivered Message'. */
  readonly originalName?: string
  /** Whether the original was sent with SMTPUTF8: then the notification may be too, and is (RFC 6533 section 3). */
  readonly international: boolean
}

export interface FormattedDsn {
  /** Header and body, lines ended by CRLF. */
  readonly bytes: Buffer
  /** Whether it holds octets above 127 (8BITMIME). */
  readonly eightBit: boolean
  /** Whether its own header or an address in it does (SMTPUTF8). */
  readonly international: boolean
}

/** RFC 5322 section 2.1.1: lines should have 78 characters and must not have more than 998. */
const LINE_WISH = 78
const LINE_HARD = 900
/** Spaces that a folded line begins with at most: a longer gap says nothing, and could make a line too long. */
const GAP_MAX = 20

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g
// oxlint-disable-next-line no-control-regex -- NUL to DEL are ASCII
const BEYOND_ASCII = /[^\u0000-\u007f]/
const BEYOND_ASCII_ALL = new RegExp(BEYOND_ASCII, 'g')

/** A boundary from 16 random octets. The `=_` cannot stand in quoted-printable or base64 (RFC 2045 section 6.7). */
export function dsnBoundary(random: Uint8Array): string {
  return `=_${Buffer.from(random).toString('hex')}`
}

/** Writes the notification. */
export function formatDsn(report: DsnReport): FormattedDsn {
  const { boundary, original } = report
  const international = report.international
  const text = (value: string): string => (international ? value : value.replace(BEYOND_ASCII_ALL, '?'))
  const explanation = text(explain(report))
  const originalEightBit = original.bytes.some((octet) => octet > 127)
  const head =
    header(report, text) +
    part(
      boundary,
      'Notification',
      `text/plain; charset=${BEYOND_ASCII.test(explanation) ? 'utf-8' : 'us-ascii'}`,
      explanation,
    ) +
    part(boundary, 'Delivery report', statusType(international), text(statusFields(report))) +
    partHead(
      boundary,
      `${report.originalName ?? 'Undelivered Message'}${original.kind === 'message' ? '' : ' Headers'}`,
      {
        type: originalType(original.kind, international),
        eightBit: originalEightBit,
      },
    )
  // A part that ends without a line end would swallow the boundary behind it.
  const last = original.bytes.at(-1) === 0x0a || original.bytes.length === 0 ? '' : '\r\n'
  const bytes = Buffer.concat([
    Buffer.from(head),
    original.bytes,
    Buffer.from(`${last}\r\n--${boundary}--\r\n`),
  ])
  return { bytes, eightBit: originalEightBit || BEYOND_ASCII.test(head), international }
}

function statusType(international: boolean): string {
  return international ? 'message/global-delivery-status' : 'message/delivery-status'
}

function originalType(kind: 'message' | 'headers', international: boolean): string {
  if (kind === 'message') return international ? 'message/global' : 'message/rfc822'
  return international ? 'message/global-headers' : 'text/rfc822-headers'
}

function header(report: DsnReport, text: (value: string) => string): string {
  return [
    field('From', `${text(report.from)} (Mail Delivery System)`),
    field('Subject', text(report.subject)),
    field('To', text(report.to)),
    // RFC 3834 section 5.1: no automatic answer to it.
    field('Auto-Submitted', 'auto-replied'),
    field('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${report.boundary}"\r\n`,
    field('Message-Id', report.messageId),
    field('Date', report.date),
    '\r\nThis is a MIME-encapsulated message.\r\n\r\n',
  ].join('')
}

function explain(report: DsnReport): string {
  let text = report.intro.replaceAll(/\r?\n/g, '\r\n')
  for (const recipient of report.recipients) {
    text += `\r\n${wrap(`<${clean(recipient.address)}>: ${clean(recipient.text)}`, '    ')}\r\n`
  }
  return text
}

function statusFields(report: DsnReport): string {
  const envid = decodeXtext(report.envid)
  let text =
    field('Reporting-MTA', `dns; ${report.reportingMta}`) +
    field('X-Postern-Queue-ID', report.queueId) +
    (report.sender === '' ? '' : field('X-Postern-Sender', typed(report.sender, report.international))) +
    (envid === undefined || envid === '' ? '' : field('Original-Envelope-Id', envid)) +
    receivedFrom(report.receivedFrom) +
    field('Arrival-Date', report.arrivalDate)
  for (const recipient of report.recipients) text += `\r\n${recipientFields(recipient, report.international)}`
  return text
}

function recipientFields(recipient: DsnRecipient, international: boolean): string {
  const { orcpt, remoteMta, lastAttempt = '', retryUntil = '' } = recipient
  return [
    field('Final-Recipient', typed(recipient.address, international)),
    orcpt === '' ? '' : field('Original-Recipient', decodeOrcpt(orcpt)),
    field('Action', recipient.action),
    field('Status', recipient.status),
    remoteMta === '' ? '' : field('Remote-MTA', `dns; ${remoteMta}`),
    diagnosticField(recipient),
    field('Last-Attempt-Date', lastAttempt),
    field('Will-Retry-Until', retryUntil),
  ].join('')
}

/**
 * The lines of a reply stand one below the other. Folded in between, they are one line again, with a space where
 * each ended, as which they came here.
 */
function diagnosticField({ diagnosticType, diagnostic }: DsnRecipient): string {
  const whole = `${diagnosticType}; ${diagnostic}`
  const code = /^[2-5][0-9][0-9](?=-)/.exec(diagnostic)?.[0]
  if (code === undefined) return field('Diagnostic-Code', whole)
  const [first = '', ...others] = whole.split(new RegExp(` (?=${code}[- ])`))
  const continued = others.map((line) => ` ${wrap(clean(line), '')}\r\n`).join('')
  return field('Diagnostic-Code', first) + continued
}

function receivedFrom(name = ''): string {
  return name === '' ? '' : field('Received-From-MTA', `dns; ${name}`)
}

/** RFC 6533 section 3: an address beyond ASCII has a type of its own. */
function typed(address: string, international: boolean): string {
  if (!BEYOND_ASCII.test(address)) return `rfc822; ${address}`
  if (international) return `utf-8; ${address}`
  // utf-8-addr-xtext: the report is all ASCII.
  const escaped = address.replaceAll(
    /[^ -~]/gu,
    (char) => `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  )
  return `utf-8; ${escaped}`
}

/** RFC 3461 section 4.2: what ORCPT said, out of its xtext; as it came where it is malformed. */
function decodeOrcpt(orcpt: string): string {
  const mark = orcpt.indexOf(';')
  const type = orcpt.slice(0, mark)
  const value = orcpt.slice(mark + 1)
  const decoded =
    type.toLowerCase() === 'utf-8' ? decodeUnicodeXtext(decodeXtext(value) ?? value) : decodeXtext(value)
  return `${type}; ${decoded ?? value}`
}

function part(boundary: string, description: string, type: string, content: string): string {
  const eightBit = BEYOND_ASCII.test(content)
  return `${partHead(boundary, description, { type, eightBit })}${content}\r\n`
}

function partHead(
  boundary: string,
  description: string,
  content: { readonly type: string; readonly eightBit: boolean },
): string {
  const encoding = content.eightBit ? field('Content-Transfer-Encoding', '8bit') : ''
  return `--${boundary}\r\n${field('Content-Description', description)}${field('Content-Type', content.type)}${encoding}\r\n`
}

/** One header field, folded at spaces; a word that fits no line is broken, which is better than an illegal line. */
function field(name: string, value: string): string {
  // A field that holds nothing says nothing, and some parsers take it for the end of the header.
  if (value.trim() === '') return ''
  return `${wrap(`${name}: ${clean(value)}`, '')}\r\n`
}

function clean(text: string): string {
  return text.replace(UNSAFE, '?')
}

/**
 * Lines of LINE_WISH characters. With an indent a line begins with that; without, with the spaces that stood there,
 * so that unfolding (RFC 5322 section 2.2.3) gives back the very text.
 */
function wrap(text: string, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const [, gap = '', word = ''] of text.matchAll(/( *)([^ ]+)/g)) {
    for (const [index, piece] of pieces(word).entries()) {
      const before = index === 0 ? gap : ''
      if (line !== '' && line.length + before.length + piece.length > LINE_WISH) {
        lines.push(line)
        line = (indent || before.slice(0, GAP_MAX) || ' ') + piece
      } else {
        line += before + piece
      }
    }
  }
  lines.push(line)
  return lines.join('\r\n')
}

/** A word in pieces that fit a line; by code points, so that none is cut in two. */
function pieces(word: string): string[] {
  if (word.length <= LINE_HARD / 4) return [word]
  const points = Array.from(word)
  const found: string[] = []
  for (let at = 0; at < points.length; at += LINE_HARD / 4)
    found.push(points.slice(at, at + LINE_HARD / 4).join(''))
  return found
}
