import { hash } from 'node:crypto'
import { Fault } from '#src/base/fault.ts'
import { openEntryStore } from '#src/directory/entries.ts'
import { EntryTable } from '#src/directory/entry-table.ts'
import { ATTR, dnKey, valueKey } from '#src/directory/names.ts'
import type { Statement, Store } from '#src/store/sqlite.ts'

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
  /** contextCSN of the server that was read last: one value for each server that writes. */
  readonly contextCsns: readonly string[]
  /**
   * The newest contextCSN that reading has begun from, done or not: some of what that server knew may be in the mirror
   * already, and one that has not come as far would take it away again.
   */
  readonly seenCsns: readonly string[]
  readonly url: string
  /** Wall clock of the last time that the mirror was known to be the directory's state; 0 for never. */
  readonly verifiedMs: number
}

/**
 * Beside the tables of the embedded directory. `mirrored` knows each entry by its entryUUID, which outlives renaming;
 * `digest` tells whether anything of it has changed. Of `sync` directory.ts looks at `complete`, and at `content`, which
 * counts the changes that lookups can see.
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
  const store = openEntryStore(path)
  try {
    // What a power cut undoes is read again from the server.
    store.pragma('synchronous = normal')
    store.exec(TABLES)
    return new Mirror(store)
  } catch (error) {
    store.close()
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
  readonly #table: EntryTable
  readonly #byUuid: Statement<[string], Known>
  readonly #remember: Statement
  readonly #forget: Statement
  readonly #touch: Statement
  readonly #set: Statement
  readonly #count: Statement
  #left = 0
  #size: number | undefined

  constructor(store: Store) {
    this.store = store
    this.#table = new EntryTable(store)
    this.#byUuid = store.prepare('SELECT entry, digest FROM mirrored WHERE uuid = ?')
    this.#remember = store.prepare(
      'INSERT INTO mirrored (entry, uuid, csn, digest) VALUES (?, ?, ?, ?) ON CONFLICT (entry) DO UPDATE SET csn = excluded.csn, digest = excluded.digest',
    )
    this.#forget = store.prepare('DELETE FROM mirrored WHERE entry = ?')
    this.#touch = store.prepare('UPDATE mirrored SET csn = ? WHERE uuid = ? AND csn <> ?')
    this.#set = store.prepare(
      'INSERT INTO sync (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    this.#count = store.prepare(
      "INSERT INTO sync (key, value) VALUES ('content', '1') ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
    )
  }

  get state(): MirrorState {
    const rows = this.store.prepare<[], { key: string; value: string }>('SELECT key, value FROM sync').all()
    const values = new Map(rows.map(({ key, value }) => [key, value]))
    const csns = (key: string) => (values.get(key) ?? '').split(' ').filter((csn) => csn !== '')
    return {
      complete: values.get('complete') === '1',
      contextCsns: csns('contextCsns'),
      seenCsns: csns(values.has('seenCsns') ? 'seenCsns' : 'contextCsns'),
      url: values.get('url') ?? '',
      verifiedMs: Number(values.get('verifiedMs') ?? 0),
    }
  }

  setState(state: MirrorState): void {
    this.store
      .transaction(() => {
        if (state.complete !== this.state.complete) this.#count.run()
        this.#set.run('complete', state.complete ? '1' : '0')
        this.#set.run('contextCsns', state.contextCsns.join(' '))
        this.#set.run('seenCsns', state.seenCsns.join(' '))
        this.#set.run('url', state.url)
        this.#set.run('verifiedMs', String(state.verifiedMs))
      })
      .immediate()
  }

  /** Entries; counted again only after some came or went. */
  get size(): number {
    this.#size ??= Number(this.store.prepare('SELECT count(*) FROM mirrored').pluck().get())
    return this.#size
  }

  /** Domains, aliases among them. */
  get domains(): number {
    return Number(
      this.store
        .prepare('SELECT count(DISTINCT entry) FROM attribute WHERE name_key = ?')
        .pluck()
        .get(ATTR.domainName),
    )
  }

  /** Values that could not be what their attribute wants, and were left out, since the mirror was opened. */
  get leftOut(): number {
    return this.#left
  }

  /** The name of an entry in the form that names are compared in; '' where there is none. */
  dnOf(uuid: string): string {
    const known = this.#byUuid.get(uuid)
    return known === undefined ? '' : dnKey(this.#table.dnOf(known.entry) ?? '')
  }

  /** How many values an entry has. */
  valuesOf(uuid: string): number {
    const known = this.#byUuid.get(uuid)
    return known === undefined ? 0 : this.#table.read(known.entry).length
  }

  /** Whether the mirror holds the entry exactly so. */
  holds(entry: MirrorEntry): boolean {
    return this.#byUuid.get(entry.uuid)?.digest === digestOf(entry)
  }

  /** Remembers an entry's newest entryCSN where nothing that we keep of it has changed: a login changes it, too. */
  touch({ uuid, csn }: Pick<MirrorEntry, 'uuid' | 'csn'>): void {
    this.#touch.run(csn, uuid, csn)
  }

  /** Writes entries in one transaction; how many of them have changed. What cannot be a value of its attribute is left out. */
  write(entries: readonly MirrorEntry[]): number {
    let changed = 0
    this.store
      .transaction(() => {
        for (const entry of entries) if (this.#writeOne(entry)) changed += 1
        if (changed > 0) this.#count.run()
      })
      .immediate()
    this.#size = undefined
    return changed
  }

  #writeOne(entry: MirrorEntry): boolean {
    const digest = digestOf(entry)
    const known = this.#byUuid.get(entry.uuid)
    if (known?.digest === digest) {
      this.touch(entry)
      return false
    }
    const holder = this.#table.idOf(entry.dn)
    // Another entry had this name: it was deleted or renamed meanwhile, and this one took its place.
    if (holder !== undefined && holder !== known?.entry) this.#delete(holder)
    const id = known?.entry ?? this.#table.insert(entry.dn)
    if (known !== undefined) this.#table.rename(id, entry.dn)
    this.#remember.run(id, entry.uuid, entry.csn, digest)
    this.#table.write(
      id,
      entry.attributes.flatMap(({ name, values }) =>
        values
          .filter((value) => this.#isValue(name, value))
          .map((text) => ({ name, value: { text, binary: false } })),
      ),
    )
    return true
  }

  #isValue(name: string, value: string): boolean {
    if (valueKey(name.toLowerCase(), value) !== undefined) return true
    this.#left += 1
    return false
  }

  /** Forgets entries, in one transaction. */
  remove(uuids: readonly string[]): void {
    this.store
      .transaction(() => {
        for (const uuid of uuids) {
          const known = this.#byUuid.get(uuid)
          if (known !== undefined) this.#delete(known.entry)
        }
        this.#count.run()
      })
      .immediate()
    this.#size = undefined
  }

  #delete(id: number): void {
    this.#forget.run(id)
    this.#table.remove(id)
  }

  [Symbol.dispose](): void {
    this.store.close()
  }
}

/** What tells one state of an entry from another. The order of values counts: the first of a single-valued one decides. */
function digestOf(entry: MirrorEntry): string {
  return hash('sha256', JSON.stringify([entry.dn, entry.attributes]), 'base64')
}
