import type { Statement, Store } from '#src/store/sqlite.ts'
import type { LdifAttribute } from './ldif.ts'
import { dnKey, valueKey } from './names.ts'

/** A value that its attribute cannot have: no address where one is wanted. Nothing of its entry was written. */
export class ValueRefused extends Error {
  readonly attribute: string
  readonly value: string
  constructor(attribute: string, value: string) {
    super(`${attribute}: ${JSON.stringify(value)} is not allowed there`)
    this.attribute = attribute
    this.value = value
  }
}

interface AttributeRow {
  readonly name: string
  readonly value: string
  readonly is_binary: number
}

/** Rows of entries and their attributes, one statement each; transactions are the caller's. */
export class EntryTable {
  readonly #idOf: Statement<[string], number>
  readonly #dnOf: Statement<[number], string>
  readonly #insert: Statement
  readonly #remove: Statement
  readonly #rename: Statement
  readonly #attributes: Statement<[number], AttributeRow>
  readonly #clear: Statement
  readonly #add: Statement
  readonly #all: Statement<[], number>
  readonly #below: Statement<[{ readonly tail: string }], number>
  readonly #withValue: Statement<[string, string], number>

  constructor(store: Store) {
    this.#idOf = store.prepare<[string], number>('SELECT id FROM entry WHERE dn_key = ?').pluck()
    this.#dnOf = store.prepare<[number], string>('SELECT dn FROM entry WHERE id = ?').pluck()
    this.#insert = store.prepare('INSERT INTO entry (dn, dn_key) VALUES (?, ?)')
    this.#remove = store.prepare('DELETE FROM entry WHERE id = ?')
    this.#rename = store.prepare('UPDATE entry SET dn = ?, dn_key = ? WHERE id = ?')
    this.#attributes = store.prepare<[number], AttributeRow>(
      'SELECT name, value, is_binary FROM attribute WHERE entry = ? ORDER BY n',
    )
    this.#clear = store.prepare('DELETE FROM attribute WHERE entry = ?')
    this.#add = store.prepare(
      'INSERT INTO attribute (entry, n, name, name_key, value, value_key, is_binary) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    this.#all = store.prepare<[], number>('SELECT id FROM entry ORDER BY id').pluck()
    this.#below = store
      .prepare<[{ readonly tail: string }], number>(
        'SELECT id FROM entry WHERE substr(dn_key, -length(:tail)) = :tail ORDER BY id',
      )
      .pluck()
    this.#withValue = store
      .prepare<[string, string], number>(
        'SELECT DISTINCT entry FROM attribute WHERE value_key = ? AND name_key = ? ORDER BY entry',
      )
      .pluck()
  }

  /** The number of the entry of that name. */
  idOf(dn: string): number | undefined {
    return this.#idOf.get(dnKey(dn))
  }

  dnOf(id: number): string | undefined {
    return this.#dnOf.get(id)
  }

  /** In the order in which they came. */
  ids(): readonly number[] {
    return this.#all.all()
  }

  /** Entries below that name, itself not among them. */
  idsBelow(dn: string): readonly number[] {
    const key = dnKey(dn)
    return key === '' ? this.#all.all() : this.#below.all({ tail: `,${key}` })
  }

  /** Entries with that value; none where the attribute cannot have it. */
  idsWith(name: string, value: string): readonly number[] {
    const nameKey = name.toLowerCase()
    const key = valueKey(nameKey, value)
    return key === undefined ? [] : this.#withValue.all(key, nameKey)
  }

  insert(dn: string): number {
    return Number(this.#insert.run(dn, dnKey(dn)).lastInsertRowid)
  }

  rename(id: number, dn: string): void {
    this.#rename.run(dn, dnKey(dn), id)
  }

  remove(id: number): void {
    this.#clear.run(id)
    this.#remove.run(id)
  }

  read(id: number): LdifAttribute[] {
    return this.#attributes.all(id).map((row) => ({
      name: row.name,
      value: { text: row.value, binary: row.is_binary === 1 },
    }))
  }

  /** Replaces all attributes of an entry. Throws ValueRefused. */
  write(id: number, attributes: readonly LdifAttribute[]): void {
    const rows = attributes.map(({ name, value }) => {
      const nameKey = name.toLowerCase()
      const key = value.binary ? '' : valueKey(nameKey, value.text)
      if (key === undefined) throw new ValueRefused(name, value.text)
      return [name, nameKey, value.text, key, value.binary ? 1 : 0] as const
    })
    this.#clear.run(id)
    for (const [n, row] of rows.entries()) this.#add.run(id, n, ...row)
  }
}
