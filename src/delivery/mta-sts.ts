import { errorCode, errorText } from '#src/base/fault.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { NameLookup } from '#src/dns/records.ts'
import type { PeerMemory } from './peer-memory.ts'
import type { TlsFailure, TlsFailureType } from './tls-outcome.ts'

/** RFC 8461 section 3.2. */
export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  /** Lower case; `*.example.com` is any one label there. Never empty unless the mode is 'none'. */
  readonly mx: readonly string[]
  readonly maxAgeSeconds: number
}

/** The body of a policy host's answer, or why there is none. Never rejects. */
export type StsFetch = (
  domain: string,
  signal: AbortSignal,
) => Promise<
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly type: StsFailureType }
>

/** RFC 8460 section 4.3.2.2. */
export type StsFailureType = Extract<TlsFailureType, `sts-${string}`>

export interface StsOptions {
  readonly dns: NameLookup
  readonly fetch: StsFetch
  readonly clock: Clock
  readonly log: Log
  /** Where policies outlive this process. */
  readonly memory: Pick<PeerMemory, 'policies' | 'keepPolicy'>
  /** Told of each policy that could not be had (RFC 8460). */
  readonly onFailure: (domain: string, failure: TlsFailure) => void
}

/** Section 3.2: "max_age" goes up to a year. */
const MAX_AGE_SECONDS = 31_557_600
/** MX patterns of one policy: more than any domain has hosts. */
const PATTERNS_MAX = 100
/** Section 3.3: a policy host that failed is left alone for five minutes. */
const FAILED_MS = 300_000
/** Section 3.3: a policy is asked for anew before it ends, when half of its time is left, but not earlier than that. */
const RENEW_MS = 86_400_000
/** As long as a fetch may take in all. */
const LATER_MS = 10_000
/** Domains whose policy is remembered, some 300 bytes each; the oldest goes. */
const DOMAINS_MAX = 10_000

interface Kept {
  readonly id: string
  readonly policy: StsPolicy
  readonly expiresMs: number
}

/**
 * What domains say of TLS to their MX hosts (MTA-STS, RFC 8461). A policy that was seen once holds for as long as it
 * said, whatever DNS or the policy host answer meanwhile: that is its whole worth. So it outlives a restart.
 */
export class StsPolicies {
  readonly #o: StsOptions
  readonly #kept = new Map<string, Kept>()
  /** Until when, by domain and id, a fetch is not tried again. */
  readonly #failed = new Map<string, number>()
  readonly #flights = new Map<string, Promise<StsPolicy | undefined>>()

  constructor(options: StsOptions) {
    this.#o = options
    const { memory, clock } = options
    const nowMs = clock.nowMs()
    for (const { domain, id, text, expiresMs } of memory.policies(nowMs)) {
      const policy = parseStsPolicy(text)
      if (policy === undefined) continue
      // A wall clock that was set back must not make a policy last longer than it said.
      const leftMs = Math.min(expiresMs - nowMs, policy.maxAgeSeconds * 1000)
      remember(this.#kept, domain, { id, policy, expiresMs: clock.monotonicMs() + leftMs })
    }
  }

  /** The policy in force for a domain (lower-case A-labels); undefined where it has none that is known. */
  async policyOf(domain: string, signal: AbortSignal): Promise<StsPolicy | undefined> {
    const nowMs = this.#o.clock.monotonicMs()
    const kept = this.#kept.get(domain)
    const valid = kept !== undefined && nowMs < kept.expiresMs ? kept : undefined
    const answer = await this.#o.dns.lookup(`_mta-sts.${domain}`, 'TXT', signal)
    // Section 3.1: without a record the domain has no new policy, which does not end the one before.
    const id = answer.kind === 'found' ? stsId(answer.records) : undefined
    if (id === undefined) return valid?.policy
    if (id === valid?.id) {
      const lifeMs = valid.policy.maxAgeSeconds * 1000
      // Nobody waits for it: what is known still holds.
      if (valid.expiresMs - nowMs < Math.min(RENEW_MS, lifeMs / 2))
        void this.#renew(domain, id, this.#later())
      return valid.policy
    }
    return (await this.#renew(domain, id, signal)) ?? valid?.policy
  }

  /** What bounds a fetch that no delivery waits for. */
  #later(): AbortSignal {
    return AbortSignal.timeout(LATER_MS)
  }

  /** Everybody who waits for the same policy waits for one fetch. */
  #renew(domain: string, id: string, signal: AbortSignal): Promise<StsPolicy | undefined> {
    const key = `${domain} ${id}`
    if ((this.#failed.get(key) ?? 0) > this.#o.clock.monotonicMs()) return Promise.resolve(undefined)
    const under = this.#flights.get(key)
    if (under !== undefined) return under
    const flight = this.#fetch(domain, id, signal).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  async #fetch(domain: string, id: string, signal: AbortSignal): Promise<StsPolicy | undefined> {
    const { fetch, clock, log } = this.#o
    const answer = await fetch(domain, signal)
    const policy = answer.kind === 'text' ? parseStsPolicy(answer.text) : undefined
    const nowMs = clock.monotonicMs()
    if (policy === undefined) {
      const failure: TlsFailure =
        answer.kind === 'failed'
          ? answer
          : { type: 'sts-policy-invalid', reason: 'the policy cannot be read' }
      log.write('warn', 'delivery.mta_sts', { domain, reason: failure.reason })
      this.#o.onFailure(domain, failure)
      remember(this.#failed, `${domain} ${id}`, nowMs + FAILED_MS)
      return undefined
    }
    log.write('info', 'delivery.mta_sts', {
      domain,
      mode: policy.mode,
      policy: id,
      maxAge: policy.maxAgeSeconds,
    })
    const lifeMs = policy.maxAgeSeconds * 1000
    remember(this.#kept, domain, { id, policy, expiresMs: nowMs + lifeMs })
    const text = stsLines(policy).join('\n')
    this.#o.memory.keepPolicy({ domain, id, text, expiresMs: clock.nowMs() + lifeMs }, clock.nowMs())
    return policy
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  if (map.size >= DOMAINS_MAX) {
    const [oldest] = map.keys()
    if (oldest !== undefined) map.delete(oldest)
  }
  map.set(key, value)
}

/** The id of the one record (section 3.1); with none or several there is no policy. */
export function stsId(texts: readonly string[]): string | undefined {
  const records = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text))
  const [only] = records
  if (only === undefined || records.length > 1) return undefined
  return /;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;|$)/.exec(only)?.[1]
}

/** Section 3.2: `key: value` lines; the first of a key counts, `mx` may come often. */
export function parseStsPolicy(text: string): StsPolicy | undefined {
  const first = new Map<string, string>()
  const mx: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (match === null) continue
    const [, key = '', value = ''] = match
    if (key === 'mx' && mx.length < PATTERNS_MAX) mx.push(value.toLowerCase())
    else if (!first.has(key)) first.set(key, value)
  }
  return policyFrom(first, mx)
}

function policyFrom(first: ReadonlyMap<string, string>, mx: readonly string[]): StsPolicy | undefined {
  const mode = first.get('mode')
  const maxAge = first.get('max_age') ?? ''
  if (first.get('version') !== 'STSv1' || !/^\d{1,10}$/.test(maxAge)) return undefined
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return undefined
  if (mode !== 'none' && mx.length === 0) return undefined
  return { mode, mx, maxAgeSeconds: Math.min(Number(maxAge), MAX_AGE_SECONDS) }
}

/** The policy as its host would write it, a line each: what a report quotes (RFC 8460 section 4.4). */
export function stsLines({ mode, mx, maxAgeSeconds }: StsPolicy): readonly string[] {
  const hosts = mx.map((pattern) => `mx: ${pattern}`)
  return ['version: STSv1', `mode: ${mode}`, ...hosts, `max_age: ${maxAgeSeconds}`]
}

/** Section 4.1: the wildcard is the whole left-most label, and exactly one. */
export function isStsHost(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase()
  const above = name.slice(name.indexOf('.') + 1)
  return patterns.some((pattern) =>
    pattern.startsWith('*.') ? name.includes('.') && above === pattern.slice(2) : name === pattern,
  )
}

/** Why a fetch failed, for log and report. */
export function fetchFailure(error: unknown): {
  readonly kind: 'failed'
  readonly reason: string
  readonly type: StsFailureType
} {
  // OpenSSL's and Node's words for a certificate that is not that of the policy host.
  const isPki = /CERT|ISSUER|SELF_SIGNED|VERIFY/.test(errorCode(error))
  return {
    kind: 'failed',
    reason: errorText(error),
    type: isPki ? 'sts-webpki-invalid' : 'sts-policy-fetch-error',
  }
}
