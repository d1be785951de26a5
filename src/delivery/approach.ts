import { isIP } from 'node:net'
import { readTlsRequired } from './content-header.ts'
import { localResult } from './failure.ts'
import { NO_POLICY } from './tls-outcome.ts'
import { isSocketPath } from './routing/nexthop.ts'
import { isNeedless } from './tls-policy.ts'
import { USUAL_SESSION } from './tls-session.ts'
import { NO_TLS } from './tls.ts'
import type { DeliveryRequest, Destination } from '#src/queue/ports.ts'
import type { Approach, OpenFailure, Opened } from './connector.ts'
import type { Credentials } from './credentials.ts'
import type { Candidate, DeliveryPlan } from './routing/candidates.ts'
import type { DeliverySettings } from './settings.ts'
import type { TlsFailure, TlsOutcome, TlsRecorder } from './tls-outcome.ts'
import type { TlsDecision, TlsTarget } from './tls-policy.ts'
import type { TlsPolicy } from './tls.ts'

/** What has to be true of TLS at one address, and whom we say that we are there; or why it may not be used now. */
export type Security =
  | (Extract<TlsDecision, { kind: 'use' }> & { readonly credentials: Credentials | undefined })
  | Extract<TlsDecision, { kind: 'deferred' }>

/** Never rejects. */
export type Secure = (target: TlsTarget, protocol: 'lmtp' | 'smtp', signal: AbortSignal) => Promise<Security>

export interface ApproachContext {
  /** Our own names, as far as they matter where SMTP is spoken at that address. */
  readonly ownNames: (candidate: Candidate) => ReadonlySet<string> | undefined
  readonly secure: Secure
  readonly recordTls: TlsRecorder
  readonly settings: () => DeliverySettings
}

type Plan = DeliveryPlan & { readonly kind: 'try' }

/** One candidate as it is approached, or why it is passed over. */
export type Approached =
  | {
      readonly kind: 'go'
      readonly approach: Approach
      /** Whether what the message itself wants made TLS other than the next message would have it. */
      readonly special: boolean
      readonly note: (opened: Opened) => void
    }
  | { readonly kind: 'not'; readonly failure: OpenFailure }

/** RFC 8689 section 4.2.1: what it means where no host of the way can promise TLS. */
export const REQUIRE_TLS_STATUS = '5.7.30'

const NOTHING_ASKED = { ownNames: undefined, credentials: undefined } as const

/** Decides how an address is approached: TLS by policy, by the message's own wish, and as whom. */
export class Approaches {
  readonly #context: ApproachContext

  constructor(context: ApproachContext) {
    this.#context = context
  }

  /** One mailbox server at an address that needs no look-up, where TLS needs none either; undefined for all else. */
  direct({ protocol, host, port, hops }: Destination, requireTls: boolean): Approach | undefined {
    if (hops !== undefined) return undefined
    const { tls, usualTls, helloName } = this.#context.settings()[protocol]
    // A socket in the file system leaves this machine as little as loopback does, and nobody else can listen there.
    if (isSocketPath(host))
      return { peer: { protocol, host: helloName, address: host, port: 0 }, ...NOTHING_ASKED, tls: NO_TLS }
    if (isIP(host) === 0 || requireTls) return undefined
    if (!usualTls || (tls !== 'none' && tls !== 'may' && tls !== 'encrypt')) return undefined
    const policy = isNeedless(protocol, host, tls) ? NO_TLS : { level: tls, session: USUAL_SESSION }
    return { peer: { protocol, host, address: host, port }, ...NOTHING_ASKED, tls: policy }
  }

  async to(
    found: Plan,
    candidate: Candidate,
    request: DeliveryRequest,
    signal: AbortSignal,
  ): Promise<Approached> {
    const { protocol, hops } = found
    const { host, address, port } = candidate
    const hop = hops[candidate.hop]
    if (hop === undefined) return passedOver('4.3.0', 'an address without a hop')
    const target: TlsTarget = { hop, candidate }
    const decided = await this.#context.secure(target, protocol, signal)
    const wanted = await this.#wanted(decided, target, request)
    if (decided.kind === 'deferred' && decided.failed !== undefined)
      this.#record(target, {
        source: decided.failed.source,
        failure: { type: decided.failed.type, reason: decided.reason },
        sender: '',
      })
    if (wanted.kind === 'deferred') return passedOver(wanted.dsn, wanted.reason)
    const { policy, credentials, source, audit } = wanted
    const ownNames = protocol === 'smtp' ? this.#context.ownNames(candidate) : undefined
    const tls = isNeedless(protocol, address, policy.level) ? NO_TLS : policy
    const approach: Approach = { peer: { protocol, host, address, port }, ownNames, tls, credentials }
    const note = (opened: Opened): void => {
      if (protocol === 'smtp') this.#note(target, { source, audit, policy }, opened)
    }
    return { kind: 'go', approach, special: wanted !== decided, note }
  }

  /** What the message itself says goes before what the settings or other domains say (RFC 8689 sections 4.2.1 and 5). */
  async #wanted(
    decided: Security,
    target: TlsTarget,
    { message, body, destination }: DeliveryRequest,
  ): Promise<Security> {
    if (message.requireTls === true)
      return destination.protocol === 'smtp' ? required(decided, target) : local(decided, target)
    const theirs = decided.kind === 'deferred' ? decided.failed?.source : decided.source
    if (theirs === undefined || theirs.type === 'no-policy-found') return decided
    if (!(await readTlsRequired({ prefix: message.prefix, body })).optional) return decided
    const known = decided.kind === 'use' ? decided : { credentials: undefined, policy: NO_TLS }
    const session = decided.kind === 'use' ? decided.policy.session : USUAL_SESSION
    return { ...known, kind: 'use', policy: { level: 'may', session }, source: NO_POLICY }
  }

  #note(target: TlsTarget, rules: Rules, opened: Opened): void {
    const failure = failureOf(rules, opened)
    if (failure === 'not about TLS') return
    const { localAddress } = opened.kind === 'failed' ? opened.failure : opened.connection
    this.#record(target, { source: rules.source, failure, sender: localAddress })
  }

  /** Only a domain's own hosts are that domain's business (RFC 8460 section 1). */
  #record({ hop, candidate }: TlsTarget, outcome: Omit<TlsOutcome, 'mxHost' | 'address'>): void {
    if (hop.hop.role !== 'domain' || hop.hop.bracketed) return
    const { host, address } = candidate
    this.#context.recordTls(hop.hop.host, { ...outcome, mxHost: host, address })
  }
}

interface Rules {
  readonly source: TlsOutcome['source']
  readonly audit: TlsPolicy | string | undefined
  readonly policy: TlsPolicy
}

/** What there is to report of a session; a connection that did not come about says nothing of TLS. */
function failureOf({ audit, policy }: Rules, opened: Opened): TlsFailure | undefined | 'not about TLS' {
  if (policy.level === 'none') return 'not about TLS'
  if (opened.kind === 'failed') return opened.failure.tls ?? 'not about TLS'
  if (opened.tls !== undefined || audit === undefined) return opened.tls
  return typeof audit === 'string'
    ? { type: 'validation-failure', reason: audit }
    : opened.connection.audit(audit)
}

/**
 * REQUIRETLS towards another host (RFC 8689 section 4.2.1): a certificate for whom we mean to reach. The name of an
 * MX host counts only where DNSSEC or MTA-STS has proven it; else the certificate must bear the domain's.
 */
function required(decided: Security, { hop, candidate }: TlsTarget): Security {
  if (decided.kind === 'deferred') return decided
  const { session, level } = decided.policy
  switch (level) {
    case 'none':
      return {
        kind: 'deferred',
        dsn: REQUIRE_TLS_STATUS,
        reason: `REQUIRETLS, but TLS is not used to ${candidate.host}`,
      }
    case 'may':
    case 'encrypt': {
      const { host } = hop.hop
      const isProven = hop.mxSecure || hop.via === 'address' || hop.hop.bracketed
      const names = isProven ? [candidate.host] : [host, `.${host}`]
      return { ...decided, policy: { level: 'secure', names, ca: undefined, session } }
    }
    case 'verify':
    case 'secure':
    case 'fingerprint':
    case 'dane':
      return decided
  }
}

/** Into a mailbox of ours: never in plaintext over a network, with whom the settings say. */
function local(decided: Security, { candidate }: TlsTarget): Security {
  if (decided.kind === 'deferred' || isNeedless('lmtp', candidate.address, 'may')) return decided
  const { session, level } = decided.policy
  return level === 'none' || level === 'may' ? { ...decided, policy: { level: 'encrypt', session } } : decided
}

function passedOver(dsn: string, reason: string): Approached {
  // A status of class 5 is kept for the end of the walk: another host may do.
  const result = localResult('deferred', `4${dsn.slice(1)}`, reason)
  return { kind: 'not', failure: { result, relay: 'none', verdict: 'other', localAddress: '' } }
}
