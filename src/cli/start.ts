import { masterStart, startDetached } from '#src/admin/start.ts'
import type { Started } from '#src/admin/start.ts'
import type { Config } from '#src/config/config.ts'
import { keepInherited } from '#src/host/activation.ts'
import { configOf, noWords, readOptions } from './options.ts'

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
  const begin = masterStart(dataFolder, options.config ?? '', process.env)
  if (options.flags.has('detach')) {
    const { code, text } = await startDetached(begin, dataFolder)
    ;(code === 0 ? process.stdout : process.stderr).write(text)
    return code
  }
  keepInherited(process.env, process.pid)
  process.execve?.(process.execPath, [process.execPath, ...begin.words], begin.env)
  throw new Error('this Node cannot replace its process (process.execve); Node 26 is needed')
}

/** Starts it in the background, for a tool that says in its own words what came of it. */
export async function startInBackground(config: Config): Promise<Started> {
  process.umask(0o077)
  return await startDetached(masterStart(config.dataFolder, config.file, process.env), config.dataFolder)
}
