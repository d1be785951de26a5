import type { Config } from '#src/config/config.ts'
import { askMaster } from './control-client.ts'
import { getopt, lastOf } from './getopt.ts'
import { controlSocketOf, stopRunning } from './running.ts'
import { startInBackground } from './start.ts'
import { runTool, toolConfig, ToolError } from './tool.ts'
import { servicesOf } from './zmcontrol.ts'

const COMMANDS: ReadonlyMap<string, (config: Config) => Promise<number>> = new Map([
  ['start', start],
  ['stop', stop],
  ['restart', reload],
  ['reload', reload],
  ['status', status],
])

/** `zmmtactl start|stop|restart|reload|status` of Zimbra. As there, a restart is a reload: no session is dropped. */
export function zmmtactl(args: readonly string[]): Promise<number> {
  return runTool('zmmtactl', () => control(args), 1)
}

async function control(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'c:')
  if (typeof given === 'string') throw new ToolError(given, 1)
  const run = COMMANDS.get(given.words[0] ?? '')
  if (run === undefined) {
    process.stdout.write('zmmtactl start|stop|restart|reload|status\n')
    return 1
  }
  return await run(toolConfig(lastOf(given, 'c')))
}

async function start(config: Config): Promise<number> {
  if ((await askMaster(controlSocketOf(config), 'status')) !== undefined) return 0
  const { code, text } = await startInBackground(config)
  if (code !== 0) process.stdout.write(`mta failed to start\n${text}`)
  return code
}

async function stop(config: Config): Promise<number> {
  await stopRunning(config)
  return 0
}

/** Starts what does not run, as Zimbra's does. */
async function reload(config: Config): Promise<number> {
  const reply = await askMaster(controlSocketOf(config), 'reload')
  if (reply === undefined) return await start(config)
  for (const note of Array.isArray(reply['notes']) ? reply['notes'] : [])
    process.stdout.write(`${String(note)}\n`)
  return 0
}

async function status(config: Config): Promise<number> {
  const down = (await servicesOf(config)).filter(({ troubles }) => troubles.length > 0)
  for (const { name, troubles } of down)
    process.stdout.write(`${name} is not running\n${troubles.map((one) => `\t${one}\n`).join('')}`)
  return down.length === 0 ? 0 : 1
}
