import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Statement } from '#src/store/sqlite.ts'
import { ATTR, fold } from '#src/directory/names.ts'
import type { Mirror, MirrorEntry } from './mirror.ts'
import type { Listed } from './reading.ts'

/** Where the mirror may be changed at once; what would change more is held back. */
export interface StagingLimits {
  /** So many entries may always be lost: a domain that an administrator deletes. */
  readonly lostAlways: number
  /** Or this share of all that mail is taken for. */
  readonly lostShare: number
}

export const LIMITS: StagingLimits = { lostAlways: 10, lostShare: 0.2 }

export type StagingVerdict =
  | { readonly kind: 'sound' }
  /** `reason`: a sentence for the operator. */
  | { readonly kind: 'held'; readonly reason: string }

/** Entries that are written in one transaction: some milliseconds, in which no password is checked. */
const WRITE_ENTRIES = 1000
/** Entries of a directory. Ten times what the largest box carries; beyond it a server is making them up. */
const ENTRIES_MAX = 2_000_000
const GLOBAL_CONFIG = 'cn=config,cn=zimbra'
/** Attributes by which mail finds an entry. */
const FOUND_BY: readonly string[] = [ATTR.deliveryAddress, ATTR.alias, ATTR.domainName, ATTR.catchAll]

/**
 * What a server says, beside the mirror and not in it, until all of it is there and has been looked at as a whole: a
 * server that is half filled, or shows us less than before, must not make half of our recipients unknown.
 */
export class Staging implements Disposable {
  readonly #mirror: Mirror
  readonly #see: Statement
  readonly #stage: Statement
  readonly #staged: Statement<[number, number, number], { readonly n: number; readonly body: string }>
  readonly #useful: Statement<[string], number>
  readonly #domains: Statement<[string], number>
  #seen = 0
  #stagedCount = 0
  /** Entries that mail was taken for, and that it would not be taken for any more. */
  #stripped = 0
  #domainsLost = 0
  #configShrunk = ''

  constructor(mirror: Mirror) {
    this.#mirror = mirror
    const { store } = mirror
    // Temporary tables lie in a file of SQLite's own where they grow, so memory stays bounded.
    store.exec(`
      DROP TABLE IF EXISTS temp.seen;
      DROP TABLE IF EXISTS temp.staged;
      CREATE TEMP TABLE seen (uuid TEXT PRIMARY KEY, csn TEXT NOT NULL) WITHOUT ROWID;
      CREATE TEMP TABLE staged (n INTEGER PRIMARY KEY, body TEXT NOT NULL, is_loss INTEGER NOT NULL);
    `)
    this.#see = store.prepare('INSERT OR REPLACE INTO temp.seen (uuid, csn) VALUES (?, ?)')
    this.#stage = store.prepare('INSERT INTO temp.staged (body, is_loss) VALUES (?, ?)')
    this.#staged = store.prepare(
      'SELECT n, body FROM temp.staged WHERE n > ? AND is_loss <= ? ORDER BY n LIMIT ?',
    )
    this.#useful = store
      .prepare<[string], number>(`SELECT count(*) FROM mirrored m JOIN attribute s ON s.entry = m.entry
        WHERE m.uuid = ? AND s.name_key = '${ATTR.status}' AND s.value_key = 'enabled'
        AND EXISTS (SELECT 1 FROM attribute a WHERE a.entry = m.entry AND a.name_key IN (${FOUND_BY.map((name) => `'${name}'`).join(', ')}))`)
      .pluck()
    this.#domains = store
      .prepare<[string], number>(
        `SELECT count(*) FROM mirrored m JOIN attribute a ON a.entry = m.entry WHERE m.uuid = ? AND a.name_key = '${ATTR.domainName}'`,
      )
      .pluck()
  }

  get isEmpty(): boolean {
    return this.#stagedCount === 0
  }

  /** Takes entries as they are in the directory; those that the mirror holds so already are only noted. */
  add(entries: readonly MirrorEntry[]): void {
    const { store } = this.#mirror
    store
      .transaction(() => {
        for (const entry of entries) {
          this.#note({ uuid: entry.uuid, csn: entry.csn })
          if (this.#mirror.holds(entry)) {
            this.#mirror.touch(entry)
            continue
          }
          this.#stage.run(JSON.stringify(entry), this.#weigh(entry) ? 1 : 0)
          this.#stagedCount += 1
        }
      })
      .immediate()
  }

  /** Notes that entries are there. */
  note(listed: readonly Listed[]): void {
    this.#mirror.store
      .transaction(() => {
        for (const one of listed) this.#note(one)
      })
      .immediate()
  }

  #note({ uuid, csn }: Listed): void {
    this.#seen += 1
    if (this.#seen > ENTRIES_MAX) throw new RangeError(`the directory has more than ${ENTRIES_MAX} entries`)
    this.#see.run(uuid, csn)
  }

  /** Whether less would be known of the entry than before, in what mail or settings go by. */
  #weigh(entry: MirrorEntry): boolean {
    const value = (name: string) =>
      entry.attributes.find((one) => one.name.toLowerCase() === name)?.values[0] ?? ''
    const isUseful = fold(value(ATTR.status)) === 'enabled' && FOUND_BY.some((name) => value(name) !== '')
    const isStripped = !isUseful && (this.#useful.get(entry.uuid) ?? 0) > 0
    const isDomainLost = value(ATTR.domainName) === '' && (this.#domains.get(entry.uuid) ?? 0) > 0
    if (isStripped) this.#stripped += 1
    if (isDomainLost) this.#domainsLost += 1
    return this.#hasShrunk(entry) || isStripped || isDomainLost
  }

  #hasShrunk(entry: MirrorEntry): boolean {
    if (fold(entry.dn) !== GLOBAL_CONFIG) return false
    const before = this.#mirror.valuesOf(entry.uuid)
    const now = entry.attributes.reduce((sum, one) => sum + one.values.length, 0)
    if (now * 2 >= before) return false
    this.#configShrunk = `globalConfig has ${now} values instead of ${before}`
    return true
  }

  /** Entries whose entryCSN is not the one that the mirror has, among those that were noted. */
  different(): readonly string[] {
    return this.#mirror.store
      .prepare<[], string>(
        'SELECT s.uuid FROM temp.seen s LEFT JOIN mirrored m ON m.uuid = s.uuid WHERE m.uuid IS NULL OR m.csn <> s.csn',
      )
      .pluck()
      .all()
  }

  /** Entries that the mirror has and that were not noted: they are gone, if all were read. */
  gone(): readonly string[] {
    return this.#mirror.store
      .prepare<[], string>(
        'SELECT m.uuid FROM mirrored m WHERE NOT EXISTS (SELECT 1 FROM temp.seen s WHERE s.uuid = m.uuid)',
      )
      .pluck()
      .all()
  }

  /** Whether it can be true. `gone`: what would be deleted. */
  verdict(gone: readonly string[], limits: StagingLimits = LIMITS): StagingVerdict {
    const domainsGone = gone.filter((uuid) => (this.#domains.get(uuid) ?? 0) > 0).length + this.#domainsLost
    // Counting them is only worth it where some go.
    if (domainsGone > 0 && domainsGone >= this.#mirror.domains && !this.#stagedHas(ATTR.domainName))
      return held('it shows no domain any more')
    if (gone.some((uuid) => this.#mirror.dnOf(uuid) === GLOBAL_CONFIG))
      return held('globalConfig has vanished')
    if (this.#configShrunk !== '') return held(this.#configShrunk)
    const lost = gone.filter((uuid) => (this.#useful.get(uuid) ?? 0) > 0).length + this.#stripped
    const most = Math.max(limits.lostAlways, Math.floor(this.#mirror.size * limits.lostShare))
    if (lost > most) return held(`${lost} of ${this.#mirror.size} entries would be lost to mail at once`)
    return { kind: 'sound' }
  }

  #stagedHas(nameKey: string): boolean {
    const pattern = `%"name":"${nameKey}"%`
    return (
      this.#mirror.store.prepare('SELECT 1 FROM temp.staged WHERE body LIKE ? LIMIT 1').get(pattern) !==
      undefined
    )
  }

  /** Writes to the mirror what nobody loses by: all else goes on while something is held back. */
  applySound(signal: AbortSignal): Promise<number> {
    return this.#write([], 0, signal)
  }

  /** Writes all of it to the mirror, a little at a time; how many entries have changed. */
  apply(gone: readonly string[], signal: AbortSignal): Promise<number> {
    return this.#write(gone, 1, signal)
  }

  async #write(gone: readonly string[], lossMost: number, signal: AbortSignal): Promise<number> {
    let changed = 0
    let at = 0
    for (;;) {
      const rows = this.#staged.all(at, lossMost, WRITE_ENTRIES)
      if (rows.length === 0) break
      // oxlint-disable-next-line no-unsafe-type-assertion -- written by add()
      changed += this.#mirror.write(rows.map(({ body }) => JSON.parse(body) as MirrorEntry))
      at = rows.at(-1)?.n ?? at
      await nextTurn()
      signal.throwIfAborted()
    }
    for (let from = 0; from < gone.length; from += WRITE_ENTRIES) {
      this.#mirror.remove(gone.slice(from, from + WRITE_ENTRIES))
      await nextTurn()
      signal.throwIfAborted()
    }
    return changed + gone.length
  }

  [Symbol.dispose](): void {
    this.#mirror.store.exec('DROP TABLE IF EXISTS temp.seen; DROP TABLE IF EXISTS temp.staged')
  }
}

function held(reason: string): StagingVerdict {
  return { kind: 'held', reason }
}
