import { isIP } from 'node:net'
import { addressSpelling, isHostName } from './records.ts'
import type { Answer, NameLookup, RecordType, UnknownCause } from './records.ts'

/** One address of a host. */
export interface HostAddress {
  readonly address: string
  readonly family: 4 | 6
  /** The name that the address record bears: another than was asked for where aliases led to it. */
  readonly canonicalHost: string
  /** Proven by DNSSEC, aliases included. */
  readonly secure: boolean
}

/**
 * What is known of a host's addresses. `status` and `text` are Postfix's, for a recipient that cannot be
 * delivered to because of it.
 */
export type HostAddresses =
  | { readonly kind: 'found'; readonly addresses: readonly HostAddress[] }
  | { readonly kind: 'none' | 'unknown'; readonly status: string; readonly text: string }

/** The name service of the operating system, with its hosts file (`native` of lmtp_host_lookup). */
export interface NativeLookup {
  /** Resolves always. */
  addresses(host: string, signal?: AbortSignal): Promise<HostAddresses>
}

/** Where host names are looked up, in this order; the second only for what the first says does not exist. */
export type HostLookupOrder = readonly ('dns' | 'native')[]

export interface HostSources {
  readonly dns: NameLookup
  readonly native: NativeLookup
  /** smtp_host_lookup, lmtp_host_lookup (zimbraMtaLmtpHostLookup). */
  readonly order: HostLookupOrder
  /** inet_protocols (zimbraIPMode). */
  readonly families: readonly (4 | 6)[]
}

/** Addresses of one host that are looked at; a name with more is some balancer's joke. */
const HOST_ADDRESSES_MAX = 100

/** The addresses of a host, as smtp(8) finds them; an address in place of a name is its own. */
export async function hostAddresses(
  host: string,
  sources: HostSources,
  signal?: AbortSignal,
): Promise<HostAddresses> {
  const version = isIP(host)
  if (version === 4 || version === 6) return numericHost(host, version, sources)
  if (host === 'localhost' || host.endsWith('.localhost')) return loopback(host, sources)
  let last: HostAddresses = { kind: 'none', status: '5.4.4', text: `unable to look up host ${host}` }
  for (const source of sources.order) {
    last = source === 'dns' ? await dnsAddresses(host, sources, signal) : await native(host, sources, signal)
    if (last.kind !== 'none') return last
  }
  return last
}

function numericHost(host: string, family: 4 | 6, sources: HostSources): HostAddresses {
  if (!sources.families.includes(family)) {
    return { kind: 'none', status: '5.4.4', text: `${host}: host not found` }
  }
  // An address that nobody had to look up is as sure as who named it, but no name stands behind it.
  return {
    kind: 'found',
    addresses: [withAddress({ address: host, family, canonicalHost: host, secure: false })],
  }
}

/** RFC 6761 section 6.3: nobody is asked for this name, whatever a resolver would say of it. */
function loopback(host: string, sources: HostSources): HostAddresses {
  const addresses = sources.families.map((family) => ({
    address: family === 4 ? '127.0.0.1' : '::1',
    family,
    canonicalHost: host,
    secure: false,
  }))
  return { kind: 'found', addresses }
}

async function native(
  host: string,
  sources: HostSources,
  signal: AbortSignal | undefined,
): Promise<HostAddresses> {
  const answer = await sources.native.addresses(host, signal)
  if (answer.kind !== 'found') return answer
  const addresses = answer.addresses.map(withAddress).filter((one) => sources.families.includes(one.family))
  if (addresses.length > 0) return { kind: 'found', addresses: addresses.slice(0, HOST_ADDRESSES_MAX) }
  return { kind: 'none', status: '5.4.4', text: `${host}: host not found` }
}

async function dnsAddresses(
  host: string,
  sources: HostSources,
  signal: AbortSignal | undefined,
): Promise<HostAddresses> {
  if (!isHostName(host)) return { kind: 'none', status: '5.4.4', text: invalidNameText(host) }
  const asked = sources.families.map((family) => ({
    family,
    type: family === 4 ? ('A' as const) : ('AAAA' as const),
  }))
  const answers = await Promise.all(
    asked.map(async ({ family, type }) => ({
      family,
      type,
      answer: await sources.dns.lookup(host, type, signal),
    })),
  )
  const addresses = answers.flatMap(({ family, answer }) =>
    answer.kind === 'found' ? ofAnswer(answer, family) : [],
  )
  // One family found is enough, whatever became of the other.
  if (addresses.length > 0) return { kind: 'found', addresses: addresses.slice(0, HOST_ADDRESSES_MAX) }
  const failed = answers.find(({ answer }) => answer.kind === 'unknown') ?? answers.at(-1)
  if (failed === undefined)
    return { kind: 'unknown', status: '4.4.4', text: 'all network protocols are disabled' }
  const { answer, type } = failed
  const status = answer.kind === 'unknown' ? '4.4.3' : '5.4.4'
  return {
    kind: answer.kind === 'unknown' ? 'unknown' : 'none',
    status,
    text: answerText(host, type, answer),
  }
}

function ofAnswer(
  answer: Answer<string> & { readonly kind: 'found' },
  family: 4 | 6,
): readonly HostAddress[] {
  const { canonicalName, secure } = answer
  return answer.records.map((address) =>
    withAddress({ address, family, canonicalHost: canonicalName, secure }),
  )
}

/** An IPv4 address in the dress of IPv6 is reached over IPv4. */
function withAddress(found: HostAddress): HostAddress {
  const address = addressSpelling(found.address)
  return { ...found, address, family: isIP(address) === 4 ? 4 : 6 }
}

/** Postfix's sentence for a look-up that gave nothing: people search for it. */
export function answerText(name: string, type: RecordType, answer: Answer<unknown>): string {
  const start = `Host or domain name not found. Name service error for name=${name} type=${type}`
  switch (answer.kind) {
    case 'found':
      return `Host or domain name found: name=${name} type=${type}`
    case 'none':
      return `${start}: ${answer.why === 'nxdomain' ? 'Host not found' : 'Host found but no data record of requested type'}`
    case 'unknown':
      return `${start}: ${UNKNOWN_TEXT[answer.cause]}`
  }
}

/** `Host not found, try again` is Postfix's for whatever may pass; where more is known it stands behind. */
const UNKNOWN_TEXT: Readonly<Record<UnknownCause, string>> = {
  servfail: 'Host not found, try again',
  timeout: 'Host not found, try again (no answer in time)',
  unreachable: 'Host not found, try again (no DNS server can be reached)',
  bogus: 'Host not found, try again (DNSSEC validation failed)',
  refused: 'Host not found, try again (the DNS server does not answer us)',
  malformed: 'Malformed or unexpected name server reply',
  loop: 'Host not found, try again (too many aliases)',
  overload: 'Host not found, try again (too many DNS questions at once)',
  cancelled: 'Host not found, try again (mail system is shutting down)',
}

export function invalidNameText(name: string): string {
  return `Name service error for ${name}: invalid host or domain name`
}
