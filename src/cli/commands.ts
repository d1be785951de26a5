import { VERSION } from '#src/base/version.ts'
import { HELP, UsageError } from './usage.ts'

type Command = (args: readonly string[]) => Promise<number>

/** Each command is loaded when it is wanted: `postern status` need not load the directory. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['start', async () => (await import('./start.ts')).start],
  ['status', async () => (await import('./status.ts')).status],
  ['alarms', async () => (await import('./alarms.ts')).alarms],
  ['stop', async () => (await import('./running.ts')).stop],
  ['reload', async () => (await import('./running.ts')).reload],
  ['mailq', async () => (await import('./mailq.ts')).mailq],
  ['queue', async () => (await import('./queue.ts')).queue],
  ['trace', async () => (await import('./trace.ts')).trace],
  ['selftest', async () => (await import('./self-test.ts')).selftest],
  ['update', async () => (await import('./update.ts')).update],
  ['tlsrpt', async () => (await import('./tlsrpt.ts')).tlsrpt],
  ['directory', async () => (await import('./directory.ts')).directory],
  ['lockouts', async () => (await import('./lockouts.ts')).lockouts],
  ['generations', async () => (await import('./generations.ts')).generations],
  ['diff', async () => (await import('./generations.ts')).diff],
  ['rollback', async () => (await import('./generations.ts')).rollback],
  ['import-zimbra', async () => (await import('./import-zimbra.ts')).importZimbra],
  ['snmp-config', async () => (await import('./snmp-config.ts')).snmpConfig],
  ['settings', async () => (await import('./settings.ts')).settings],
  ['version', async () => version],
  ['help', async () => help],
])

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['--version', 'version'],
  ['-V', 'version'],
  ['--help', 'help'],
  ['-h', 'help'],
])

/** Runs the command that the words name; resolves to its exit code. */
export async function runCommand(words: readonly string[]): Promise<number> {
  const [given, ...args] = words
  if (given === undefined) throw new UsageError(`say what to do.\n\n${HELP}`)
  const load = COMMANDS.get(ALIASES.get(given) ?? given)
  if (load === undefined) throw new UsageError(`there is no command "${given}".\n\n${HELP}`)
  const command = await load()
  return command(args)
}

async function version(): Promise<number> {
  process.stdout.write(`postern ${VERSION}\n`)
  return 0
}

async function help(): Promise<number> {
  process.stdout.write(HELP)
  return 0
}
