import { applyModification, openEntryStore } from '#src/directory/entries.ts'
import { EntryTable, ValueRefused } from '#src/directory/entry-table.ts'
import { formatDn, parseDn } from '#src/directory/dn.ts'
import type { LdifAttribute, LdifModification } from '#src/directory/ldif.ts'
import { dnKey, fold } from '#src/directory/names.ts'
import type { Store } from '#src/store/sqlite.ts'
import { matches } from './match.ts'
import type { AdminEntry, AdminStore, Match, Written } from './store.ts'
import { StoreRefusal } from './store.ts'

/** The embedded directory as the administration sees it. */
export class EmbeddedStore implements AdminStore {
  readonly kind = 'embedded'
  readonly #store: Store
  readonly #table: EntryTable
  #depth = 0

  /** Opens the file, which is made if it is not there. Throws DIRECTORY_UNUSABLE. */
  static open(path: string): EmbeddedStore {
    return new EmbeddedStore(openEntryStore(path))
  }

  constructor(store: Store) {
    this.#store = store
    this.#table = new EntryTable(store)
  }

  async entry(dn: string): Promise<AdminEntry | undefined> {
    const id = this.#table.idOf(dn)
    return id === undefined ? undefined : this.#read(id)
  }

  async *find(base: string, match: Match): AsyncGenerator<AdminEntry> {
    // Ids first: a statement that is half read would keep all others of this connection waiting.
    for (const id of this.#candidates(match) ?? this.#below(base)) {
      const entry = this.#read(id)
      if (entry !== undefined && isBelow(entry.dn, base) && matches(entry, match)) yield entry
    }
  }

  async add(entry: AdminEntry): Promise<Written> {
    if (parseDn(entry.dn) === undefined) throw new StoreRefusal('name', `${entry.dn} is no name of an entry`)
    if (this.#table.idOf(entry.dn) !== undefined) return 'exists'
    this.#write(this.#table.insert(entry.dn), entry.attributes)
    return 'done'
  }

  async modify(dn: string, changes: readonly LdifModification[]): Promise<Written> {
    const id = this.#table.idOf(dn)
    if (id === undefined) return 'missing'
    let attributes: readonly LdifAttribute[] = this.#table.read(id)
    for (const change of changes) attributes = applyModification(attributes, change).attributes
    this.#write(id, attributes)
    return 'done'
  }

  async remove(dn: string): Promise<Written> {
    const id = this.#table.idOf(dn)
    if (id === undefined) return 'missing'
    if (this.#table.idsBelow(dn).length > 0) return 'not empty'
    this.#table.remove(id)
    return 'done'
  }

  async rename(dn: string, newDn: string): Promise<Written> {
    const id = this.#table.idOf(dn)
    if (id === undefined) return 'missing'
    const taken = this.#table.idOf(newDn)
    if (taken !== undefined && taken !== id) return 'exists'
    const [before] = parseDn(dn)?.[0] ?? []
    const [after] = parseDn(newDn)?.[0] ?? []
    if (before === undefined || after === undefined)
      throw new StoreRefusal('name', `${newDn} is no name of an entry`)
    // RFC 4511 section 4.9, deleteoldrdn.
    const kept = this.#table
      .read(id)
      .filter(({ name, value }) => !(isNamed(name, before.name) && fold(value.text) === fold(before.value)))
    for (const child of this.#table.idsBelow(dn)) this.#follow(child, dn, newDn)
    this.#table.rename(id, newDn)
    this.#write(id, [...kept, { name: after.name, value: { text: after.value, binary: false } }])
    return 'done'
  }

  /** How many entries there are. */
  get size(): number {
    return this.#table.ids().length
  }

  /** Takes all entries away; gives how many there were. */
  clear(): number {
    const ids = this.#table.ids()
    for (const id of ids) this.#table.remove(id)
    return ids.length
  }

  /** Gives an entry that is there these attributes and no others. */
  replace(entry: AdminEntry): void {
    const id = this.#table.idOf(entry.dn)
    if (id !== undefined) this.#write(id, entry.attributes)
  }

  /** The work must wait for nothing but this store: the transaction keeps other writers out. */
  async together<T>(work: () => Promise<T>): Promise<T> {
    if (this.#depth > 0) return await work()
    this.#store.exec('BEGIN IMMEDIATE')
    this.#depth += 1
    try {
      const result = await work()
      this.#store.exec('COMMIT')
      return result
    } catch (error) {
      // An error of SQLite may have undone it already.
      if (this.#store.inTransaction) this.#store.exec('ROLLBACK')
      throw error
    } finally {
      this.#depth -= 1
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.close()
  }

  #read(id: number): AdminEntry | undefined {
    const dn = this.#table.dnOf(id)
    return dn === undefined ? undefined : { dn, attributes: this.#table.read(id) }
  }

  #write(id: number, attributes: readonly LdifAttribute[]): void {
    try {
      this.#table.write(id, attributes)
    } catch (error) {
      throw error instanceof ValueRefused ? new StoreRefusal('value', error.message, error) : error
    }
  }

  /** Gives an entry below one that moves its new name. */
  #follow(id: number, dn: string, newDn: string): void {
    const rdns = parseDn(this.#table.dnOf(id) ?? '') ?? []
    const own = rdns.slice(0, rdns.length - (parseDn(dn)?.length ?? 0))
    this.#table.rename(id, `${formatDn(own)},${newDn}`)
  }

  #below(base: string): readonly number[] {
    const id = base === '' ? undefined : this.#table.idOf(base)
    return [...(id === undefined ? [] : [id]), ...this.#table.idsBelow(base)]
  }

  /** Entries that may match, found by the index of values; undefined where the index cannot help. */
  #candidates(match: Match): readonly number[] | undefined {
    switch (match.kind) {
      case 'equals':
        return this.#table.idsWith(match.name, match.value)
      case 'any': {
        const found = match.of.map((one) => this.#candidates(one))
        if (found.includes(undefined)) return undefined
        return [...new Set(found.flatMap((ids) => ids ?? []))]
      }
      case 'all': {
        // The class of an entry says least; anything else is tried first, and few ids are enough.
        const ordered = match.of.toSorted((a, b) => Number(isClass(a)) - Number(isClass(b)))
        for (const one of ordered) {
          const ids = this.#candidates(one)
          if (ids !== undefined) return ids
        }
        return undefined
      }
      case 'present':
      case 'atLeast':
      case 'atMost':
      case 'parts':
      case 'not':
        return undefined
    }
  }
}

function isClass(match: Match): boolean {
  return match.kind === 'equals' && isNamed(match.name, 'objectClass')
}

function isNamed(name: string, other: string): boolean {
  return name.toLowerCase() === other.toLowerCase()
}

function isBelow(dn: string, base: string): boolean {
  if (base === '') return true
  const [key, baseKey] = [dnKey(dn), dnKey(base)]
  return key === baseKey || key.endsWith(`,${baseKey}`)
}
