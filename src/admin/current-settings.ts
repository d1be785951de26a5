import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Config } from '#src/config/config.ts'
import { sourceOf } from '#src/config/config.ts'
import { GenerationStore } from '#src/config/generations.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { Resolved } from '#src/config/resolve.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import type { Settings } from '#src/config/settings.ts'
import { readSources } from '#src/config/sources.ts'
import type { Sources } from '#src/config/sources.ts'
import { Directory } from '#src/directory/directory.ts'
import { CommandError } from './command-error.ts'

/** The settings as the appliance has them in force, or would have if it were started now. */
export interface CurrentSettings {
  readonly resolved: Resolved
  /** `myHostname` is filled in. */
  readonly settings: Settings
  readonly sources: Sources
}

/** Reads them from where they stand; a CommandError where something of it cannot be read. */
export function currentSettings(config: Config): CurrentSettings {
  const sources = sourcesOf(config)
  const paths = pathsOf(config.dataFolder, sourceOf(config))
  let resolved: Resolved
  if (existsSync(paths.generations)) {
    using store = GenerationStore.openForReading(paths.generations)
    resolved = resolveSettings(sources, store.newest?.settings, store.holds)
  } else {
    resolved = resolveSettings(sources)
  }
  const { settings } = resolved
  const name = settings.myHostname === '' ? hostname() : settings.myHostname
  return { resolved, settings: { ...settings, myHostname: name }, sources }
}

function sourcesOf(config: Config): Sources {
  const path = pathsOf(config.dataFolder, sourceOf(config)).directory
  // Before the first start there is no directory, and what it will be made with has no settings that matter.
  const nothing = { globalConfig: () => new Map(), serverConfig: () => new Map(), trouble: '' }
  using directory = existsSync(path)
    ? new Directory({ path, recipientDelimiter: '', expansionLimit: 1 })
    : undefined
  const read = readSources(config, directory ?? nothing)
  if (read.kind === 'sources') return read.sources
  throw new CommandError(`${read.what} cannot be read: ${read.reason}`)
}

/** myhostname as the appliance takes it: of the machine where it is not set. */
export function hostnameOf(config: Config): string {
  return currentSettings(config).settings.myHostname
}
