import { spawn } from 'node:child_process'
import { errorText } from '#src/base/fault.ts'
import type { Launch } from './child.ts'
import { readFromChild } from './from-child.ts'

/** Starts processes as master's own children, with an IPC channel; `env` is their environment. */
export function forking(env: NodeJS.ProcessEnv): Launch {
  return (spec, life) => {
    // No shell, no words from outside; a process group of its own, so that Ctrl-C reaches master alone.
    const child = spawn(process.execPath, [spec.script], {
      // Node closes every other descriptor of ours there.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...(spec.descriptors ?? [])],
      env,
      detached: true,
    })
    child.on('message', (message: unknown) => {
      const read = readFromChild(message)
      if (read !== undefined) life.heard(read)
    })
    child.once('error', (error) => {
      // It could not even be started (no memory, no processes left): 'exit' does not follow then.
      life.heard({ kind: 'failed', reason: errorText(error) })
      if (child.pid === undefined) life.ended('not started')
    })
    child.once('exit', (code, signal) => {
      life.ended(signal ?? `code ${code}`)
    })
    life.started({
      pid: child.pid,
      send: (message) => {
        if (child.connected) child.send(message, () => {})
      },
      kill: () => void child.kill('SIGKILL'),
    })
  }
}
