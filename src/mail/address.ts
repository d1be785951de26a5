import { Buffer } from 'node:buffer'
import { isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'

/** RFC 5321 section 4.5.3.1.2. */
export const DOMAIN_MAX = 255
/**
 * Octets, brackets included. RFC 5321 section 4.5.3.1 wants 64 for the local part and 256 for all of it as the least,
 * and where possible no limit; return paths of forwarders and of mailing lists (SRS, VERP) are longer, and Postfix takes
 * them. This is longer than any that is known.
 */
export const PATH_MAX = 512
/** RFC 1035 section 2.3.4. */
const LABEL_MAX = 63

/** One address of an envelope. */
export interface Address {
  /** Without quotes: the meaning, not the spelling. '' only in the null address. */
  readonly local: string
  /** Lower-case A-labels, or an address literal in brackets; '' where the client gave none. */
  readonly domain: string
  /**
   * The one spelling that we keep: quotes only where the local part needs them, so that `"a"@d` and `a@d`
   * (RFC 5321 section 4.1.2) are one. '' for the null reverse-path.
   */
  readonly text: string
}

/** `end` is the index behind the address; what follows is the caller's. */
export type ParsedPath =
  | { readonly kind: 'ok'; readonly address: Address; readonly end: number }
  | { readonly kind: 'bad' }
  /** It would be an address if SMTPUTF8 (RFC 6531) had been said. */
  | { readonly kind: 'utf8' }

export interface PathRules {
  /** Whether characters beyond ASCII may stand in it. */
  readonly utf8: boolean
  /** Whether `<>` is allowed: in MAIL, not in RCPT. */
  readonly empty: boolean
}

const BAD: ParsedPath = { kind: 'bad' }
const NEEDS_UTF8: ParsedPath = { kind: 'utf8' }
const NULL_ADDRESS: Address = { local: '', domain: '', text: '' }

/** RFC 6531 section 3.3, without what breaks a line or turns its direction (U+2028 to U+202E). */
const BEYOND_ASCII = '\\u00a1-\\u2027\\u202f-\\u{10ffff}'
/** atext of RFC 5321 section 4.1.2. */
const ATEXT = `A-Za-z0-9!#$%&'*+/=?^_\`{|}~\\-${BEYOND_ASCII}`
const ATOMS = new RegExp(`[${ATEXT}.]+`, 'uy')
const DOT_STRING = new RegExp(`^[${ATEXT}]+(?:\\.[${ATEXT}]+)*$`, 'u')
const QUOTED_TEXT = new RegExp(`^[ -~${BEYOND_ASCII}]$`, 'u')
/** Everything that may stand in a domain before it is looked at label by label. */
const DOMAIN_TEXT = new RegExp(`\\[[!-Z^-~]*\\]|[A-Za-z0-9_.\\-${BEYOND_ASCII}]+`, 'uy')
/** Letters, digits, hyphens inside, and the underscore, which is in use although RFC 1035 lacks it. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/
const NON_ASCII = /[^\x00-\x7f]/ // oxlint-disable-line no-control-regex -- the whole of ASCII is meant
/** RFC 5321 section 4.1.2, A-d-l: parsed and dropped (section 4.1.1.3 and appendix C). */
const SOURCE_ROUTE = /@[A-Za-z0-9_.\-[\]:]+(?:,@[A-Za-z0-9_.\-[\]:]+)*:/y

/**
 * Reads the path of MAIL FROM or RCPT TO that begins at `start`. Brackets may be missing, as in Postfix without
 * `strict_rfc821_envelopes`: clients in printers and cameras leave them out.
 */
export function parsePath(text: string, start: number, rules: PathRules): ParsedPath {
  const bracketed = text[start] === '<'
  const from = bracketed ? start + 1 : start
  if (bracketed && text[from] === '>') {
    return rules.empty ? { kind: 'ok', address: NULL_ADDRESS, end: from + 1 } : BAD
  }
  const found = parseMailbox(text, skipRoute(text, from), rules)
  if (found.kind !== 'ok') return found
  if (!bracketed) return found
  if (text[found.end] !== '>') return BAD
  const end = found.end + 1
  return end - start > PATH_MAX ? BAD : { kind: 'ok', address: found.address, end }
}

/** An address as a person or a file writes it: the whole text, without brackets. */
export function parseAddress(
  text: string,
  rules: PathRules = { utf8: true, empty: false },
): Address | undefined {
  if (text === '') return rules.empty ? NULL_ADDRESS : undefined
  const found = parseMailbox(text, 0, rules)
  return found.kind === 'ok' && found.end === text.length ? found.address : undefined
}

/** The spelling of an address from its parts. */
export function addressText(local: string, domain: string): string {
  const spelt = DOT_STRING.test(local) ? local : `"${local.replaceAll(/["\\]/g, '\\$&')}"`
  return domain === '' ? spelt : `${spelt}@${domain}`
}

/**
 * A domain in lower-case A-labels (RFC 5890), one trailing dot dropped; undefined where it is none. Only names
 * with characters beyond ASCII go through IDNA, because domainToASCII() also rewrites what looks like an
 * IPv4 address.
 */
export function canonicalDomain(text: string): string | undefined {
  const named = NON_ASCII.test(text) || /(?:^|\.)xn--/i.test(text) ? domainToASCII(text) : text.toLowerCase()
  const domain = named.endsWith('.') ? named.slice(0, -1) : named
  if (domain === '' || domain.length > DOMAIN_MAX) return undefined
  const labels = domain.split('.')
  for (const label of labels) {
    if (label.length > LABEL_MAX || !LABEL.test(label)) return undefined
  }
  // RFC 3696 section 2: the last label is never all digits; 192.0.2.1 without brackets is no domain.
  return /^[0-9]+$/.test(labels.at(-1) ?? '') ? undefined : domain
}

function skipRoute(text: string, from: number): number {
  SOURCE_ROUTE.lastIndex = from
  return SOURCE_ROUTE.test(text) ? SOURCE_ROUTE.lastIndex : from
}

function parseMailbox(text: string, from: number, rules: PathRules): ParsedPath {
  const quoted = text[from] === '"'
  const local = quoted ? quotedString(text, from) : atoms(text, from)
  if (local === undefined || (local.value === '' && !quoted)) return BAD
  let { end } = local
  let domain = ''
  if (text[end] === '@') {
    const found = domainAt(text, end + 1)
    if (found === undefined) return BAD
    domain = found.value
    end = found.end
  }
  if (!rules.utf8 && NON_ASCII.test(text.slice(from, end))) return NEEDS_UTF8
  // NFC (RFC 6532 section 3.1), so that one address has one spelling.
  const value = NON_ASCII.test(local.value) ? local.value.normalize('NFC') : local.value
  const address = { local: value, domain, text: addressText(value, domain) }
  return Buffer.byteLength(address.text) > PATH_MAX - 2 ? BAD : { kind: 'ok', address, end }
}

interface Piece {
  readonly value: string
  readonly end: number
}

/**
 * Dots are taken wherever they stand (`a..b@`, `a.@`), as in Postfix: large Japanese carriers have given such
 * addresses out. They come out quoted, which makes them legal again.
 */
function atoms(text: string, from: number): Piece | undefined {
  ATOMS.lastIndex = from
  const value = ATOMS.exec(text)?.[0]
  return value === undefined ? undefined : { value, end: from + value.length }
}

/** RFC 5321 section 4.1.2, Quoted-string, without its quotes and backslashes. */
function quotedString(text: string, from: number): Piece | undefined {
  let value = ''
  let escaped = false
  let end = from + 1
  // By code points: half a surrogate pair would never match.
  for (const char of text.slice(from + 1, from + 1 + PATH_MAX)) {
    end += char.length
    if (!escaped && char === '"') return { value, end }
    if (!QUOTED_TEXT.test(char)) return undefined
    escaped = !escaped && char === '\\'
    if (!escaped) value += char
  }
  return undefined
}

function domainAt(text: string, from: number): Piece | undefined {
  DOMAIN_TEXT.lastIndex = from
  const spelt = DOMAIN_TEXT.exec(text)?.[0] ?? ''
  const value = spelt.startsWith('[') ? addressLiteral(spelt) : canonicalDomain(spelt)
  return value === undefined ? undefined : { value, end: from + spelt.length }
}

/** RFC 5321 section 4.1.3; the general form has no registered user and is refused. */
function addressLiteral(spelt: string): string | undefined {
  const inner = spelt.slice(1, -1)
  if (isIPv4(inner)) return spelt
  const six = /^ipv6:(.*)$/i.exec(inner)?.[1]
  return six !== undefined && isIPv6(six) && !six.includes('%') ? `[IPv6:${six.toLowerCase()}]` : undefined
}
