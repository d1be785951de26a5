import { isIP, isIPv6 } from 'node:net'
import { isHostName } from '#src/dns/records.ts'
import { canonicalDomain } from '#src/mail/address.ts'

/** One host or domain to go to, as a transport table or a relay host setting names it. */
export interface NextHop {
  /** As it was written: `[mail.example.com]:587`. Deliveries with the same text share a queue. */
  readonly text: string
  /** Host, domain or address, without brackets and port; or the path of a socket in the file system. */
  readonly host: string
  readonly port: number
  /** It stood in brackets: no MX look-up. */
  readonly bracketed: boolean
}

export type ParsedNextHop =
  | { readonly kind: 'ok'; readonly hop: NextHop }
  | { readonly kind: 'bad'; readonly error: string }

export type ParsedNextHops =
  | { readonly kind: 'ok'; readonly hops: readonly NextHop[] }
  | { readonly kind: 'bad'; readonly error: string }

/** smtp_tcp_port and lmtp_tcp_port. Zimbra's mailbox servers are at 7025, and their entries always say so. */
const DEFAULT_PORTS: Readonly<Record<'smtp' | 'lmtp', number>> = { smtp: 25, lmtp: 24 }

/** Hosts in one list (`relayhost = a, b`): each may cost its own time-outs in one attempt. */
export const NEXT_HOPS_MAX = 10

/** services(5), those that a mail hop can be at. */
const SERVICES: ReadonlyMap<string, number> = new Map([
  ['smtp', 25],
  ['lmtp', 24],
  ['submission', 587],
  ['submissions', 465],
  ['smtps', 465],
])

/** A list of next hops, parted by commas or spaces, tried in that order (Postfix 3.5). */
export function parseNextHops(
  text: string,
  protocol: 'smtp' | 'lmtp',
  standardPort: number = DEFAULT_PORTS[protocol],
): ParsedNextHops {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  if (words.length === 0) return { kind: 'bad', error: 'missing host information' }
  if (words.length > NEXT_HOPS_MAX) return { kind: 'bad', error: `more than ${NEXT_HOPS_MAX} hosts` }
  const hops: NextHop[] = []
  if (words.length > 1 && words.some((word) => word.startsWith('unix:')))
    return { kind: 'bad', error: 'a socket in the file system stands alone' }
  for (const word of words) {
    const parsed = parseNextHop(word, protocol, standardPort)
    if (parsed.kind === 'bad') return { kind: 'bad', error: `${parsed.error} in "${word}"` }
    hops.push(parsed.hop)
  }
  return { kind: 'ok', hops }
}

/**
 * `host`, `host:port`, `[host]`, `[host]:port`, with an address in place of a name: `[192.0.2.1]`,
 * `[2001:db8::1]`, `[IPv6:2001:db8::1]`. The errors are Postfix's words.
 */
export function parseNextHop(
  text: string,
  protocol: 'smtp' | 'lmtp',
  standardPort: number = DEFAULT_PORTS[protocol],
): ParsedNextHop {
  const word = protocol === 'lmtp' && text.startsWith('inet:') ? text.slice(5) : text
  if (protocol === 'lmtp' && word.startsWith('unix:')) return socketHop(text, word.slice('unix:'.length))
  const split = word.startsWith('[') ? splitBracketed(word) : splitPlain(word)
  if (split.kind === 'bad') return split
  const host = hostOf(split.host)
  if (host === undefined) return bad('valid hostname or network address required')
  const port = portOf(split.service, standardPort)
  if (typeof port === 'string') return bad(port)
  return { kind: 'ok', hop: { text, host, port, bracketed: split.bracketed } }
}

/** `sun_path` has 108 octets, the last one a NUL. */
const SOCKET_PATH_BYTES_MAX = 107

/** `unix:/run/dovecot/lmtp`, as in `lmtp:unix:/run/dovecot/lmtp`. Postfix's short form is relative to its queue; here are none. */
function socketHop(text: string, path: string): ParsedNextHop {
  if (!isSocketPath(path)) return bad('the path of a socket begins with "/"')
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) return bad('the path of the socket is too long')
  return { kind: 'ok', hop: { text, host: path, port: 0, bracketed: true } }
}

/** Whether a host is the path of a socket in the file system. */
export function isSocketPath(host: string): boolean {
  return host.startsWith('/')
}

type Split =
  | { readonly kind: 'ok'; readonly host: string; readonly service: string; readonly bracketed: boolean }
  | { readonly kind: 'bad'; readonly error: string }

function splitBracketed(word: string): Split {
  const close = word.indexOf(']')
  if (close < 0) return bad('missing "]"')
  const inside = word.slice(1, close)
  const behind = word.slice(close + 1)
  if (behind !== '' && !behind.startsWith(':')) return bad('garbage after "]"')
  const six = /^ipv6:(.*)$/i.exec(inside)?.[1]
  if (six !== undefined && !isIPv6(six)) return bad('malformed IPv6 address')
  const host = six ?? inside
  if (host === '') return bad('missing host information')
  return { kind: 'ok', host, service: behind.slice(1), bracketed: true }
}

/** An IPv6 address needs its brackets: without them its last group would be a port. */
function splitPlain(word: string): Split {
  const colon = word.lastIndexOf(':')
  const host = colon < 0 ? word : word.slice(0, colon)
  if (host === '') return bad('missing host information')
  return { kind: 'ok', host, service: colon < 0 ? '' : word.slice(colon + 1), bracketed: false }
}

function bad(error: string): { readonly kind: 'bad'; readonly error: string } {
  return { kind: 'bad', error }
}

function hostOf(text: string): string | undefined {
  if (isIP(text) !== 0) return text.includes('%') ? undefined : text
  const name = canonicalDomain(text)
  return name !== undefined && isHostName(name) ? name : undefined
}

function portOf(service: string, standard: number): number | string {
  if (service === '') return standard
  if (/^\d{1,5}$/.test(service)) {
    const port = Number(service)
    return port >= 1 && port <= 65_535 ? port : `bad network port: ${service}`
  }
  if (/^\d/.test(service)) return 'garbage after numerical service'
  return SERVICES.get(service.toLowerCase()) ?? `unknown service: ${service}`
}
