import { isIP } from 'node:net'
import type { Answer, NameLookup } from './records.ts'

/** Whose names are looked at. All in lower-case A-labels. */
export interface SelfTestSubject {
  /** `myhostname`. */
  readonly host: string
  readonly domains: readonly string[]
  /** DKIM selectors that mail is signed with (RFC 6376 section 3.1); none: only whether there are any keys. */
  readonly selectors: readonly string[]
}

/**
 * 'right': as others want it. 'wrong': it is there and will make others refuse mail. 'missing': it is not there.
 * 'unknown': nobody could be asked, which says nothing.
 */
export type SelfTestState = 'right' | 'wrong' | 'missing' | 'unknown'

export interface Finding {
  readonly check: 'A' | 'PTR' | 'MX' | 'SPF' | 'DKIM' | 'DMARC'
  /** The name or address that was asked about. */
  readonly name: string
  readonly state: SelfTestState
  /** What was found, or what to do. */
  readonly text: string
}

/** Addresses of one host that are looked at. */
const ADDRESSES_MAX = 8

/**
 * What the DNS tells others of this host and its domains: address and way back (RFC 1912 section 2.1), MX (RFC 5321
 * section 5), SPF (RFC 7208), DKIM keys (RFC 6376), DMARC (RFC 7489). Never rejects.
 */
export async function selfTest(
  lookup: NameLookup,
  subject: SelfTestSubject,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const asked: Asked = { lookup, subject, signal }
  const domains = subject.domains.map(async (domain) => [
    await mx(asked, domain),
    await spf(asked, domain),
    ...(await dkim(asked, domain)),
    await dmarc(asked, domain),
  ])
  return [...(await ownHost(asked)), ...(await Promise.all(domains)).flat()]
}

interface Asked {
  readonly lookup: NameLookup
  readonly subject: SelfTestSubject
  readonly signal: AbortSignal
}

async function ownHost({ lookup, subject, signal }: Asked): Promise<readonly Finding[]> {
  const { host } = subject
  const [a, aaaa] = await Promise.all([lookup.lookup(host, 'A', signal), lookup.lookup(host, 'AAAA', signal)])
  const addresses = [a, aaaa].flatMap((answer) => (answer.kind === 'found' ? answer.records : []))
  if (addresses.length === 0) {
    const doubt = [a, aaaa].find((answer) => answer.kind === 'unknown')
    if (doubt !== undefined) return [unknown('A', host, doubt)]
    const text =
      'has no address: others cannot look it up, and many refuse mail from such a host. Add an A or AAAA record'
    return [{ check: 'A', name: host, state: 'missing', text }]
  }
  const found = { check: 'A', name: host, state: 'right', text: addresses.join(', ') } as const
  const ways = addresses
    .slice(0, ADDRESSES_MAX)
    .map((address) => wayBack({ lookup, subject, signal }, address))
  return [found, ...(await Promise.all(ways))]
}

async function wayBack({ lookup, subject, signal }: Asked, address: string): Promise<Finding> {
  const answer = await lookup.lookup(reverseName(address), 'PTR', signal)
  if (answer.kind === 'unknown') return unknown('PTR', address, answer)
  if (answer.kind === 'none') {
    const text =
      'has no name: many refuse mail from such an address. Whoever gave it to you can add a PTR record'
    return { check: 'PTR', name: address, state: 'missing', text }
  }
  const names = answer.records.join(', ')
  return answer.records.includes(subject.host)
    ? { check: 'PTR', name: address, state: 'right', text: names }
    : {
        check: 'PTR',
        name: address,
        state: 'wrong',
        text: `leads to ${names} and not back to ${subject.host}`,
      }
}

async function mx({ lookup, subject, signal }: Asked, domain: string): Promise<Finding> {
  const answer = await lookup.lookup(domain, 'MX', signal)
  if (answer.kind === 'unknown') return unknown('MX', domain, answer)
  if (answer.kind === 'none') {
    const text = `has no MX: mail goes to its address, if it has one. Add "MX 10 ${subject.host}."`
    return { check: 'MX', name: domain, state: 'missing', text }
  }
  const text = answer.records
    .map(({ preference, host }) => `${preference} ${host === '' ? '.' : host}`)
    .join(', ')
  if (answer.records.some(({ host }) => host === ''))
    return {
      check: 'MX',
      name: domain,
      state: 'wrong',
      text: `${text}: says that it takes no mail (RFC 7505)`,
    }
  return answer.records.some(({ host }) => host === subject.host)
    ? { check: 'MX', name: domain, state: 'right', text }
    : { check: 'MX', name: domain, state: 'wrong', text: `${text}: this host is not among them` }
}

async function spf({ lookup, signal }: Asked, domain: string): Promise<Finding> {
  const found = await texts(lookup, domain, signal)
  if (found.kind === 'unknown') return unknown('SPF', domain, found)
  const records = found.texts.filter((text) => /^v=spf1(?: |$)/i.test(text))
  const [record] = records
  if (record === undefined) {
    const text = 'has no SPF record: anybody may send in its name. Add a TXT record such as "v=spf1 mx -all"'
    return { check: 'SPF', name: domain, state: 'missing', text }
  }
  if (records.length > 1) {
    const text = `has ${records.length} SPF records, which is an error for all of them (RFC 7208 section 4.5)`
    return { check: 'SPF', name: domain, state: 'wrong', text }
  }
  return /(?:^| )\+?all(?: |$)/i.test(record)
    ? { check: 'SPF', name: domain, state: 'wrong', text: `${record}: "+all" lets anybody send in its name` }
    : { check: 'SPF', name: domain, state: 'right', text: record }
}

async function dkim({ lookup, subject, signal }: Asked, domain: string): Promise<readonly Finding[]> {
  if (subject.selectors.length > 0)
    return Promise.all(
      subject.selectors.map((selector) => key(lookup, `${selector}._domainkey.${domain}`, signal)),
    )
  // A name with names below it exists, if only without records (RFC 8020): so much is known without a selector.
  const answer = await lookup.lookup(`_domainkey.${domain}`, 'TXT', signal)
  if (answer.kind === 'unknown') return [unknown('DKIM', domain, answer)]
  if (answer.kind === 'none' && answer.why === 'nxdomain') {
    const text = 'has no DKIM keys (nothing below _domainkey): signatures in its name cannot be checked'
    return [{ check: 'DKIM', name: domain, state: 'missing', text }]
  }
  return [
    {
      check: 'DKIM',
      name: domain,
      state: 'right',
      text: 'keys are published (--selector NAME looks at one)',
    },
  ]
}

async function key(lookup: NameLookup, name: string, signal: AbortSignal): Promise<Finding> {
  const found = await texts(lookup, name, signal)
  if (found.kind === 'unknown') return unknown('DKIM', name, found)
  const [record] = found.texts
  if (record === undefined) return { check: 'DKIM', name, state: 'missing', text: 'there is no key' }
  if (!/(?:^|;)\s*p\s*=/i.test(record))
    return { check: 'DKIM', name, state: 'wrong', text: `no key: ${record}` }
  return /(?:^|;)\s*p\s*=\s*(?:;|$)/i.test(record)
    ? {
        check: 'DKIM',
        name,
        state: 'wrong',
        text: 'the key was revoked (an empty p=, RFC 6376 section 3.6.1)',
      }
    : { check: 'DKIM', name, state: 'right', text: record }
}

async function dmarc({ lookup, signal }: Asked, domain: string): Promise<Finding> {
  const name = `_dmarc.${domain}`
  const found = await texts(lookup, name, signal)
  if (found.kind === 'unknown') return unknown('DMARC', domain, found)
  const records = found.texts.filter((text) => /^v=DMARC1\s*(?:;|$)/.test(text))
  const [record] = records
  if (record === undefined) {
    const text = `has no DMARC record. Add a TXT record at ${name}, such as "v=DMARC1; p=quarantine"`
    return { check: 'DMARC', name: domain, state: 'missing', text }
  }
  if (records.length > 1) {
    const text = `has ${records.length} DMARC records, so none counts (RFC 7489 section 6.6.3)`
    return { check: 'DMARC', name: domain, state: 'wrong', text }
  }
  return /;\s*p\s*=\s*(?:none|quarantine|reject)\s*(?:;|$)/i.test(record)
    ? { check: 'DMARC', name: domain, state: 'right', text: record }
    : {
        check: 'DMARC',
        name: domain,
        state: 'wrong',
        text: `${record}: its p= is none of none, quarantine and reject`,
      }
}

/** The TXT records of a name, none where there are none; what is not known stays so. */
async function texts(
  lookup: NameLookup,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly kind: 'texts'; readonly texts: readonly string[] } | Unknown> {
  const answer = await lookup.lookup(name, 'TXT', signal)
  if (answer.kind === 'unknown') return answer
  return { kind: 'texts', texts: answer.kind === 'found' ? answer.records : [] }
}

type Unknown = Extract<Answer<unknown>, { kind: 'unknown' }>

function unknown(check: Finding['check'], name: string, { cause, detail }: Unknown): Finding {
  return { check, name, state: 'unknown', text: detail === '' ? cause : `${cause}: ${detail}` }
}

/** `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5), or its like of RFC 3596 section 2.5. */
export function reverseName(address: string): string {
  if (isIP(address) !== 6) return `${address.split('.').toReversed().join('.')}.in-addr.arpa`
  const [head = '', tail = ''] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const groups = address.includes('::') ? [...left, ...zeros, ...right] : left
  const digits = groups.map((group) => group.padStart(4, '0')).join('')
  return `${Array.from(digits).toReversed().join('.')}.ip6.arpa`
}
