import { parseArgs } from 'node:util'
import { tellAlarmsTo } from '#src/base/alarms.ts'
import { snapshot } from '#src/base/metrics.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import { countProcess } from '#src/base/process-metrics.ts'
import type { ChildKind } from './child.ts'
import type { FromChild, ToChild } from './ipc.ts'
import type { Line } from './line-to-master.ts'
import { calledLine, forkedLine } from './line-to-master.ts'

/** What a process does with what master says. What all of them do alike is done in `serveMaster`. */
interface UnderMaster<Boot> {
  /** Once, and first. It says `ready` or `failed` itself. */
  readonly boot: (boot: Boot) => void
  /** A new generation; left out where nothing of it can change in the running process. */
  readonly settings?: (boot: Boot) => void
  /** Master asked, or a signal did, or master is gone: perhaps all of them, one after the other. */
  readonly stop: () => void
  /** What has been counted, where it is more than this thread's. */
  readonly counted?: () => Promise<MetricsSnapshot>
  /** The queue is to be tried now; left out where there is no queue. */
  readonly flush?: () => void
  /** No more mail is to be taken for so long; left out where none is. */
  readonly drain?: (ms: number) => void
  /** Postmaster is to be told this; left out where no mail is written. */
  readonly alarms?: (subject: string, lines: readonly string[]) => void
  /** A connection was counted; left out where there are no clients. */
  readonly anvil?: (n: number, admitted: boolean) => void
}

let line: Line | undefined

/**
 * Makes this process one of master's children (`ipc.ts`). Call it once. With `--master SOCKET` among the words it was
 * started with, and `--number N` where there are several of its kind, it is a service of its own that master awaits.
 */
export function serveMaster<Boot>(kind: ChildKind, part: UnderMaster<Boot>): void {
  process.title = `postern: ${kind}`
  countProcess()
  tellAlarmsTo((change) => tell({ kind: 'alarm', change }))
  // Ctrl-C reaches the whole foreground group; master says when to stop.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => part.stop())
  const ends = { heard: (message: ToChild<Boot>) => heard(message, part), gone: () => part.stop() }
  const { values } = parseArgs({
    options: { master: { type: 'string' }, number: { type: 'string', default: '1' } },
  })
  const { master: socketPath, number } = values
  line = socketPath === undefined ? forkedLine(ends) : calledLine({ socketPath, n: Number(number) }, ends)
}

function heard<Boot>(message: ToChild<Boot>, part: UnderMaster<Boot>): void {
  switch (message.kind) {
    case 'boot':
      part.boot(message.boot)
      break
    case 'settings':
      part.settings?.(message.boot)
      break
    case 'stop':
      part.stop()
      break
    case 'ping':
      tell({ kind: 'pong' })
      break
    case 'ask':
      void answer(message.n, part)
      break
    case 'flush':
      part.flush?.()
      break
    case 'drain':
      part.drain?.(message.ms)
      break
    case 'alarms':
      part.alarms?.(message.subject, message.lines)
      break
    case 'anvil':
      part.anvil?.(message.n, message.admitted)
      break
  }
}

async function answer<Boot>(n: number, part: UnderMaster<Boot>): Promise<void> {
  tell({ kind: 'answer', n, value: part.counted === undefined ? snapshot() : await part.counted() })
}

/** Says something to master; a master that is gone need not hear it. */
export function tell(message: FromChild): void {
  line?.tell(message)
}

/** Says why this process cannot start (`reason` is a whole sentence), and makes it end with 1 once it ends. */
export function tellFailed(reason: string): void {
  tell({ kind: 'failed', reason })
  process.exitCode = 1
}

/** The last word: without the channel, the process ends when it has nothing left to do. */
export function leaveMaster(): void {
  line?.leave()
}
