import { isIP } from 'node:net'
import { isLoopback } from '#src/net/addresses.ts'
import { isStsHost, stsLines } from './mta-sts.ts'
import { NO_POLICY } from './tls-outcome.ts'
import { isInTable, wantedTls } from './tls-table.ts'
import { isUsable } from './tls.ts'
import type { NameLookup, TlsaRecord } from '#src/dns/records.ts'
import type { Candidate, PlannedHop } from './routing/candidates.ts'
import type { StsPolicy } from './mta-sts.ts'
import type { FullTlsLevel } from './settings.ts'
import type { Table } from './table.ts'
import type { SessionWish } from './tls-session.ts'
import type { WantedTls } from './tls-table.ts'
import type { PolicySource, TlsFailureType } from './tls-outcome.ts'
import type { TlsDemand, TlsPolicy } from './tls.ts'

/** What the levels of one protocol go by. */
export interface TlsRules {
  /** smtp_tls_security_level. */
  readonly level: FullTlsLevel
  /** Protocols and ciphers at level `may`: smtp_tls_protocols, smtp_tls_ciphers, smtp_tls_exclude_ciphers. */
  readonly opportunistic: SessionWish
  /** At every level above: smtp_tls_mandatory_protocols and so on. */
  readonly mandatory: SessionWish
  /** smtp_tls_wrappermode. */
  readonly wrapperMode: boolean
  /** smtp_tls_servername. */
  readonly servername: string
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

/**
 * 'deferred': this address may not be talked to; another one perhaps. `audit`: what the peer is measured by without
 * any consequence but a report (a policy in testing); a sentence where the host is not in it at all.
 */
export type TlsDecision =
  | {
      readonly kind: 'use'
      readonly policy: TlsPolicy
      readonly source: PolicySource
      readonly audit?: TlsPolicy | string
    }
  | Deferred

interface Deferred {
  readonly kind: 'deferred'
  readonly dsn: string
  readonly reason: string
  /** Where it is for the domain to know. */
  readonly failed?: { readonly source: PolicySource; readonly type: TlsFailureType }
}

/** A decision before it is known how the handshake is made. */
type Demanded = { readonly kind: 'use'; readonly demand: TlsDemand; readonly source: PolicySource } | Deferred

/** What MTA-STS makes of a decision; `policy` is that of the domain. DANE and whatever a table says go before it. */
export function withSts(
  decision: TlsDecision,
  { hop, candidate }: TlsTarget,
  policy: StsPolicy,
): TlsDecision {
  if (decision.kind === 'deferred' || policy.mode === 'none') return decision
  const source: PolicySource = { type: 'sts', strings: stsLines(policy), mxHosts: policy.mx }
  const isListed = isStsHost(policy.mx, candidate.host)
  const problem = `host ${candidate.host} is not in the MTA-STS policy of ${hop.hop.host}`
  // RFC 8461 section 4.1: a certificate of a CA that everybody trusts, for the MX host.
  const { session } = decision.policy
  const wanted: TlsPolicy = { level: 'secure', names: [candidate.host], ca: undefined, session }
  if (policy.mode === 'testing') return { ...decision, source, audit: isListed ? wanted : problem }
  if (isListed) return { kind: 'use', policy: wanted, source }
  return { ...deferred('4.7.5', problem), failed: { source, type: 'validation-failure' } }
}

/** Whether MTA-STS has a say: a domain's own hosts, where nobody here has decided more than "TLS if possible". */
export function asksSts(decision: TlsDecision, { hop }: TlsTarget, rules: TlsRules): boolean {
  if (decision.kind === 'deferred' || hop.hop.role !== 'domain' || hop.hop.bracketed) return false
  if (isInTable(hop.hop, rules)) return false
  return decision.policy.level === 'may' || decision.policy.level === 'encrypt'
}

/** What TLS has to be at one address, as tls_policy(5) and smtp(8) decide it. */
export async function tlsDecision(
  { hop, candidate }: TlsTarget,
  rules: TlsRules,
  dns: NameLookup,
  signal: AbortSignal,
): Promise<TlsDecision> {
  const wanted = wantedTls({ hop, candidate }, rules)
  if (typeof wanted === 'string') return deferred('4.3.5', wanted)
  const decision = await byLevel(wanted, { hop, candidate }, rules, { dns, signal })
  if (decision.kind === 'deferred') return decision
  return { kind: 'use', policy: { ...decision.demand, session: wanted.session }, source: decision.source }
}

async function byLevel(
  { level, match }: WantedTls,
  { hop, candidate }: TlsTarget,
  rules: TlsRules,
  { dns, signal }: { readonly dns: NameLookup; readonly signal: AbortSignal },
): Promise<Demanded> {
  switch (level) {
    case 'none':
    case 'may':
    case 'encrypt':
      return use({ level })
    case 'verify':
    case 'secure':
    case 'fingerprint':
      return byCertificate(level, match, { hop, candidate }, rules)
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
): Demanded {
  if (level === 'fingerprint') {
    const given = match ?? rules.fingerprints
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
async function dane({ hop, candidate }: TlsTarget, how: DaneHow): Promise<Demanded> {
  const { level, rules } = how
  const { host, canonicalHost, port } = candidate
  const without = (why: string): Demanded =>
    level === 'dane'
      ? use({ level: 'may' })
      : failed(`${why} for ${host}:${port}, and dane-only needs DANE`, 'dane-required')
  if (isIP(host) !== 0 || !candidate.secure) return without('no DNSSEC-validated address')
  if (!hop.mxSecure) {
    if (level === 'dane-only') return without('no DNSSEC-validated MX records')
    if (rules.insecureMx !== 'dane') return use({ level: rules.insecureMx })
  }
  // Section 2.2.2: where aliases led, then the name itself.
  for (const base of canonicalHost === host ? [host] : [canonicalHost, host]) {
    const answer = await how.dns.lookup(`_${port}._tcp.${base}`, 'TLSA', how.signal)
    if (answer.kind === 'unknown') {
      return failed(`TLSA lookup error for ${base}:${port}: ${answer.detail}`, 'dnssec-invalid')
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
  without: (why: string) => Demanded,
): Demanded {
  const records = found.filter(isUsable)
  const source: PolicySource = { type: 'tlsa', strings: found.map(recordText), mxHosts: [] }
  if (records.length > 0) {
    // Section 3.2.2: the TLSA base domain, and the domain itself.
    const names = [base, candidate.host, hop.hop.host]
    return { kind: 'use', demand: { level: 'dane', records, base, names }, source }
  }
  // Section 2.2: they say that there is TLS, and nothing that we understand about with whom.
  const verdict = without('no usable TLSA records')
  if (verdict.kind === 'use') return { kind: 'use', demand: { level: 'encrypt' }, source }
  return { ...verdict, failed: { source, type: 'tlsa-invalid' } }
}

/** As a zone file has it (RFC 6698 section 2.2). */
function recordText({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`
}

function use(demand: TlsDemand): Demanded {
  return { kind: 'use', demand, source: NO_POLICY }
}

function deferred(dsn: string, reason: string): Deferred {
  return { kind: 'deferred', dsn, reason }
}

function failed(reason: string, type: TlsFailureType): Deferred {
  const source: PolicySource = { type: 'tlsa', strings: [], mxHosts: [] }
  return { ...deferred('4.7.5', reason), failed: { source, type } }
}
