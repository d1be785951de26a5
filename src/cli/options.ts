import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { loadConfig } from '#src/config/config.ts'
import { problemText } from '#src/config/reader.ts'
import { CommandError, UsageError } from './usage.ts'

export interface Options {
  /** `--config`, else POSTERN_CONFIG. */
  readonly config: string | undefined
  /** Flags that were given, without their dashes. */
  readonly flags: ReadonlySet<string>
  /** Options that take a value, by name. */
  readonly values: ReadonlyMap<string, string>
  readonly words: readonly string[]
}

/** Reads `--config FILE`, the flags and the options with a value that the command knows, and the words that remain. */
export function readOptions(
  args: readonly string[],
  known: readonly string[] = [],
  valued: readonly string[] = [],
): Options {
  const options: ParseArgsConfig['options'] = { config: { type: 'string' } }
  for (const flag of known) options[flag] = { type: 'boolean' }
  for (const name of valued) options[name] = { type: 'string' }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const flags = new Set(Object.keys(values).filter((name) => values[name] === true))
    const texts = new Map<string, string>()
    for (const [name, value] of Object.entries(values)) if (typeof value === 'string') texts.set(name, value)
    return { config: namedConfig(texts.get('config')), flags, values: texts, words: positionals }
  } catch (error) {
    throw new UsageError(`${errorText(error)}\n"postern help" lists the commands.`)
  }
}

/** The file that was named, or the postern.toml of the folder that was; by POSTERN_CONFIG where no option did. */
export function namedConfig(given: string | undefined): string | undefined {
  const named = given ?? (process.env['POSTERN_CONFIG'] || undefined)
  return named !== undefined && isFolder(named) ? join(named, 'postern.toml') : named
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** The configuration that a command works with; a CommandError that lists every mistake in it. */
export function configOf(options: Options): Config {
  const loaded = loadConfig(options.config, process.cwd())
  if (loaded.kind === 'config') return loaded.config
  throw new CommandError(
    `the configuration has mistakes:\n${loaded.problems.map((one) => `  ${problemText(one)}`).join('\n')}`,
  )
}

export function noWords(options: Options): void {
  const [word] = options.words
  if (word !== undefined)
    throw new UsageError(`"${word}" is one word too many; "postern help" lists the commands`)
}
