import {
  accountEntry,
  dcOf,
  domainEntry,
  domainParents,
  entry,
  listEntry,
  serverEntry,
  tree,
} from '#test/support/zimbra-ldif.ts'

/** A directory that has some of everything that lookups meet, made by a rule, so that every run has the same. */
export interface MadeDirectory {
  readonly ldif: string
  /** Everything that a map may be asked for, known or not. */
  readonly keys: readonly string[]
}

const DOMAINS = ['one.test', 'two.test', 'sub.one.test', 'split.test'] as const
/** Characters that mean something in a filter, a name of an entry, SQL, a shell, a template or a log. */
const HOSTILE_KEYS: readonly string[] = [
  '*',
  '*@one.test',
  '*)(objectClass=*',
  '*)(uid=*))(|(uid=*@one.test',
  'user1)(zimbraMailStatus=enabled)@one.test',
  String.raw`user1\2a@one.test`,
  String.raw`\\@one.test`,
  'user1@one.test,dc=x',
  '%s@one.test',
  '%@one.test',
  "' OR 1=1 --@one.test",
  '$(touch x)@one.test',
  '@',
  '@@',
  'a@b@one.test',
  '@one.test',
  'one.test',
  '.one.test',
  '',
  ' ',
  'user1@one.test ',
  ' user1@one.test',
  'üser@one.test',
  'USER1@ONE.TEST',
  `${'x'.repeat(300)}@one.test`,
]

function attributesOf(n: number, domain: string): Record<string, string | readonly string[]> {
  return {
    ...(n % 3 === 0 ? { zimbraMailAlias: [`alias${n}@${domain}`, `other.${n}@${domain}`] } : {}),
    ...(n % 7 === 0
      ? { zimbraMailForwardingAddress: [`user${n + 1}@${domain}`, `out${n}@elsewhere.test`] }
      : {}),
    ...(n % 11 === 0
      ? { zimbraPrefMailForwardingAddress: `user${n + 2}@${domain}, pref${n}@elsewhere.test` }
      : {}),
    ...(n % 13 === 0 ? { zimbraMailCanonicalAddress: `first.last${n}@${domain}` } : {}),
    ...(n % 17 === 0 ? { zimbraMailStatus: 'disabled' } : {}),
    ...(n % 19 === 0 ? { zimbraAllowFromAddress: [`alias3@${domain}`, `boss${n}@elsewhere.test`] } : {}),
    ...(n % 23 === 0 ? { zimbraOldMailAddress: `old${n}@${domain}` } : {}),
    ...(n % 29 === 0 ? { zimbraMailTransport: `smtp:[relay${n}.test]:25` } : {}),
    ...(n % 5 === 0 ? { zimbraMemberOf: `group${n % 4}` } : {}),
  }
}

/** `accounts` accounts over four domains, with lists in lists, dynamic groups, catch-alls and alias domains. */
export function makeDirectory(accounts: number): MadeDirectory {
  const addresses = Array.from(
    { length: accounts },
    (_, n) => `user${n}@${DOMAINS[n % DOMAINS.length] ?? ''}`,
  )
  const names = [...DOMAINS, 'alias.test', 'off.test']
  const parts = [
    tree({ zimbraDefaultDomainName: 'one.test' }),
    serverEntry('mta1.test'),
    domainParents(names),
    ...DOMAINS.slice(0, 3).map((domain) => domainEntry(domain)),
    domainEntry('split.test', {
      zimbraMailCatchAllAddress: '@split.test',
      zimbraMailCatchAllForwardingAddress: '@split.test',
      zimbraMailTransport: 'smtp:other.test:25',
    }),
    domainEntry('alias.test', {
      zimbraDomainType: 'alias',
      zimbraDomainAliasTargetId: 'id-one.test',
      zimbraMailCatchAllAddress: '@alias.test',
      zimbraMailCatchAllForwardingAddress: '@one.test',
      zimbraMailCatchAllCanonicalAddress: '@one.test',
    }),
    domainEntry('off.test', { zimbraMailStatus: 'disabled' }),
    ...addresses.map((address, n) => accountEntry(address, attributesOf(n, address.split('@')[1] ?? ''))),
    accountEntry('all@two.test', { zimbraMailCatchAllAddress: '@two.test' }),
    // Two entries with one alias: what a map says is both, in the server's order.
    accountEntry('twin1@one.test', { zimbraMailAlias: 'twins@one.test' }),
    accountEntry('twin2@one.test', { zimbraMailAlias: 'twins@one.test' }),
    ...lists(addresses),
    ...groups(),
  ]
  return { ldif: parts.join(''), keys: keysOf(addresses) }
}

function lists(addresses: readonly string[]): readonly string[] {
  return Array.from({ length: 40 }, (_, n) => {
    const members = addresses.slice(n * 5, n * 5 + 10)
    // Each list has the next one in it, and the last one the first.
    return listEntry(`list${n}@one.test`, [
      ...members,
      `list${(n + 1) % 40}@one.test`,
      `member${n}@elsewhere.test`,
    ])
  })
}

function groups(): readonly string[] {
  const dynamic = Array.from({ length: 4 }, (_, n) =>
    entry(
      `cn=group${n},cn=groups,${dcOf('one.test')}`,
      ['groupOfURLs', 'zimbraGroup', 'zimbraMailRecipient'],
      {
        cn: `group${n}`,
        zimbraId: `group${n}`,
        zimbraMailAlias: `group${n}@one.test`,
        zimbraMailStatus: 'enabled',
        memberURL: `ldap:///??sub?(zimbraMemberOf=group${n})`,
      },
    ),
  )
  return [entry(`cn=groups,${dcOf('one.test')}`, ['organizationalRole'], { cn: 'groups' }), ...dynamic]
}

function keysOf(addresses: readonly string[]): readonly string[] {
  const some = Array.from({ length: 120 }, (_, n) => n)
  return [
    ...addresses,
    ...addresses.slice(0, 100).map((address) => address.replace('@', '+tag@')),
    ...addresses.slice(0, 100).map((address) => address.split('@')[0] ?? ''),
    ...some.flatMap((n) => DOMAINS.map((domain) => `alias${n}@${domain}`)),
    ...some.flatMap((n) => DOMAINS.map((domain) => `old${n}@${domain}`)),
    ...some.map((n) => `list${n}@one.test`),
    ...some.slice(0, 6).map((n) => `group${n}@one.test`),
    ...some.slice(0, 20).map((n) => `boss${n}@elsewhere.test`),
    ...[...DOMAINS, 'alias.test', 'off.test', 'foreign.test'].flatMap((domain) => [
      domain,
      `@${domain}`,
      `nobody@${domain}`,
    ]),
    'twins@one.test',
    'all@two.test',
    ...HOSTILE_KEYS,
  ]
}
