import { hostsByAddress, mailHosts } from '#src/dns/mx.ts'
import type { HostLookupOrder, NativeLookup } from '#src/dns/host-addresses.ts'
import type { Destined, MailHost, MailHostRules, MailHosts, OwnIdentity } from '#src/dns/mx.ts'
import type { NameLookup } from '#src/dns/records.ts'
import type { DestinationHop } from '#src/queue/ports.ts'

export interface CandidateRules {
  readonly dns: NameLookup
  readonly native: NativeLookup
  /** smtp_dns_support_level (zimbraMtaSmtpDnsSupportLevel). 'disabled': no DNS, only the system's name service. */
  readonly dnsSupport: 'disabled' | 'enabled' | 'dnssec'
  /** smtp_host_lookup. */
  readonly smtpHostLookup: HostLookupOrder
  /** lmtp_host_lookup (zimbraMtaLmtpHostLookup). */
  readonly lmtpHostLookup: HostLookupOrder
  /** inet_protocols (zimbraIPMode). */
  readonly families: readonly (4 | 6)[]
  /** smtp_address_preference. */
  readonly addressPreference: 'any' | 'ipv4' | 'ipv6'
  /** smtp_mx_address_limit: addresses of one next hop that are tried in one attempt. */
  readonly addressesMax: number
  /** smtp_mx_session_limit: of those, how many may be talked to before the attempt ends. */
  readonly sessionsMax: number
  /**
   * How we are known where SMTP is spoken on that port; undefined where it is not we who would answer there: a
   * relay host on another port of this machine may be a filter.
   */
  readonly own: (port: number) => OwnIdentity | undefined
  /** At least 0, less than 1. */
  readonly random: () => number
}

/** One address to try. */
export interface Candidate extends MailHost {
  readonly port: number
  /** Index into the plan's hops: limits, TLS policy and MTA-STS are those of the hop. */
  readonly hop: number
}

/** A hop with what its look-ups gave. */
export interface PlannedHop {
  readonly hop: DestinationHop
  /** As in `MailHosts`: without it there is no DANE. */
  readonly mxSecure: boolean
  readonly via: 'mx' | 'address'
}

export type DeliveryPlan =
  | {
      readonly kind: 'try'
      readonly protocol: 'lmtp' | 'smtp'
      readonly hops: readonly PlannedHop[]
      /** In the order in which they are tried. Never empty. */
      readonly candidates: readonly Candidate[]
      /** Sessions for each hop; a failed greeting or handshake does not count, as in smtp(8). */
      readonly sessionsMax: number
      /** A hop before these that could not be used because of us, for an alarm; '' for none. */
      readonly alarm: string
    }
  | {
      readonly kind: 'deferred' | 'bounced'
      readonly dsn: string
      readonly reason: string
      /** 556 for a null MX (RFC 7504), else 450 or 550. */
      readonly replyCode: 450 | 550 | 556
      /** What an administrator must mend, for an alarm; '' where the mistake is elsewhere. */
      readonly alarm: string
    }

/**
 * Looks up the hops of a recipient and lists every address to try. Each hop is looked up at once; none of them
 * may bounce the mail while another is left, nor may one that we wrote down ourselves.
 */
export async function deliveryPlan(
  routing: { readonly protocol: 'lmtp' | 'smtp'; readonly hops: readonly DestinationHop[] },
  rules: CandidateRules,
  signal?: AbortSignal,
): Promise<DeliveryPlan> {
  const looked = await Promise.all(
    routing.hops.map(async (hop) => ({ hop, found: await lookUp(hop, routing.protocol, rules, signal) })),
  )
  const used = untilFinal(looked)
  const hops: PlannedHop[] = []
  const candidates: Candidate[] = []
  for (const { hop, found } of used) {
    if (found.kind !== 'found') continue
    const { via, mxSecure } = found
    for (const host of found.hosts) candidates.push({ ...host, port: hop.port, hop: hops.length })
    hops.push({ hop, via, mxSecure })
  }
  const alarm = used.map(({ hop, found }) => alarmOf(hop, found)).find((text) => text !== '') ?? ''
  if (candidates.length > 0) {
    return {
      kind: 'try',
      protocol: routing.protocol,
      hops,
      candidates,
      sessionsMax: rules.sessionsMax,
      alarm,
    }
  }
  return nothingToTry(used, rules)
}

interface LookedUp {
  readonly hop: DestinationHop
  readonly found: MailHosts
}

async function lookUp(
  hop: DestinationHop,
  protocol: 'lmtp' | 'smtp',
  rules: CandidateRules,
  signal: AbortSignal | undefined,
): Promise<MailHosts> {
  const own = protocol === 'smtp' ? rules.own(hop.port) : undefined
  const to: Destined = { name: hop.host, detectLoop: own !== undefined }
  const hostRules = { ...hostRulesOf(protocol, rules), own: own ?? NOBODY }
  const byMx = protocol === 'smtp' && !hop.bracketed && rules.dnsSupport !== 'disabled'
  return byMx ? await mailHosts(to, hostRules, signal) : await hostsByAddress(to, hostRules, signal)
}

const NOBODY: OwnIdentity = { names: new Set(), addresses: new Set() }

function hostRulesOf(protocol: 'lmtp' | 'smtp', rules: CandidateRules): Omit<MailHostRules, 'own'> {
  const order = protocol === 'lmtp' ? rules.lmtpHostLookup : rules.smtpHostLookup
  return {
    sources: {
      dns: rules.dns,
      native: rules.native,
      order: rules.dnsSupport === 'disabled' ? ['native'] : order,
      families: rules.families,
    },
    random: rules.random,
    addressPreference: rules.addressPreference,
    addressesMax: rules.addressesMax,
    dnssec: rules.dnsSupport === 'dnssec',
  }
}

/** Where we are an MX of the domain, or it leads back to us, no later hop may be used: the mail would go round. */
function untilFinal(looked: readonly LookedUp[]): readonly LookedUp[] {
  const last = looked.findIndex(({ found }) => found.weAreMx || (found.kind !== 'found' && found.loop))
  return last < 0 ? looked : looked.slice(0, last + 1)
}

/** No address at all. What may pass goes before what will not; a mistake of ours never bounces anybody's mail. */
function nothingToTry(used: readonly LookedUp[], rules: CandidateRules): DeliveryPlan {
  const failures = used.flatMap(({ hop, found }) => (found.kind === 'found' ? [] : [{ hop, found }]))
  const told = failures.find(({ found }) => found.kind === 'deferred') ?? failures.at(-1)
  if (told === undefined) {
    return {
      kind: 'deferred',
      dsn: '4.3.0',
      reason: 'server unavailable or unable to receive mail',
      replyCode: 450,
      alarm: '',
    }
  }
  const { hop, found } = told
  const { dsn, reason, replyCode } = found
  const alarm = alarmOf(hop, found)
  if (found.kind === 'deferred') return { kind: 'deferred', dsn, reason, replyCode, alarm }
  if (alarm !== '' && hop.role !== 'domain')
    return { kind: 'deferred', dsn: '4.3.5', reason, replyCode: 450, alarm }
  if (rules.dnsSupport === 'disabled' && hop.role === 'domain' && !hop.bracketed) return noDns(reason)
  return { kind: 'bounced', dsn, reason, replyCode, alarm }
}

/** Without DNS only a relay host can know other people's domains. */
function noDns(reason: string): DeliveryPlan {
  const alarm = 'zimbraMtaSmtpDnsSupportLevel is disabled and there is no zimbraMtaRelayHost'
  return { kind: 'deferred', dsn: '4.3.5', reason: `${reason}; ${alarm}`, replyCode: 450, alarm }
}

/**
 * A next hop that somebody here has written down and that does not exist, or is ourselves. Postfix says this of
 * relay hosts only; a mailbox server's name in a transport table is no less our own.
 */
function alarmOf(hop: DestinationHop, found: MailHosts): string {
  if (found.kind !== 'bounced') return ''
  switch (hop.role) {
    case 'domain':
      // Somebody's MX points here although the domain is none of ours: theirs to mend, or ours to host it.
      return found.loop ? found.reason : ''
    case 'relayhost':
      return `relayhost configuration problem: ${found.reason}`
    case 'fallback':
      return `smtp_fallback_relay configuration problem: ${found.reason}`
    case 'table':
      return `${hop.reason}: configuration problem: ${found.reason}`
  }
}
