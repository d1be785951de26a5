import { shownValue } from '#src/config/document.ts'
import { settingsDocument } from '#src/config/document.ts'
import { settingName } from '#src/config/generations.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { currentSettings } from '#src/admin/current-settings.ts'

/**
 * `postern settings`: every setting with the value in force; --notes: what is set and has no effect; --markdown is
 * docs/settings.md.
 */
export async function settings(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['markdown', 'notes'])
  noWords(options)
  if (options.flags.has('markdown')) {
    process.stdout.write(settingsDocument())
    return 0
  }
  const { resolved, settings: values } = currentSettings(configOf(options))
  if (options.flags.has('notes')) {
    for (const { attribute, source, text } of resolved.notes)
      process.stdout.write(`${attribute} (${source}): ${text}\n`)
    return 0
  }
  for (const [key, setting] of SETTING_LIST) {
    process.stdout.write(`${settingName(setting)} = ${shownValue(setting, values[key])}`.trimEnd() + '\n')
  }
  for (const { attribute, source, reason } of resolved.problems)
    process.stderr.write(`${attribute} (${source}): ${reason}\n`)
  return 0
}
