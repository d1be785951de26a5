import { parseNextHops } from './nexthop.ts'
import { UNDELIVERABLE_TEXT, applyEntry, parseTransport, transportKeys } from './transport.ts'
import type { DestinationHop } from '#src/queue/ports.ts'
import type { NextHop } from './nexthop.ts'
import type { TableAnswer, TransportEntry } from './transport.ts'

/** The address classes of ADDRESS_CLASS_README, which decide who delivers where no table says. */
export type DomainClass =
  /** mydestination, and our own addresses in brackets. */
  | 'local'
  /** virtual_alias_domains: what is left of it after aliases has no mailbox. */
  | 'alias'
  /** virtual_mailbox_domains: Zimbra's domains. */
  | 'virtual'
  /** relay_domains. */
  | 'relay'
  /** Everybody else's. */
  | 'default'

/** Answered from memory or the directory on this machine: a recipient is routed without waiting for anything. */
export interface RoutingLookups {
  /** The class of a domain (lower-case A-labels, or an address literal); 'unknown' where the directory is silent. */
  domainClass(domain: string): DomainClass | 'unknown'
  /** One key of the transport table: an address, a domain, `.parent`, or `*`. */
  transport(key: string): TableAnswer
}

export interface RoutingSettings {
  /** myhostname: where an address without a domain belongs. */
  readonly ownName: string
  /** recipient_delimiter (zimbraMtaRecipientDelimiter); '' for none. */
  readonly recipientDelimiters: string
  /** local_transport, as `lmtp:[127.0.0.1]:7025`. */
  readonly localTransport: string
  /** virtual_transport (zimbraMtaSmtpdVirtualTransport). */
  readonly virtualTransport: string
  /** relay_transport; Postfix has `relay`. */
  readonly relayTransport: string
  /** default_transport; Postfix has `smtp`. */
  readonly defaultTransport: string
  /** relayhost (zimbraMtaRelayHost); '' for none; several are tried in order. */
  readonly relayHost: string
  /** smtp_fallback_relay (zimbraMtaFallbackRelayHost); '' for none; several are tried in order. */
  readonly fallbackRelayHost: string
  /** smtp_tcp_port: where no port is said. */
  readonly smtpPort: number
}

/** What is to become of a recipient. */
export type Routing =
  | {
      readonly kind: 'deliver'
      readonly protocol: 'lmtp' | 'smtp'
      /** In the order in which they are tried; the first is the one whose queue it waits in. */
      readonly hops: readonly DestinationHop[]
    }
  | { readonly kind: 'deferred' | 'bounced' | 'discarded'; readonly dsn: string; readonly reason: string }

/**
 * Decides where a recipient goes, as trivial-rewrite(8) and the delivery agents do: the transport table before
 * the class of the domain, and within the class the relay host before the recipient's own domain.
 */
export function routeRecipient(
  recipient: string,
  settings: RoutingSettings,
  lookups: RoutingLookups,
): Routing {
  const at = recipient.lastIndexOf('@')
  const domain = at < 0 ? settings.ownName : recipient.slice(at + 1)
  const address = at < 0 ? `${recipient}@${domain}` : recipient
  if (domain === '' || at === 0) return { kind: 'bounced', dsn: '5.1.3', reason: 'bad address syntax' }
  const klass = lookups.domainClass(domain)
  if (klass === 'unknown') return RESOLVER_FAILURE
  // Aliases have been expanded before: who is left in such a domain is nobody. No table overrides that.
  if (klass === 'alias')
    return { kind: 'bounced', dsn: '5.1.1', reason: 'User unknown in virtual alias table' }
  const chosen = byClass(klass, domain, settings)
  for (const key of transportKeys(address, settings.recipientDelimiters)) {
    const answer = lookups.transport(key)
    if (answer.kind === 'unknown') return RESOLVER_FAILURE
    if (answer.kind === 'found') return byEntry({ chosen, key, domain }, answer.value, settings)
  }
  return agentFor(chosen, domain, settings)
}

/** qmgr(8)'s words for a table that could not be asked. */
const RESOLVER_FAILURE: Routing = { kind: 'deferred', dsn: '4.3.0', reason: 'address resolver failure' }

/** A transport, and where its next hop came from. */
interface Chosen extends TransportEntry {
  readonly role: DestinationHop['role']
  readonly reason: string
}

function byClass(klass: Exclude<DomainClass, 'alias'>, domain: string, settings: RoutingSettings): Chosen {
  const own: Chosen = { channel: '', nexthop: domain, role: 'domain', reason: `domain ${domain}` }
  switch (klass) {
    case 'local':
      return withTransport(settings.localTransport, 'local_transport', own)
    case 'virtual':
      return withTransport(settings.virtualTransport, 'virtual_transport', own)
    case 'relay':
      return withTransport(settings.relayTransport, 'relay_transport', viaRelayHost(own, settings))
    case 'default':
      return withTransport(settings.defaultTransport, 'default_transport', viaRelayHost(own, settings))
  }
}

function viaRelayHost(own: Chosen, settings: RoutingSettings): Chosen {
  const relay = settings.relayHost.trim()
  return relay === '' ? own : { channel: '', nexthop: relay, role: 'relayhost', reason: `relayhost ${relay}` }
}

/** A next hop in the setting of a transport goes before domain and relay host. */
function withTransport(setting: string, name: string, own: Chosen): Chosen {
  const entry = parseTransport(setting)
  if (entry.nexthop === '') return { ...own, channel: entry.channel }
  return { ...entry, role: 'table', reason: `${name} ${setting.trim()}` }
}

interface Matched {
  readonly chosen: Chosen
  readonly key: string
  readonly domain: string
}

function byEntry(matched: Matched, value: string, settings: RoutingSettings): Routing {
  const { chosen, key, domain } = matched
  const entry = parseTransport(value)
  const applied = applyEntry(entry, domain, chosen)
  const reason = `transport table: ${key} ${value.trim()}`
  const role = entry.nexthop === '' ? (entry.channel === '' ? chosen.role : 'domain') : 'table'
  return agentFor({ ...applied, role, reason }, domain, settings)
}

/** What the delivery agents make of a transport and its next hop. */
function agentFor(chosen: Chosen, domain: string, settings: RoutingSettings): Routing {
  switch (chosen.channel) {
    case 'lmtp':
      return hopsOf(chosen, 'lmtp', settings, '')
    case 'smtp':
      return hopsOf(chosen, 'smtp', settings, settings.fallbackRelayHost)
    case 'relay':
      // As Zimbra's master.cf has it: a backup MX that falls back would send the mail round in a circle.
      return hopsOf(chosen, 'smtp', settings, '')
    case 'error': {
      // `virtual_transport = error`, Zimbra's default, leaves the domain where a text should be.
      const text = chosen.nexthop === domain ? UNDELIVERABLE_TEXT : chosen.nexthop
      return { kind: 'bounced', ...statusAndText(text, '5.0.0') }
    }
    case 'retry':
      return { kind: 'deferred', ...statusAndText(chosen.nexthop, '4.0.0') }
    case 'discard':
      return { kind: 'discarded', ...statusAndText(chosen.nexthop, '2.0.0') }
    default:
      return {
        kind: 'deferred',
        dsn: '4.3.0',
        reason: `mail transport unavailable: "${chosen.channel}" (${chosen.reason})`,
      }
  }
}

/**
 * A text that begins with an enhanced status code (RFC 3463) brings its own; one of another class is not believed,
 * because an undeliverable message with a 4.x.x status would be read as one that is tried again.
 */
function statusAndText(text: string, standard: string): { readonly dsn: string; readonly reason: string } {
  const match = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(text.trim())
  if (match === null) return { dsn: standard, reason: text.trim() }
  const [, status = '', rest = ''] = match
  return {
    dsn: status.charAt(0) === standard.charAt(0) ? status : standard,
    reason: rest.trim() === '' ? UNDELIVERABLE_TEXT : rest.trim(),
  }
}

function hopsOf(
  chosen: Chosen,
  protocol: 'lmtp' | 'smtp',
  settings: RoutingSettings,
  fallback: string,
): Routing {
  const port = protocol === 'smtp' ? settings.smtpPort : undefined
  const parsed = parseNextHops(chosen.nexthop, protocol, port)
  // A mistake in a table is ours: the mail waits until it is mended.
  if (parsed.kind === 'bad') return misconfigured(`${parsed.error} (${chosen.reason})`)
  const hops = parsed.hops.map((hop) => routed(hop, chosen.role, chosen.reason))
  if (fallback.trim() === '') return { kind: 'deliver', protocol, hops }
  const further = parseNextHops(fallback, protocol, port)
  if (further.kind === 'bad') return misconfigured(`${further.error} (smtp_fallback_relay)`)
  const reason = `smtp_fallback_relay ${fallback.trim()}`
  return {
    kind: 'deliver',
    protocol,
    hops: [...hops, ...further.hops.map((hop) => routed(hop, 'fallback', reason))],
  }
}

function routed(hop: NextHop, role: DestinationHop['role'], reason: string): DestinationHop {
  return { ...hop, role, reason }
}

function misconfigured(reason: string): Routing {
  return { kind: 'deferred', dsn: '4.3.5', reason }
}
