import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorText } from '#src/base/fault.ts'
import { askMaster } from './control-client.ts'
import { configOf, readOptions } from './options.ts'
import { controlSocketOf, tellNotRunning } from './running.ts'
import { CommandError, UsageError } from './usage.ts'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { ImportError, openEntries } from '#src/directory/entries.ts'
import { LDIF_BYTES_MAX, parseLdif } from '#src/directory/ldif.ts'

/** `postern directory import FILE|-`, `postern directory export` and `postern directory accept`. */
export async function directory(args: readonly string[]): Promise<number> {
  process.umask(0o077)
  const options = readOptions(args)
  const config = configOf(options)
  const [action, ...words] = options.words
  if (action === 'export' && words.length === 0) return exportAll(config)
  if (action === 'accept' && words.length === 0) return acceptAll(config)
  if (action === 'import' && words.length === 1) return importFile(config, words[0] ?? '-')
  throw new UsageError(
    'say "postern directory import FILE" (or - for standard input), "postern directory export" or "postern directory accept"',
  )
}

/** Takes over what was held back of a directory server (docs/directory.md). */
async function acceptAll(config: Config): Promise<number> {
  const reply = await askMaster(controlSocketOf(config), 'accept')
  if (reply === undefined) return tellNotRunning(config)
  process.stdout.write(`${String(reply['changed'])} entries have changed.\n`)
  return 0
}

async function exportAll(config: Config): Promise<number> {
  const path = pathsOf(config.dataFolder).embeddedDirectory
  if (!existsSync(path))
    throw new CommandError(`there is no directory yet in ${config.dataFolder}; the first start makes one`)
  using entries = openEntries(path)
  process.stdout.write('version: 1\n\n')
  for (const entry of entries.export()) {
    if (!process.stdout.write(entry)) await new Promise((resolve) => process.stdout.once('drain', resolve))
  }
  return 0
}

async function importFile(config: Config, file: string): Promise<number> {
  if (config.directory.ldap !== undefined)
    throw new CommandError('the directory is reached over LDAP: change it there, with zmprov or ldapmodify')
  const parsed = parseLdif(readLdif(file))
  const name = file === '-' ? 'standard input' : file
  if (parsed.kind === 'wrong') throw new CommandError(`${name}:${parsed.line}: ${parsed.reason}`)
  const path = pathsOf(config.dataFolder).embeddedDirectory
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  using entries = openEntries(path)
  try {
    const done = entries.import(parsed.records)
    for (const warning of done.warnings) process.stderr.write(`${name}: ${warning}\n`)
    process.stdout.write(
      `${done.added} added, ${done.replaced} replaced, ${done.modified} modified, ${done.deleted} deleted\n`,
    )
  } catch (error) {
    if (error instanceof ImportError)
      throw new CommandError(`${name}:${error.line}: ${error.message}\nNothing was imported.`)
    throw error
  }
  // Running processes see entries at once; settings in globalConfig become a generation when master looks.
  await askMaster(controlSocketOf(config), 'reload')
  return 0
}

function readLdif(file: string): string {
  try {
    const size = file === '-' ? 0 : statSync(file).size
    if (size > LDIF_BYTES_MAX) throw new CommandError(`${file} is larger than ${LDIF_BYTES_MAX} bytes`)
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw error instanceof CommandError
      ? error
      : new CommandError(`${file} cannot be read: ${errorText(error)}`)
  }
}
