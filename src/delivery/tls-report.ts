import type { TlsCount } from './peer-memory.ts'
import type { PolicySource } from './tls-outcome.ts'

export interface TlsReportFacts {
  /** `2026-11-22`, UTC. */
  readonly day: string
  /** Who reports: myhostname. */
  readonly organization: string
  /** An address that is read. */
  readonly contact: string
}

/** A report to one domain, as JSON has it (RFC 8460 section 4.4). */
export interface TlsReport {
  readonly 'organization-name': string
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string }
  readonly 'contact-info': string
  readonly 'report-id': string
  readonly policies: readonly PolicyReport[]
}

interface PolicyReport {
  readonly policy: {
    readonly 'policy-type': PolicySource['type']
    readonly 'policy-string'?: readonly string[]
    readonly 'policy-domain': string
    readonly 'mx-host'?: readonly string[]
  }
  readonly summary: {
    readonly 'total-successful-session-count': number
    readonly 'total-failure-session-count': number
  }
  readonly 'failure-details'?: readonly FailureDetails[]
}

interface FailureDetails {
  readonly 'result-type': string
  readonly 'sending-mta-ip'?: string
  readonly 'receiving-mx-hostname'?: string
  readonly 'receiving-ip'?: string
  readonly 'failed-session-count': number
  readonly 'failure-reason-code'?: string
}

/** One report for each domain of a day, by its policies of that day. `counts` are in the order of readTlsDay(). */
export function tlsReports(counts: readonly TlsCount[], facts: TlsReportFacts): readonly TlsReport[] {
  const byDomain = Map.groupBy(counts, ({ domain }) => domain)
  return Array.from(byDomain, ([domain, rows]) => reportOf(domain, rows, facts))
}

function reportOf(domain: string, rows: readonly TlsCount[], facts: TlsReportFacts): TlsReport {
  const { day, organization, contact } = facts
  const policies = Map.groupBy(rows, ({ source }) => JSON.stringify(source))
  return {
    'organization-name': organization,
    'date-range': { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` },
    'contact-info': contact,
    'report-id': `${day}T00:00:00Z_${domain}`,
    policies: Array.from(policies.values(), (each) => policyOf(domain, each)),
  }
}

function policyOf(domain: string, rows: readonly TlsCount[]): PolicyReport {
  const source = rows[0]?.source
  const failed = rows.filter(({ failure }) => failure !== '')
  return {
    policy: {
      'policy-type': source?.type ?? 'no-policy-found',
      ...(source === undefined || source.strings.length === 0 ? {} : { 'policy-string': source.strings }),
      'policy-domain': domain,
      ...(source === undefined || source.mxHosts.length === 0 ? {} : { 'mx-host': source.mxHosts }),
    },
    summary: {
      'total-successful-session-count': sum(rows) - sum(failed),
      'total-failure-session-count': sum(failed),
    },
    ...(failed.length === 0 ? {} : { 'failure-details': failed.map(detailsOf) }),
  }
}

function sum(counts: readonly TlsCount[]): number {
  return counts.reduce((total, { sessions }) => total + sessions, 0)
}

function detailsOf({ failure, mxHost, address, sender, reason, sessions }: TlsCount): FailureDetails {
  return {
    'result-type': failure,
    ...(sender === '' ? {} : { 'sending-mta-ip': sender }),
    ...(mxHost === '' ? {} : { 'receiving-mx-hostname': mxHost }),
    ...(address === '' ? {} : { 'receiving-ip': address }),
    'failed-session-count': sessions,
    ...(reason === '' ? {} : { 'failure-reason-code': reason }),
  }
}
