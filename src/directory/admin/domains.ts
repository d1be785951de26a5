import type { AttributePair } from './attributes.ts'
import { textChange } from './attributes.ts'
import { DOMAIN, domain, everyAccount, everyList, findDomain } from './lookup.ts'
import type { Provisioning } from './lookup.ts'
import { domainDn, domainNameOf, newDomainName, peopleDn } from './naming.ts'
import { childDn } from '#src/directory/dn.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { all, equals, firstOf, valueOf, valuesOf } from './store.ts'
import { apply, attribute, create, ensure, modify, write } from './writing.ts'

/** What may be said of a domain when it is made, and never afterwards. */
const AT_CREATION: ReadonlySet<string> = new Set(['zimbradomaintype'])

/** Makes a domain, with the tree above and below it as in Zimbra. Gives its zimbraId. */
export async function createDomain(
  p: Provisioning,
  given: string,
  pairs: readonly AttributePair[],
): Promise<string> {
  const name = newDomainName(given)
  const type = pairs.findLast((one) => one.name.toLowerCase() === 'zimbradomaintype')?.value ?? 'local'
  return await p.store.together(async () => {
    if ((await findDomain(p, name)) !== undefined) throw exists(name)
    await makeTree(p, name)
    await makeBranches(p, name)
    const label = name.split('.')[0] ?? name
    const entry = {
      kind: 'domain' as const,
      dn: domainDn(name),
      classes: ['dcObject', 'organization', 'zimbraDomain', 'amavisAccount'],
      own: [
        ...attribute('dc', label),
        ...attribute('o', `${name} domain`),
        ...attribute('zimbraDomainName', name),
        ...attribute('zimbraDomainType', 'local'),
        ...attribute('zimbraDomainStatus', 'active'),
        ...attribute('zimbraMailStatus', mailStatusFor(pairs) ?? 'enabled'),
        ...(type === 'alias' ? attribute('zimbraMailCatchAllAddress', `@${name}`) : []),
      ],
      pairs,
      allowed: AT_CREATION,
    }
    // Last, in one write: there is no moment, over LDAP neither, in which the domain is there and its tree is not.
    const made = await create(p, { ...entry, over: await partOfTree(p, entry.dn) })
    if (made === undefined) throw exists(name)
    return valueOf(made, 'zimbraId') ?? ''
  })
}

/** Makes a domain whose addresses are those of another (zmprov createAliasDomain). Gives its zimbraId. */
export async function createAliasDomain(
  p: Provisioning,
  name: string,
  target: string,
  pairs: readonly AttributePair[],
): Promise<string> {
  const local = await domain(p, target)
  if ((valueOf(local, 'zimbraDomainType') ?? 'local') !== 'local')
    throw invalidRequest('target domain must be a local domain')
  const own = [
    ['zimbraDomainType', 'alias'],
    ['zimbraDomainAliasTargetId', valueOf(local, 'zimbraId') ?? ''],
    ['zimbraMailCatchAllForwardingAddress', `@${domainNameOf(local)}`],
  ] as const
  const isOwn = ({ name: given }: AttributePair) =>
    own.some(([one]) => one.toLowerCase() === given.toLowerCase())
  return await createDomain(p, name, [
    ...pairs.filter((pair) => !isOwn(pair)),
    ...own.map(([attributeName, value]) => ({ op: 'set' as const, name: attributeName, value })),
  ])
}

export async function modifyDomain(
  p: Provisioning,
  key: string,
  pairs: readonly AttributePair[],
): Promise<void> {
  await p.store.together(async () => {
    const entry = await domain(p, key)
    const mailStatus = mailStatusFor(pairs, entry)
    const implied: readonly AttributePair[] =
      mailStatus === undefined ? [] : [{ op: 'set', name: 'zimbraMailStatus', value: mailStatus }]
    await modify(p, entry, 'domain', [...pairs, ...implied])
  })
}

/** Takes a domain away that has neither accounts nor lists, and its alias domains with it. */
export async function deleteDomain(p: Provisioning, key: string): Promise<void> {
  await p.store.together(async () => {
    const entry = await domain(p, key)
    const id = valueOf(entry, 'zimbraId') ?? ''
    const aliases = await Array.fromAsync(
      p.store.find('', all(DOMAIN, equals('zimbraDomainAliasTargetId', id))),
    )
    for (const one of [...aliases, entry]) await removeDomain(p, one)
  })
}

async function removeDomain(p: Provisioning, entry: AdminEntry): Promise<void> {
  const name = domainNameOf(entry)
  const notEmpty = new ProvisionRefused('account.DOMAIN_NOT_EMPTY', `domain not empty: ${name}`)
  for (const found of [everyAccount(p, name), everyList(p, name)]) {
    if ((await firstOf(found)) !== undefined) throw notEmpty
  }
  for (const branch of branchesOf(name)) {
    if ((await write(p.store.remove(branch.dn))) === 'not empty') throw notEmpty
  }
  if ((await write(p.store.remove(entry.dn))) !== 'not empty') return
  await makePartOfTree(p, entry)
}

/** Subdomains are below it: it stays as a part of the tree, and is a domain no more. */
async function makePartOfTree(p: Provisioning, entry: AdminEntry): Promise<void> {
  const kept = new Set(['dc', 'o', 'objectclass'])
  const names = new Set(entry.attributes.map(({ name }) => name))
  const gone = [...names].filter((name) => !kept.has(name.toLowerCase()))
  const classes = valuesOf(entry, 'objectClass').filter((one) => /^(dcObject|organization)$/i.test(one))
  await apply(p.store, entry.dn, [
    ...gone.map((name) => textChange('delete', name, [])),
    textChange('replace', 'objectClass', classes),
  ])
}

function exists(name: string): ProvisionRefused {
  return new ProvisionRefused('account.DOMAIN_EXISTS', `domain already exists: ${name}`)
}

/** Zimbra's DomainStatus: a closed domain takes no mail; another status lets it, unless it is said otherwise. */
function mailStatusFor(pairs: readonly AttributePair[], entry?: AdminEntry): string | undefined {
  const given = (name: string) =>
    pairs.findLast((one) => one.op === 'set' && one.name.toLowerCase() === name)?.value
  const status = given('zimbradomainstatus')
  if (status === undefined) return undefined
  if (status === 'shutdown')
    throw invalidRequest(
      'Setting zimbraDomainStatus to shutdown is not allowed.  It is an internal status and can only be set by server',
    )
  if (status === 'closed') return 'disabled'
  if (given('zimbramailstatus') !== undefined) return undefined
  const now = entry === undefined ? undefined : valueOf(entry, 'zimbraMailStatus')
  return status === 'suspended' && now === 'disabled' ? undefined : 'enabled'
}

/** The domain's place in the tree, and all above it. */
async function makeTree(p: Provisioning, name: string): Promise<void> {
  const labels = name.split('.')
  for (let i = labels.length - 1; i >= 0; i -= 1) {
    const part = labels.slice(i).join('.')
    await ensure(p, {
      dn: domainDn(part),
      attributes: [
        ...attribute('objectClass', 'dcObject', 'organization'),
        ...attribute('dc', labels[i] ?? ''),
        ...attribute('o', `${part} domain`),
      ],
    })
  }
}

/** Where accounts, lists and aliases of a domain lie, and where its dynamic groups do. */
function branchesOf(name: string): readonly AdminEntry[] {
  return [
    {
      dn: peopleDn(name),
      attributes: [
        ...attribute('objectClass', 'organizationalRole'),
        ...attribute('ou', 'people'),
        ...attribute('cn', 'people'),
      ],
    },
    {
      dn: childDn('cn', 'groups', domainDn(name)),
      attributes: [
        ...attribute('objectClass', 'organizationalRole'),
        ...attribute('cn', 'groups'),
        ...attribute('description', 'dynamic groups base'),
      ],
    },
  ]
}

async function makeBranches(p: Provisioning, name: string): Promise<void> {
  for (const branch of branchesOf(name)) await ensure(p, branch)
}

/** A parent of other domains that is none itself yet. */
async function partOfTree(p: Provisioning, dn: string): Promise<AdminEntry | undefined> {
  const entry = await p.store.entry(dn)
  const isDomain =
    entry !== undefined && valuesOf(entry, 'objectClass').some((one) => one.toLowerCase() === 'zimbradomain')
  return isDomain ? undefined : entry
}
