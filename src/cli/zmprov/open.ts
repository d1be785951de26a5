import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { Origin } from '#src/config/resolve.ts'
import type { Setting, SettingValue } from '#src/config/setting.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'
import { currentSettings } from '#src/cli/settings-access.ts'
import type { SourceNote, SourceNotes } from './effective.ts'
import { valueTexts } from './effective.ts'

/** The directory of the configuration, to be changed: the embedded one, or the first LDAP server that answers. */
export async function openAdminStore(config: Config, signal: AbortSignal): Promise<AdminStore> {
  const { ldap } = config.directory
  if (ldap !== undefined) {
    // LDAP is loaded where there is LDAP.
    const { openLdapStore } = await import('./open-ldap.ts')
    return await openLdapStore(ldap, signal)
  }
  const path = pathsOf(config.dataFolder).embeddedDirectory
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return EmbeddedStore.open(path)
}

/** Where the values in force come from, by attribute. */
export function sourceNotes(config: Config): SourceNotes {
  const { resolved } = currentSettings(config)
  const notes = new Map<string, SourceNote>()
  for (const [key, setting] of SETTING_LIST) {
    if (setting.zimbra === '') continue
    const note = noteOf(setting, resolved.origins[key], resolved.settings[key])
    for (const name of [setting.zimbra, ...(setting.zimbraAliases ?? [])])
      notes.set(name.toLowerCase(), { ...note, name })
  }
  return notes
}

function noteOf(setting: Setting, origin: Origin, value: SettingValue): Omit<SourceNote, 'name'> {
  const isOfEntry = origin.source === 'globalConfig' && !origin.kept
  if (isOfEntry || origin.source === 'default') return { source: origin.source, values: undefined }
  const kept = origin.kept ? ' as it was, because the newest value is not allowed' : ''
  return { source: `${origin.source}${kept}`, values: valueTexts(setting, value) }
}
