/**
 * A refusal or an acceptance that goes to a peer: a value, never an exception.
 *
 * `code` is the reply code of RFC 5321 section 4.2, `dsn` the enhanced status code of RFC 3463
 * ('' where RFC 2034 section 3 allows none: greeting, EHLO, 354), `text` one line or several.
 */
export interface Reply {
  readonly code: number
  readonly dsn: string
  readonly text: string | readonly string[]
  /** Whether the connection is closed after this reply; always so for 421 (RFC 5321 section 3.8). */
  readonly close?: boolean
}

/** A single-line reply. */
export function reply(code: number, dsn: string, text: string): Reply {
  return { code, dsn, text }
}

/** Everything that must not stand in a reply line: a peer's words may be quoted in one. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** The longest reply line that we send, without CRLF (RFC 5321 section 4.5.3.1.5: 512 with it). */
const LINE_MAX = 510

/** The wire form of a reply, every line ended by CRLF and of 512 octets at most. */
export function formatReply(value: Reply): string {
  const lines = typeof value.text === 'string' ? [value.text] : value.text
  const dsn = value.dsn === '' ? '' : `${value.dsn} `
  const last = lines.length - 1
  let out = ''
  for (const [i, line] of lines.entries()) {
    const whole = `${value.code}${i === last ? ' ' : '-'}${dsn}${line.replace(UNSAFE, '?')}`
    out += `${whole.length > LINE_MAX ? whole.slice(0, LINE_MAX) : whole}\r\n`
  }
  return out
}

/** A reply in one line without CRLF, for the log and for Diagnostic-Code fields. */
export function replyText(value: Reply): string {
  const text = typeof value.text === 'string' ? value.text : value.text.join(' ')
  return `${value.code} ${value.dsn === '' ? '' : `${value.dsn} `}${text}`.replace(UNSAFE, '?')
}
