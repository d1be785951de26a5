import { createHash } from 'node:crypto'
import { Fault } from '#src/base/fault.ts'
import { migrate } from '#src/store/migrate.ts'
import type { Statement, Store } from '#src/store/sqlite.ts'
import { openStore } from '#src/store/sqlite.ts'
import { MIGRATIONS } from '#src/directory/entries.ts'
import { dnKey, valueKey } from '#src/directory/names.ts'

/** One entry of the directory server, as much of it as lookups and settings want. */
export interface MirrorEntry {
  readonly dn: string
  /** entryUUID, or where the server shows none `dn:` and the name in lower case. */
  readonly uuid: string
  /** entryCSN; '' where the server shows none. */
  readonly csn: string
  readonly attributes: readonly { readonly name: string; readonly values: readonly string[] }[]
}

/** What is known of the last good state. */
export interface MirrorState {
  /** Whether the directory has been read as a whole at least once; before that nobody knows who is unknown. */
  readonly complete: boolean
  /** contextCSN of the server that was read last: one value for each server that writes (RFC 4533 cookies have them). */
  readonly contextCsns: readonly string[]
  readonly url: string
  /** Wall clock of the last time that the mirror was known to be the directory's state; 0 for never. */
  readonly verifiedMs: number
}

/**
 * Beside the tables of the embedded directory. `mirrored` knows each entry by its entryUUID, which outlives renaming;
 * `digest` tells whether anything of it has changed.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS mirrored (
    entry INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    csn TEXT NOT NULL,
    digest TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sync (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

/** Opens the mirror for writing, which only the `directory` process does; master makes it at the first start. */
export function openMirror(path: string): Mirror {
  let store: Store | undefined
  try {
    store = openStore(path)
    store.pragma('wal_autocheckpoint = 1000')
    // What a power cut undoes is read again from the server.
    store.pragma('synchronous = normal')
    migrate(store, MIGRATIONS)
    store.exec(TABLES)
    return new Mirror(store)
  } catch (error) {
    store?.close()
    throw new Fault('DIRECTORY_UNUSABLE', { file: path }, error)
  }
}

interface Known {
  readonly entry: number
  readonly digest: string
}

/** The writing side of the mirror of an LDAP directory. */
export class Mirror implements Disposable {
  readonly store: Store
  readonly #byUuid: Statement<[string], Known>
  readonly #byDn: Statement<[string], number>
  readonly #insert: Statement
  readonly #rename: Statement
  readonly #remember: Statement
  readonly #clear: Statement
  readonly #add: Statement
  readonly #forget: Statement
  readonly #remove: Statement
  readonly #set: Statement

  constructor(store: Store) {
    this.store = store
    this.#byUuid = store.prepare('SELECT entry, digest FROM mirrored WHERE uuid = ?')
    this.#byDn = store.prepare<[string], number>('SELECT id FROM entry WHERE dn_key = ?').pluck()
    this.#insert = store.prepare('INSERT INTO entry (dn, dn_key) VALUES (?, ?)')
    this.#rename = store.prepare('UPDATE entry SET dn = ?, dn_key = ? WHERE id = ?')
    this.#remember = store.prepare(
      'INSERT INTO mirrored (entry, uuid, csn, digest) VALUES (?, ?, ?, ?) ON CONFLICT (entry) DO UPDATE SET csn = excluded.csn, digest = excluded.digest',
    )
    this.#clear = store.prepare('DELETE FROM attribute WHERE entry = ?')
    this.#add = store.prepare(
      'INSERT INTO attribute (entry, n, name, name_key, value, value_key, is_binary) VALUES (?, ?, ?, ?, ?, ?, 0)',
    )
    this.#forget = store.prepare('DELETE FROM mirrored WHERE entry = ?')
    this.#remove = store.prepare('DELETE FROM entry WHERE id = ?')
    this.#set = store.prepare(
      'INSERT INTO sync (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
  }

  get state(): MirrorState {
    const rows = this.store.prepare<[], { key: string; value: string }>('SELECT key, value FROM sync').all()
    const values = new Map(rows.map(({ key, value }) => [key, value]))
    return {
      complete: values.get('complete') === '1',
      contextCsns: (values.get('contextCsns') ?? '').split(' ').filter((csn) => csn !== ''),
      url: values.get('url') ?? '',
      verifiedMs: Number(values.get('verifiedMs') ?? 0),
    }
  }

  set state(state: MirrorState) {
    this.store
      .transaction(() => {
        this.#set.run('complete', state.complete ? '1' : '0')
        this.#set.run('contextCsns', state.contextCsns.join(' '))
        this.#set.run('url', state.url)
        this.#set.run('verifiedMs', String(state.verifiedMs))
      })
      .immediate()
  }

  get size(): number {
    return Number(this.store.prepare('SELECT count(*) FROM mirrored').pluck().get())
  }

  /** Whether the mirror holds the entry exactly so. */
  holds(entry: MirrorEntry): boolean {
    return this.#byUuid.get(entry.uuid)?.digest === digestOf(entry)
  }

  /** Writes entries in one transaction; how many of them have changed. What cannot be a value of its attribute is left out. */
  write(entries: readonly MirrorEntry[]): number {
    let changed = 0
    this.store
      .transaction(() => {
        for (const entry of entries) if (this.#writeOne(entry)) changed += 1
      })
      .immediate()
    return changed
  }

  #writeOne(entry: MirrorEntry): boolean {
    const digest = digestOf(entry)
    const known = this.#byUuid.get(entry.uuid)
    if (known?.digest === digest) return false
    const key = dnKey(entry.dn)
    const holder = this.#byDn.get(key)
    // Another entry had this name: it was deleted or renamed meanwhile, and this one took its place.
    if (holder !== undefined && holder !== known?.entry) this.#delete(holder)
    const id = known?.entry ?? Number(this.#insert.run(entry.dn, key).lastInsertRowid)
    if (known !== undefined) this.#rename.run(entry.dn, key, id)
    this.#remember.run(id, entry.uuid, entry.csn, digest)
    this.#clear.run(id)
    let n = 0
    for (const { name, values } of entry.attributes) {
      const nameKey = name.toLowerCase()
      for (const value of values) {
        const searched = valueKey(nameKey, value)
        if (searched === undefined) continue
        this.#add.run(id, n, name, nameKey, value, searched)
        n += 1
      }
    }
    return true
  }

  /** Forgets entries, in one transaction. */
  remove(uuids: readonly string[]): void {
    this.store
      .transaction(() => {
        for (const uuid of uuids) {
          const known = this.#byUuid.get(uuid)
          if (known !== undefined) this.#delete(known.entry)
        }
      })
      .immediate()
  }

  #delete(id: number): void {
    this.#clear.run(id)
    this.#forget.run(id)
    this.#remove.run(id)
  }

  [Symbol.dispose](): void {
    this.store.close()
  }
}

/** What tells one state of an entry from another. The order of values counts: the first of a single-valued one decides. */
function digestOf(entry: MirrorEntry): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([entry.dn, entry.csn, entry.attributes]))
  return hash.digest('base64')
}
