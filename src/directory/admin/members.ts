import { textChange } from './attributes.ts'
import { applyModification } from '#src/directory/entries.ts'
import type { Provisioning } from './lookup.ts'
import { LIST } from './lookup.ts'
import type { AdminEntry } from './store.ts'
import { all, equals } from './store.ts'
import { apply } from './writing.ts'

/** Members of static lists stand in zimbraMailForwardingAddress. */
export const MEMBER = 'zimbraMailForwardingAddress'

/** The lists that name this address as a member. */
export async function listsOf(p: Provisioning, address: string): Promise<readonly AdminEntry[]> {
  return await Array.fromAsync(p.store.find('', all(LIST, equals(MEMBER, address))))
}

/** Takes an address out of all lists. */
export async function forgetMember(p: Provisioning, address: string): Promise<void> {
  for (const list of await listsOf(p, address)) await exchange(p, list, address, undefined)
}

/** Puts another address in its place in all lists. */
export async function renameMember(p: Provisioning, before: string, after: string): Promise<void> {
  for (const list of await listsOf(p, before)) await exchange(p, list, before, after)
}

async function exchange(
  p: Provisioning,
  list: AdminEntry,
  before: string,
  after: string | undefined,
): Promise<void> {
  const changes = [textChange('delete', MEMBER, [before])]
  if (after !== undefined) {
    const add = textChange('add', MEMBER, [after])
    if (applyModification(list.attributes, add).hadEffect) changes.push(add)
  }
  await apply(p.store, list.dn, changes)
}
