import { setTimeout as sleep } from 'node:timers/promises'
import { startedAt } from '#src/base/process.ts'
import { askMaster } from './control-client.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { CommandError } from './usage.ts'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'

/** Exit code of `status`, `stop` and `reload` where nothing runs, as in `systemctl status`. */
export const NOT_RUNNING = 3

/** All graces of master together, and some. */
const STOP_MS = 60_000
const POLL_MS = 25

export function controlSocketOf(config: Config): string {
  return pathsOf(config.dataFolder).controlSocket
}

export function tellNotRunning(config: Config): number {
  process.stderr.write(`Postern does not run with the data folder ${config.dataFolder}.\n`)
  return NOT_RUNNING
}

/** `postern stop`: asks for the end and waits for it. */
export async function stop(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  noWords(options)
  const config = configOf(options)
  if (!(await stopRunning(config))) return tellNotRunning(config)
  process.stdout.write('Postern has stopped.\n')
  return 0
}

/** Asks for the end and waits until every process is gone; false where nothing runs. */
export async function stopRunning(config: Config): Promise<boolean> {
  const socket = controlSocketOf(config)
  const status = await askMaster(socket, 'status')
  const known = processesOf(status ?? {})
  if (status === undefined || (await askMaster(socket, 'stop')) === undefined) return false
  const left = () => known.filter((one) => startedAt(one.pid) === one.started).map((one) => one.pid)
  for (let waitedMs = 0; left().length > 0; waitedMs += POLL_MS) {
    if (waitedMs > STOP_MS)
      throw new CommandError(`it has not ended after ${STOP_MS / 1000} s: processes ${left().join(', ')}`)
    await sleep(POLL_MS)
  }
  return true
}

/** Master and all its processes, as they are before the end. */
function processesOf(status: Readonly<Record<string, unknown>>) {
  const processes: readonly unknown[] = Array.isArray(status['processes']) ? status['processes'] : []
  const pids = [status, ...processes].map((one) =>
    typeof one === 'object' && one !== null && 'pid' in one ? one.pid : undefined,
  )
  return pids
    .filter((pid) => typeof pid === 'number')
    .map((pid) => ({ pid, started: startedAt(pid) }))
    .filter(({ started }) => started !== undefined)
}

/** `postern reload`: settings, certificate and signatures anew. */
export async function reload(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  noWords(options)
  const config = configOf(options)
  const reply = await askMaster(controlSocketOf(config), 'reload')
  if (reply === undefined) return tellNotRunning(config)
  process.stdout.write(`Generation ${String(reply['generation'])} of the settings is in force.\n`)
  for (const note of Array.isArray(reply['notes']) ? reply['notes'] : [])
    process.stdout.write(`Note: ${String(note)}\n`)
  return 0
}
