import type { Filter } from 'ldapts'
import { AndFilter, EqualityFilter, GreaterThanEqualsFilter, OrFilter, PresenceFilter } from 'ldapts'
import { dnKey } from '#src/directory/names.ts'
import type { LdapConnection, LdapEntry } from './connection.ts'
import { LdapFailure, NO_SUCH_OBJECT, resultCode } from './connection.ts'
import type { MirrorEntry } from './mirror.ts'
import type { Kind } from './wanted.ts'
import { OPERATIONAL } from './wanted.ts'

/** A value of an address, a name, a setting. Scripts (zimbraMailSieveScript) are long, but none of them is read. */
const VALUE_CHARS_MAX = 65_536
/** Members of one list. */
const VALUES_MAX = 100_000
const NAME_CHARS_MAX = 8192
/** Names that one request asks for: a filter of some ten kilobytes. */
const NAMES_PER_REQUEST = 100
/** Naming contexts that are asked for a contextCSN. */
const CONTEXTS_MAX = 8
/** Reading one entry takes a millisecond; who does not do it in this is hanging, and another server is asked. */
const PROBE_MS = 5000
const ANY = new PresenceFilter({ attribute: 'objectClass' })

/**
 * What a server knows of each server that writes, one value a server: how far it has come. [] where it does not say:
 * it is not OpenLDAP, it is still being filled, or who we are may not see it. Zimbra's database has the suffix "", so
 * the root shows it; elsewhere the suffix does.
 */
export async function readContextCsns(connection: LdapConnection, base: string): Promise<readonly string[]> {
  const attributes = ['contextCSN', ...(base === '' ? ['namingContexts'] : [])]
  const [root] = await connection.search(base, {
    scope: 'base',
    filter: ANY,
    attributes,
    timeoutMs: PROBE_MS,
  })
  const own = root?.attributes.get('contextCSN') ?? []
  if (own.length > 0 || base !== '') return own.toSorted()
  for (const context of (root?.attributes.get('namingContexts') ?? []).slice(0, CONTEXTS_MAX)) {
    if (context === '') continue
    const [top] = await connection.search(context, {
      scope: 'base',
      filter: ANY,
      attributes: ['contextCSN'],
      timeoutMs: PROBE_MS,
    })
    const found = top?.attributes.get('contextCSN') ?? []
    if (found.length > 0) return found.toSorted()
  }
  return []
}

/** `20261122132134.232723Z#000000#001#000000`: time, count, server, modification (draft-chu-ldap-csn). */
function serverOf(csn: string): string {
  return csn.split('#')[2] ?? ''
}

/**
 * Whether `theirs` is older than `ours` in what any server wrote. A server that we know and they do not is older too:
 * they have never heard of what it wrote.
 */
export function isBehind(theirs: readonly string[], ours: readonly string[]): boolean {
  const byServer = new Map(theirs.map((csn) => [serverOf(csn), csn]))
  return ours.some((csn) => (byServer.get(serverOf(csn)) ?? '') < csn)
}

/** Where is read, and who is told of an entry that cannot be so. It is there, and what was known of it stays. */
export interface Place {
  readonly base: string
  readonly onOdd: (listed: Listed, reason: string) => void
}

/** Entries of one kind, all or those that `restriction` lets through, page by page. */
export async function* readEntries(
  connection: LdapConnection,
  { base, onOdd }: Place,
  kind: Kind,
  restriction?: Filter,
): AsyncGenerator<readonly MirrorEntry[]> {
  const filter =
    restriction === undefined ? kind.filter : new AndFilter({ filters: [kind.filter, restriction] })
  const attributes = [...kind.attributes, ...OPERATIONAL]
  for await (const page of connection.pages(base, { scope: 'sub', filter, attributes })) {
    yield page.flatMap((entry) => {
      const reason = oddity(entry)
      if (reason === '') return [mirrorEntry(entry)]
      onOdd({ uuid: uuidOf(entry), csn: first(entry, 'entryCSN') }, reason)
      return []
    })
  }
}

/** What changed since a time, as far as it is still there. Replicas pass on what others wrote, not always in order. */
export function changedSince(csns: readonly string[], marginMs: number): Filter | undefined {
  const newest = csns.map((csn) => timeOf(csn)).toSorted((a, b) => b - a)[0]
  if (newest === undefined || Number.isNaN(newest)) return undefined
  return new GreaterThanEqualsFilter({ attribute: 'entryCSN', value: csnAt(newest - marginMs) })
}

function timeOf(csn: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(csn)
  if (match === null) return Number.NaN
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

function csnAt(ms: number): string {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14)
  return `${digits}.000000Z#000000#000#000000`
}

export interface Listed {
  readonly uuid: string
  readonly csn: string
}

/** Which entries there are, without what is in them. */
export async function* listEntries(
  connection: LdapConnection,
  base: string,
  kinds: readonly Kind[],
): AsyncGenerator<readonly Listed[]> {
  const filter = new OrFilter({ filters: kinds.map((kind) => kind.filter) })
  for await (const page of connection.pages(base, { scope: 'sub', filter, attributes: OPERATIONAL })) {
    yield page.map((entry) => ({ uuid: uuidOf(entry), csn: first(entry, 'entryCSN') }))
  }
}

/** Filters that together let through the entries of these entryUUIDs. */
export function byUuid(uuids: readonly string[]): readonly Filter[] {
  const filters: Filter[] = []
  for (let at = 0; at < uuids.length; at += NAMES_PER_REQUEST) {
    const some = uuids.slice(at, at + NAMES_PER_REQUEST)
    filters.push(
      new OrFilter({ filters: some.map((value) => new EqualityFilter({ attribute: 'entryUUID', value })) }),
    )
  }
  return filters
}

/** One entry by its name; undefined where there is none. */
export async function readByName(
  connection: LdapConnection,
  dn: string,
  kind: Kind,
  timeoutMs: number,
): Promise<MirrorEntry | undefined> {
  try {
    const attributes = [...kind.attributes, ...OPERATIONAL]
    const [found] = await connection.search(dn, { scope: 'base', filter: ANY, attributes, timeoutMs })
    return found === undefined ? undefined : mirrorEntry(found)
  } catch (error) {
    if (resultCode(error) === NO_SUCH_OBJECT) return undefined
    throw error
  }
}

/** What of an entry no directory holds: no name, or something beyond every limit. '' if nothing. */
function oddity(entry: LdapEntry): string {
  if (entry.dn === '' || entry.dn.length > NAME_CHARS_MAX)
    return `an entry with the name ${JSON.stringify(entry.dn.slice(0, 64))}`
  for (const [name, values] of entry.attributes) {
    if (values.length > VALUES_MAX) return `${entry.dn} with ${values.length} values of ${name}`
    if (values.some((value) => value.length > VALUE_CHARS_MAX))
      return `${entry.dn} with a value of ${name} that is longer than ${VALUE_CHARS_MAX} characters`
  }
  return ''
}

/** As much of an entry as is kept. Throws LdapFailure for what cannot be so. */
export function mirrorEntry(entry: LdapEntry): MirrorEntry {
  const reason = oddity(entry)
  if (reason !== '') throw new LdapFailure('nonsense', `the server shows ${reason}`)
  const attributes = [...entry.attributes]
    .filter(([name]) => !isOperational(name))
    .map(([name, values]) => ({ name, values }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { dn: entry.dn, uuid: uuidOf(entry), csn: first(entry, 'entryCSN'), attributes }
}

function isOperational(name: string): boolean {
  return OPERATIONAL.some((one) => one.toLowerCase() === name.toLowerCase())
}

function first(entry: LdapEntry, name: string): string {
  return entry.attributes.get(name)?.[0] ?? ''
}

function uuidOf(entry: LdapEntry): string {
  const uuid = first(entry, 'entryUUID').toLowerCase()
  return uuid === '' ? `dn:${dnKey(entry.dn)}` : uuid
}
