import { formatDn, parseDn } from './dn.ts'
import { canonicalDomain, parseAddress } from '#src/mail/address.ts'

/** Attributes of Zimbra's schema that the lookups use, in the lower case that they are searched by. */
export const ATTR = {
  deliveryAddress: 'zimbramaildeliveryaddress',
  alias: 'zimbramailalias',
  oldAddress: 'zimbraoldmailaddress',
  forwarding: 'zimbramailforwardingaddress',
  prefForwarding: 'zimbraprefmailforwardingaddress',
  catchAll: 'zimbramailcatchalladdress',
  catchAllForwarding: 'zimbramailcatchallforwardingaddress',
  status: 'zimbramailstatus',
  transport: 'zimbramailtransport',
  mailHost: 'zimbramailhost',
  canonical: 'zimbramailcanonicaladdress',
  catchAllCanonical: 'zimbramailcatchallcanonicaladdress',
  member: 'member',
  memberUrl: 'memberurl',
  memberOf: 'zimbramemberof',
  domainName: 'zimbradomainname',
  domainType: 'zimbradomaintype',
  domainAliasTarget: 'zimbradomainaliastargetid',
  id: 'zimbraid',
} as const

/** Attributes whose values are addresses of mail. */
const ADDRESSES: ReadonlySet<string> = new Set([
  ATTR.deliveryAddress,
  ATTR.alias,
  ATTR.oldAddress,
  ATTR.forwarding,
  ATTR.prefForwarding,
  'mail',
  ATTR.canonical,
  'zimbraallowfromaddress',
])

/** Attributes whose values are `@domain`. */
const AT_DOMAINS: ReadonlySet<string> = new Set([
  ATTR.catchAll,
  ATTR.catchAllForwarding,
  ATTR.catchAllCanonical,
])

/**
 * The form that a value is searched by: addresses and domains in their one spelling, all in lower case, since no
 * attribute that is searched tells upper from lower. undefined: the value cannot be what the attribute wants.
 */
export function valueKey(attributeKey: string, value: string): string | undefined {
  if (ADDRESSES.has(attributeKey)) {
    // One value of zimbraPrefMailForwardingAddress may hold several addresses.
    if (attributeKey === ATTR.prefForwarding)
      return splitAddresses(value) === undefined ? undefined : fold(value)
    return addressKey(value)
  }
  if (attributeKey === ATTR.domainName) return canonicalDomain(value)
  if (AT_DOMAINS.has(attributeKey)) {
    const domain = value.startsWith('@') ? canonicalDomain(value.slice(1)) : undefined
    return domain === undefined ? undefined : `@${domain}`
  }
  return fold(value)
}

/** The one spelling of an address, in lower case; undefined where it has no domain or is none. */
export function addressKey(value: string): string | undefined {
  const address = parseAddress(value.trim())
  return address === undefined || address.domain === '' ? undefined : fold(address.text)
}

/** `a@x, b@y` as two addresses; undefined if one of them is none. */
export function splitAddresses(value: string): readonly string[] | undefined {
  const found: string[] = []
  for (const part of value.split(',')) {
    const address = parseAddress(part.trim())
    if (address === undefined || address.domain === '') return undefined
    found.push(address.text)
  }
  return found
}

export function fold(text: string): string {
  return text.normalize('NFC').toLowerCase()
}

/**
 * A distinguished name as it is compared: lower case, no blanks round its commas and equal signs, each escape written
 * in one way (RFC 4514). What is no such name is compared by its letters.
 */
export function dnKey(dn: string): string {
  const rdns = parseDn(dn)
  return rdns === undefined ? fold(dn.trim()).replaceAll(/\s*([,=])\s*/g, '$1') : fold(formatDn(rdns))
}
