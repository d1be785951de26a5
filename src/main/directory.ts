import { errorText } from '#src/base/fault.ts'
import type { OpenLog } from '#src/base/log.ts'
import { openLog } from '#src/base/log.ts'
import { Directory } from '#src/directory/directory.ts'
import { DirectoryServer } from '#src/directory/server.ts'
import type { DirectoryHandlers } from '#src/directory/service.ts'
import type { DirectoryBoot } from './directory-boot.ts'
import type { FromChild, ToChild } from './ipc.ts'
import { logTargets } from './open-log.ts'

/**
 * The `directory` process: the only one that speaks LDAP and holds the passwords for it. It keeps the mirror that all
 * lookups read, and answers what the mirror cannot: is this address really unknown, is this password right.
 */

interface Running {
  readonly log: OpenLog
  readonly directory: Directory
  readonly server: DirectoryServer
}

let running: Running | undefined

process.title = 'postern: directory'
// Ctrl-C reaches the whole foreground group; master says when to stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => stop())
process.on('disconnect', () => stop())
process.on('message', (message: ToChild<DirectoryBoot>) => {
  switch (message.kind) {
    case 'boot':
      void start(message.boot)
      break
    case 'stop':
      stop()
      break
    case 'settings':
    case 'flush':
    case 'anvil':
      break
  }
})

async function start(boot: DirectoryBoot): Promise<void> {
  try {
    const log = openLog(logTargets('directory', boot.log))
    const directory = new Directory({
      path: boot.directoryFile,
      recipientDelimiter: boot.recipientDelimiter,
      expansionLimit: boot.expansionLimit,
    })
    const server = new DirectoryServer(handlersOf(directory))
    running = { log, directory, server }
    await server.listen(boot.socket)
    tell({ kind: 'ready', facts: { source: boot.ldap === undefined ? 'embedded' : 'ldap' } })
  } catch (error) {
    tell({ kind: 'failed', reason: `The directory process cannot start: ${errorText(error)}.` })
    process.exitCode = 1
    stop()
  }
}

function handlersOf(directory: Directory): DirectoryHandlers {
  return {
    recipient: ({ address }) => directory.recipient(address),
    domain: ({ name }) => directory.domain(name),
    // Until there is something to check a password with, nobody can know whether it is right.
    authenticate: () => ({ kind: 'unavailable', reason: 'no passwords are kept here' }),
    poll: () => ({ kind: 'ok', changed: 0 }),
    accept: () => ({ kind: 'ok', changed: 0 }),
    status: () => ({}),
  }
}

function stop(): void {
  running?.server.close()
  running?.directory[Symbol.dispose]()
  running?.log.flush()
  running = undefined
  if (process.connected) process.disconnect?.()
}

function tell(message: FromChild): void {
  if (process.connected && process.send !== undefined) process.send(message)
}
