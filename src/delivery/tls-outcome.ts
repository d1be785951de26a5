/** What is known of TLS with one host, for the reports that its domain may want (RFC 8460). */

/** RFC 8460 section 4.3. */
export type TlsFailureType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'

export interface TlsFailure {
  readonly type: TlsFailureType
  /** For the people there; '' for nothing to add. */
  readonly reason: string
}

/** Whose word decided about TLS: section 4.4, `policy`. */
export interface PolicySource {
  readonly type: 'tlsa' | 'sts' | 'no-policy-found'
  /** The policy as it was found: lines of the MTA-STS policy, or TLSA records. */
  readonly strings: readonly string[]
  /** Of MTA-STS: its patterns. */
  readonly mxHosts: readonly string[]
}

export const NO_POLICY: PolicySource = { type: 'no-policy-found', strings: [], mxHosts: [] }

/** One session, or why there was none. */
export interface TlsOutcome {
  readonly source: PolicySource
  readonly mxHost: string
  readonly address: string
  /** Our own address; '' where no connection came about. */
  readonly sender: string
  /** Undefined: TLS as it had to be. */
  readonly failure: TlsFailure | undefined
}

/** Notes an outcome for a domain (lower-case A-labels). Never throws, never waits. */
export type TlsRecorder = (domain: string, outcome: TlsOutcome) => void
