import type { LdifAttribute, LdifModification } from '#src/directory/ldif.ts'
import type { Address } from '#src/mail/address.ts'
import type { AttributePair } from './attributes.ts'
import { textChange } from './attributes.ts'
import { removeAlias } from './aliases.ts'
import { dnKey } from '#src/directory/names.ts'
import { account, everyServer, localDomain, ownerOf } from './lookup.ts'
import type { Provisioning } from './lookup.ts'
import { forgetMember, renameMember } from './members.ts'
import { addressOf, generalizedTime, mailDn, newAddress } from './naming.ts'
import { checkPassword, hashPassword } from './password.ts'
import { invalidRequest, ProvisionRefused } from './refusal.ts'
import type { AdminEntry } from './store.ts'
import { valueOf, valuesOf } from './store.ts'
import { apply, attribute, create, modify, write } from './writing.ts'

/**
 * Makes an account that takes mail at once: with the attributes that Zimbra writes (LdapProvisioning.createAccount).
 * An empty password is none: nobody can sign in. Gives its zimbraId.
 */
export async function createAccount(
  p: Provisioning,
  name: string,
  password: string,
  pairs: readonly AttributePair[],
): Promise<string> {
  const address = newAddress(name)
  refuseBoth(pairs)
  if (password !== '') checkPassword(password, undefined)
  return await p.store.together(async () => {
    await localDomain(p, address.domain)
    if ((await ownerOf(p, address)) !== undefined) throw exists(address.text)
    const own = [
      ...attribute('uid', address.local),
      ...attribute('cn', displayName(pairs) ?? address.local),
      ...attribute('sn', address.local),
      ...attribute('mail', address.text),
      ...attribute('zimbraMailDeliveryAddress', address.text),
      ...attribute('zimbraMailStatus', mailStatusFor(pairs) ?? 'enabled'),
      ...attribute('zimbraAccountStatus', 'active'),
      ...(await mailHost(p, pairs)),
      ...attribute('zimbraPasswordModifiedTime', generalizedTime(p.now())),
      ...(password === '' ? [] : attribute('userPassword', hashPassword(password))),
    ]
    const made = await create(p, {
      kind: 'account',
      dn: mailDn(address),
      classes: ['inetOrgPerson', 'zimbraAccount', 'amavisAccount'],
      own,
      pairs,
    })
    if (made === undefined) throw exists(address.text)
    return valueOf(made, 'zimbraId') ?? ''
  })
}

/** Changes attributes of an account, and what follows from them as in Zimbra: its mail status, its transport. */
export async function modifyAccount(
  p: Provisioning,
  key: string,
  pairs: readonly AttributePair[],
): Promise<void> {
  await p.store.together(async () => {
    const entry = await account(p, key)
    refuseBoth(pairs)
    const status = statusGiven(pairs)
    if (status === '') throw invalidRequest('zimbraAccountStatus is a required attribute')
    const implied: AttributePair[] = []
    const mailStatus = mailStatusFor(pairs)
    if (mailStatus !== undefined) implied.push({ op: 'set', name: 'zimbraMailStatus', value: mailStatus })
    const [transport] = await transportFor(p, pairs)
    if (transport !== undefined)
      implied.push({ op: 'set', name: transport.name, value: transport.value.text })
    await modify(p, entry, 'account', [...pairs, ...implied])
    // Zimbra's AccountStatus: who is closed leaves all lists.
    if (status === 'closed') await leaveLists(p, entry)
  })
}

export async function deleteAccount(p: Provisioning, key: string): Promise<void> {
  await p.store.together(async () => {
    const entry = await account(p, key)
    for (const alias of valuesOf(entry, 'zimbraMailAlias')) await removeAlias(p, entry, alias)
    await forgetMember(p, addressOf(entry))
    await removeBelow(p, entry)
    const done = await write(p.store.remove(entry.dn))
    if (done !== 'done')
      throw new ProvisionRefused('service.FAILURE', `unable to purge account: ${key}: ${done}`)
  })
}

/** Zimbra keeps identities, signatures and data sources of an account below it. */
async function removeBelow(p: Provisioning, entry: AdminEntry): Promise<void> {
  const below = await Array.fromAsync(p.store.find(entry.dn, { kind: 'present', name: 'objectClass' }))
  const deepestFirst = below.map(({ dn }) => dn).toSorted((a, b) => b.length - a.length)
  for (const dn of deepestFirst) if (dn.length > entry.dn.length) await write(p.store.remove(dn))
}

/** Replaces the password; the hash is all that is kept. */
export async function setPassword(p: Provisioning, key: string, password: string): Promise<void> {
  await p.store.together(async () => {
    const entry = await account(p, key)
    checkPassword(password, entry)
    await apply(p.store, entry.dn, [
      textChange('replace', 'userPassword', [hashPassword(password)]),
      textChange('replace', 'zimbraPasswordModifiedTime', [generalizedTime(p.now())]),
    ])
  })
}

/** Gives an account another address, in lists too; its aliases stay its own. */
export async function renameAccount(p: Provisioning, key: string, newName: string): Promise<void> {
  const address = newAddress(newName)
  const dn = mailDn(address)
  await p.store.together(async () => {
    const entry = await account(p, key)
    // Over LDAP an earlier attempt may have been cut off behind the move: then only the rest is to be done.
    const isMoved = dnKey(entry.dn) === dnKey(dn)
    const before = (isMoved ? valueOf(entry, 'zimbraMailDeliveryAddress') : undefined) ?? addressOf(entry)
    await localDomain(p, address.domain)
    const owner = await ownerOf(p, address)
    if (owner !== undefined) {
      if (owner.dn === entry.dn && before === address.text) return
      throw exists(address.text)
    }
    if (!isMoved && (await write(p.store.rename(entry.dn, dn))) === 'exists') throw exists(address.text)
    // In lists first: who is found by the old address is what a second attempt begins with.
    await renameMember(p, before, address.text)
    await apply(p.store, dn, [
      textChange('replace', 'zimbraMailDeliveryAddress', [address.text]),
      renamed(entry, 'mail', before, address.text),
      ...renamedName(entry, before, address),
    ])
  })
}

/** The value `before` of an attribute, as `after`; others stay. */
export function renamed(entry: AdminEntry, name: string, before: string, after: string): LdifModification {
  const values = valuesOf(entry, name)
  const others = values.filter((value) => value.toLowerCase() !== before)
  return textChange('replace', name, [after, ...others.filter((value) => value !== after)])
}

/** A common name that was made of the old address follows it. */
function renamedName(entry: AdminEntry, before: string, address: Address): readonly LdifModification[] {
  const isMade = valueOf(entry, 'displayName') === undefined && valueOf(entry, 'cn') === before.split('@')[0]
  return isMade ? [textChange('replace', 'cn', [address.local])] : []
}

async function leaveLists(p: Provisioning, entry: AdminEntry): Promise<void> {
  for (const address of [addressOf(entry), ...valuesOf(entry, 'zimbraMailAlias')])
    await forgetMember(p, address)
}

function exists(address: string): ProvisionRefused {
  return new ProvisionRefused('account.ACCOUNT_EXISTS', `email address already exists: ${address}`)
}

function given(pairs: readonly AttributePair[], name: string): string | undefined {
  return pairs.findLast((one) => one.op !== 'remove' && one.name.toLowerCase() === name.toLowerCase())?.value
}

function displayName(pairs: readonly AttributePair[]): string | undefined {
  return given(pairs, 'displayName')
}

/** zimbraAccountStatus as it is to be. */
export function statusGiven(pairs: readonly AttributePair[]): string | undefined {
  return given(pairs, 'zimbraAccountStatus')
}

/** Zimbra's AccountStatus: who is closed or pending takes no mail; who comes back does. */
function mailStatusFor(pairs: readonly AttributePair[]): string | undefined {
  const status = statusGiven(pairs)
  if (status === 'closed' || status === 'pending') return 'disabled'
  return status === undefined || given(pairs, 'zimbraMailStatus') !== undefined ? undefined : 'enabled'
}

/** Zimbra's MailHost: one of the two follows from the other. */
function refuseBoth(pairs: readonly AttributePair[]): void {
  if ((given(pairs, 'zimbraMailHost') ?? '') !== '' && (given(pairs, 'zimbraMailTransport') ?? '') !== '')
    throw invalidRequest(
      'setting both zimbraMailHost and zimbraMailTransport in the same request is not allowed',
    )
}

/**
 * Where a new account's mail lies: the host that is named, else the first server that has a mailbox, as in Zimbra. In
 * a directory without such a server the account has no transport of its own, and its mail goes where all mail goes.
 */
async function mailHost(p: Provisioning, pairs: readonly AttributePair[]): Promise<readonly LdifAttribute[]> {
  const named = await transportFor(p, pairs)
  if (named.length > 0 || given(pairs, 'zimbraMailTransport') !== undefined) return named
  for await (const server of everyServer(p)) {
    if (valuesOf(server, 'zimbraServiceEnabled').some((service) => service === 'mailbox')) {
      const host = valueOf(server, 'zimbraServiceHostname') ?? valueOf(server, 'cn') ?? ''
      return [
        ...attribute('zimbraMailHost', host),
        ...attribute('zimbraMailTransport', transportOf(server, host)),
      ]
    }
  }
  return []
}

/** The transport that follows from a zimbraMailHost that is given; its server must be known. */
async function transportFor(
  p: Provisioning,
  pairs: readonly AttributePair[],
): Promise<readonly LdifAttribute[]> {
  const host = given(pairs, 'zimbraMailHost')
  if (host === undefined || host === '') return []
  for await (const server of everyServer(p)) {
    if ((valueOf(server, 'zimbraServiceHostname') ?? '').toLowerCase() === host.toLowerCase())
      return attribute('zimbraMailTransport', transportOf(server, host))
  }
  throw invalidRequest(
    `specified zimbraMailHost does not correspond to a valid server service hostname: ${host}`,
  )
}

/** LMTP's port in a Zimbra mailbox server. */
const LMTP_PORT = '7025'

function transportOf(server: AdminEntry, host: string): string {
  return `lmtp:${host}:${valueOf(server, 'zimbraLmtpBindPort') ?? LMTP_PORT}`
}
