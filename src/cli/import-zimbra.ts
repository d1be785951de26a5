import { createReadStream, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import { LOCALCONFIG_BYTES_MAX, parseLocalconfig } from '#src/base/localconfig-xml.ts'
import { pathsOf } from '#src/config/paths.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import { checkEntries } from '#src/directory/moving/checks.ts'
import { Staging } from '#src/directory/moving/staging.ts'
import { ldifRecords, LdifWrong } from '#src/directory/ldif.ts'
import { askMaster } from './control-client.ts'
import { applyEntries, applyLocalconfig } from './import-zimbra/apply.ts'
import { MOVING_RULES } from './import-zimbra/attributes.ts'
import { comparePostconf, parsePostconf } from './import-zimbra/postconf.ts'
import { reportOf, reportText } from './import-zimbra/report.ts'
import { movedSettings } from './import-zimbra/settings.ts'
import type { Options } from './options.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { print } from './output.ts'
import { controlSocketOf } from './running.ts'
import { CommandError, UsageError } from './usage.ts'

const FLAGS = ['json', 'apply', 'replace', 'no-starttls'] as const
const VALUES = ['ldif', 'ldap', 'bind-dn', 'password-file', 'ca', 'base', 'postconf', 'localconfig', 'server']

/**
 * `postern import-zimbra`: what a Zimbra's directory would be here, before anything is switched; with --apply it is
 * taken over into the embedded directory, all of it or nothing.
 */
export async function importZimbra(args: readonly string[]): Promise<number> {
  process.umask(0o077)
  const options = readOptions(args, FLAGS, VALUES)
  noWords(options)
  const config = configOf(options)
  refuseWrongWords(options, config)
  const localconfig = readLocalconfigOf(options)
  using staging = new Staging(stagingFolder(config, options), MOVING_RULES)
  for await (const { dn, attributes } of entriesOf(options)) staging.add(dn, attributes)
  staging.seal()
  const moved = movedSettings(staging, config, {
    server: options.values.get('server'),
    localconfig: localconfig ?? new Map(),
  })
  checkEntries(staging.store, staging.findings, {
    expansionLimit: moved.values.settings.virtualAliasExpansionLimit,
  })
  const postconf = options.values.get('postconf')
  const compared =
    postconf === undefined ? [] : comparePostconf(parsePostconf(readText(postconf)), moved.values)
  const report = reportOf(staging, moved, { postconf: compared, localconfig })
  const source = options.values.get('ldif') ?? options.values.get('ldap') ?? ''
  await print(
    options.flags.has('json')
      ? [`${JSON.stringify(report, undefined, 2)}\n`]
      : reportText(report, source === '-' ? 'standard input' : source),
  )
  if (options.flags.has('apply')) await apply(config, staging, localconfig, options)
  else if (!options.flags.has('json')) await print(['\nNothing was changed; --apply takes it over.\n'])
  return 0
}

function refuseWrongWords(options: Options, config: Config): void {
  const has = (name: string) => options.values.has(name)
  if (has('ldif') === has('ldap'))
    throw new UsageError('say where from: --ldif FILE (or - for standard input), or --ldap URL')
  if (has('bind-dn') !== has('password-file'))
    throw new UsageError('--bind-dn and --password-file belong together')
  if (!has('ldap') && (has('bind-dn') || has('ca') || has('base')))
    throw new UsageError('--bind-dn, --password-file, --ca and --base belong to --ldap')
  if (options.flags.has('replace') && !options.flags.has('apply'))
    throw new UsageError('--replace says what --apply does with what is there')
  if (options.flags.has('apply') && config.directory.ldap !== undefined)
    throw new CommandError(
      'the directory is reached over LDAP ([directory] in postern.toml): there is nothing to take over',
    )
}

/** Beside the directory, whose disk has room for it; a look alone makes no data folder. */
function stagingFolder(config: Config, options: Options): string {
  const folder = dirname(pathsOf(config.dataFolder).embeddedDirectory)
  if (options.flags.has('apply')) mkdirSync(folder, { recursive: true, mode: 0o700 })
  return existsSync(folder) ? folder : tmpdir()
}

/** The entries, one at a time: a dump is never held as a whole. */
async function* entriesOf(options: Options): AsyncGenerator<AdminEntry> {
  const file = options.values.get('ldif')
  if (file === undefined) {
    const { ldapEntries } = await import('./import-zimbra/ldap.ts')
    yield* ldapEntries(options)
    return
  }
  const name = file === '-' ? 'standard input' : file
  try {
    const stream = file === '-' ? process.stdin : createReadStream(file)
    for await (const record of ldifRecords(stream.setEncoding('utf8'))) {
      if (record.kind !== 'entry')
        throw new CommandError(`${name}:${record.line}: this is a change; a dump holds entries only`)
      yield record
    }
  } catch (error) {
    if (error instanceof LdifWrong) throw new CommandError(`${name}:${error.line}: ${error.message}`)
    if (error instanceof CommandError) throw error
    throw new CommandError(`${name} cannot be read: ${errorText(error)}`)
  }
}

function readLocalconfigOf(options: Options): Localconfig | undefined {
  const file = options.values.get('localconfig')
  if (file === undefined) return undefined
  const parsed = parseLocalconfig(readText(file))
  if (parsed.kind === 'wrong') throw new CommandError(`${file}:${parsed.line}: ${parsed.reason}`)
  return parsed.keys
}

function readText(file: string): string {
  try {
    if (statSync(file).size > LOCALCONFIG_BYTES_MAX)
      throw new CommandError(`${file} is larger than ${LOCALCONFIG_BYTES_MAX} bytes`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw error instanceof CommandError
      ? error
      : new CommandError(`${file} cannot be read: ${errorText(error)}`)
  }
}

async function apply(
  config: Config,
  staging: Staging,
  localconfig: Localconfig | undefined,
  options: Options,
): Promise<void> {
  const path = pathsOf(config.dataFolder).embeddedDirectory
  const wasThere = existsSync(path)
  await using store = EmbeddedStore.open(path)
  const done = await applyEntries(store, staging, options.flags.has('replace'))
  const lines = [
    `\nTaken over into the embedded directory: ${done.added} entries added, ${done.replaced} replaced.\n`,
    done.removed > 0 ? `${done.removed} entries that were there are gone (--replace).\n` : '',
    done.left > 0
      ? `${done.left} entries that were there before stay beside them; with --replace they go.\n`
      : '',
  ]
  if (localconfig !== undefined) {
    const { taken, left } = applyLocalconfig(config, localconfig)
    lines.push(`localconfig.xml: ${taken} keys of the MTA taken over, ${left} of other servers left out.\n`)
  }
  const reply = wasThere ? await askMaster(controlSocketOf(config), 'reload') : undefined
  lines.push(reply === undefined ? 'It counts from the next start.\n' : 'The running Postern works by it.\n')
  // With --json the report alone stands on standard output.
  if (options.flags.has('json')) process.stderr.write(lines.join(''))
  else await print(lines)
}
