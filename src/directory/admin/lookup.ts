import type { Address } from '#src/mail/address.ts'
import { addressText, canonicalDomain, parseAddress } from '#src/mail/address.ts'
import { formatDn, parseDn } from '#src/directory/dn.ts'
import { dnKey } from '#src/directory/names.ts'
import type { AttributeRules } from './attributes.ts'
import { CONFIG_DN, domainDn, isId, newDomainName, SERVERS_DN } from './naming.ts'
import type { ProvisionCode } from './refusal.ts'
import { ProvisionRefused } from './refusal.ts'
import type { AdminEntry, AdminStore, Match } from './store.ts'
import { all, any, equals, firstOf, valueOf } from './store.ts'

/** What every command of the administration works with. */
export interface Provisioning {
  readonly store: AdminStore
  readonly rules: AttributeRules
  readonly now: () => Date
}

export const ACCOUNT = equals('objectClass', 'zimbraAccount')
export const DOMAIN = equals('objectClass', 'zimbraDomain')
export const ALIAS = equals('objectClass', 'zimbraAlias')
const SERVER = equals('objectClass', 'zimbraServer')
/** Static lists, and dynamic groups, which the commands for lists show too. */
export const LIST = any(equals('objectClass', 'zimbraDistributionList'), equals('objectClass', 'zimbraGroup'))

/**
 * An account by its id, its address or an alias; an address without a domain has the default domain's, and one of an
 * alias domain is the same user's of its target.
 */
export async function findAccount(p: Provisioning, key: string): Promise<AdminEntry | undefined> {
  return await findByKey(p, key, ACCOUNT, ['zimbraMailDeliveryAddress', 'zimbraMailAlias'])
}

/** A list by its id, its address or an alias, as an account is found. */
export async function findList(p: Provisioning, key: string): Promise<AdminEntry | undefined> {
  return await findByKey(p, key, LIST, ['zimbraMailAlias', 'mail'])
}

async function findByKey(
  p: Provisioning,
  key: string,
  kind: Match,
  names: readonly string[],
): Promise<AdminEntry | undefined> {
  if (isId(key)) return await one(p, '', all(kind, equals('zimbraId', key)))
  const address = await keyAddress(p, key)
  if (address === undefined) return undefined
  const byAddress = (text: string) => one(p, '', all(kind, any(...names.map((name) => equals(name, text)))))
  const own = await byAddress(address.text)
  if (own !== undefined) return own
  const target = await aliasTarget(p, address.domain)
  return target === undefined ? undefined : await byAddress(addressText(address.local, target))
}

/** The domain that an alias domain leads to; undefined for any other. */
async function aliasTarget(p: Provisioning, name: string): Promise<string | undefined> {
  const entry = await findDomain(p, name)
  if (entry === undefined || valueOf(entry, 'zimbraDomainType') !== 'alias') return undefined
  const id = valueOf(entry, 'zimbraDomainAliasTargetId')
  const target = id === undefined ? undefined : await one(p, '', all(DOMAIN, equals('zimbraId', id)))
  return target === undefined ? undefined : valueOf(target, 'zimbraDomainName')
}

export async function findDomain(p: Provisioning, key: string): Promise<AdminEntry | undefined> {
  if (isId(key)) return await one(p, '', all(DOMAIN, equals('zimbraId', key)))
  const name = canonicalDomain(key.trim()) ?? key.trim().toLowerCase()
  return await one(p, '', all(DOMAIN, equals('zimbraDomainName', name)))
}

export async function findServer(p: Provisioning, key: string): Promise<AdminEntry | undefined> {
  const by = isId(key) ? equals('zimbraId', key) : equals('cn', key.trim().toLowerCase())
  return await one(p, SERVERS_DN, all(SERVER, by))
}

export async function account(p: Provisioning, key: string): Promise<AdminEntry> {
  return found(await findAccount(p, key), 'account.NO_SUCH_ACCOUNT', `no such account: ${key}`)
}

export async function list(p: Provisioning, key: string): Promise<AdminEntry> {
  return found(
    await findList(p, key),
    'account.NO_SUCH_DISTRIBUTION_LIST',
    `no such distribution list: ${key}`,
  )
}

export async function domain(p: Provisioning, key: string): Promise<AdminEntry> {
  return found(await findDomain(p, key), 'account.NO_SUCH_DOMAIN', `no such domain: ${key}`)
}

export async function server(p: Provisioning, key: string): Promise<AdminEntry> {
  return found(await findServer(p, key), 'account.NO_SUCH_SERVER', `no such server: ${key}`)
}

/** globalConfig; an entry without attributes where there is none yet. */
export async function globalConfig(p: Provisioning): Promise<AdminEntry> {
  return (await p.store.entry(CONFIG_DN)) ?? { dn: CONFIG_DN, attributes: [] }
}

/** All accounts, or those of one domain. */
export function everyAccount(p: Provisioning, domainName?: string): AsyncIterable<AdminEntry> {
  return everyOf(p, ACCOUNT, domainName)
}

/** All lists, or those of one domain. */
export function everyList(p: Provisioning, domainName?: string): AsyncIterable<AdminEntry> {
  return everyOf(p, LIST, domainName)
}

/** Entries lie in a branch of their domain (`ou=people`, `cn=groups`) or right below it; subdomains are further below. */
async function* everyOf(
  p: Provisioning,
  match: Match,
  domainName: string | undefined,
): AsyncGenerator<AdminEntry> {
  const base = domainName === undefined ? '' : domainDn(domainName)
  const key = dnKey(base)
  for await (const entry of p.store.find(base, match)) {
    const above = parseDn(entry.dn) ?? []
    if (base === '' || [1, 2].some((depth) => dnKey(formatDn(above.slice(depth))) === key)) yield entry
  }
}

export function everyDomain(p: Provisioning): AsyncIterable<AdminEntry> {
  return p.store.find('', DOMAIN)
}

export function everyServer(p: Provisioning): AsyncIterable<AdminEntry> {
  return p.store.find(SERVERS_DN, SERVER)
}

/** Whoever has this address: account, list or alias; Zimbra gives each address to one entry only. */
export async function ownerOf(p: Provisioning, address: Address): Promise<AdminEntry | undefined> {
  return await firstOf(
    p.store.find(
      '',
      any(
        equals('zimbraMailDeliveryAddress', address.text),
        equals('zimbraMailAlias', address.text),
        equals('mail', address.text),
      ),
    ),
  )
}

/** The domain that an address is to be made in: there, and no alias of another. Throws ProvisionRefused. */
export async function localDomain(p: Provisioning, name: string): Promise<AdminEntry> {
  const entry = await domain(p, newDomainName(name))
  if ((valueOf(entry, 'zimbraDomainType') ?? 'local') !== 'local')
    throw new ProvisionRefused('service.INVALID_REQUEST', 'domain type must be local')
  return entry
}

async function keyAddress(p: Provisioning, key: string): Promise<Address | undefined> {
  const given = parseAddress(key.trim().toLowerCase())
  if (given === undefined || given.domain !== '') return given
  const config = await globalConfig(p)
  const name = valueOf(config, 'zimbraDefaultDomainName')
  return name === undefined ? undefined : parseAddress(`${given.text}@${name.toLowerCase()}`)
}

async function one(p: Provisioning, base: string, match: Match): Promise<AdminEntry | undefined> {
  return await firstOf(p.store.find(base, match))
}

function found(entry: AdminEntry | undefined, code: ProvisionCode, message: string): AdminEntry {
  if (entry === undefined) throw new ProvisionRefused(code, message)
  return entry
}
