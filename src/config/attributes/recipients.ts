import type { AttributeTable } from '#src/config/attribute.ts'
import { GLOBAL, fixed, read } from '#src/config/attribute.ts'
import { AT_DOMAIN } from './words.ts'

const OF_THE_STORE = fixed('A setting of the mailbox server, which reads it itself.')

/** Accounts, lists and domains: what lookups and AUTH read. */
export const RECIPIENT_ATTRIBUTES: AttributeTable = {
  zimbraDefaultDomainName: { type: 'string', scope: GLOBAL },
  zimbraAccountStatus: {
    type: 'enum',
    values: ['active', 'maintenance', 'locked', 'closed', 'lockout', 'pending'],
    scope: ['account'],
    use: read('Whether an account may authenticate; in maintenance it is told to come again.'),
  },
  zimbraAllowAnyFromAddress: {
    type: 'boolean',
    scope: ['account', 'cos'],
    default: 'FALSE',
    use: read('Whether an account may send as anybody.'),
  },
  zimbraAllowFromAddress: {
    type: 'email',
    multi: true,
    scope: ['account'],
    use: read('Further addresses that an account may send as.'),
  },
  zimbraAuthFallbackToLocal: {
    type: 'boolean',
    scope: ['domain'],
    default: 'FALSE',
    use: read('Whether the own password is tried where the directory of the domain does not let in.'),
  },
  zimbraAuthLdapBindDn: {
    type: 'string',
    scope: ['domain'],
    use: read('The name to bind by there: %n, %u, %d and %D stand for parts of the address.'),
  },
  zimbraAuthLdapExternalDn: {
    type: 'string',
    scope: ['account'],
    use: read('The name of an account in the directory of its domain.'),
  },
  zimbraAuthLdapSearchBase: {
    type: 'string',
    scope: ['domain'],
    use: read('Where the name to bind by is searched.'),
  },
  zimbraAuthLdapSearchBindDn: {
    type: 'string',
    scope: ['domain'],
    use: read('Who searches it.'),
  },
  zimbraAuthLdapSearchBindPassword: {
    type: 'string',
    scope: ['domain'],
    use: read('The password of that. It is asked for when it is needed and kept in no mirror.'),
  },
  zimbraAuthLdapSearchFilter: {
    type: 'string',
    scope: ['domain'],
    use: read('What is searched; then the template is not used.'),
  },
  zimbraAuthLdapStartTlsEnabled: {
    type: 'boolean',
    scope: ['domain'],
    default: 'FALSE',
    use: read('Whether TLS is demanded on ldap:// there.'),
  },
  zimbraAuthLdapURL: {
    type: 'string',
    multi: true,
    scope: ['domain'],
    use: read('The directory servers that passwords of a domain are checked with.'),
  },
  zimbraAuthMech: {
    type: 'string',
    scope: ['domain'],
    use: read('How passwords of a domain are checked: `zimbra`, `ldap` or `ad`.'),
  },
  zimbraDomainAliasTargetId: {
    type: 'string',
    scope: ['domain'],
    use: read('The domain that a domain alias leads to.'),
  },
  zimbraDomainName: { type: 'string', scope: ['domain'], use: read('The name by which a domain is found.') },
  zimbraDomainStatus: {
    type: 'enum',
    values: ['active', 'maintenance', 'locked', 'closed', 'suspended', 'shutdown'],
    scope: ['globalConfig', 'domain'],
    use: read(
      'Whether users of the domain may log in. zmprov sets zimbraMailStatus along with it, as in Zimbra, and that decides whether mail is taken.',
    ),
  },
  zimbraDomainType: {
    type: 'enum',
    values: ['local', 'alias'],
    scope: ['domain'],
    use: read('Whether a domain has mailboxes or is an alias of another.'),
  },
  zimbraMailAlias: {
    type: 'email',
    multi: true,
    scope: ['recipient', 'group', 'groupDynamicUnit'],
    use: read('Further addresses of an account or list.'),
  },
  zimbraMailCanonicalAddress: {
    type: 'email',
    scope: ['recipient'],
    use: read('The address that an account is known by: senders and recipients become it.'),
  },
  zimbraMailCatchAllAddress: {
    type: 'regex',
    pattern: AT_DOMAIN,
    multi: true,
    scope: ['recipient'],
    use: read('The account that gets what is for nobody else of a domain.'),
  },
  zimbraMailCatchAllCanonicalAddress: {
    type: 'regex',
    pattern: AT_DOMAIN,
    scope: ['recipient'],
    use: read('The domain that senders and recipients of this one become, their user kept.'),
  },
  zimbraMailCatchAllForwardingAddress: {
    type: 'regex',
    pattern: AT_DOMAIN,
    scope: ['recipient'],
    use: read('The domain that what is for nobody else of this domain goes to.'),
  },
  zimbraMailDeliveryAddress: {
    type: 'email',
    multi: true,
    scope: ['recipient'],
    use: read('The address of a mailbox.'),
  },
  zimbraMailForwardingAddress: {
    type: 'email',
    multi: true,
    scope: ['recipient', 'groupStaticUnit'],
    use: read('Members of a list, and where an account sends its mail on to.'),
  },
  zimbraMailHost: {
    type: 'astring',
    scope: ['recipient', 'group'],
    use: read('The mailbox server of an account, on port 7025, where zimbraMailTransport says nothing.'),
  },
  zimbraMailQuota: { type: 'long', scope: ['account', 'cos'], default: '0', use: OF_THE_STORE },
  zimbraMailStatus: {
    type: 'enum',
    values: ['enabled', 'disabled'],
    scope: ['recipient', 'group', 'groupDynamicUnit'],
    use: read('Whether mail is taken for an entry.'),
  },
  zimbraMailTransport: {
    type: 'astring',
    scope: ['recipient'],
    use: read('Where mail for an account or domain is delivered.'),
  },
  zimbraOldMailAddress: {
    type: 'email',
    scope: ['recipient'],
    use: read('The former address of an account that was renamed.'),
  },
  zimbraPasswordLockoutDuration: {
    type: 'duration',
    scope: ['account', 'cos'],
    default: '1h',
    use: read('How long an account is locked.'),
  },
  zimbraPasswordLockoutEnabled: {
    type: 'boolean',
    scope: ['account', 'cos'],
    default: 'FALSE',
    use: read(
      'Whether failed logins lock an account by the three attributes beside this one, in place of `[auth]` in postern.toml.',
    ),
  },
  zimbraPasswordLockoutFailureLifetime: {
    type: 'duration',
    scope: ['account', 'cos'],
    default: '1h',
    use: read('How long a failed login counts.'),
  },
  zimbraPasswordLockoutLockedTime: {
    type: 'string',
    scope: ['account'],
    use: read('When a mailbox server has locked an account whose status is lockout.'),
  },
  zimbraPasswordLockoutMaxFailures: {
    type: 'integer',
    scope: ['account', 'cos'],
    default: '10',
    use: read('Failures that lock an account.'),
  },
  zimbraPasswordMustChange: {
    type: 'boolean',
    scope: ['account'],
    default: 'FALSE',
    use: read('An account whose password must be changed does not authenticate before that.'),
  },
  zimbraPrefMailForwardingAddress: {
    type: 'cs_emailp',
    scope: ['account'],
    use: read('Where a user has mail sent on to.'),
  },
  zimbraSSLCertificate: {
    type: 'string',
    scope: ['globalConfig', 'server', 'domain'],
    use: read('The certificate that a domain shows to clients that name one of its hosts.'),
  },
  zimbraSSLPrivateKey: {
    type: 'string',
    scope: ['globalConfig', 'server', 'domain'],
    use: read('The key of that certificate.'),
  },
  zimbraVirtualHostname: {
    type: 'string',
    multi: true,
    scope: ['domain'],
    use: read('Hosts of a domain: clients that name one are shown its certificate.'),
  },
}
