import { flushCompileCache } from 'node:module'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { OpenLog } from '#src/base/log.ts'
import { openLog } from '#src/base/log.ts'
import { HealthReader } from '#src/health/reader.ts'
import { QueueDesk } from '#src/health/queue-desk.ts'
import { HealthServer } from '#src/health/server.ts'
import { SnmpAgent } from '#src/health/snmp/agent.ts'
import type { HealthBoot } from './health-boot.ts'
import { logTargets } from './open-log.ts'
import { leaveMaster, serveMaster, tell, tellFailed } from './under-master.ts'

/**
 * The `health` process: tells whoever asks how the box is, over HTTP and SNMP. It opens no file of the appliance but the log,
 * its token, its certificate, and a list of the alarms that it has told of; all that it tells it asks of the others over their control sockets. Mail goes on without it.
 */

interface Running {
  readonly log: OpenLog
  readonly server: HealthServer
}

let running: Running | undefined
const stopping = new AbortController()

serveMaster<HealthBoot>('health', {
  boot: (boot) => void start(boot),
  settings: (boot) => running?.server.adopt(boot),
  stop: () => void stop(),
})

async function start(boot: HealthBoot): Promise<void> {
  try {
    const log = openLog(logTargets('health', boot.log))
    const reader = new HealthReader(boot.controlSocket, systemClock)
    const queue = new QueueDesk(boot.queueSocket, systemClock)
    const server = new HealthServer({ reader, queue, log, clock: systemClock, settings: boot })
    running = { log, server }
    void reader.watch(stopping.signal)
    void server.run(stopping.signal)
    startSnmp(boot, reader, log)
    tell({ kind: 'ready' })
    // A process that is killed writes nothing at its end, and the one in its place should be quick.
    flushCompileCache()
  } catch (error) {
    tellFailed(`The health process cannot start: ${errorText(error)}.`)
    await stop()
  }
}

/** Where it is spoken takes hold at the next start. */
function startSnmp({ snmp, ownFolder }: HealthBoot, reader: HealthReader, log: OpenLog): void {
  if (snmp.agentx === undefined) return
  const agent = new SnmpAgent({ socket: snmp.agentx, reader, log, clock: systemClock, ownFolder })
  void agent.run(stopping.signal)
}

async function stop(): Promise<void> {
  stopping.abort()
  await running?.server.close()
  running?.log.flush()
  leaveMaster()
}
