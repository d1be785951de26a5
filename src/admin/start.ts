import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { pathsOf } from '#src/config/paths.ts'

/** What came of a start in the background: an exit code, and what master says. */
export interface Started {
  readonly code: number
  readonly text: string
}

/** The program that becomes master. */
const MASTER = join(import.meta.dirname, '..', 'main', 'master.ts')

/** The words behind the program's name, and its environment. */
export interface MasterStart {
  readonly words: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** How a master is started that works with the same configuration as we do; `env` is ours. */
export function masterStart(dataFolder: string, configFile: string, env: NodeJS.ProcessEnv): MasterStart {
  return {
    words: [MASTER, ...(configFile === '' ? [] : ['--config', configFile])],
    // A cache that is already named (an image has one, made when it was built) is used as it is.
    env: { NODE_COMPILE_CACHE: pathsOf(dataFolder).compileCache, ...env },
  }
}

/**
 * Starts it in the background, and is told by it what came of that. What the processes print despite their log, such as
 * the last words of a crash, goes to a file.
 */
export async function startDetached({ words, env }: MasterStart, dataFolder: string): Promise<Started> {
  const logFolder = join(dataFolder, 'log')
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
