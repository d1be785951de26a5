import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { Config } from '#src/config/config.ts'
import { loadConfig, sourceOf } from '#src/config/config.ts'
import type { Asker } from '#src/net/control-server.ts'
import { NOBODY } from '#src/net/control-server.ts'
import type { GenerationStore, SettingChange, StoredGeneration } from '#src/config/generations.ts'
import { changesBetween, settingName } from '#src/config/generations.ts'
import type { SettingNote } from '#src/config/notes.ts'
import { problemText } from '#src/config/reader.ts'
import type { Hold, Holds, Origin, Resolved } from '#src/config/resolve.ts'
import { fingerprint, resolveSettings } from '#src/config/resolve.ts'
import type { SettingKey, Settings } from '#src/config/settings.ts'
import { SETTINGS } from '#src/config/settings.ts'
import { readSources } from '#src/config/sources.ts'
import type { SettingEntries, Sources } from '#src/config/sources.ts'
import type { Alarm } from './alarms.ts'
import { Alarms } from './alarms.ts'

/** Settings of one moment, numbered: what every process works by until the next. */
export interface Generation {
  readonly number: number
  readonly config: Config
  /** `myHostname` is filled in. */
  readonly settings: Settings
  readonly origins: Readonly<Record<SettingKey, Origin>>
  /** The domain that addresses without one belong to: zimbraDefaultDomainName, or the first domain. */
  readonly defaultDomain: string
  /** What is set and does nothing, or less than it says. */
  readonly notes: readonly SettingNote[]
}

export type Reloaded =
  | { readonly kind: 'generation'; readonly generation: Generation; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string }

export type RolledBack =
  | {
      readonly kind: 'generation'
      readonly generation: Generation
      readonly changes: readonly SettingChange[]
    }
  | { readonly kind: 'refused'; readonly reason: string }

export interface GenerationDeps {
  readonly store: GenerationStore
  readonly directory: SettingEntries & { readonly trouble: string; readonly epoch: number }
  readonly clock: Clock
  readonly log: Log
}

/** What cannot change while it runs, with the name it has in postern.toml. */
const FIXED = [
  ['data', (config: Config) => config.dataFolder],
  ['listener', (config: Config) => JSON.stringify(config.listeners)],
  ['mailbox', (config: Config) => JSON.stringify(config.mailbox)],
  ['lmtp', (config: Config) => JSON.stringify(config.lmtpServer ?? '')],
  ['workers', (config: Config) => String(config.workers)],
  ['log', (config: Config) => JSON.stringify(config.log)],
  // Between the embedded one and LDAP; which servers those are may change at any time.
  ['directory', sourceOf],
] as const

/** A generation without its settings. */
export type ListedGeneration = Pick<StoredGeneration, 'number' | 'atMs' | 'reason' | 'author'>

/** Generations that are shown at a glance. */
const RECENT_MAX = 50

/** Nothing is known of what is set, because it cannot be read. */
const NO_SOURCES: Sources = { overrides: {}, globalConfig: new Map() }

/**
 * Makes generations of settings out of postern.toml, the directory and localconfig.xml, and keeps their history. A
 * change that differs is a new generation with the next number, on the disk before anybody works by it; a value that
 * is not allowed leaves the old one in force and raises an alarm, and all others count.
 */
export class Generations {
  readonly #deps: GenerationDeps
  readonly #alarms: Alarms
  readonly #noted = new Set<string>()
  #config: Config
  #sources: Sources = NO_SOURCES
  #holds: Holds
  /** The generation that the history ends with: of an earlier start, or undefined at the very first. */
  readonly #last: StoredGeneration | undefined
  /** As it was resolved: an empty `myHostname` is still empty. */
  #resolved: Resolved | undefined
  #current: Generation | undefined
  #epoch = -1
  /** When localconfig.xml was written last. */
  #stamp = ''
  /** What cannot be read, or written, at the moment. */
  #troubles: readonly Alarm[] = []

  constructor(config: Config, deps: GenerationDeps) {
    this.#config = config
    this.#deps = deps
    this.#alarms = new Alarms(deps.log)
    this.#holds = deps.store.holds
    this.#last = deps.store.newest
    this.#make('start')
  }

  get current(): Generation {
    return this.#current ?? this.#make('start')
  }

  get alarms(): readonly Alarm[] {
    return this.#alarms.list
  }

  /** The newest ones, or of those below `before`; the newest first. */
  recent(before?: number, limit: number = RECENT_MAX): readonly ListedGeneration[] {
    const list = this.#deps.store.list(limit, before)
    return list.map(({ number, atMs, reason, author }) => ({ number, atMs, reason, author }))
  }

  /** The names of what a rollback holds. */
  get held(): readonly string[] {
    return keysOf(this.#holds).map((key) => settingName(SETTINGS[key]))
  }

  /**
   * Reads everything anew. A postern.toml with mistakes changes nothing. What was changed in the directory since
   * `sinceMs` and seen before they said so is the asker's too.
   */
  reload(asker: Asker = NOBODY): Reloaded {
    const before = this.#config
    const inForce = this.#resolved?.settings
    const notes: string[] = []
    if (before.file !== '') {
      const loaded = loadConfig(before.file, before.dataFolder)
      if (loaded.kind === 'invalid')
        return { kind: 'refused', reason: loaded.problems.map(problemText).join('\n') }
      for (const [name, value] of FIXED) {
        if (value(loaded.config) !== value(before))
          notes.push(`${name} has changed; that takes hold at the next start`)
      }
      const { dataFolder, listeners, mailbox, lmtpServer, workers, log } = before
      const { directory } = sourceOf(loaded.config) === sourceOf(before) ? loaded.config : before
      this.#config = { ...loaded.config, dataFolder, listeners, mailbox, lmtpServer, workers, log, directory }
    }
    const generation = this.#make('reload', asker)
    const changes = inForce === undefined ? [] : changesBetween(inForce, this.#resolved?.settings ?? inForce)
    for (const { key, name } of changes) {
      if (SETTINGS[key].takesHold === 'next start')
        notes.push(`${name} has changed; that takes hold at the next start`)
    }
    return { kind: 'generation', generation, notes }
  }

  /** Looks at the directory again; undefined where nothing has changed that anybody would work by. */
  look(): Generation | undefined {
    const isSame = this.#deps.directory.epoch === this.#epoch && stampOf(this.#config) === this.#stamp
    if (isSame && this.#troubles.length === 0) return undefined
    const before = this.#current
    const now = this.#make('directory')
    return now.number === before?.number ? undefined : now
  }

  /**
   * Brings back the settings of a generation that is kept. What that changes is held until its own source says
   * something else, or until `release`.
   */
  rollback(number: number, by = ''): RolledBack {
    const stored = this.#deps.store.get(number)
    if (stored === undefined) {
      return {
        kind: 'refused',
        reason: `There is no generation ${number}; "postern generations" lists them.`,
      }
    }
    const before = this.#resolved?.settings ?? stored.settings
    const changes = changesBetween(before, stored.settings)
    const holds: Partial<Record<SettingKey, Hold>> = { ...this.#holds }
    for (const { key } of changes)
      holds[key] = { value: stored.settings[key], fingerprint: fingerprint(key, this.#sources) }
    this.#hold(holds)
    return { kind: 'generation', generation: this.#make(`rollback to ${number}`, { ...NOBODY, by }), changes }
  }

  /** Ends what a rollback holds. */
  release(by = ''): RolledBack {
    const before = this.#resolved?.settings
    this.#hold({})
    const generation = this.#make('release', { ...NOBODY, by })
    const changes =
      before === undefined || this.#resolved === undefined
        ? []
        : changesBetween(before, this.#resolved.settings)
    return { kind: 'generation', generation, changes }
  }

  #hold(holds: Holds): void {
    this.#holds = holds
    this.#deps.store.holds = holds
  }

  #make(reason: string, { by, sinceMs }: Asker = NOBODY): Generation {
    const { directory } = this.#deps
    this.#epoch = directory.epoch
    this.#stamp = stampOf(this.#config)
    const troubles: Alarm[] = []
    const read = readSources(this.#config, directory)
    if (read.kind === 'sources') this.#sources = read.sources
    else {
      troubles.push(troubleAlarm(read.what, read.reason))
      this.#sources = { ...this.#sources, overrides: this.#config.overrides }
    }
    const resolved = this.#resolve(read.kind === 'sources', this.#last?.settings)
    let number = this.#current?.number ?? this.#last?.number ?? 0
    const base = this.#resolved?.settings ?? this.#last?.settings
    const isNew = base === undefined || !isDeepStrictEqual(base, resolved.settings)
    if (isNew) number += 1
    const { settings, origins } = resolved
    const added = { number, atMs: this.#deps.clock.nowMs(), reason, author: by, settings, origins }
    const unwritten = this.#write(() => {
      this.#endHolds(resolved.ended)
      if (isNew) this.#deps.store.add(added)
      if (by !== '') this.#deps.store.claim(by, sinceMs)
    })
    troubles.push(...unwritten)
    if (isNew) this.#tellChanges(added, base)
    this.#resolved = resolved
    this.#current = this.#generation(number, resolved)
    this.#troubles = troubles
    this.#tell(this.#current, resolved)
    return this.#current
  }

  /** Where nothing can be read at the first look, what was in force last counts, and what postern.toml says. */
  #resolve(isRead: boolean, last: Settings | undefined): Resolved {
    const before = this.#resolved?.settings ?? last
    const resolved = resolveSettings(this.#sources, before, this.#holds)
    if (isRead || this.#resolved !== undefined || last === undefined) return resolved
    // oxlint-disable-next-line no-unsafe-type-assertion -- each override was read by its own entry of the table
    return { ...resolved, settings: { ...last, ...this.#config.overrides } as Settings }
  }

  #endHolds(ended: readonly SettingKey[]): void {
    if (ended.length === 0) return
    const holds: Partial<Record<SettingKey, Hold>> = { ...this.#holds }
    for (const key of ended) delete holds[key]
    this.#hold(holds)
  }

  #generation(number: number, { settings, origins, notes }: Resolved): Generation {
    const config = this.#config
    const name = settings.myHostname === '' ? hostname() : settings.myHostname
    const domain = settings.defaultDomain === '' ? config.directory.firstDomain : settings.defaultDomain
    return {
      number,
      config,
      settings: { ...settings, myHostname: name },
      origins,
      defaultDomain: domain,
      notes,
    }
  }

  /** Mail does not wait for the history: the settings count, and whoever looks is told what it lacks. */
  #write(work: () => void): readonly Alarm[] {
    try {
      work()
      return []
    } catch (error) {
      return [troubleAlarm('generations.db', errorText(error))]
    }
  }

  #tellChanges({ number, reason, author, settings }: StoredGeneration, before: Settings | undefined): void {
    const changes = before === undefined ? [] : changesBetween(before, settings)
    this.#deps.log.write('info', 'settings.generation', {
      generation: number,
      reason,
      by: author === '' ? undefined : author,
      changed: changes.map(
        ({ name, before: old, after: now }) => `${name}: ${shortened(old)} -> ${shortened(now)}`,
      ),
    })
  }

  /** Alarms once, and again when they are over; notes once. */
  #tell(generation: Generation, { problems, notes }: Resolved): void {
    const wrong = problems.map(({ attribute, source, value, reason }) => ({
      key: `${source} ${attribute}`,
      attribute,
      source,
      reason: `${reason}; its value ${JSON.stringify(value)} is not used`,
    }))
    const refused = notes
      .filter(({ kind }) => kind === 'refused')
      .map(({ attribute, source, text }) => ({
        key: `${source} ${attribute}`,
        attribute,
        source,
        reason: text,
      }))
    this.#alarms.set([...this.#troubles, ...wrong, ...refused], generation.number)
    for (const { attribute, source, kind, text } of notes) {
      const key = `${source} ${attribute} ${text}`
      if (kind === 'refused' || this.#noted.has(key)) continue
      this.#noted.add(key)
      this.#deps.log.write('warn', 'settings.note', { attribute, source, kind, reason: text })
    }
  }
}

/** A list of networks may have thousands of words; the whole of it is in the history. */
const LOGGED_CHARS_MAX = 200

function shortened(text: string): string {
  return text.length > LOGGED_CHARS_MAX ? `${text.slice(0, LOGGED_CHARS_MAX)}…` : text
}

/** Tells one state of localconfig.xml from another; '' where there is none. */
function stampOf({ localconfigFile }: Config): string {
  const found = statSync(localconfigFile, { throwIfNoEntry: false, bigint: true })
  return found === undefined ? '' : `${found.mtimeNs} ${found.size} ${found.ino}`
}

function troubleAlarm(what: string, reason: string): Alarm {
  return { key: what, attribute: what, source: what, reason }
}

function keysOf(holds: Holds): readonly SettingKey[] {
  // oxlint-disable-next-line no-unsafe-type-assertion -- Object.keys forgets which keys a record has
  return Object.keys(holds) as SettingKey[]
}
