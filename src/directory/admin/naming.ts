import { childDn, parseDn } from '#src/directory/dn.ts'
import type { Address } from '#src/mail/address.ts'
import { addressText, canonicalDomain, parseAddress } from '#src/mail/address.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valueOf } from './store.ts'

/** Where Zimbra keeps its entries. */
export const CONFIG_DN = 'cn=config,cn=zimbra'
export const SERVERS_DN = 'cn=servers,cn=zimbra'

/** `dc=example,dc=com` */
export function domainDn(name: string): string {
  return name
    .split('.')
    .toReversed()
    .reduce((base, label) => childDn('dc', label, base), '')
}

export function peopleDn(domain: string): string {
  return childDn('ou', 'people', domainDn(domain))
}

/** The entry of an account, a distribution list or an alias: one name, one entry. */
export function mailDn(address: Address): string {
  return childDn('uid', address.local, peopleDn(address.domain))
}

export function serverDn(name: string): string {
  return childDn('cn', name, SERVERS_DN)
}

/** An address for an entry: in lower case, with a domain in A-labels. Throws ProvisionRefused. */
export function newAddress(text: string): Address {
  const parsed = parseAddress(text.trim().toLowerCase())
  if (parsed === undefined || parsed.domain === '' || parsed.domain.startsWith('[') || parsed.local === '')
    throw invalidRequest(`must be valid email address: ${text}`)
  return parsed
}

/** A domain in A-labels. Throws ProvisionRefused. */
export function newDomainName(text: string): string {
  const name = canonicalDomain(text.trim())
  // NameUtil of Zimbra: letters, digits, hyphens and dots.
  if (name === undefined || !/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(name))
    throw new ProvisionRefused('service.INVALID_REQUEST', `invalid domain name ${text}`)
  return name
}

/** The address by which an account, list or alias is known: that of its place in the tree, as in Zimbra. */
export function addressOf(entry: AdminEntry): string {
  const [first, second, ...above] = parseDn(entry.dn) ?? []
  const uid = first?.length === 1 && first[0]?.name.toLowerCase() === 'uid' ? first[0].value : undefined
  const labels = above.map((rdn) => (rdn[0]?.name.toLowerCase() === 'dc' ? rdn[0].value : undefined))
  if (
    uid !== undefined &&
    labels.length > 0 &&
    !labels.includes(undefined) &&
    second?.[0]?.value === 'people'
  )
    return addressText(uid, labels.join('.'))
  const named =
    valueOf(entry, 'zimbraMailDeliveryAddress') ?? valueOf(entry, 'zimbraMailAlias') ?? valueOf(entry, 'mail')
  return named ?? entry.dn
}

/** The domain's name as it was given to createDomain. */
export function domainNameOf(entry: AdminEntry): string {
  return valueOf(entry, 'zimbraDomainName') ?? entry.dn
}

export function serverNameOf(entry: AdminEntry): string {
  return valueOf(entry, 'cn') ?? entry.dn
}

/** zimbraCreateTimestamp, zimbraPasswordModifiedTime: RFC 4517 section 3.3.13, with milliseconds as Zimbra writes it. */
export function generalizedTime(date: Date): string {
  return date.toISOString().replaceAll(/[-:T]/g, '')
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Zimbra takes a key of this form for a zimbraId and anything else for a name. */
export function isId(key: string): boolean {
  return UUID.test(key)
}
