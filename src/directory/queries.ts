import type { Statement, Store } from '#src/store/sqlite.ts'
import { ATTR, fold } from './names.ts'

/** One value of an entry. */
export interface Row {
  readonly entry: number
  readonly name_key: string
  readonly value: string
}

/** What lookups ask of the file, each prepared once. */
export interface Queries {
  readonly version: Statement<[], number>
  /**
   * Counts the changes of a mirror that lookups can see; undefined before the directory was read for the first time,
   * and '' for an embedded directory, which counts nothing and is always whole.
   */
  readonly content: () => string | undefined
  /** Entries (their numbers) that have this value in this attribute. */
  readonly byValue: Statement<[string, string], number>
  /** The first value of one attribute of an entry. */
  readonly attribute: Statement<[number, string], string>
  readonly attributes: Statement<[number], Row>
  /** All values of the entry of a name (dnKey). */
  readonly entry: Statement<[string], { name: string; value: string }>
  readonly byName: Statement<[string], number>
  /** What an address leads to by its entries in use: all that Expansion looks at, in one statement. */
  readonly byAddress: Statement<[string], Row>
  /** Whether any entry has a canonical address. */
  readonly hasCanonical: () => boolean
}

const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')

/**
 * CROSS JOIN keeps the order in which the tables stand: by value, then the rows of that entry, and nothing is sorted.
 *
 * ldap-vam.cf of Zimbra: the filter without its catch-all, and the results with what members of a group need.
 */
const BY_ADDRESS = `
  SELECT r.entry, r.name_key, r.value FROM attribute a CROSS JOIN attribute r ON r.entry = a.entry
  WHERE a.value_key = ? AND a.name_key IN (${quoted([ATTR.deliveryAddress, ATTR.alias, ATTR.oldAddress])})
    AND r.name_key IN (${quoted([ATTR.deliveryAddress, ATTR.forwarding, ATTR.prefForwarding, ATTR.member, ATTR.memberUrl, ATTR.id])})
    AND EXISTS (SELECT 1 FROM attribute s WHERE s.entry = a.entry AND s.name_key = '${ATTR.status}' AND s.value_key = 'enabled')`

export function prepareQueries(store: Store): Queries {
  // Word for word the condition of the index attribute_canonical, or it is not used.
  const canonicals = store.prepare(
    `SELECT 1 FROM attribute WHERE name_key IN ('${ATTR.canonical}', '${ATTR.catchAllCanonical}') LIMIT 1`,
  )
  return {
    version: store.prepare<[], number>('PRAGMA data_version').pluck(),
    content: contentOf(store),
    byValue: store
      .prepare<[string, string], number>(
        'SELECT entry FROM attribute WHERE value_key = ? AND name_key = ? ORDER BY entry, n',
      )
      .pluck(),
    attribute: store
      .prepare<[number, string], string>(
        'SELECT value FROM attribute WHERE entry = ? AND name_key = ? ORDER BY n',
      )
      .pluck(),
    attributes: store.prepare<[number], Row>(
      'SELECT entry, name_key, value FROM attribute WHERE entry = ? ORDER BY n',
    ),
    entry: store.prepare<[string], { name: string; value: string }>(
      'SELECT a.name, a.value FROM attribute a JOIN entry e ON e.id = a.entry WHERE e.dn_key = ? ORDER BY a.n',
    ),
    byAddress: store.prepare<[string], Row>(BY_ADDRESS),
    byName: store.prepare<[string], number>('SELECT id FROM entry WHERE dn_key = ?').pluck(),
    hasCanonical: () => canonicals.get() !== undefined,
  }
}

function contentOf(store: Store): () => string | undefined {
  const isMirror = store.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sync'").get() !== undefined
  if (!isMirror) return () => ''
  const find = store.prepare<[string], string>('SELECT value FROM sync WHERE key = ?').pluck()
  return () => (find.get('complete') === '1' ? (find.get('content') ?? '0') : undefined)
}

/** The entries with that value which are in use: every map of Zimbra's asks for zimbraMailStatus=enabled. */
export function enabledEntries(queries: Queries, name: string, value: string): Row[][] {
  return queries.byValue
    .all(value, name)
    .map((entry) => queries.attributes.all(entry))
    .filter((rows) => rows.some((row) => row.name_key === ATTR.status && fold(row.value) === 'enabled'))
}

export function valueOf(rows: readonly Row[], name: string): string | undefined {
  return rows.find((row) => row.name_key === name)?.value
}
