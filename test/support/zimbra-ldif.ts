/** Entries as Zimbra writes them. */

type Attributes = Readonly<Record<string, string | readonly string[]>>

/** One entry; the order of `attributes` is kept. */
export function entry(dn: string, classes: readonly string[], attributes: Attributes): string {
  const lines = [`dn: ${dn}`, ...classes.map((name) => `objectClass: ${name}`)]
  for (const [name, given] of Object.entries(attributes)) {
    for (const value of typeof given === 'string' ? [given] : given) lines.push(`${name}: ${value}`)
  }
  return `${lines.join('\n')}\n\n`
}

/** What stands at the top of every Zimbra directory; `config` are attributes of globalConfig. */
export function tree(config: Attributes = {}): string {
  return [
    entry('cn=zimbra', ['organizationalRole'], { cn: 'zimbra' }),
    entry('cn=admins,cn=zimbra', ['organizationalRole'], { cn: 'admins' }),
    entry('cn=servers,cn=zimbra', ['organizationalRole'], { cn: 'servers' }),
    entry('cn=config,cn=zimbra', ['organizationalRole', 'zimbraGlobalConfig'], { cn: 'config', ...config }),
  ].join('')
}

export function serverEntry(name: string, attributes: Attributes = {}): string {
  return entry(`cn=${name},cn=servers,cn=zimbra`, ['zimbraServer'], {
    cn: name,
    zimbraServiceHostname: name,
    ...attributes,
  })
}

export function dcOf(domain: string): string {
  return domain
    .split('.')
    .map((label) => `dc=${label}`)
    .join(',')
}

/** The entries that a domain's name needs above it, without the domain's own. */
export function domainParents(domains: readonly string[]): string {
  const above = new Set<string>()
  for (const domain of domains) {
    const labels = domain.split('.')
    for (let i = labels.length - 1; i > 0; i -= 1) above.add(labels.slice(i).join('.'))
  }
  return [...above]
    .filter((name) => !domains.includes(name))
    .toSorted((a, b) => a.split('.').length - b.split('.').length)
    .map((name) => entry(dcOf(name), ['dcObject', 'organization'], { o: name, dc: name.split('.')[0] ?? '' }))
    .join('')
}

export function domainEntry(domain: string, attributes: Attributes = {}): string {
  const [dc = ''] = domain.split('.')
  return (
    entry(dcOf(domain), ['dcObject', 'organization', 'zimbraDomain', 'zimbraMailRecipient'], {
      o: domain,
      dc,
      zimbraDomainName: domain,
      zimbraDomainType: 'local',
      zimbraMailStatus: 'enabled',
      zimbraId: `id-${domain}`,
      ...attributes,
    }) + entry(`ou=people,${dcOf(domain)}`, ['organizationalUnit'], { ou: 'people' })
  )
}

export function accountEntry(address: string, attributes: Attributes = {}): string {
  const [user = '', domain = ''] = address.split('@')
  return entry(`uid=${user},ou=people,${dcOf(domain)}`, ['inetOrgPerson', 'zimbraAccount', 'amavisAccount'], {
    uid: user,
    cn: user,
    sn: user,
    mail: address,
    zimbraId: `id-${address}`,
    zimbraMailDeliveryAddress: address,
    zimbraMailStatus: 'enabled',
    zimbraAccountStatus: 'active',
    zimbraMailHost: 'store.test',
    zimbraMailTransport: 'lmtp:store.test:7025',
    ...attributes,
  })
}

/** A list of members: Zimbra keeps them as forwarding addresses, and its own address as an alias. */
export function listEntry(address: string, members: readonly string[], attributes: Attributes = {}): string {
  const [user = '', domain = ''] = address.split('@')
  return entry(`uid=${user},ou=people,${dcOf(domain)}`, ['zimbraDistributionList', 'zimbraMailRecipient'], {
    uid: user,
    cn: user,
    mail: address,
    zimbraId: `id-${address}`,
    zimbraMailAlias: address,
    zimbraMailStatus: 'enabled',
    zimbraMailForwardingAddress: members,
    ...attributes,
  })
}
