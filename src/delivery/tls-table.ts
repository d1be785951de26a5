import { canonicalDomain } from '#src/mail/address.ts'
import { isGrade, sessionOf } from './tls-session.ts'
import type { DestinationHop } from '#src/queue/ports.ts'
import type { FullTlsLevel } from './settings.ts'
import type { TlsRules, TlsTarget } from './tls-policy.ts'
import type { SessionWish, TlsSession } from './tls-session.ts'

/** What the policy table says of a next hop, or the settings where it says nothing. */
export interface WantedTls {
  readonly level: FullTlsLevel
  /** Names, or digests; undefined where the level's own count. */
  readonly match: readonly string[] | undefined
  readonly session: TlsSession
}

const LEVELS: ReadonlySet<string> = new Set<FullTlsLevel>([
  'none',
  'may',
  'encrypt',
  'verify',
  'secure',
  'fingerprint',
  'dane',
  'dane-only',
])

/** The port where TLS begins with the first octet (RFC 8314 section 3.3); a greeting in plaintext never comes there. */
const WRAPPED_PORT = 465

/** A sentence where table or settings are wrong: nobody guesses whether mail may go in plaintext. */
export function wantedTls({ hop, candidate }: TlsTarget, rules: TlsRules): WantedTls | string {
  const { policies } = rules
  if (policies.kind === 'unreadable') return `TLS policy table: ${policies.reason}`
  const text = policyKeys(hop.hop)
    .map((key) => policies.entries.get(key))
    .find((value) => value !== undefined)
  const entry = text === undefined ? NO_ENTRY : readEntry(text, rules.level)
  if (typeof entry === 'string') return `TLS policy table: ${entry} for ${hop.hop.text}`
  const level = entry.level ?? rules.level
  const standard = level === 'may' ? rules.opportunistic : rules.mandatory
  const session = sessionOf({ ...standard, ...entry.wish })
  if (typeof session === 'string') return `${session} for ${hop.hop.text}`
  const wrapped = rules.wrapperMode || candidate.port === WRAPPED_PORT
  const servername = serverName(entry.servername ?? rules.servername, { hop, candidate })
  return { level, match: entry.match, session: { ...session, wrapped, servername } }
}

/** Whether a table has a word on this hop, so that nobody else's policy has one. */
export function isInTable(hop: DestinationHop, { policies }: TlsRules): boolean {
  return policies.kind !== 'table' || policyKeys(hop).some((key) => policies.entries.has(key))
}

interface Entry {
  readonly level?: FullTlsLevel
  readonly match?: readonly string[]
  readonly servername?: string
  readonly wish: Partial<SessionWish>
}

const NO_ENTRY: Entry = { wish: {} }

/** tls_policy: `level attribute=value …`. Digests have colons of their own; several of them are several `match`. */
function readEntry(text: string, standard: FullTlsLevel): Entry | string {
  const [word = standard, ...attributes] = text.split(/[\s,]+/)
  if (!isLevel(word)) return `invalid security level "${word}"`
  const entry: { -readonly [K in keyof Entry]: Entry[K] } = { level: word, wish: {} }
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=')
    const name = equals < 0 ? attribute : attribute.slice(0, equals)
    const value = equals < 0 ? '' : attribute.slice(equals + 1)
    switch (value === '' ? '' : name) {
      case 'match':
        entry.match = [...(entry.match ?? []), ...value.split(word === 'fingerprint' ? '|' : ':')]
        break
      case 'protocols':
        entry.wish = { ...entry.wish, protocols: value }
        break
      case 'ciphers':
        if (!isGrade(value)) return `invalid cipher grade "${value}"`
        entry.wish = { ...entry.wish, grade: value }
        break
      case 'exclude':
        entry.wish = { ...entry.wish, exclude: value.split(':') }
        break
      case 'servername':
        entry.servername = value
        break
      default:
        return `invalid attribute "${attribute}"`
    }
  }
  return entry
}

function isLevel(word: string): word is FullTlsLevel {
  return LEVELS.has(word)
}

/** smtp_tls_servername: `hostname`, `nexthop`, or a name; '' and what is no name: what is usual. */
function serverName(word: string, { hop, candidate }: TlsTarget): string | undefined {
  switch (word) {
    case '':
      return undefined
    case 'hostname':
      return candidate.host
    case 'nexthop':
      return hop.hop.host
    default:
      return canonicalDomain(word)
  }
}

/** The next hop as it is written, then without port; and for a domain the domains above it, with a leading dot. */
function policyKeys({ text, host, bracketed }: DestinationHop): readonly string[] {
  const bare = bracketed ? `[${host}]` : host
  const keys = [text.toLowerCase(), bare.toLowerCase()]
  if (bracketed) return keys
  const labels = host.split('.')
  for (let at = 1; at < labels.length; at++) keys.push(`.${labels.slice(at).join('.')}`)
  return keys
}
