import { loadConfig } from '#src/config/config.ts'
import type { Config } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'

/** The configuration of this machine. Throws an Error that lists every mistake in it. */
export function configNamed(file: string | undefined): Config {
  const loaded = loadConfig(file, process.cwd())
  if (loaded.kind === 'config') return loaded.config
  throw new Error(`the settings have mistakes: ${loaded.problems.map(problemText).join('; ')}`)
}
