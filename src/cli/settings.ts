import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { configOf, noWords, readOptions } from './options.ts'
import type { Config } from '#src/config/config.ts'
import { sourceOf } from '#src/config/config.ts'
import { settingsDocument, shownValue } from '#src/config/document.ts'
import { pathsOf } from '#src/config/paths.ts'
import { resolveSettings } from '#src/config/resolve.ts'
import { SETTING_LIST } from '#src/config/settings.ts'
import { Directory } from '#src/directory/directory.ts'

/** `postern settings`: every setting with the value in force, as `postconf` shows them; --markdown is docs/settings.md. */
export async function settings(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['markdown'])
  noWords(options)
  if (options.flags.has('markdown')) {
    process.stdout.write(settingsDocument())
    return 0
  }
  const config = configOf(options)
  const { settings: values, problems } = resolveSettings(
    config.overrides,
    globalConfig(pathsOf(config.dataFolder, sourceOf(config)).directory),
  )
  for (const [key, setting] of SETTING_LIST) {
    const name = setting.postfix === '' ? setting.zimbra : setting.postfix
    process.stdout.write(`${name} = ${shownValue(setting, values[key])}\n`.replace(' \n', '\n'))
  }
  for (const { attribute, reason } of problems) process.stderr.write(`${attribute}: ${reason}\n`)
  return 0
}

/** myhostname as the appliance takes it: of the machine where it is not set. */
export function hostnameOf(config: Config): string {
  const { directory } = pathsOf(config.dataFolder, sourceOf(config))
  const { settings: values } = resolveSettings(config.overrides, globalConfig(directory))
  return values.myHostname === '' ? hostname() : values.myHostname
}

function globalConfig(path: string): ReadonlyMap<string, readonly string[]> {
  if (!existsSync(path)) return new Map()
  using directory = new Directory({ path, recipientDelimiter: '', expansionLimit: 1 })
  return directory.globalConfig() ?? new Map()
}
