import type { TlsTarget } from './tls-policy.ts'
import type { Table } from './table.ts'

/** Who we say we are to a relay host. Never logged. */
export interface Credentials {
  readonly user: string
  readonly password: string
  /** Whether the password may also go out in plaintext: smtp_sasl_security_options without noplaintext. */
  readonly inPlaintext: boolean
  /** Mechanisms that may be used, in upper case (smtp_sasl_mechanism_filter). */
  readonly mechanisms: readonly string[]
}

/** What AUTH goes by. */
export interface AuthRules {
  /** smtp_sasl_auth_enable (zimbraMtaSmtpSaslAuthEnable). */
  readonly enabled: boolean
  /** smtp_sasl_password_maps: by next hop or host, `user:password`. */
  readonly passwords: Table
  /** smtp_sasl_security_options (zimbraMtaSmtpSaslSecurityOptions). */
  readonly securityOptions: readonly string[]
  /** smtp_sasl_mechanism_filter (zimbraMtaSmtpSaslMechanismFilter); empty: whatever we can. */
  readonly mechanismFilter: readonly string[]
}

/** What we can say. Challenge-response mechanisms have no place where only TLS keeps a password safe. */
const MECHANISMS = ['PLAIN', 'LOGIN']

/** Credentials for an address, undefined where none are set; a sentence where that cannot be known. */
export function credentialsFor(
  { hop, candidate }: TlsTarget,
  rules: AuthRules,
): Credentials | undefined | string {
  if (!rules.enabled) return undefined
  const { passwords } = rules
  if (passwords.kind === 'unreadable') return `SASL password table: ${passwords.reason}`
  const { text, host, bracketed } = hop.hop
  const bare = bracketed ? `[${host}]` : host
  // smtp_sasl_passwd_lookup(): the next hop as it is written and without its port, then the host that we got to.
  const keys = [text, bare, `${candidate.host}:${candidate.port}`, candidate.host]
  const found = keys
    .map((key) => passwords.entries.get(key.toLowerCase()))
    .find((value) => value !== undefined)
  if (found === undefined) return undefined
  const colon = found.indexOf(':')
  return {
    user: colon < 0 ? found : found.slice(0, colon),
    password: colon < 0 ? '' : found.slice(colon + 1),
    inPlaintext: !rules.securityOptions.includes('noplaintext'),
    mechanisms: allowed(rules.mechanismFilter),
  }
}

/** `!name` takes one out; with only those, the others stay. */
function allowed(filter: readonly string[]): readonly string[] {
  const words = filter.map((word) => word.toUpperCase())
  const named = words.filter((word) => !word.startsWith('!'))
  return MECHANISMS.filter(
    (each) => !words.includes(`!${each}`) && (named.length === 0 || named.includes(each)),
  )
}
