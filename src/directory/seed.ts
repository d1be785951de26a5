import { randomUUID } from 'node:crypto'

/** zimbraMtaCommonBlockedExtension of Zimbra's schema: its suggestions of what no mail should carry. */
export const COMMON_BLOCKED_EXTENSIONS: readonly string[] =
  'asd bat chm cmd com dll do exe hlp hta js jse lnk ocx pif reg scr shb shm shs vbe vbs vbx vxd wsf wsh xl'.split(
    ' ',
  )

/** The mailboxes that a new directory has, so that mail can be sent at once. */
export const FIRST_ACCOUNTS: readonly string[] = ['alice', 'bob', 'postmaster']

/**
 * What a new embedded directory holds, as LDIF, in the tree that a Zimbra has: globalConfig, the entry of `server`
 * (none where it is ''), one domain and a few accounts. Zimbra leaves zimbraMtaBlockedExtension empty and only suggests;
 * a new Postern blocks what Zimbra suggests.
 */
export function seedLdif(domain: string, server = ''): string {
  const base = dcOf(domain)
  return [
    ...branch('cn=zimbra', 'cn', 'zimbra'),
    globalConfig(domain),
    ...(server === '' ? [] : serverEntry(server)),
    ...parents(domain),
    [
      `dn: ${base}`,
      'objectClass: dcObject',
      'objectClass: organization',
      'objectClass: zimbraDomain',
      `dc: ${domain.split('.')[0] ?? ''}`,
      `o: ${domain} domain`,
      `zimbraDomainName: ${domain}`,
      'zimbraDomainType: local',
      'zimbraDomainStatus: active',
      'zimbraMailStatus: enabled',
      `zimbraId: ${randomUUID()}`,
    ].join('\n'),
    ...branch(`ou=people,${base}`, 'ou', 'people'),
    ...branch(`cn=groups,${base}`, 'cn', 'groups'),
    ...FIRST_ACCOUNTS.flatMap((user) => account(user, domain, base)),
  ].join('\n\n')
}

function dcOf(domain: string): string {
  return domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',')
}

/** An entry that only holds others. organizationalRole must have a cn. */
function branch(dn: string, name: 'cn' | 'ou', value: string): readonly string[] {
  const lines = [`dn: ${dn}`, 'objectClass: organizationalRole', `${name}: ${value}`]
  return [[...lines, ...(name === 'cn' ? [] : [`cn: ${value}`])].join('\n')]
}

/** What a domain's name needs above it. */
function parents(domain: string): readonly string[] {
  const labels = domain.split('.')
  return labels
    .slice(1)
    .map((label, i) => {
      const above = labels.slice(i + 1).join('.')
      const lines = [`dn: ${dcOf(above)}`, 'objectClass: dcObject', 'objectClass: organization']
      return [...lines, `dc: ${label}`, `o: ${above} domain`].join('\n')
    })
    .toReversed()
}

/** zimbraServiceEnabled has no mailbox: with one, zmprov would send new accounts' mail to an LMTP server of this name. */
function serverEntry(server: string): readonly string[] {
  return [
    ...branch('cn=servers,cn=zimbra', 'cn', 'servers'),
    [
      `dn: cn=${server},cn=servers,cn=zimbra`,
      'objectClass: zimbraServer',
      `cn: ${server}`,
      `zimbraId: ${randomUUID()}`,
      `zimbraServiceHostname: ${server}`,
      'zimbraServiceEnabled: antivirus',
      'zimbraServiceEnabled: mta',
    ].join('\n'),
  ]
}

function globalConfig(domain: string): string {
  return [
    'dn: cn=config,cn=zimbra',
    'objectClass: organizationalRole',
    'objectClass: zimbraGlobalConfig',
    'cn: config',
    `zimbraDefaultDomainName: ${domain}`,
    ...COMMON_BLOCKED_EXTENSIONS.map((extension) => `zimbraMtaCommonBlockedExtension: ${extension}`),
    ...COMMON_BLOCKED_EXTENSIONS.map((extension) => `zimbraMtaBlockedExtension: ${extension}`),
  ].join('\n')
}

function account(user: string, domain: string, base: string): readonly string[] {
  const aliases = user === 'postmaster' ? ['abuse', 'webmaster'] : []
  const id = randomUUID()
  return [
    [
      `dn: uid=${user},ou=people,${base}`,
      'objectClass: inetOrgPerson',
      'objectClass: zimbraAccount',
      `uid: ${user}`,
      `cn: ${user}`,
      `sn: ${user}`,
      `mail: ${user}@${domain}`,
      ...aliases.map((alias) => `mail: ${alias}@${domain}`),
      `zimbraId: ${id}`,
      `zimbraMailDeliveryAddress: ${user}@${domain}`,
      ...aliases.map((alias) => `zimbraMailAlias: ${alias}@${domain}`),
      'zimbraMailStatus: enabled',
      'zimbraAccountStatus: active',
    ].join('\n'),
    ...aliases.map((alias) =>
      [
        `dn: uid=${alias},ou=people,${base}`,
        'objectClass: zimbraAlias',
        `uid: ${alias}`,
        `zimbraId: ${randomUUID()}`,
        `zimbraAliasTargetId: ${id}`,
      ].join('\n'),
    ),
  ]
}
