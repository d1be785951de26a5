import { isIP } from 'node:net'
import { canonicalDomain } from '#src/mail/address.ts'
import { answerText, hostAddresses, invalidNameText } from './host-addresses.ts'
import { balanced, inOrder, shuffled } from './preference.ts'
import { isHostName } from './records.ts'
import type { HostAddress, HostAddresses, HostSources } from './host-addresses.ts'
import type { MxRecord } from './records.ts'

/** One address that mail for a destination may be taken to. */
export interface MailHost extends HostAddress {
  /** As the MX record has it, or the destination itself. DANE and MTA-STS look at this name. */
  readonly host: string
  readonly preference: number
}

/** Hosts in the order in which they are to be tried, or why there are none. */
export type MailHosts =
  | {
      readonly kind: 'found'
      readonly hosts: readonly MailHost[]
      /** 'mx': from MX records. 'address': the destination's own addresses. */
      readonly via: 'mx' | 'address'
      /**
       * The way from the destination to the names of its hosts is proven: MX records, or that there are none, by
       * DNSSEC; a host that we were told to go to needs no proof. Without it there is no DANE (RFC 7672 section 2.2.1).
       */
      readonly mxSecure: boolean
      /** We are a less preferred MX ourselves: no fallback relay may be used then (smtp(8) does not either). */
      readonly weAreMx: boolean
    }
  | NoMailHosts

interface NoMailHosts {
  readonly kind: 'deferred' | 'bounced'
  /** RFC 3463. */
  readonly dsn: string
  readonly reason: string
  /** The reply code for the same finding in a dialogue: 556 for a null MX (RFC 7504), else 450 or 550. */
  readonly replyCode: 450 | 550 | 556
  readonly weAreMx: boolean
  /** It is we: no fallback relay may be used, it would only send the mail round. */
  readonly loop: boolean
}

/** How we are known, to find ourselves among the hosts of a domain. */
export interface OwnIdentity {
  /** myhostname and its other names, lower case. */
  readonly names: ReadonlySet<string>
  /** inet_interfaces and proxy_interfaces, as Node writes addresses. */
  readonly addresses: ReadonlySet<string>
}

export interface MailHostRules {
  readonly sources: HostSources
  readonly own: OwnIdentity
  /** At least 0, less than 1. */
  readonly random: () => number
  /** smtp_address_preference. */
  readonly addressPreference: 'any' | 'ipv4' | 'ipv6'
  /** smtp_mx_address_limit: addresses that are tried in one attempt. */
  readonly addressesMax: number
  /** smtp_dns_support_level=dnssec (zimbraMtaSmtpDnsSupportLevel). Without it nothing counts as proven. */
  readonly dnssec: boolean
}

/** One destination, and whether to look for ourselves there. */
export interface Destined {
  /** A domain or host name in any spelling, or an address without brackets. */
  readonly name: string
  /** Only where we too would be spoken to in SMTP on port 25: on another port it may be a filter of ours. */
  readonly detectLoop: boolean
}

/** Postfix's defaults. */
export const SMTP_MX_ADDRESS_LIMIT = 5
export const SMTP_MX_SESSION_LIMIT = 2

/** MX hosts whose addresses are looked up, the best first (of equals, any): no more than that is ever tried. */
export const MX_HOSTS_MAX = 32

/**
 * The hosts that take mail for a domain (RFC 5321 section 5.1): those of its MX records by preference, equals
 * shuffled, none at or behind our own preference; the domain's own addresses only where there is no MX record.
 * What is not known defers and never bounces.
 */
export async function mailHosts(
  to: Destined,
  rules: MailHostRules,
  signal?: AbortSignal,
): Promise<MailHosts> {
  // A number without brackets is no domain, but an address all the same, as in smtp(8).
  if (isIP(to.name) !== 0) return await hostsByAddress(to, rules, signal)
  const domain = canonicalDomain(to.name)
  if (domain === undefined || !isHostName(domain)) return bounced('5.4.4', invalidNameText(to.name))
  const answer = await rules.sources.dns.lookup(domain, 'MX', signal)
  switch (answer.kind) {
    case 'unknown':
      return deferred('4.4.3', answerText(domain, 'MX', answer))
    case 'none': {
      const hosts = await hostsByAddress({ ...to, name: domain }, rules, signal)
      return hosts.kind === 'found' ? { ...hosts, mxSecure: answer.secure && rules.dnssec } : hosts
    }
    case 'found':
      return await hostsByMx(
        { ...to, name: domain },
        { records: answer.records, secure: answer.secure },
        rules,
        signal,
      )
  }
}

/** The addresses of the destination itself: `[host]`, LMTP, or a domain without MX. */
export async function hostsByAddress(
  to: Destined,
  rules: MailHostRules,
  signal?: AbortSignal,
): Promise<MailHosts> {
  const host = isIP(to.name) === 0 ? (canonicalDomain(to.name) ?? to.name) : to.name
  const found = await hostAddresses(host, rules.sources, signal)
  if (found.kind !== 'found') return failure(found)
  const hosts = mailHostsOf({ host, preference: 0 }, found.addresses, rules)
  if (
    to.detectLoop &&
    (rules.own.names.has(host) || hosts.some((one) => rules.own.addresses.has(one.address)))
  ) {
    return { ...bounced('5.4.6', `mail for ${to.name} loops back to myself`), loop: true }
  }
  return {
    kind: 'found',
    hosts: chosen(hosts, rules),
    via: 'address',
    mxSecure: rules.dnssec,
    weAreMx: false,
  }
}

interface MxSet {
  readonly records: readonly MxRecord[]
  readonly secure: boolean
}

async function hostsByMx(
  to: Destined,
  mx: MxSet,
  rules: MailHostRules,
  signal: AbortSignal | undefined,
): Promise<MailHosts> {
  // RFC 7505 section 3: alone or, against it, among others.
  if (mx.records.some((record) => record.host === '')) {
    return { ...bounced('5.1.10', `Domain ${to.name} does not accept mail (nullMX)`), replyCode: 556 }
  }
  const usable = mx.records.filter((record) => isHostName(record.host) || isIP(record.host) !== 0)
  if (usable.length === 0) {
    return bounced(
      '5.4.4',
      `Name service error for name=${to.name} type=MX: Malformed or unexpected name server reply`,
    )
  }
  const ours = to.detectLoop ? ownPreference(usable, rules) : undefined
  const looked = await addressesOf(before(usable, ours, rules.random), rules, signal)
  const hosts = looked.flatMap(({ record, found }) =>
    found.kind === 'found' ? mailHostsOf(record, found.addresses, rules) : [],
  )
  const self = to.detectLoop ? selfAmong(hosts, rules) : undefined
  const limit = Math.min(ours ?? Infinity, self ?? Infinity)
  const left = hosts.filter((host) => host.preference < limit)
  const weAreMx = limit !== Infinity
  if (left.length > 0) {
    return {
      kind: 'found',
      hosts: chosen(left, rules),
      via: 'mx',
      mxSecure: mx.secure && rules.dnssec,
      weAreMx,
    }
  }
  if (!weAreMx) return noneFound(looked.map(({ found }) => found))
  return atOurselves(to.name, limit, usable)
}

/** Nobody better than we was found: we are the best there is, or those better cannot be found. */
function atOurselves(domain: string, ours: number, usable: readonly MxRecord[]): NoMailHosts {
  const isBest = usable.every((record) => record.preference >= ours)
  return isBest
    ? { ...bounced('5.4.6', `mail for ${domain} loops back to myself`), loop: true, weAreMx: true }
    : { ...deferred('4.4.4', `unable to find primary relay for ${domain}`), weAreMx: true }
}

/** The hosts better than we, the best first, equals in any order; at most MX_HOSTS_MAX. */
function before(
  records: readonly MxRecord[],
  ours: number | undefined,
  random: () => number,
): readonly MxRecord[] {
  const better = ours === undefined ? records : records.filter((record) => record.preference < ours)
  return shuffled(better, random)
    .toSorted((one, other) => one.preference - other.preference)
    .slice(0, MX_HOSTS_MAX)
}

interface LookedUp {
  readonly record: MxRecord
  readonly found: HostAddresses
}

async function addressesOf(
  records: readonly MxRecord[],
  rules: MailHostRules,
  signal: AbortSignal | undefined,
): Promise<readonly LookedUp[]> {
  return await Promise.all(
    records.map(async (record) => ({
      record,
      found: await hostAddresses(record.host, rules.sources, signal),
    })),
  )
}

/** RFC 5321 section 5.1: found by name, for a host behind a NAT gateway does not have its public address. */
function ownPreference(records: readonly MxRecord[], rules: MailHostRules): number | undefined {
  return least(records.filter((record) => rules.own.names.has(record.host)))
}

function selfAmong(hosts: readonly MailHost[], rules: MailHostRules): number | undefined {
  return least(hosts.filter((host) => rules.own.addresses.has(host.address)))
}

function least(found: readonly { readonly preference: number }[]): number | undefined {
  return found.length === 0 ? undefined : Math.min(...found.map((one) => one.preference))
}

function mailHostsOf(
  record: MxRecord,
  addresses: readonly HostAddress[],
  rules: MailHostRules,
): readonly MailHost[] {
  return addresses.map((address) => ({
    ...address,
    secure: address.secure && rules.dnssec,
    host: record.host,
    preference: record.preference,
  }))
}

function chosen(hosts: readonly MailHost[], rules: MailHostRules): readonly MailHost[] {
  const ordered = inOrder(hosts, rules.addressPreference, rules.random)
  return balanced(ordered, rules.addressesMax)
}

/**
 * None of the MX hosts has an address. One that is not known makes it a matter of time; if each is known not to
 * exist, the mail goes back (smtp_defer_if_no_mx_address_found is off).
 */
function noneFound(found: readonly HostAddresses[]): NoMailHosts {
  const told = found.find((one) => one.kind === 'unknown') ?? found.at(-1)
  return told === undefined || told.kind === 'found'
    ? deferred('4.4.3', 'no MX host has an address')
    : failure(told)
}

function failure(found: HostAddresses & { readonly kind: 'none' | 'unknown' }): NoMailHosts {
  return found.kind === 'unknown' ? deferred(found.status, found.text) : bounced(found.status, found.text)
}

function deferred(dsn: string, reason: string): NoMailHosts {
  return { kind: 'deferred', dsn, reason, replyCode: 450, weAreMx: false, loop: false }
}

function bounced(dsn: string, reason: string): NoMailHosts {
  return { kind: 'bounced', dsn, reason, replyCode: 550, weAreMx: false, loop: false }
}
