import type { Alarm } from '#src/base/alarms.ts'
import type { Facts } from '#src/base/fault.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import type { ImageFacts } from './image-facts.ts'

/** How the box is, at one moment: what HTTP, SNMP and the console show. */
export interface HealthState {
  /** When it was read, milliseconds since 1970. */
  readonly atMs: number
  /** Master's answer; where it gave none, all that comes from it is as it was last, or empty. */
  readonly master: { readonly kind: 'ok' } | { readonly kind: 'silent'; readonly reason: string }
  readonly version: string
  readonly hostname: string
  readonly uptimeMs: number
  /** Number of the settings in force. */
  readonly generation: number
  readonly listeners: readonly { readonly address: string; readonly port: number; readonly service: string }[]
  /** Client addresses with connections that are counted. */
  readonly clients: number
  /** Master is the first. */
  readonly processes: readonly ProcessHealth[]
  readonly queue: QueueHealth
  readonly machine: MachineHealth
  readonly rates: Rates
  readonly certificates: readonly { readonly name: string; readonly untilMs: number }[]
  readonly signatures: { readonly count: number; readonly engine: string; readonly writtenMs: number }
  /** What the `directory` process tells of its source; null where the directory is embedded. */
  readonly directory: Facts | null
  /** Of the appliance image; null on any other system. */
  readonly image: ImageFacts | null
  readonly alarms: readonly Alarm[]
  /** What `postern status` ends with. */
  readonly problems: readonly string[]
  readonly metrics: MetricsSnapshot
}

export interface ProcessHealth {
  /** `smtpd/1`. */
  readonly name: string
  readonly state: string
  readonly pid: number | null
  readonly uptimeMs: number
  readonly restarts: number
  /** Why it is not ready; '' where it is. */
  readonly reason: string
  /** It did not answer master in time. */
  readonly silent: boolean
  readonly memoryBytes: number
  readonly cpuSeconds: number
}

export interface QueueHealth {
  readonly messages: number
  /** Messages in memory, for their delivery. */
  readonly activeMessages: number
  /** By their state on the disk. */
  readonly recipients: {
    readonly incoming: number
    readonly deferred: number
    readonly hold: number
    readonly corrupt: number
  }
  readonly oldestMessageSeconds: number
  readonly oldestDueSeconds: number
  readonly stalled: boolean
  /** Whether the disk has room for new mail. */
  readonly open: boolean
  readonly diskFreeBytes: number
  readonly diskSizeBytes: number
}

export interface MachineHealth {
  readonly cores: number
  /** Of one, five and fifteen minutes. */
  readonly load: readonly [number, number, number]
  readonly memoryBytes: number
  readonly availableBytes: number
}

/** Per second, over the last ten seconds or so; 0 as long as nothing was seen twice. */
export interface Rates {
  readonly connections: number
  readonly accepted: number
  readonly acceptedBytes: number
  /** Messages refused behind their last octet. */
  readonly refusedMessages: number
  /** All replies of 4xx and 5xx. */
  readonly refusals: number
  readonly delivered: number
  readonly deferred: number
  readonly bounced: number
}

/** Of a time of which nothing is known. */
export const NO_RATES: Rates = {
  connections: 0,
  accepted: 0,
  acceptedBytes: 0,
  refusedMessages: 0,
  refusals: 0,
  delivered: 0,
  deferred: 0,
  bounced: 0,
}

/** Whether it would take mail, and if not, why: a sentence each. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

/** Judges by the state whether mail would be taken now. Pure. */
export function readinessOf(state: HealthState): Readiness {
  const reasons =
    state.master.kind === 'silent'
      ? [`Master does not answer: ${state.master.reason}.`]
      : [...whyNoListener(state), ...whyNoQueue(state), ...whyNoDirectory(state)]
  return { ready: reasons.length === 0, reasons }
}

function whyNoListener({ processes }: HealthState): readonly string[] {
  const ready = processes.filter(({ name, state }) => name.startsWith('smtpd/') && state === 'ready')
  if (ready.length === 0) return ['No listener: no smtpd is ready.']
  return ready.every(({ silent }) => silent) ? ['No smtpd answers master.'] : []
}

function whyNoQueue({ processes, queue }: HealthState): readonly string[] {
  const qmgr = processes.find(({ name }) => name.startsWith('qmgr/'))
  if (qmgr === undefined || qmgr.state !== 'ready')
    return [`The queue manager is not ready: ${whyDown(qmgr)}.`]
  if (qmgr.silent) return ['The queue manager does not answer master.']
  return queue.open ? [] : ['The disk of the queue is full: mail is answered 452.']
}

/** Only over LDAP: the embedded directory is a file that smtpd reads by itself. */
function whyNoDirectory({ directory, processes }: HealthState): readonly string[] {
  if (directory === null || typeof directory['snapshotAgeS'] === 'number') return []
  const process = processes.find(({ name }) => name.startsWith('directory/'))
  if (process?.state !== 'ready') return [`The directory process is not ready: ${whyDown(process)}.`]
  return ['The directory has never been read.']
}

function whyDown(process: ProcessHealth | undefined): string {
  if (process === undefined) return 'there is none'
  return process.reason === '' ? `it is ${process.state}` : process.reason
}
