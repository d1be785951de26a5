import { hostname } from 'node:os'
import type { Config } from '#src/config/config.ts'
import { shownValue } from '#src/config/document.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import type { SettingNote } from '#src/config/notes.ts'
import type { ParameterValues } from '#src/config/parameters.ts'
import type { SettingProblem } from '#src/config/resolve.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import type { Attributes } from '#src/config/sources.ts'
import { serverNameOf } from '#src/config/sources.ts'
import { CONFIG_DN, serverDn } from '#src/directory/admin/naming.ts'
import type { Staging } from '#src/directory/moving/staging.ts'

/** A setting that is somewhere set, as it will be in force. */
export interface HonouredSetting {
  readonly name: string
  readonly value: string
  readonly from: string
}

export interface MovedSettings {
  /** Whose entry stands above globalConfig; '' where there is none. */
  readonly server: string
  readonly values: ParameterValues
  readonly honoured: readonly HonouredSetting[]
  readonly problems: readonly SettingProblem[]
  readonly notes: readonly SettingNote[]
}

/** What the command was told besides the directory. */
interface Given {
  readonly server: string | undefined
  readonly localconfig: Localconfig
}

/** The settings as they would be in force with this directory and this localconfig.xml. */
export function movedSettings(staging: Staging, config: Config, given: Given): MovedSettings {
  const server = chooseServer(staging, config, given)
  const sources = {
    overrides: config.overrides,
    globalConfig: attributesOf(staging, CONFIG_DN),
    server: server === '' ? new Map() : attributesOf(staging, serverDn(server)),
    localconfig: given.localconfig,
  }
  const resolved = resolveSettings(sources)
  const { settings } = resolved
  const named = settings.myHostname === '' ? { ...settings, myHostname: hostname() } : settings
  const honoured = SETTING_LIST.flatMap(([key, setting]) => {
    const { source, name } = resolved.origins[key]
    return source === 'default' ? [] : [{ name, value: shownValue(setting, named[key]), from: source }]
  })
  return {
    server,
    values: { settings: named, resolved, sources },
    honoured: honoured.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    problems: resolved.problems,
    notes: resolved.notes,
  }
}

/** The server that is named, else this machine's, else the only one that carries an MTA. */
function chooseServer(staging: Staging, config: Config, given: Given): string {
  const named = given.server?.toLowerCase() ?? serverNameOf(config, given.localconfig)
  if (staging.table.idOf(serverDn(named)) !== undefined) return named
  if (given.server !== undefined) return ''
  const [only, ...others] = staging.table.idsWith('zimbraServiceEnabled', 'mta')
  if (only === undefined || others.length > 0) return ''
  return staging.table.read(only).find(({ name }) => name.toLowerCase() === 'cn')?.value.text ?? ''
}

function attributesOf(staging: Staging, dn: string): Attributes {
  const id = staging.table.idOf(dn)
  const found = new Map<string, string[]>()
  if (id === undefined) return found
  for (const { name, value } of staging.table.read(id)) {
    if (!value.binary) found.getOrInsertComputed(name, () => []).push(value.text)
  }
  return found
}
