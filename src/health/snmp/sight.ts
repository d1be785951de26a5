import type { Sample } from '#src/base/metrics.ts'
import { sumOf } from '#src/health/history.ts'
import type { HealthState } from '#src/health/state.ts'
import { AlarmNumbers } from './alarm-numbers.ts'
import { Changes, Numbers } from './memory.ts'
import { ticks } from './values.ts'
import type { Value } from './values.ts'

/** What rows are made of: how the box is, and what was seen before. */
export interface Sight {
  readonly state: HealthState
  /** Of a clock that never jumps. */
  readonly nowMs: number
  /** When the state was read, of the same clock. */
  readonly readMs: number
  /** sysUpTime of snmpd (RFC 3418): seconds. TimeStamps are told by it. */
  readonly sysUpTimeS: number
  readonly memory: Memory
}

/** Certificates, alarms and processes that have a row; master keeps no more alarms, and nobody has more of the others. */
const ROWS_MAX = 1000
/** Next hops with a group of their own: as many as the metrics tell apart, with 'other' and 'none' (delivery/report.ts). */
export const NEXTHOP_GROUPS_MAX = 102
/** The first of them: below are queues and services. */
const NEXTHOP_GROUPS_FROM = 101

/** What stays from one look to the next: numbers of rows, and when things changed. */
export class Memory {
  readonly nexthops = new Numbers(NEXTHOP_GROUPS_FROM, NEXTHOP_GROUPS_MAX)
  readonly processes = new Numbers(1, ROWS_MAX)
  readonly certificates = new Numbers(1, ROWS_MAX)
  readonly alarms = new AlarmNumbers()
  readonly changes = new Changes()
  /** When each next hop was met for the first time. */
  readonly metMs = new Map<string, number>()

  /** Looks at what has changed; called for each state, whether or not anybody asks. */
  note(state: HealthState, nowMs: number): void {
    this.alarms.adopt(state.alarms)
    for (const { name } of state.processes) this.processes.of(name)
    for (const { name } of state.certificates) this.certificates.of(name)
    for (const [name] of nexthopsOf(state))
      if (this.nexthops.of(name) !== undefined && !this.metMs.has(name)) this.metMs.set(name, nowMs)
    for (const service of ['', 'smtp', 'submission', 'submissions'])
      this.#activity(`in ${service}`, inboundOf(state, service), nowMs)
    this.#activity('out', outboundOf(state), nowMs)
    for (const [name, counts] of nexthopsOf(state))
      if (this.nexthops.of(name) !== undefined) this.changes.note(`hop ${name}`, counts.messages, nowMs)
  }

  #activity(key: string, { open, made }: Associations, nowMs: number): void {
    if (open > 0) this.changes.touch(key, made, nowMs)
    else this.changes.note(key, made, nowMs)
  }
}

/** Connections, as RFC 2788 calls them. */
export interface Associations {
  readonly open: number
  /** All that were made, without those that were refused. */
  readonly made: number
  readonly failed: number
}

/** Of one service, or of all where that is ''. */
export function inboundOf({ metrics }: HealthState, service: string): Associations {
  const is = (label: string | undefined) => service === '' || label === service
  const failed = sumOf(metrics, 'postern_smtpd_refused_connections_total', ([label]) => is(label))
  return {
    // The first label is the process.
    open: sumOf(metrics, 'postern_smtpd_sessions', ([, label]) => is(label)),
    made: sumOf(metrics, 'postern_smtpd_connections_total', ([label]) => is(label)) - failed,
    failed,
  }
}

export function outboundOf({ metrics }: HealthState): Associations {
  const made = (wanted: (outcome: string | undefined) => boolean) =>
    sumOf(metrics, 'postern_delivery_connections_total', ([outcome]) => wanted(outcome))
  return {
    open: sumOf(metrics, 'postern_delivery_sessions'),
    made: made((outcome) => outcome === 'open'),
    failed: made((outcome) => outcome !== 'open'),
  }
}

/** What next hops were given. */
export interface NexthopCounts {
  readonly messages: number
  readonly bytes: number
  readonly sent: number
  readonly deferred: number
  readonly bounced: number
}

const NOTHING: NexthopCounts = { messages: 0, bytes: 0, sent: 0, deferred: 0, bounced: 0 }

/** By next hop, in the order in which the metrics tell them. */
export function nexthopsOf({ metrics }: HealthState): ReadonlyMap<string, NexthopCounts> {
  const all = new Map<string, NexthopCounts>()
  const add = (
    samples: readonly Sample[] | undefined,
    part: (label: string, value: number) => Part,
  ): void => {
    for (const sample of samples ?? []) {
      const [name = '', label = ''] = sample.labels
      if ('value' in sample) all.set(name, { ...(all.get(name) ?? NOTHING), ...part(label, sample.value) })
    }
  }
  add(metrics.postern_delivery_recipients_total, (status, value) =>
    isStatus(status) ? { [status]: value } : {},
  )
  add(metrics.postern_delivery_messages_total, (_, messages) => ({ messages }))
  add(metrics.postern_delivery_message_bytes_total, (_, bytes) => ({ bytes }))
  return all
}

type Part = Partial<NexthopCounts>

function isStatus(status: string): boolean {
  return status === 'sent' || status === 'deferred' || status === 'bounced'
}

/** TimeStamp of RFC 2579: sysUpTime so many seconds ago; 0 where that was before snmpd was started. */
export function stampAgo({ sysUpTimeS }: Sight, seconds: number): Value {
  return ticks(sysUpTimeS - seconds)
}

/** The same for a moment; 0 where there was none. */
export function stampAt(sight: Sight, atMs: number | undefined): Value {
  return atMs === undefined ? ticks(0) : stampAgo(sight, (sight.nowMs - atMs) / 1000)
}
