import { errorText } from '#src/base/fault.ts'
import { VERSION } from '#src/base/version.ts'
import type { Config } from '#src/config/config.ts'
import { askMaster } from './control-client.ts'
import { getopt, lastOf } from './getopt.ts'
import { print } from './output.ts'
import { controlSocketOf, stopRunning } from './running.ts'
import { hostnameOf } from '#src/admin/current-settings.ts'
import { startInBackground } from './start.ts'
import { runTool, toolConfig, ToolError } from './tool.ts'

/** What of the processes makes up one of Zimbra's services; the names of processes begin so. */
const SERVICES: readonly { readonly name: string; readonly processes: readonly string[] }[] = [
  { name: 'directory', processes: ['directory'] },
  { name: 'mailbox', processes: ['mailbox'] },
  { name: 'mta', processes: ['smtpd', 'qmgr'] },
]

/** One service as it is now. */
interface ServiceState {
  readonly name: string
  /** Why not all of it runs, a process a line; none if all does. */
  readonly troubles: readonly string[]
}

const COMMANDS: ReadonlyMap<string, (config: Config) => Promise<number>> = new Map([
  ['start', startAll],
  ['startup', startAll],
  ['stop', stopAll],
  ['shutdown', stopAll],
  ['restart', restartAll],
  ['status', statusOfAll],
])

const USAGE = `zmcontrol [-v -h -H <host>] command [args]

\t-v:\tdisplay version
\t-h:\tprint usage statement
\t-H:\tHost name (localhost)

\tCommand in:
\t\trestart                           Restart services
\t\tshutdown                             Stop services
\t\tstart                               Start services
\t\tstartup                             Start services
\t\tstatus                      Display service status
\t\tstop                                 Stop services

`

/** `zmcontrol` of Zimbra: start, stop, restart, status, -v, in its words and with its exit codes. */
export function zmcontrol(args: readonly string[]): Promise<number> {
  return runTool('zmcontrol', () => control(args), 1)
}

async function control(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'vhH:c:')
  if (typeof given === 'string') throw new ToolError(given, 1)
  if (lastOf(given, 'v') !== undefined) {
    await print([`Release ${VERSION} Postern\n`])
    return 0
  }
  const run = COMMANDS.get(given.words[0] ?? '')
  if (run === undefined || lastOf(given, 'h') !== undefined) {
    await print([USAGE])
    return 1
  }
  const config = toolConfig(lastOf(given, 'c'))
  const host = lastOf(given, 'H')
  if (host !== undefined && host !== 'localhost' && host !== hostnameOf(config))
    throw new ToolError(`this box is ${hostnameOf(config)}; it controls no other host, so not ${host}`, 1)
  return await run(config)
}

async function startAll(config: Config): Promise<number> {
  process.stdout.write(`Host ${hostnameOf(config)}\n\tStarting mta...`)
  // As in Zimbra, what runs already is no failure.
  if ((await askMaster(controlSocketOf(config), 'status')) !== undefined) {
    process.stdout.write('Done.\n')
    return 0
  }
  const { code, text } = await startInBackground(config)
  process.stdout.write(code === 0 ? 'Done.\n' : `Failed.\n${text}\n\n`)
  return code === 0 ? 0 : 1
}

async function stopAll(config: Config): Promise<number> {
  process.stdout.write(`Host ${hostnameOf(config)}\n\tStopping mta...`)
  try {
    await stopRunning(config)
    process.stdout.write('Done.\n')
    return 0
  } catch (error) {
    process.stdout.write(`Failed.\n${errorText(error)}\n\n`)
    return 1
  }
}

async function restartAll(config: Config): Promise<number> {
  const stopped = await stopAll(config)
  return stopped === 0 ? await startAll(config) : stopped
}

async function statusOfAll(config: Config): Promise<number> {
  const services = await servicesOf(config)
  const lines = [`Host ${hostnameOf(config)}\n`]
  for (const { name, troubles } of services) {
    lines.push(`\t${name.padEnd(20)} ${(troubles.length === 0 ? 'Running' : 'Stopped').padStart(10)}\n`)
    lines.push(...troubles.map((trouble) => `\t\t${trouble}\n`))
  }
  await print(lines)
  return services.every(({ troubles }) => troubles.length === 0) ? 0 : 1
}

/** The services that are there, as they are now; where nothing runs, the one that should. */
export async function servicesOf(config: Config): Promise<readonly ServiceState[]> {
  const status = await askMaster(controlSocketOf(config), 'status')
  if (status === undefined) return [{ name: 'mta', troubles: ['postern is not running'] }]
  const processes = Array.isArray(status['processes']) ? status['processes'].map(processOf) : []
  return SERVICES.flatMap(({ name, processes: names }) => {
    const own = processes.filter((one) => names.some((start) => one.name.startsWith(start)))
    if (own.length === 0) return name === 'mta' ? [{ name, troubles: ['it has no processes'] }] : []
    const troubled = own.filter(({ state }) => state !== 'ready')
    return [{ name, troubles: troubled.map((one) => `${one.name} is ${one.state}${one.reason}`) }]
  })
}

function processOf(value: unknown) {
  const facts = typeof value === 'object' && value !== null ? { ...value } : {}
  const text = (name: string) => {
    const fact: unknown = Object.entries(facts).find(([key]) => key === name)?.[1]
    return typeof fact === 'string' ? fact.replaceAll(/\s+/g, ' ') : ''
  }
  const reason = text('reason')
  return { name: text('name'), state: text('state'), reason: reason === '' ? '' : `: ${reason}` }
}
