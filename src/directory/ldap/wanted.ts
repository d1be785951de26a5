import { EqualityFilter, OrFilter } from 'ldapts'
import type { Filter } from 'ldapts'

/** Attributes of domains, accounts, lists and groups that some lookup reads; nothing else of them is kept. */
export const LOOKUP_ATTRIBUTES: readonly string[] = [
  'objectClass',
  'uid',
  'mail',
  'zimbraId',
  'zimbraMailStatus',
  'zimbraMailDeliveryAddress',
  'zimbraMailAlias',
  'zimbraOldMailAddress',
  'zimbraMailForwardingAddress',
  'zimbraPrefMailForwardingAddress',
  'zimbraMailCatchAllAddress',
  'zimbraMailCatchAllForwardingAddress',
  'zimbraMailCanonicalAddress',
  'zimbraMailCatchAllCanonicalAddress',
  'zimbraMailTransport',
  'zimbraMailHost',
  'zimbraAllowFromAddress',
  'zimbraDomainName',
  'zimbraDomainType',
  'zimbraDomainStatus',
  'zimbraDomainAliasTargetId',
  // Who may come in: src/directory/auth. Passwords are not among them, nor is the one to search a domain's own directory.
  'zimbraAccountStatus',
  'zimbraAllowAnyFromAddress',
  'zimbraAuthFallbackToLocal',
  'zimbraAuthLdapBindDn',
  'zimbraAuthLdapExternalDn',
  'zimbraAuthLdapSearchBase',
  'zimbraAuthLdapSearchBindDn',
  'zimbraAuthLdapSearchFilter',
  'zimbraAuthLdapStartTlsEnabled',
  'zimbraAuthLdapURL',
  'zimbraAuthMech',
  'zimbraCOSId',
  'zimbraPasswordLockoutDuration',
  'zimbraPasswordLockoutEnabled',
  'zimbraPasswordLockoutFailureLifetime',
  'zimbraPasswordLockoutLockedTime',
  'zimbraPasswordLockoutMaxFailures',
  'zimbraPasswordMustChange',
  // What clients of its hosts are shown: src/directory/domain-certificates.ts.
  'zimbraSSLCertificate',
  'zimbraSSLPrivateKey',
  'zimbraVirtualHostname',
  // Members of dynamic groups by name: ldap-vam.cf has special_result_attribute = member.
  'member',
  'memberURL',
  'zimbraMemberOf',
]

/** Attributes of globalConfig, servers and classes of service beyond the settings. */
export const CONFIG_ATTRIBUTES: readonly string[] = [
  'objectClass',
  'cn',
  'zimbraId',
  'zimbraDefaultDomainName',
  'zimbraServiceHostname',
  'zimbraServiceEnabled',
  'zimbraMtaAuthPort',
  'zimbraMtaAuthTarget',
  // Of classes of service, for the accounts that have none of their own.
  'zimbraPasswordLockoutDuration',
  'zimbraPasswordLockoutEnabled',
  'zimbraPasswordLockoutFailureLifetime',
  'zimbraPasswordLockoutMaxFailures',
]

/** By which an entry of each of the two kinds is known (RFC 4512 section 2.5.1), and how it is told from others. */
export const OPERATIONAL: readonly string[] = ['entryUUID', 'entryCSN']

const MAIL_CLASSES = [
  'zimbraDomain',
  'zimbraAccount',
  'zimbraCalendarResource',
  'zimbraDistributionList',
  'zimbraGroup',
  'zimbraMailRecipient',
]
const CONFIG_CLASSES = ['zimbraGlobalConfig', 'zimbraServer', 'zimbraCOS']

/** One of the two kinds of entries that are read: those of mail, and those of settings. */
export interface Kind {
  readonly filter: Filter
  readonly attributes: readonly string[]
}

function anyClass(classes: readonly string[]): Filter {
  return new OrFilter({
    filters: classes.map((value) => new EqualityFilter({ attribute: 'objectClass', value })),
  })
}

/** Domains, accounts, lists and groups. */
export const MAIL_KIND: Kind = { filter: anyClass(MAIL_CLASSES), attributes: LOOKUP_ATTRIBUTES }

/** What is read. `settings`: the attributes of globalConfig and servers that settings are made of. */
export function wantedKinds(settings: readonly string[]): readonly Kind[] {
  return [
    { filter: anyClass(CONFIG_CLASSES), attributes: [...new Set([...CONFIG_ATTRIBUTES, ...settings])] },
    MAIL_KIND,
  ]
}
