import { errorText } from '#src/base/fault.ts'
import type { OpenLog } from '#src/base/log.ts'
import { openLog } from '#src/base/log.ts'
import { DirectoryServer, LOOKUPS } from '#src/directory/server.ts'
import type { DirectoryBoot } from './directory-boot.ts'
import { DirectoryWorks } from './directory-works.ts'
import { logTargets } from './open-log.ts'
import { leaveMaster, serveMaster, tell, tellFailed } from './under-master.ts'

/**
 * The `directory` process: the only one that speaks LDAP and holds the passwords for it. It keeps the mirror that all
 * lookups read, and answers what the mirror cannot: is this address really unknown, is this password right.
 */

interface Running {
  readonly log: OpenLog
  readonly works: DirectoryWorks
  readonly server: DirectoryServer
  readonly lookups: DirectoryServer
}

let running: Running | undefined
let stopping: Promise<void> | undefined

serveMaster<DirectoryBoot>('directory', {
  boot: (boot) => void start(boot),
  settings: (boot) => running?.works.adopt(boot),
  stop: () => void stop(),
})

async function start(boot: DirectoryBoot): Promise<void> {
  try {
    const log = openLog(logTargets('directory', boot.log))
    const works = new DirectoryWorks(boot, log, tell)
    const server = new DirectoryServer(works.handlers)
    const lookups = new DirectoryServer(works.handlers, LOOKUPS)
    running = { log, works, server, lookups }
    await server.listen(boot.socket)
    await lookups.listen(boot.lookupSocket)
    // The first mail should meet a directory that is known: a server that answers does so within this.
    await works.firstLook()
    const servers = boot.ldap?.urls ?? []
    log.write('info', 'directory.start', { source: boot.ldap === undefined ? 'embedded' : 'ldap', servers })
    // What else `postern status` shows of it is asked for then.
    if (stopping === undefined)
      tell({ kind: 'ready', facts: { source: boot.ldap === undefined ? 'embedded' : 'ldap' } })
  } catch (error) {
    tellFailed(`The directory process cannot start: ${errorText(error)}.`)
    void stop()
  }
}

async function stop(): Promise<void> {
  stopping ??= stopNow()
  await stopping
}

async function stopNow(): Promise<void> {
  running?.server.close()
  running?.lookups.close()
  await running?.works.close()
  running?.log.flush()
  running = undefined
  leaveMaster()
}
