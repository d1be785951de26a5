import { join } from 'node:path'

/** Where the queue keeps its things. */
export interface QueuePaths {
  /** queue.db and the lock. */
  readonly queueDir: string
  /** Large bodies; on the same file system as queue.db. */
  readonly spoolDir: string
  /** Sockets; gone after a reboot. */
  readonly runDir: string
}

/** The name under which the queue is locked (`lock-queue.db`). */
export const QUEUE_LOCK = 'queue'

export function databasePath(queueDir: string): string {
  return join(queueDir, 'queue.db')
}

/** Exists when a damaged page was met: the next start rescues what can be read. */
export function damageMarkPath(queueDir: string): string {
  return join(queueDir, 'queue.db.damaged')
}

/** smtpd hands messages over here. */
export function submitSocketPath(runDir: string): string {
  return join(runDir, 'qmgr.sock')
}

/** smtpd tells here what it refuses, for the trace. */
export function refusalSocketPath(runDir: string): string {
  return join(runDir, 'qmgr-trace.sock')
}

/** The health process asks qmgr here how things are. */
export function lookSocketPath(runDir: string): string {
  return join(runDir, 'qmgr.sock')
}

/** The tools speak to qmgr here. */
export function controlSocketPath(runDir: string): string {
  return join(runDir, 'qmgr-control.sock')
}
