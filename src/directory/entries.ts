import { Fault } from '#src/base/fault.ts'
import { migrate } from '#src/store/migrate.ts'
import type { Store } from '#src/store/sqlite.ts'
import { openStore } from '#src/store/sqlite.ts'
import { MIGRATIONS } from './entry-schema.ts'
import { EntryTable, ValueRefused } from './entry-table.ts'
import type { LdifAttribute, LdifModification, LdifRecord, LdifValue } from './ldif.ts'
import { formatLdif } from './ldif.ts'
import { fold } from './names.ts'

/** What an import did. Warnings are sentences with their line: the record was taken, but may not do what was meant. */
export interface ImportResult {
  readonly added: number
  readonly replaced: number
  readonly modified: number
  readonly deleted: number
  readonly warnings: readonly string[]
}

/** A record that cannot be taken; nothing of its file was. */
export class ImportError extends Error {
  readonly line: number
  constructor(line: number, reason: string) {
    super(reason)
    this.line = line
  }
}

/** Opens the file of the embedded directory for writing; it is made if it is not there. */
export function openEntries(path: string): Entries {
  return new Entries(openEntryStore(path))
}

/** The database of the embedded directory, in its newest schema. Throws DIRECTORY_UNUSABLE. */
export function openEntryStore(path: string): Store {
  let store: Store | undefined
  try {
    store = openStore(path)
    // Nobody else writes checkpoints here: SQLite's own habit does.
    store.pragma('wal_autocheckpoint = 1000')
    migrate(store, MIGRATIONS)
    return store
  } catch (error) {
    store?.close()
    throw new Fault('DIRECTORY_UNUSABLE', { file: path }, error)
  }
}

/** The writing side of the embedded directory: import, export, and what is made at first start. */
export class Entries implements Disposable {
  readonly #store: Store
  readonly #table: EntryTable

  constructor(store: Store) {
    this.#store = store
    this.#table = new EntryTable(store)
  }

  get isEmpty(): boolean {
    return this.#store.prepare('SELECT 1 FROM entry LIMIT 1').get() === undefined
  }

  /**
   * Takes all records or, with an ImportError that names the line, none. A content record replaces the entry of its
   * dn as a whole, so that a file can be imported twice.
   */
  import(records: readonly LdifRecord[]): ImportResult {
    const counts = { added: 0, replaced: 0, modified: 0, deleted: 0 }
    const warnings: string[] = []
    this.#store
      .transaction(() => {
        for (const record of records) {
          counts[this.#apply(record)] += 1
          if (record.kind === 'entry') warnings.push(...doubts(record))
        }
      })
      .immediate()
    return { ...counts, warnings }
  }

  #apply(record: LdifRecord): 'added' | 'replaced' | 'modified' | 'deleted' {
    const id = this.#table.idOf(record.dn)
    switch (record.kind) {
      case 'entry': {
        if (record.attributes.length === 0) throw new ImportError(record.line, 'the entry has no attributes')
        const entry = id ?? this.#table.insert(record.dn)
        this.#write(entry, record.attributes, record.line)
        return id === undefined ? 'added' : 'replaced'
      }
      case 'delete':
        if (id === undefined) throw new ImportError(record.line, `there is no entry ${record.dn}`)
        this.#table.remove(id)
        return 'deleted'
      case 'modify': {
        if (id === undefined) throw new ImportError(record.line, `there is no entry ${record.dn}`)
        let attributes: readonly LdifAttribute[] = this.#table.read(id)
        for (const change of record.changes) {
          const done = applyModification(attributes, change)
          if (!done.hadEffect && change.op === 'delete')
            throw new ImportError(record.line, `there is no such value of ${change.name}`)
          attributes = done.attributes
        }
        this.#write(id, attributes, record.line)
        return 'modified'
      }
    }
  }

  #write(id: number, attributes: readonly LdifAttribute[], line: number): void {
    try {
      this.#table.write(id, attributes)
    } catch (error) {
      throw error instanceof ValueRefused ? new ImportError(line, error.message) : error
    }
  }

  /** All entries as LDIF, in the order in which they came. */
  *export(): Generator<string> {
    for (const id of this.#table.ids()) {
      const dn = this.#table.dnOf(id)
      if (dn !== undefined) yield formatLdif(dn, grouped(this.#table.read(id)))
    }
  }

  [Symbol.dispose](): void {
    this.#store.close()
  }
}

/** The values of one attribute stand together: slapadd keeps two attributes of one name otherwise. */
function grouped(attributes: readonly LdifAttribute[]): readonly LdifAttribute[] {
  return [...Map.groupBy(attributes, ({ name }) => name.toLowerCase()).values()].flat()
}

/** What becomes of an entry's attributes by one change (RFC 2849); a value that is there is not added again. */
export function applyModification(
  attributes: readonly LdifAttribute[],
  change: LdifModification,
): { readonly attributes: readonly LdifAttribute[]; readonly hadEffect: boolean } {
  const named = (one: LdifAttribute) => one.name.toLowerCase() === change.name.toLowerCase()
  const added = change.values.map((value) => ({ name: change.name, value }))
  switch (change.op) {
    case 'add': {
      // A list of members has ten thousand: each is looked for by its key.
      const held = new Set(attributes.filter(named).map(({ value }) => sameKey(value)))
      const fresh = added.filter(({ value }) => !held.has(sameKey(value)))
      return { attributes: [...attributes, ...fresh], hadEffect: fresh.length > 0 }
    }
    case 'replace':
      return { attributes: [...attributes.filter((one) => !named(one)), ...added], hadEffect: true }
    case 'delete': {
      const gone = new Set(change.values.map(sameKey))
      const isGone = (one: LdifAttribute) => change.values.length === 0 || gone.has(sameKey(one.value))
      const left = attributes.filter((one) => !(named(one) && isGone(one)))
      return { attributes: left, hadEffect: left.length < attributes.length }
    }
  }
}

/** Values that are the same have one key. */
function sameKey({ text, binary }: LdifValue): string {
  return binary ? `=${text}` : `:${fold(text)}`
}

/** Zimbra's lookups only see entries whose zimbraMailStatus is enabled; leaving it out is easily done. */
function doubts(record: LdifRecord & { kind: 'entry' }): string[] {
  const names = new Set(record.attributes.map((one) => one.name.toLowerCase()))
  const mails =
    names.has('zimbramaildeliveryaddress') || names.has('zimbramailalias') || names.has('zimbradomainname')
  if (!mails || names.has('zimbramailstatus')) return []
  return [`line ${record.line}: ${record.dn} has no zimbraMailStatus: enabled, so no mail is taken for it`]
}
