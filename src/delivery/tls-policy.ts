import { isIP } from 'node:net'
import { isLoopback } from '#src/net/addresses.ts'
import { isStsHost } from './mta-sts.ts'
import { isUsable } from './tls.ts'
import type { NameLookup, TlsaRecord } from '#src/dns/records.ts'
import type { DestinationHop } from '#src/queue/ports.ts'
import type { Candidate, PlannedHop } from './routing/candidates.ts'
import type { StsPolicy } from './mta-sts.ts'
import type { FullTlsLevel } from './settings.ts'
import type { Table } from './table.ts'
import type { TlsPolicy } from './tls.ts'

/** What the levels of one protocol go by. */
export interface TlsRules {
  /** smtp_tls_security_level. */
  readonly level: FullTlsLevel
  /** smtp_tls_policy_maps: by next hop, `level attribute=value …`. */
  readonly policies: Table
  /** smtp_tls_verify_cert_match. */
  readonly verifyMatch: readonly string[]
  /** smtp_tls_secure_cert_match. */
  readonly secureMatch: readonly string[]
  /** smtp_tls_fingerprint_cert_match: SHA-256, with or without colons. */
  readonly fingerprints: readonly string[]
  /** smtp_tls_CAfile, its text; undefined: the CAs that Node brings. */
  readonly ca: string | undefined
  /** Why there is none although a file was named; '' for nothing wrong. */
  readonly caProblem: string
  /** smtp_tls_dane_insecure_mx_policy (zimbraMtaSmtpTlsDaneInsecureMXPolicy). */
  readonly insecureMx: 'may' | 'encrypt' | 'dane'
}

/** One address, with the hop that it belongs to. */
export interface TlsTarget {
  readonly hop: PlannedHop
  readonly candidate: Candidate
}

/** 'deferred': this address may not be talked to; another one perhaps. */
export type TlsDecision =
  | { readonly kind: 'use'; readonly policy: TlsPolicy }
  | { readonly kind: 'deferred'; readonly dsn: string; readonly reason: string }

/** An entry of the policy table, or the defaults where it has none. */
interface Wanted {
  readonly level: FullTlsLevel
  readonly match: readonly string[] | undefined
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

function isLevel(word: string): word is FullTlsLevel {
  return LEVELS.has(word)
}

/** What MTA-STS makes of a decision; `policy` is that of the domain. DANE and whatever a table says go before it. */
export function withSts(
  decision: TlsDecision,
  { hop, candidate }: TlsTarget,
  policy: StsPolicy,
): TlsDecision {
  if (decision.kind === 'deferred' || policy.mode !== 'enforce') return decision
  if (!isStsHost(policy.mx, candidate.host)) {
    return deferred('4.7.5', `host ${candidate.host} is not in the MTA-STS policy of ${hop.hop.host}`)
  }
  // RFC 8461 section 4.1: a certificate of a CA that everybody trusts, for the MX host.
  return use({ level: 'secure', names: [candidate.host], ca: undefined })
}

/** Whether MTA-STS has a say: a domain's own hosts, where nobody here has decided more than "TLS if possible". */
export function asksSts(decision: TlsDecision, { hop }: TlsTarget, rules: TlsRules): boolean {
  if (decision.kind === 'deferred' || hop.hop.role !== 'domain' || hop.hop.bracketed) return false
  const { policies } = rules
  if (policies.kind !== 'table' || policyKeys(hop.hop).some((key) => policies.entries.has(key))) return false
  return decision.policy.level === 'may' || decision.policy.level === 'encrypt'
}

/** What TLS has to be at one address, as tls_policy(5) and smtp(8) decide it. */
export async function tlsDecision(
  { hop, candidate }: TlsTarget,
  rules: TlsRules,
  dns: NameLookup,
  signal: AbortSignal,
): Promise<TlsDecision> {
  const wanted = wantedFor(hop.hop, rules)
  if (typeof wanted === 'string') return deferred('4.3.5', wanted)
  const { level } = wanted
  switch (level) {
    case 'none':
    case 'may':
    case 'encrypt':
      return use({ level })
    case 'verify':
    case 'secure':
    case 'fingerprint':
      return byCertificate(level, wanted.match, { hop, candidate }, rules)
    case 'dane':
    case 'dane-only':
      return await dane({ hop, candidate }, { level, rules, dns, signal })
  }
}

function byCertificate(
  level: 'verify' | 'secure' | 'fingerprint',
  match: readonly string[] | undefined,
  target: TlsTarget,
  rules: TlsRules,
): TlsDecision {
  if (level === 'fingerprint') {
    const given = match?.flatMap((each) => each.split('|')) ?? rules.fingerprints
    return use({ level, digests: given.map((each) => each.replaceAll(':', '').toLowerCase()) })
  }
  if (rules.caProblem !== '') return deferred('4.7.5', `certificates of CAs: ${rules.caProblem}`)
  const standard = level === 'verify' ? rules.verifyMatch : rules.secureMatch
  return use({ level, names: namesOf(match ?? standard, target), ca: rules.ca })
}

/** LMTP on this machine needs none at 'may': whoever can read loopback can read the mailboxes too. */
export function isNeedless(
  protocol: 'lmtp' | 'smtp',
  address: string,
  level: TlsPolicy['level'] | FullTlsLevel,
): boolean {
  return protocol === 'lmtp' && level === 'may' && isLoopback(address)
}

/** A sentence where the table is wrong: nobody guesses whether mail may go in plaintext. */
function wantedFor(hop: DestinationHop, rules: TlsRules): Wanted | string {
  const { policies } = rules
  if (policies.kind === 'unreadable') return `TLS policy table: ${policies.reason}`
  const text = policyKeys(hop)
    .map((key) => policies.entries.get(key))
    .find((value) => value !== undefined)
  if (text === undefined) return { level: rules.level, match: undefined }
  const [level = '', ...attributes] = text.split(/[\s,]+/)
  if (!isLevel(level)) return `TLS policy table: invalid security level "${level}" for ${hop.text}`
  let match: readonly string[] | undefined
  for (const attribute of attributes) {
    const [name, ...value] = attribute.split('=')
    // Digests have colons of their own.
    if (name === 'match') match = level === 'fingerprint' ? [value.join('=')] : value.join('=').split(':')
    else if (name !== 'protocols' && name !== 'ciphers' && name !== 'exclude' && name !== 'servername')
      return `TLS policy table: invalid attribute "${attribute}" for ${hop.text}`
  }
  return { level, match }
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

/** `nexthop`, `dot-nexthop` and `hostname` stand for what they say. */
function namesOf(match: readonly string[], { hop, candidate }: TlsTarget): readonly string[] {
  return match.map((each) => {
    switch (each) {
      case 'nexthop':
        return hop.hop.host
      case 'dot-nexthop':
        return `.${hop.hop.host}`
      case 'hostname':
        return candidate.host
      default:
        return each
    }
  })
}

interface DaneHow {
  readonly level: 'dane' | 'dane-only'
  readonly rules: TlsRules
  readonly dns: NameLookup
  readonly signal: AbortSignal
}

/** RFC 7672 section 2.2: each step from the domain to the TLSA records proven, or no DANE. */
async function dane({ hop, candidate }: TlsTarget, how: DaneHow): Promise<TlsDecision> {
  const { level, rules } = how
  const { host, canonicalHost, port } = candidate
  const without = (why: string): TlsDecision =>
    level === 'dane'
      ? use({ level: 'may' })
      : deferred('4.7.5', `${why} for ${host}:${port}, and dane-only needs DANE`)
  if (isIP(host) !== 0 || !candidate.secure) return without('no DNSSEC-validated address')
  if (!hop.mxSecure) {
    if (level === 'dane-only') return without('no DNSSEC-validated MX records')
    if (rules.insecureMx !== 'dane') return use({ level: rules.insecureMx })
  }
  // Section 2.2.2: where aliases led, then the name itself.
  for (const base of canonicalHost === host ? [host] : [canonicalHost, host]) {
    const answer = await how.dns.lookup(`_${port}._tcp.${base}`, 'TLSA', how.signal)
    if (answer.kind === 'unknown') {
      return deferred('4.7.5', `TLSA lookup error for ${base}:${port}: ${answer.detail}`)
    }
    if (answer.kind === 'none' || !answer.secure) continue
    return withRecords(answer.records, base, { hop, candidate }, without)
  }
  return without('no TLSA records found')
}

function withRecords(
  found: readonly TlsaRecord[],
  base: string,
  { hop, candidate }: TlsTarget,
  without: (why: string) => TlsDecision,
): TlsDecision {
  const records = found.filter(isUsable)
  if (records.length > 0) {
    // Section 3.2.2: the TLSA base domain, and the domain itself.
    const names = [base, candidate.host, hop.hop.host]
    return use({ level: 'dane', records, base, names })
  }
  // Section 2.2: they say that there is TLS, and nothing that we understand about with whom.
  const verdict = without('no usable TLSA records')
  return verdict.kind === 'use' ? use({ level: 'encrypt' }) : verdict
}

function use(policy: TlsPolicy): TlsDecision {
  return { kind: 'use', policy }
}

function deferred(dsn: string, reason: string): TlsDecision {
  return { kind: 'deferred', dsn, reason }
}
