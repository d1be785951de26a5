import { isUtf8 } from 'node:buffer'
import type { Buffer } from 'node:buffer'
import type { Reply } from '#src/base/reply.ts'
import { REPLY } from './replies.ts'

/** One command line: its first word in upper case, and what follows without blanks around it. */
export type CommandLine =
  | { readonly kind: 'command'; readonly verb: string; readonly args: string; readonly text: string }
  | { readonly kind: 'bad'; readonly reply: Reply }

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/
// oxlint-disable-next-line no-control-regex -- the same, before octets beyond ASCII are decoded
const CONTROL_OCTET = /[\u0000-\u0008\u000a-\u001f\u007f]/
const BEYOND_ASCII = /[\u0080-\u00ff]/

/**
 * Reads a line without its CRLF. A control character has no business in a command (a lone CR could make two
 * lines of one in a log or at the next hop), and octets beyond ASCII have to be UTF-8 (RFC 6531 section 3.3).
 */
export function readCommandLine(bytes: Buffer, start: number, end: number): CommandLine {
  let text = bytes.toString('latin1', start, end)
  if (CONTROL_OCTET.test(text)) return { kind: 'bad', reply: REPLY.controlCharacter }
  if (BEYOND_ASCII.test(text)) {
    if (!isUtf8(bytes.subarray(start, end))) return { kind: 'bad', reply: REPLY.badUtf8 }
    text = bytes.toString('utf8', start, end)
    if (CONTROL.test(text)) return { kind: 'bad', reply: REPLY.controlCharacter }
  }
  const blank = firstBlank(text)
  const verb = text.slice(0, blank).toUpperCase()
  if (verb === '') return { kind: 'bad', reply: REPLY.badSyntax }
  return { kind: 'command', verb, args: trimBlanks(text, blank), text }
}

function firstBlank(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    if (isBlank(text, at)) return at
  }
  return text.length
}

function trimBlanks(text: string, from: number): string {
  let start = from
  let end = text.length
  while (start < end && isBlank(text, start)) start += 1
  while (end > start && isBlank(text, end - 1)) end -= 1
  return text.slice(start, end)
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

/** HTTP, whose clients are made to talk to SMTP servers by a web page. */
const HTTP_REQUEST = / HTTP\/[0-9](?:\.[0-9])?$/
/** A header line where a command should be: a client that was not told 354 sends its message. */
const HEADER_WORD = /^[!-9;-~]+:/

/** Whether a line whose word is no command was never meant for SMTP. */
export function isForeign(verb: string, text: string): boolean {
  return HEADER_WORD.test(verb) || HTTP_REQUEST.test(text)
}
