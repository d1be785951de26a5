import type { ClientInfo } from '#src/smtp/ports.ts'

const SERVICES = ['smtp', 'submission', 'submissions'] as const

/**
 * A dialogue that anyone can write:
 *
 *     # a comment; the last comment before the first line is what the dialogue shows
 *     set messageBytesMax 1000        a setting of SmtpSettings (JSON value)
 *     on submission                   the service of the listener, and that it has a certificate
 *     TLS                             the handshake, behind STARTTLS
 *     C: EHLO client.example          sent with CRLF; lines in a row are sent in one write
 *     C! no end of line\r             sent as it stands
 *     S: 250                          the next reply begins so
 *     S+ SIZE 1000                    a line of that reply ends so
 *     S: (closed)                     the server has hung up
 *     Q: 1                            so many messages are in the queue
 *
 * `\r`, `\n`, `\t`, `\0`, `\xHH` (one octet) and `\\` are escapes in C lines. The greeting is read before the first
 * line unless that is `S:`.
 */
export type TranscriptLine =
  | { readonly kind: 'set'; readonly name: string; readonly value: unknown }
  | { readonly kind: 'on'; readonly service: ClientInfo['service'] }
  | { readonly kind: 'tls' }
  | { readonly kind: 'client'; readonly octets: Buffer }
  | { readonly kind: 'server'; readonly text: string }
  | { readonly kind: 'contains'; readonly text: string }
  | { readonly kind: 'closed' }
  | { readonly kind: 'queued'; readonly count: number }

export function parseTranscript(text: string): readonly TranscriptLine[] {
  const lines: TranscriptLine[] = []
  for (const [n, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const parsed = parseLine(line)
    if (parsed === undefined) throw new Error(`line ${n + 1} is no line of a transcript: ${line}`)
    const last = lines.at(-1)
    if (parsed.kind === 'client' && last?.kind === 'client') {
      lines[lines.length - 1] = { kind: 'client', octets: Buffer.concat([last.octets, parsed.octets]) }
    } else {
      lines.push(parsed)
    }
  }
  return lines
}

function parseLine(line: string): TranscriptLine | undefined {
  const [, mark, rest] = /^(set|on|TLS|C:|C!|S:|S\+|Q:) ?(.*)$/.exec(line) ?? []
  if (mark === undefined || rest === undefined) return undefined
  switch (mark) {
    case 'set': {
      const [name = '', ...value] = rest.split(' ')
      return { kind: 'set', name, value: JSON.parse(value.join(' ')) }
    }
    case 'on': {
      const service = SERVICES.find((one) => one === rest)
      return service === undefined ? undefined : { kind: 'on', service }
    }
    case 'TLS':
      return { kind: 'tls' }
    case 'C:':
      return { kind: 'client', octets: unescape(`${rest}\\r\\n`) }
    case 'C!':
      return { kind: 'client', octets: unescape(rest) }
    case 'S:':
      return rest === '(closed)' ? { kind: 'closed' } : { kind: 'server', text: rest }
    case 'S+':
      return { kind: 'contains', text: rest }
    case 'Q:':
      return { kind: 'queued', count: Number(rest) }
    default:
      return undefined
  }
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['r', '\r'],
  ['n', '\n'],
  ['t', '\t'],
  ['0', '\0'],
  ['\\', '\\'],
])

function unescape(text: string): Buffer {
  const latin1 = Buffer.from(text).toString('latin1')
  const octets = latin1.replaceAll(
    /\\(?:x([0-9a-fA-F]{2})|(.))/g,
    (_, hex: string | undefined, char: string) =>
      hex === undefined ? (ESCAPES.get(char) ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(octets, 'latin1')
}
