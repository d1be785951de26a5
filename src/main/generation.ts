import { hostname } from 'node:os'
import type { Config } from '#src/config/config.ts'
import { loadConfig } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'
import type { SettingProblem } from '#src/config/resolve.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import type { Settings } from '#src/config/settings.ts'
import type { Directory } from '#src/directory/directory.ts'

/** Settings of one moment, numbered: what every process works by until the next. */
export interface Generation {
  readonly number: number
  readonly config: Config
  /** `myHostname` is filled in. */
  readonly settings: Settings
  /** The domain that addresses without one belong to: zimbraDefaultDomainName, or the first domain. */
  readonly defaultDomain: string
  /** Values of the directory that are not allowed; the old ones stayed. */
  readonly problems: readonly SettingProblem[]
}

export type Reloaded =
  | { readonly kind: 'generation'; readonly generation: Generation; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string }

/** The first generation, at start. */
export function firstGeneration(config: Config, directory: Directory): Generation {
  return generationOf(config, directory, undefined)
}

/** What cannot change while it runs, with the name it has in postern.toml. */
const FIXED = [
  ['data', (config: Config) => config.dataFolder],
  ['listener', (config: Config) => JSON.stringify(config.listeners)],
  ['mailbox', (config: Config) => JSON.stringify(config.mailbox)],
  ['lmtp', (config: Config) => JSON.stringify(config.lmtpServer ?? '')],
  ['workers', (config: Config) => String(config.workers)],
  ['log', (config: Config) => JSON.stringify(config.log)],
] as const

/** Reads file and directory anew. A file with mistakes changes nothing. */
export function nextGeneration(before: Generation, directory: Directory): Reloaded {
  const { file, dataFolder } = before.config
  if (file === '')
    return { kind: 'generation', generation: generationOf(before.config, directory, before), notes: [] }
  const loaded = loadConfig(file, dataFolder)
  if (loaded.kind === 'invalid')
    return { kind: 'refused', reason: loaded.problems.map(problemText).join('\n') }
  const notes: string[] = []
  for (const [name, value] of FIXED) {
    if (value(loaded.config) !== value(before.config))
      notes.push(`${name} has changed; that takes hold at the next start`)
  }
  const { listeners, mailbox, lmtpServer, workers, log } = before.config
  const config = { ...loaded.config, dataFolder, listeners, mailbox, lmtpServer, workers, log }
  return { kind: 'generation', generation: generationOf(config, directory, before), notes }
}

/** The same file, the directory as it is now; undefined where that changes nothing. */
export function directoryGeneration(before: Generation, directory: Directory): Generation | undefined {
  const next = generationOf(before.config, directory, before)
  const same = (one: Generation) => JSON.stringify([one.settings, one.defaultDomain, one.problems])
  return same(next) === same(before) ? undefined : next
}

function generationOf(config: Config, directory: Directory, before: Generation | undefined): Generation {
  // A directory that cannot be read keeps what is in force; without anything in force, the defaults serve.
  const attributes = directory.globalConfig()
  const number = (before?.number ?? 0) + 1
  if (attributes === undefined && before !== undefined) return { ...before, number, config }
  const { settings, problems } = resolveSettings(config.overrides, attributes ?? new Map(), before?.settings)
  const [defaultDomain = config.directory.firstDomain] = attributes?.get('zimbraDefaultDomainName') ?? []
  const named = settings.myHostname === '' ? { ...settings, myHostname: hostname() } : settings
  return { number, config, settings: named, defaultDomain, problems }
}
