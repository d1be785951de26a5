import { dnKey } from '#src/directory/names.ts'
import { parseAddress } from '#src/mail/address.ts'
import { removeAlias } from './aliases.ts'
import { renamed } from './accounts.ts'
import type { AttributePair } from './attributes.ts'
import { account, findAccount, findList, list, localDomain, ownerOf } from './lookup.ts'
import type { Provisioning } from './lookup.ts'
import { forgetMember, listsOf, MEMBER, renameMember } from './members.ts'
import { addressOf, mailDn, newAddress } from './naming.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valueOf, valuesOf } from './store.ts'
import { apply, attribute, create, modify, write } from './writing.ts'

/** Makes a distribution list (zimbraMailAlias holds its own address, as in Zimbra). Gives its zimbraId. */
export async function createList(
  p: Provisioning,
  name: string,
  pairs: readonly AttributePair[],
): Promise<string> {
  const address = newAddress(name)
  return await p.store.together(async () => {
    await localDomain(p, address.domain)
    if ((await ownerOf(p, address)) !== undefined) throw exists(address.text)
    const shown = pairs.findLast((one) => one.name.toLowerCase() === 'displayname')?.value
    const made = await create(p, {
      kind: 'distributionList',
      dn: mailDn(address),
      classes: ['zimbraDistributionList', 'zimbraMailRecipient'],
      own: [
        ...attribute('uid', address.local),
        ...attribute('mail', address.text),
        ...attribute('zimbraMailAlias', address.text),
        ...attribute('zimbraMailStatus', 'enabled'),
        ...(shown === undefined ? [] : attribute('cn', shown)),
      ],
      pairs,
    })
    if (made === undefined) throw exists(address.text)
    return valueOf(made, 'zimbraId') ?? ''
  })
}

export async function modifyList(
  p: Provisioning,
  key: string,
  pairs: readonly AttributePair[],
): Promise<void> {
  await p.store.together(async () => {
    await modify(p, await list(p, key), 'distributionList', pairs)
  })
}

export async function deleteList(p: Provisioning, key: string): Promise<void> {
  await p.store.together(async () => {
    const entry = await list(p, key)
    const own = addressOf(entry)
    for (const alias of valuesOf(entry, 'zimbraMailAlias').filter((one) => one !== own))
      await removeAlias(p, entry, alias)
    await forgetMember(p, own)
    const done = await write(p.store.remove(entry.dn))
    if (done !== 'done')
      throw new ProvisionRefused('service.FAILURE', `unable to purge distribution list: ${key}: ${done}`)
  })
}

/** Gives a list another address; it stays a member where it is one. */
export async function renameList(p: Provisioning, key: string, newName: string): Promise<void> {
  const address = newAddress(newName)
  const dn = mailDn(address)
  await p.store.together(async () => {
    const entry = await list(p, key)
    // As of an account: the rest of an attempt that was cut off.
    const isMoved = dnKey(entry.dn) === dnKey(dn)
    const before = (isMoved ? valueOf(entry, 'mail') : undefined) ?? addressOf(entry)
    await localDomain(p, address.domain)
    if ((await ownerOf(p, address)) !== undefined) throw exists(address.text)
    if (!isMoved && (await write(p.store.rename(entry.dn, dn))) === 'exists') throw exists(address.text)
    await renameMember(p, before, address.text)
    await apply(p.store, dn, [
      renamed(entry, 'mail', before, address.text),
      renamed(entry, 'zimbraMailAlias', before, address.text),
    ])
  })
}

/** Members of a static list, as they stand there. */
export function membersOf(entry: AdminEntry): readonly string[] {
  return valuesOf(entry, MEMBER).toSorted()
}

/** Adds addresses, of ours or not, to a list; those that are in it already are nothing new. */
export async function addMembers(p: Provisioning, key: string, members: readonly string[]): Promise<void> {
  await p.store.together(async () => {
    const entry = await staticList(p, key)
    const own = new Set([addressOf(entry), ...valuesOf(entry, 'zimbraMailAlias')])
    for (const member of members.map(memberAddress)) {
      if (own.has(member)) throw invalidRequest(`Cannot add self as a member: ${member}`)
      const group = await findList(p, member)
      if (group !== undefined && isDynamic(group))
        throw invalidRequest(`Cannot add dynamic group as a member: ${member}`)
    }
    const pairs = members.map((one) => ({ op: 'add' as const, name: MEMBER, value: memberAddress(one) }))
    await modify(p, entry, 'distributionList', pairs)
  })
}

/** Takes addresses out of a list, and with an address of ours the others of its owner. All are in it, or none goes. */
export async function removeMembers(p: Provisioning, key: string, members: readonly string[]): Promise<void> {
  await p.store.together(async () => {
    const entry = await staticList(p, key)
    const held = new Set(valuesOf(entry, MEMBER).map((one) => one.toLowerCase()))
    const gone = new Set<string>()
    const failed: string[] = []
    for (const given of members) {
      const member = parseAddress(given.trim().toLowerCase())?.text ?? given.trim().toLowerCase()
      const found = [member, ...(await addressesOfOwner(p, member))].filter((one) => held.has(one))
      if (found.length === 0) failed.push(member)
      for (const one of found) gone.add(one)
    }
    if (failed.length > 0)
      throw new ProvisionRefused(
        'account.NO_SUCH_MEMBER',
        `non-existent members: ${failed.join(',')} in distribution list: ${addressOf(entry)}`,
      )
    const pairs = [...gone].map((value) => ({ op: 'remove' as const, name: MEMBER, value }))
    await modify(p, entry, 'distributionList', pairs)
  })
}

/** One list that an account gets mail of. */
export interface Membership {
  readonly list: AdminEntry
  /** The list by which it is in this one; undefined where it is named there itself. */
  readonly via: string | undefined
}

/** Lists in lists that are followed. More is a mistake; each is followed once, so loops end by themselves. */
const MEMBERSHIPS_MAX = 10_000

/** The lists that an account is in, by itself or by other lists. */
export async function membershipsOf(p: Provisioning, key: string): Promise<readonly Membership[]> {
  const entry = await account(p, key)
  const found = new Map<string, Membership>()
  const queue = [{ addresses: allAddresses(entry), via: undefined as string | undefined }]
  for (const { addresses, via } of queue) {
    for (const address of addresses) {
      for (const one of await listsOf(p, address)) {
        if (found.has(one.dn) || found.size >= MEMBERSHIPS_MAX) continue
        found.set(one.dn, { list: one, via })
        queue.push({ addresses: allAddresses(one), via: addressOf(one) })
      }
    }
  }
  return [...found.values()]
}

function allAddresses(entry: AdminEntry): readonly string[] {
  return [...new Set([addressOf(entry), ...valuesOf(entry, 'zimbraMailAlias')])]
}

async function addressesOfOwner(p: Provisioning, member: string): Promise<readonly string[]> {
  const owner = (await findAccount(p, member)) ?? (await findList(p, member))
  return owner === undefined ? [] : allAddresses(owner).map((one) => one.toLowerCase())
}

function memberAddress(text: string): string {
  const address = parseAddress(text.trim().toLowerCase())
  if (address === undefined || address.domain === '')
    throw new ProvisionRefused('account.INVALID_ATTR_VALUE', `invalid email address: ${text}`)
  return address.text
}

async function staticList(p: Provisioning, key: string): Promise<AdminEntry> {
  const entry = await list(p, key)
  if (isDynamic(entry))
    throw invalidRequest(`the members of a dynamic group follow from its memberURL: ${key}`)
  return entry
}

function isDynamic(entry: AdminEntry): boolean {
  return valuesOf(entry, 'objectClass').some((one) => one.toLowerCase() === 'zimbragroup')
}

function exists(address: string): ProvisionRefused {
  return new ProvisionRefused('account.DISTRIBUTION_LIST_EXISTS', `email address already exists: ${address}`)
}
