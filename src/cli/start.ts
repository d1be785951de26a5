import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { configOf, noWords, readOptions } from './options.ts'

const MASTER = join(import.meta.dirname, '..', 'main', 'master.ts')

/**
 * `postern start`: this process becomes master, so that whoever started it (a terminal, systemd, a container) has
 * master itself before it. With --detach a process of its own becomes master, and this one ends when mail is taken.
 */
export async function start(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['detach'])
  noWords(options)
  // As in master; Node makes the folder of its cache before master's first line runs.
  process.umask(0o077)
  // Mistakes are told before anything is started, and the cache of compiled modules lies in the data folder.
  const { dataFolder } = configOf(options)
  // One that is already named (an image has one, made when it was built) is used as it is.
  const env = { NODE_COMPILE_CACHE: pathsOf(dataFolder).compileCache, ...process.env }
  const words = [MASTER, ...(options.config === undefined ? [] : ['--config', options.config])]
  if (options.flags.has('detach')) {
    const { code, text } = await startDetached(words, env, join(dataFolder, 'log'))
    ;(code === 0 ? process.stdout : process.stderr).write(text)
    return code
  }
  process.execve?.(process.execPath, [process.execPath, ...words], env)
  throw new Error('this Node cannot replace its process (process.execve); Node 26 is needed')
}

/** What came of a start in the background: an exit code, and what master says. */
export interface Started {
  readonly code: number
  readonly text: string
}

/** Starts it in the background, for a tool that says in its own words what came of it. */
export async function startInBackground(config: Config): Promise<Started> {
  process.umask(0o077)
  const env = { NODE_COMPILE_CACHE: pathsOf(config.dataFolder).compileCache, ...process.env }
  const words = [MASTER, ...(config.file === '' ? [] : ['--config', config.file])]
  return await startDetached(words, env, join(config.dataFolder, 'log'))
}

/** What the processes print despite their log, such as the last words of a crash, goes to a file. */
async function startDetached(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  logFolder: string,
): Promise<Started> {
  const output = openOutput(logFolder)
  const master = spawn(process.execPath, [...words, '--detached'], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env,
  })
  if (typeof output === 'number') closeSync(output)
  const told = Promise.withResolvers<Started>()
  master.once('message', (message: unknown) => {
    const isReady =
      typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready'
    const text =
      typeof message === 'object' && message !== null && 'text' in message ? String(message.text) : ''
    told.resolve({ code: isReady ? 0 : 1, text })
  })
  // Not at its exit: what it has said last may still be on its way then.
  master.once('disconnect', () => {
    told.resolve({
      code: 1,
      text: `Postern has ended at its start; ${join(logFolder, 'output.log')} says why.\n`,
    })
  })
  master.once('error', (error) => {
    told.resolve({ code: 1, text: `Postern cannot be started: ${error.message}\n` })
  })
  const started = await told.promise
  master.removeAllListeners()
  if (master.connected) master.disconnect()
  master.unref()
  return started
}

/** A folder that cannot be written is for master to tell, which knows what to say about it. */
function openOutput(logFolder: string): number | 'ignore' {
  try {
    mkdirSync(logFolder, { recursive: true, mode: 0o700 })
    return openSync(join(logFolder, 'output.log'), 'a', 0o600)
  } catch {
    return 'ignore'
  }
}
