import { randomUUID } from 'node:crypto'

/** zimbraMtaCommonBlockedExtension of Zimbra's schema: its suggestions of what no mail should carry. */
export const COMMON_BLOCKED_EXTENSIONS: readonly string[] =
  'asd bat chm cmd com dll do exe hlp hta js jse lnk ocx pif reg scr shb shm shs vbe vbs vbx vxd wsf wsh xl'.split(
    ' ',
  )

/** The mailboxes that a new directory has, so that mail can be sent at once. */
export const FIRST_ACCOUNTS: readonly string[] = ['alice', 'bob', 'postmaster']

/**
 * What a new embedded directory holds, as LDIF: globalConfig, one domain and a few accounts. Zimbra leaves
 * zimbraMtaBlockedExtension empty and only suggests; a new Postern blocks what Zimbra suggests.
 */
export function seedLdif(domain: string): string {
  const base = domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',')
  return [
    globalConfig(domain),
    [
      `dn: ${base}`,
      'objectClass: dcObject',
      'objectClass: organization',
      'objectClass: zimbraDomain',
      `zimbraDomainName: ${domain}`,
      'zimbraDomainType: local',
      'zimbraDomainStatus: active',
      'zimbraMailStatus: enabled',
      `zimbraId: ${randomUUID()}`,
    ].join('\n'),
    ...FIRST_ACCOUNTS.map((user) => account(user, domain, base)),
  ].join('\n\n')
}

function globalConfig(domain: string): string {
  return [
    'dn: cn=config,cn=zimbra',
    'objectClass: zimbraGlobalConfig',
    'cn: config',
    `zimbraDefaultDomainName: ${domain}`,
    ...COMMON_BLOCKED_EXTENSIONS.map((extension) => `zimbraMtaCommonBlockedExtension: ${extension}`),
    ...COMMON_BLOCKED_EXTENSIONS.map((extension) => `zimbraMtaBlockedExtension: ${extension}`),
  ].join('\n')
}

function account(user: string, domain: string, base: string): string {
  const aliases = user === 'postmaster' ? ['abuse', 'webmaster'] : []
  return [
    `dn: uid=${user},ou=people,${base}`,
    'objectClass: inetOrgPerson',
    'objectClass: zimbraAccount',
    `uid: ${user}`,
    `cn: ${user}`,
    `sn: ${user}`,
    `mail: ${user}@${domain}`,
    `zimbraId: ${randomUUID()}`,
    `zimbraMailDeliveryAddress: ${user}@${domain}`,
    ...aliases.map((alias) => `zimbraMailAlias: ${alias}@${domain}`),
    'zimbraMailStatus: enabled',
    'zimbraAccountStatus: active',
  ].join('\n')
}
