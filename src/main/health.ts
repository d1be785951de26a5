import { flushCompileCache } from 'node:module'
import { tellAlarmsTo } from '#src/base/alarms.ts'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { OpenLog } from '#src/base/log.ts'
import { openLog } from '#src/base/log.ts'
import { snapshot } from '#src/base/metrics.ts'
import { countProcess } from '#src/base/process-metrics.ts'
import { HealthReader } from '#src/health/reader.ts'
import { QueueDesk } from '#src/health/queue-desk.ts'
import { HealthServer } from '#src/health/server.ts'
import { controlSocketPath } from '#src/queue/paths.ts'
import type { HealthBoot } from './health-boot.ts'
import type { FromChild, ToChild } from './ipc.ts'
import { logTargets } from './open-log.ts'

/**
 * The `health` process: tells whoever asks how the box is. It opens no file of the appliance but the log, its token and
 * its certificate; all that it tells it asks of the others over their control sockets. Mail goes on without it.
 */

interface Running {
  readonly log: OpenLog
  readonly server: HealthServer
}

let running: Running | undefined
const stopping = new AbortController()

process.title = 'postern: health'
countProcess()
tellAlarmsTo((change) => tell({ kind: 'alarm', change }))
// Ctrl-C reaches the whole foreground group; master says when to stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => void stop())
process.on('disconnect', () => void stop())
process.on('message', (message: ToChild<HealthBoot>) => {
  switch (message.kind) {
    case 'boot':
      void start(message.boot)
      break
    case 'settings':
      running?.server.adopt(message.boot)
      break
    case 'ask':
      tell({ kind: 'answer', n: message.n, value: snapshot() })
      break
    case 'stop':
      void stop()
      break
    case 'ping':
    case 'alarms':
    case 'flush':
    case 'anvil':
      // It has no queue, and counts no clients.
      break
  }
})

async function start(boot: HealthBoot): Promise<void> {
  try {
    const log = openLog(logTargets('health', boot.log))
    const reader = new HealthReader(boot.controlSocket, systemClock)
    const queue = new QueueDesk(controlSocketPath(boot.runDir), systemClock)
    const server = new HealthServer({ reader, queue, log, clock: systemClock, settings: boot })
    running = { log, server }
    void reader.watch(stopping.signal)
    void server.run(stopping.signal)
    tell({ kind: 'ready' })
    // A process that is killed writes nothing at its end, and the one in its place should be quick.
    flushCompileCache()
  } catch (error) {
    tell({ kind: 'failed', reason: `The health process cannot start: ${errorText(error)}.` })
    process.exitCode = 1
    await stop()
  }
}

async function stop(): Promise<void> {
  stopping.abort()
  await running?.server.close()
  running?.log.flush()
  if (process.connected) process.disconnect?.()
}

function tell(message: FromChild): void {
  if (process.connected && process.send !== undefined) process.send(message)
}
