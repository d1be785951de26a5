import type { Filter } from 'ldapts'
import {
  AndFilter,
  Attribute,
  Change,
  EqualityFilter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts'
import type { Credentials, LdapEntry, LdapServer } from '#src/directory/ldap/connection.ts'
import { failureOf, LdapConnection, NO_SUCH_OBJECT, resultCode } from '#src/directory/ldap/connection.ts'
import type { LdifAttribute, LdifModification, LdifValue } from '#src/directory/ldif.ts'
import type { AdminEntry, AdminStore, Match, Written } from './store.ts'
import { StoreRefusal } from './store.ts'

/** Where changes go, in the order in which servers are tried. */
export interface LdapTarget {
  readonly servers: readonly LdapServer[]
  readonly who: Credentials
  /** Where searches for everything begin; '' for the root. */
  readonly base: string
}

const ANY: Match = { kind: 'present', name: 'objectClass' }

/** A directory over LDAP as the administration sees it. Filters and names go as values: nothing is put into syntax. */
export class LdapStore implements AdminStore {
  readonly kind = 'ldap'
  readonly #connection: LdapConnection
  readonly #base: string

  private constructor(connection: LdapConnection, base: string) {
    this.#connection = connection
    this.#base = base
  }

  /** Connects to the first server that can be used. Throws StoreRefusal with what is wrong with each. */
  static async open(target: LdapTarget, signal: AbortSignal): Promise<LdapStore> {
    const reasons: string[] = []
    for (const server of target.servers) {
      try {
        return new LdapStore(await LdapConnection.open(server, target.who, signal), target.base)
      } catch (error) {
        reasons.push(`${server.url}: ${reasonOf(error)}`)
      }
    }
    throw new StoreRefusal('unreachable', `no directory server can be used: ${reasons.join('; ')}`)
  }

  async entry(dn: string): Promise<AdminEntry | undefined> {
    try {
      const options = { scope: 'base', filter: filterOf(ANY), attributes: [] } as const
      const [found] = await this.#connection.search(dn, options)
      return found === undefined ? undefined : entryOf(found)
    } catch (error) {
      if (resultCode(error) === NO_SUCH_OBJECT) return undefined
      throw refusalOf(error)
    }
  }

  async *find(base: string, match: Match): AsyncGenerator<AdminEntry> {
    const options = { scope: 'sub', filter: filterOf(match), attributes: [] } as const
    try {
      for await (const page of this.#connection.pages(base === '' ? this.#base : base, options)) {
        for (const entry of page) yield entryOf(entry)
      }
    } catch (error) {
      if (resultCode(error) !== NO_SUCH_OBJECT) throw refusalOf(error)
    }
  }

  async add(entry: AdminEntry): Promise<Written> {
    const groups = Map.groupBy(entry.attributes, ({ name }) => name)
    const attributes = [...groups].map(([name, list]) =>
      attributeOf(
        name,
        list.map(({ value }) => value),
      ),
    )
    return await writing(this.#connection.client.add(entry.dn, attributes), 'add')
  }

  async modify(dn: string, changes: readonly LdifModification[]): Promise<Written> {
    const wanted = changes.map(
      ({ op, name, values }) => new Change({ operation: op, modification: attributeOf(name, values) }),
    )
    return await writing(this.#connection.client.modify(dn, wanted), 'modify')
  }

  async remove(dn: string): Promise<Written> {
    return await writing(this.#connection.client.del(dn), 'delete')
  }

  async rename(dn: string, newDn: string): Promise<Written> {
    return await writing(this.#connection.client.modifyDN(dn, newDn), 'rename')
  }

  /** LDAP has no transactions: each change stands by itself, as in Zimbra. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    return await work()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#connection.isOpen) await this.#connection.client.unbind()
    } catch {
      // A server that has just gone need not be told that we go.
    } finally {
      this.#connection.close()
    }
  }
}

function filterOf(match: Match): Filter {
  switch (match.kind) {
    case 'equals':
      return new EqualityFilter({ attribute: match.name, value: match.value })
    case 'present':
      return new PresenceFilter({ attribute: match.name })
    case 'atLeast':
      return new GreaterThanEqualsFilter({ attribute: match.name, value: match.value })
    case 'atMost':
      return new LessThanEqualsFilter({ attribute: match.name, value: match.value })
    case 'parts':
      return new SubstringFilter({
        attribute: match.name,
        initial: match.first,
        any: [...match.inner],
        final: match.last,
      })
    case 'all':
      return new AndFilter({ filters: match.of.map(filterOf) })
    case 'any':
      return new OrFilter({ filters: match.of.map(filterOf) })
    case 'not':
      return new NotFilter({ filter: filterOf(match.of) })
  }
}

function entryOf({ dn, attributes }: LdapEntry): AdminEntry {
  const found: LdifAttribute[] = []
  for (const [name, values] of attributes) {
    for (const text of values) found.push({ name, value: { text, binary: false } })
  }
  return { dn, attributes: found }
}

function attributeOf(type: string, values: readonly LdifValue[]): Attribute {
  // Text is sent as UTF-8 whichever it is; only what is none needs to stay octets.
  if (!values.some(({ binary }) => binary))
    return new Attribute({ type, values: values.map(({ text }) => text) })
  return new Attribute({
    type,
    values: values.map(({ text, binary }) => Buffer.from(text, binary ? 'base64' : 'utf8')),
  })
}

/** Result codes of RFC 4511 appendix A.1. */
const CODE = {
  referral: 10,
  noSuchAttribute: 16,
  undefinedAttributeType: 17,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  invalidAttributeSyntax: 21,
  invalidDnSyntax: 34,
  insufficientAccessRights: 50,
  namingViolation: 64,
  objectClassViolation: 65,
  notAllowedOnNonLeaf: 66,
  entryAlreadyExists: 68,
} as const

async function writing(work: Promise<void>, what: string): Promise<Written> {
  try {
    await work
    return 'done'
  } catch (error) {
    const code = resultCode(error)
    if (code === CODE.entryAlreadyExists) return 'exists'
    if (code === CODE.notAllowedOnNonLeaf) return 'not empty'
    // Of an add it is the entry above that is missing.
    if (code === NO_SUCH_OBJECT && what !== 'add') return 'missing'
    throw refusalOf(error)
  }
}

const ABOUT: ReadonlyMap<number, StoreRefusal['about']> = new Map([
  [CODE.undefinedAttributeType, 'name'],
  [CODE.objectClassViolation, 'name'],
  [CODE.noSuchAttribute, 'value'],
  [CODE.constraintViolation, 'value'],
  [CODE.attributeOrValueExists, 'value'],
  [CODE.invalidAttributeSyntax, 'value'],
  [CODE.invalidDnSyntax, 'value'],
  [CODE.namingViolation, 'value'],
  [CODE.insufficientAccessRights, 'rights'],
])

function refusalOf(error: unknown): StoreRefusal {
  const code = resultCode(error)
  if (code === CODE.referral)
    return new StoreRefusal(
      'rights',
      'the server is a replica and takes no changes; name the one that does in admin_urls of [directory]',
      error,
    )
  const about = code === undefined ? 'unreachable' : (ABOUT.get(code) ?? 'other')
  return new StoreRefusal(about, reasonOf(error), error)
}

/** What the server said, and what its result code means where it said nothing else. */
function reasonOf(error: unknown): string {
  const failure = failureOf(error)
  const text = failure.message.replaceAll(/\s+/g, ' ').trim()
  const { cause } = failure
  if (resultCode(error) === undefined || !(cause instanceof Error)) return text
  // The names of RFC 4511 appendix A.1, as the package spells them: InvalidCredentialsError.
  const meaning = cause.name
    .replace(/Error$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
  return `${meaning}: ${text}`
}
