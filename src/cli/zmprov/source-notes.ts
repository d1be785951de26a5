import type { Config } from '#src/config/config.ts'
import type { Origin } from '#src/config/resolve.ts'
import type { Setting, SettingValue } from '#src/config/setting.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import { currentSettings } from '#src/admin/current-settings.ts'
import type { SourceNote, SourceNotes } from './effective.ts'
import { valueTexts } from '#src/admin/value-texts.ts'

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
