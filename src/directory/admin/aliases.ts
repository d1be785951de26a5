import { randomUUID } from 'node:crypto'
import { parseAddress } from '#src/mail/address.ts'
import { domain, ownerOf } from './lookup.ts'
import type { Provisioning } from './lookup.ts'
import { forgetMember } from './members.ts'
import { generalizedTime, mailDn, newAddress } from './naming.ts'
import { same } from './match.ts'
import { ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valueOf, valuesOf } from './store.ts'
import { textChange } from './attributes.ts'
import { apply, attribute, write } from './writing.ts'

const ADDRESSES = ['zimbraMailAlias', 'mail'] as const

/**
 * Gives an account or a list one more address: an entry of its own for the address, as in Zimbra, and the address in
 * zimbraMailAlias and mail of its owner. An alias whose owner is gone is taken over.
 */
export async function addAlias(p: Provisioning, owner: AdminEntry, alias: string): Promise<void> {
  const address = newAddress(alias)
  const dn = mailDn(address)
  await p.store.together(async () => {
    await domain(p, address.domain)
    if ((await ownerOf(p, address)) !== undefined) throw exists(address.text, dn)
    const before = await p.store.entry(dn)
    if (before !== undefined) {
      if (!valuesOf(before, 'objectClass').some((one) => one.toLowerCase() === 'zimbraalias'))
        throw exists(address.text, dn)
      await write(p.store.remove(dn))
    }
    const done = await write(
      p.store.add({
        dn,
        attributes: [
          ...attribute('objectClass', 'zimbraAlias'),
          ...attribute('uid', address.local),
          ...attribute('zimbraId', randomUUID()),
          ...attribute('zimbraCreateTimestamp', generalizedTime(p.now())),
          ...attribute('zimbraAliasTargetId', valueOf(owner, 'zimbraId') ?? ''),
        ],
      }),
    )
    if (done === 'exists') throw exists(address.text, dn)
    await apply(
      p.store,
      owner.dn,
      ADDRESSES.map((name) => textChange('add', name, [address.text])),
    )
  })
}

/** Takes an address away from its owner and out of all lists. Throws ProvisionRefused where it is not the owner's. */
export async function removeAlias(p: Provisioning, owner: AdminEntry, alias: string): Promise<void> {
  const address = parseAddress(alias.trim().toLowerCase())?.text ?? alias.trim().toLowerCase()
  await p.store.together(async () => {
    const held = valuesOf(owner, 'zimbraMailAlias').filter((value) => same('zimbraMailAlias', value, address))
    if (held.length === 0) throw new ProvisionRefused('account.NO_SUCH_ALIAS', `no such alias: ${alias}`)
    const changes = ADDRESSES.flatMap((name) => {
      const values = valuesOf(owner, name).filter((value) => same('mail', value, address))
      return values.length === 0 ? [] : [textChange('delete', name, values)]
    })
    await forgetMember(p, address)
    await removeEntry(p, owner, address)
    // Last: by this an attempt that was cut off, over LDAP, can be made again.
    await apply(p.store, owner.dn, changes)
  })
}

/** The alias's own entry, if it has one and it is this owner's. */
async function removeEntry(p: Provisioning, owner: AdminEntry, address: string): Promise<void> {
  const parsed = parseAddress(address)
  if (parsed === undefined) return
  const entry = await p.store.entry(mailDn(parsed))
  if (entry === undefined) return
  const target = valueOf(entry, 'zimbraAliasTargetId')
  if (target !== undefined && target === valueOf(owner, 'zimbraId')) await write(p.store.remove(entry.dn))
}

function exists(address: string, dn: string): ProvisionRefused {
  return new ProvisionRefused(
    'account.ACCOUNT_EXISTS',
    `email address already exists: ${address}, at DN: ${dn}`,
  )
}
