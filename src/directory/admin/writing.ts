import { randomUUID } from 'node:crypto'
import type { LdifAttribute, LdifModification } from '#src/directory/ldif.ts'
import type { AttributePair, EntryKind } from './attributes.ts'
import { planChanges } from './attributes.ts'
import type { Provisioning } from './lookup.ts'
import { generalizedTime } from './naming.ts'
import { ProvisionRefused } from './refusal.ts'
import type { AdminEntry, AdminStore } from './store.ts'
import { StoreRefusal } from './store.ts'

/** An attribute of text. */
export function attribute(name: string, ...values: readonly string[]): readonly LdifAttribute[] {
  return values.map((text) => ({ name, value: { text, binary: false } }))
}

export interface NewEntry {
  readonly kind: EntryKind
  readonly dn: string
  readonly classes: readonly string[]
  /** What Zimbra writes itself. */
  readonly own: readonly LdifAttribute[]
  /** What the command was given, checked here. */
  readonly pairs: readonly AttributePair[]
  /** Attributes that have commands of their own and may be given all the same, in lower case. */
  readonly allowed?: ReadonlySet<string>
  /** An entry that is there already and is to become this one: it keeps what is not said anew. */
  readonly over?: AdminEntry | undefined
}

/**
 * Makes an entry with an id of its own; gives it. What the command was given stands above what is written by itself,
 * as in Zimbra. undefined where the name is taken.
 */
export async function create(p: Provisioning, entry: NewEntry): Promise<AdminEntry | undefined> {
  const bare: AdminEntry = { dn: entry.dn, attributes: [] }
  const options = { kind: entry.kind, rules: p.rules, allowed: entry.allowed ?? new Set<string>() }
  const given = planChanges(bare, entry.pairs, options).after
  const named = new Set(given.map((one) => one.name.toLowerCase()))
  const made: AdminEntry = {
    dn: entry.dn,
    attributes: [
      ...attribute('objectClass', ...entry.classes),
      ...attribute('zimbraId', randomUUID()),
      ...attribute('zimbraCreateTimestamp', generalizedTime(p.now())),
      ...entry.own.filter((one) => !named.has(one.name.toLowerCase())),
      ...given,
    ],
  }
  if (entry.over === undefined) return (await write(p.store.add(made))) === 'exists' ? undefined : made
  const byName = Map.groupBy(made.attributes, ({ name }) => name)
  const changes = [...byName].map(([name, list]) => ({
    op: 'replace' as const,
    name,
    values: list.map(({ value }) => value),
  }))
  await apply(p.store, entry.dn, changes)
  return made
}

/** Changes an entry by pairs; gives it as it is then. */
export async function modify(
  p: Provisioning,
  entry: AdminEntry,
  kind: EntryKind,
  pairs: readonly AttributePair[],
): Promise<AdminEntry> {
  const addsToDefaults = kind === 'globalConfig' && p.store.kind === 'embedded'
  const { changes, after } = planChanges(entry, pairs, { kind, rules: p.rules, addsToDefaults })
  await apply(p.store, entry.dn, changes)
  return { dn: entry.dn, attributes: after }
}

export async function apply(
  store: AdminStore,
  dn: string,
  changes: readonly LdifModification[],
): Promise<void> {
  if (changes.length === 0) return
  const done = await write(store.modify(dn, changes))
  if (done !== 'done') throw new ProvisionRefused('service.FAILURE', `${dn} is not there any more`)
}

/** Makes an entry that only holds others, if it is not there: the tree of domains, `ou=people`. */
export async function ensure(p: Provisioning, entry: AdminEntry): Promise<void> {
  if ((await p.store.entry(entry.dn)) === undefined) await write(p.store.add(entry))
}

const CODES = {
  name: 'account.INVALID_ATTR_NAME',
  value: 'account.INVALID_ATTR_VALUE',
  rights: 'service.PERM_DENIED',
  unreachable: 'service.FAILURE',
  other: 'service.FAILURE',
} as const

/** What the directory refuses, in the words of the administration. */
export async function write<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof StoreRefusal) throw new ProvisionRefused(CODES[error.about], error.message, error)
    throw error
  }
}
