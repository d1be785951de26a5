import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { isatty } from 'node:tty'
import { parseArgs } from 'node:util'
import { errorText } from '#src/base/fault.ts'
import { loadConfig, readConfig } from '#src/config/config.ts'
import type { Config } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'
import { pathsOf } from '#src/config/paths.ts'

/**
 * `postern console`: the page for a terminal, in a process of its own: whatever becomes of the line, mail goes on.
 *
 *     postern console [--config FILE] [--stay] [--set-password]
 *
 * With --stay (a serial line that a service holds) it cannot be left. Exit code 0 left, 1 failed, 2 wrongly called.
 */

const USAGE = 'Usage: postern console [--config FILE] [--stay] [--set-password]\n'

process.title = 'postern: console'
process.umask(0o077)
process.exitCode = await main()

async function main(): Promise<number> {
  let values: { config?: string; stay?: boolean; 'set-password'?: boolean; help?: boolean }
  try {
    ;({ values } = parseArgs({
      args: process.argv.slice(3),
      options: {
        config: { type: 'string' },
        stay: { type: 'boolean' },
        'set-password': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }))
  } catch (error) {
    process.stderr.write(`postern: ${errorText(error)}\n${USAGE}`)
    return 2
  }
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const { config, trouble } = configOf(values.config)
  // Unless the environment names a cache (an image has one, made when it was built): that of the appliance.
  if (existsSync(config.dataFolder)) enableCompileCache(pathsOf(config.dataFolder).compileCache)
  if (values['set-password'] === true) {
    const { setPassword } = await import('./set-password.ts')
    return await setPassword(config.dataFolder)
  }
  if (!isatty(0) || !isatty(1)) {
    process.stderr.write('postern: the console needs a terminal as its standard input and output\n')
    return 1
  }
  const [{ Appliance }, { runConsole }] = await Promise.all([import('./appliance.ts'), import('./run.ts')])
  return await runConsole(new Appliance(config, trouble), { env: process.env, stay: values.stay === true })
}

/**
 * A console is most wanted where the configuration is broken: it then shows why, and works with the defaults. But for the data
 * folder, in which its password lies: a mistake somewhere else must not open it to everybody.
 */
function configOf(file: string | undefined): { readonly config: Config; readonly trouble: string } {
  const folder = process.cwd()
  const loaded = loadConfig(file, folder)
  if (loaded.kind === 'config') return { config: loaded.config, trouble: '' }
  const { dataFolder } = loaded
  const text = dataFolder === undefined ? '' : `data = ${JSON.stringify(dataFolder)}\n`
  const defaults = readConfig(text, '', folder)
  if (defaults.kind !== 'config') throw new Error('the defaults are no configuration')
  const trouble = `The configuration was not read: ${loaded.problems.map(problemText).join('; ')}`
  return { config: defaults.config, trouble }
}
