import { migrate, schemaVersion } from '#src/store/migrate.ts'
import type { Statement, Store } from '#src/store/sqlite.ts'
import { openStore } from '#src/store/sqlite.ts'
import { MIGRATIONS } from './generation-schema.ts'
import { defaultSettings } from './defaults.ts'
import { shownValue } from './document.ts'
import type { Hold, Holds, Origin } from './resolve.ts'
import type { SettingKey, Settings } from './settings.ts'
import { SETTING_LIST, SETTINGS } from './settings.ts'
import type { Setting, SettingValue } from './setting.ts'

/** Settings as they were at one time, whole. Messages carry the number of theirs. */
export interface StoredGeneration {
  readonly number: number
  readonly atMs: number
  /** What made it: 'start', 'reload', 'directory' (seen there, with nobody saying so), 'rollback to 3', 'release'. */
  readonly reason: string
  /** Who: `root (zmprov)`; '' where that is not known. */
  readonly author: string
  readonly settings: Settings
  readonly origins: Partial<Readonly<Record<SettingKey, Origin>>>
}

/** One setting that is not the same in two generations; values as an operator writes them. */
export interface SettingChange {
  readonly key: SettingKey
  /** Postfix's name, or Zimbra's where Postfix has none. */
  readonly name: string
  readonly before: string
  readonly after: string
}

/** Generations that are kept: at one change a day, more than a year of them. Each takes some 10 KB. */
export const GENERATIONS_MAX = 500
const NUMBER_MAX = Number.MAX_SAFE_INTEGER

interface Row {
  readonly number: number
  readonly at_ms: number
  readonly reason: string
  readonly author: string
  readonly settings: string
  readonly origins: string
}

const COLUMNS = 'number, at_ms, reason, author, settings, origins'

/**
 * The history of the settings, in a file of its own that only master writes. What a later release does not know of it
 * any more is left out, what it knows in addition has its default.
 */
export class GenerationStore implements Disposable {
  readonly #store: Store
  readonly #get: Statement<[number], Row>
  readonly #newest: Statement<[number, number], Row>

  private constructor(store: Store) {
    this.#store = store
    // A file that no master of this release has opened yet.
    const columns =
      schemaVersion(store) < MIGRATIONS.length ? COLUMNS.replace('author', "'' AS author") : COLUMNS
    this.#get = store.prepare<[number], Row>(`SELECT ${columns} FROM generation WHERE number = ?`)
    this.#newest = store.prepare<[number, number], Row>(
      `SELECT ${columns} FROM generation WHERE number < ? ORDER BY number DESC LIMIT ?`,
    )
  }

  /** For master; the file is made if it is not there. */
  static open(path: string): GenerationStore {
    const store = openStore(path)
    try {
      // Nobody else writes checkpoints here: SQLite's own habit does.
      store.pragma('wal_autocheckpoint = 100')
      migrate(store, MIGRATIONS)
      return new GenerationStore(store)
    } catch (error) {
      store.close()
      throw error
    }
  }

  /** For tools, beside a master that runs; throws where there is no file yet. */
  static openForReading(path: string): GenerationStore {
    return new GenerationStore(openStore(path, { readonly: true }))
  }

  get newest(): StoredGeneration | undefined {
    return this.list(1)[0]
  }

  get(number: number): StoredGeneration | undefined {
    const row = this.#get.get(number)
    return row === undefined ? undefined : generationOf(row)
  }

  /** The newest first, of those below `before`. */
  list(limit: number, before: number = NUMBER_MAX): readonly StoredGeneration[] {
    return this.#newest.all(before, limit).map(generationOf)
  }

  /** Whose they are that were seen in the directory since `sinceMs`, as far as nobody is known for them. */
  claim(author: string, sinceMs: number): void {
    this.#store
      .prepare("UPDATE generation SET author = ? WHERE reason = 'directory' AND author = '' AND at_ms >= ?")
      .run(author, sinceMs)
  }

  /** Adds it and lets the oldest go beyond GENERATIONS_MAX; on the disk when this returns. */
  add(generation: StoredGeneration): void {
    const { number, atMs, reason, author, settings, origins } = generation
    this.#store
      .transaction(() => {
        this.#store
          .prepare(`INSERT OR REPLACE INTO generation (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`)
          .run(number, atMs, reason, author, JSON.stringify(settings), JSON.stringify(origins))
        this.#store.prepare('DELETE FROM generation WHERE number <= ?').run(number - GENERATIONS_MAX)
      })
      .immediate()
  }

  get holds(): Holds {
    const rows = this.#store
      .prepare<[], { setting: string; value: string; fingerprint: string }>(
        'SELECT setting, value, fingerprint FROM hold',
      )
      .all()
    const holds: Partial<Record<SettingKey, Hold>> = {}
    for (const { setting, value, fingerprint } of rows) {
      if (isKey(setting)) holds[setting] = { value: valueOf(value), fingerprint }
    }
    return holds
  }

  set holds(holds: Holds) {
    this.#store
      .transaction(() => {
        this.#store.prepare('DELETE FROM hold').run()
        const insert = this.#store.prepare('INSERT INTO hold (setting, value, fingerprint) VALUES (?, ?, ?)')
        for (const [key, hold] of Object.entries(holds))
          insert.run(key, JSON.stringify(hold.value), hold.fingerprint)
      })
      .immediate()
  }

  [Symbol.dispose](): void {
    this.#store.close()
  }
}

function generationOf(row: Row): StoredGeneration {
  const stored = objectOf(row.settings)
  const known: Partial<Record<SettingKey, unknown>> = {}
  for (const [key] of SETTING_LIST) if (Object.hasOwn(stored, key)) known[key] = stored[key]
  return {
    number: row.number,
    atMs: row.at_ms,
    reason: row.reason,
    author: row.author,
    // oxlint-disable-next-line no-unsafe-type-assertion -- written by `add` from settings of the same table
    settings: { ...defaultSettings(), ...known } as Settings,
    origins: objectOf(row.origins),
  }
}

function objectOf(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function valueOf(json: string): SettingValue {
  // oxlint-disable-next-line no-unsafe-type-assertion -- written by the setter from a SettingValue
  return JSON.parse(json) as SettingValue
}

function isKey(text: string): text is SettingKey {
  return Object.hasOwn(SETTINGS, text)
}

/** What is not the same in two generations, in the order of the table. */
export function changesBetween(before: Settings, after: Settings): readonly SettingChange[] {
  return SETTING_LIST.flatMap(([key, setting]) => {
    if (JSON.stringify(before[key]) === JSON.stringify(after[key])) return []
    return [
      {
        key,
        name: settingName(setting),
        before: shownValue(setting, before[key]),
        after: shownValue(setting, after[key]),
      },
    ]
  })
}

/** The name that an operator knows a setting by. */
export function settingName(setting: Setting): string {
  if (setting.postfix !== '') return setting.postfix
  return setting.zimbra === '' ? (setting.localconfig?.[0] ?? '') : setting.zimbra
}
