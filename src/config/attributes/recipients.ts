import type { AttributeTable } from '#src/config/attribute.ts'
import { GLOBAL, fixed, later, read } from '#src/config/attribute.ts'
import { AT_DOMAIN } from './words.ts'

const OF_THE_STORE = fixed('A setting of the mailbox server, which reads it itself.')

/** Accounts, lists and domains: what lookups and AUTH read. */
export const RECIPIENT_ATTRIBUTES: AttributeTable = {
  zimbraDefaultDomainName: { type: 'string', scope: GLOBAL },
  zimbraAllowAnyFromAddress: {
    type: 'boolean',
    scope: ['account', 'cos'],
    default: 'FALSE',
    use: later('auth'),
  },
  zimbraAllowFromAddress: { type: 'email', multi: true, scope: ['account'], use: later('auth') },
  zimbraAuthLdapURL: { type: 'string', multi: true, scope: ['domain'], use: later('auth') },
  zimbraAuthMech: { type: 'string', scope: ['domain'], use: later('auth') },
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
    use: later('lookups'),
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
  zimbraMailCanonicalAddress: { type: 'email', scope: ['recipient'], use: later('canonical') },
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
    use: later('canonical'),
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
  zimbraMailHost: { type: 'astring', scope: ['recipient', 'group'], use: later('lookups') },
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
    use: later('auth'),
  },
  zimbraPasswordLockoutEnabled: {
    type: 'boolean',
    scope: ['account', 'cos'],
    default: 'FALSE',
    use: later('auth'),
  },
  zimbraPasswordLockoutMaxFailures: {
    type: 'integer',
    scope: ['account', 'cos'],
    default: '10',
    use: later('auth'),
  },
  zimbraPrefMailForwardingAddress: {
    type: 'cs_emailp',
    scope: ['account'],
    use: read('Where a user has mail sent on to.'),
  },
}
