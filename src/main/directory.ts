import { tellAlarmsTo } from '#src/base/alarms.ts'
import { errorText } from '#src/base/fault.ts'
import type { OpenLog } from '#src/base/log.ts'
import { openLog } from '#src/base/log.ts'
import { snapshot } from '#src/base/metrics.ts'
import { countProcess } from '#src/base/process-metrics.ts'
import { DirectoryServer } from '#src/directory/server.ts'
import type { DirectoryBoot } from './directory-boot.ts'
import { DirectoryWorks } from './directory-works.ts'
import type { FromChild, ToChild } from './ipc.ts'
import { logTargets } from './open-log.ts'

/**
 * The `directory` process: the only one that speaks LDAP and holds the passwords for it. It keeps the mirror that all
 * lookups read, and answers what the mirror cannot: is this address really unknown, is this password right.
 */

interface Running {
  readonly log: OpenLog
  readonly works: DirectoryWorks
  readonly server: DirectoryServer
}

let running: Running | undefined
let stopping: Promise<void> | undefined

process.title = 'postern: directory'
countProcess()
tellAlarmsTo((change) => tell({ kind: 'alarm', change }))
// Ctrl-C reaches the whole foreground group; master says when to stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => void stop())
process.on('disconnect', () => void stop())
process.on('message', (message: ToChild<DirectoryBoot>) => {
  switch (message.kind) {
    case 'boot':
      void start(message.boot)
      break
    case 'settings':
      running?.works.adopt(message.boot)
      break
    case 'stop':
      void stop()
      break
    case 'ask':
      tell({ kind: 'answer', n: message.n, value: snapshot() })
      break
    case 'ping':
    case 'alarms':
    case 'flush':
    case 'anvil':
      // It has no queue, and counts no clients.
      break
  }
})

async function start(boot: DirectoryBoot): Promise<void> {
  try {
    const log = openLog(logTargets('directory', boot.log))
    const works = new DirectoryWorks(boot, log, tell)
    const server = new DirectoryServer(works.handlers)
    running = { log, works, server }
    await server.listen(boot.socket)
    // The first mail should meet a directory that is known: a server that answers does so within this.
    await works.firstLook()
    const servers = boot.ldap?.urls ?? []
    log.write('info', 'directory.start', { source: boot.ldap === undefined ? 'embedded' : 'ldap', servers })
    // What else `postern status` shows of it is asked for then.
    if (stopping === undefined)
      tell({ kind: 'ready', facts: { source: boot.ldap === undefined ? 'embedded' : 'ldap' } })
  } catch (error) {
    tell({ kind: 'failed', reason: `The directory process cannot start: ${errorText(error)}.` })
    process.exitCode = 1
    void stop()
  }
}

async function stop(): Promise<void> {
  stopping ??= stopNow()
  await stopping
}

async function stopNow(): Promise<void> {
  running?.server.close()
  await running?.works.close()
  running?.log.flush()
  running = undefined
  if (process.connected) process.disconnect?.()
}

function tell(message: FromChild): void {
  if (process.connected && process.send !== undefined) process.send(message)
}
