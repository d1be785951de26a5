import { ALARMS } from '#src/base/alarms.ts'
import type { Alarm, Severity } from '#src/base/alarms.ts'
import { sumOf } from '#src/health/history.ts'
import { readinessOf } from '#src/health/state.ts'
import type { ProcessHealth } from '#src/health/state.ts'
import type { Instance, TableRow } from './rows.ts'
import { scalarInstances, tableInstances } from './rows.ts'
import type { Sight } from './sight.ts'
import { counter32, counter64, gauge32, integer, text, ticks, truth } from './values.ts'

/**
 * POSTERN-MIB (mibs/POSTERN-MIB.txt), below netSnmpPlaypen of NET-SNMP-MIB, which is there for objects whose makers have no
 * number of their own: one has to be asked for at IANA, and then this line and the one in the file change.
 */
export const POSTERN = [1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 2525] as const
const OBJECTS = [...POSTERN, 1] as const
export const ALARM_ENTRY = [...OBJECTS, 6, 1] as const

/** What was never, or is not known: an age that no clock can tell. */
const NONE = -1
const MEBI = 1_048_576
const KIBI = 1024
const DAY_MS = 86_400_000

const SEVERITY: Readonly<Record<Severity, number>> = { warning: 1, error: 2, critical: 3 }
const SLOTS = { '': 0, a: 1, b: 2 } as const
const PROCESS_STATES: ReadonlyMap<string, number> = new Map([
  ['stopped', 1],
  ['starting', 2],
  ['ready', 3],
  ['stopping', 4],
  ['waiting', 5],
])

export function posternInstances(sight: Sight): readonly Instance[] {
  return [
    ...systemScalars(sight),
    ...queueScalars(sight),
    ...imageScalars(sight),
    ...tableInstances([...OBJECTS, 4, 1], processRows(sight)),
    ...tableInstances([...OBJECTS, 5, 1], certificateRows(sight)),
    ...tableInstances(ALARM_ENTRY, alarmRows(sight)),
    ...counterScalars(sight),
  ]
}

function systemScalars({ state, nowMs, readMs }: Sight): readonly Instance[] {
  const { ready, reasons } = readinessOf(state)
  const { directory, signatures } = state
  const age = directory?.['snapshotAgeS']
  return scalarInstances(
    [...OBJECTS, 1],
    [
      [1, text(state.version)],
      [2, ticks(state.uptimeMs / 1000)],
      [3, gauge32((nowMs - readMs) / 1000)],
      [4, truth(ready)],
      [5, text(reasons.join(' '))],
      [6, gauge32(state.generation)],
      [7, integer(directory === null ? 1 : 2)],
      [8, integer(typeof age === 'number' ? age : NONE)],
      [9, gauge32(signatures.count)],
      [10, integer(agoS(state.atMs, signatures.writtenMs))],
      [11, gauge32(state.clients)],
      [12, gauge32(state.alarms.length)],
    ],
  )
}

/** Seconds since a moment; NONE where it is 0. */
function agoS(nowMs: number, thenMs: number): number {
  return thenMs === 0 ? NONE : Math.max(0, (nowMs - thenMs) / 1000)
}

function queueScalars({ state: { queue } }: Sight): readonly Instance[] {
  const { incoming, deferred, hold, corrupt } = queue.recipients
  return scalarInstances(
    [...OBJECTS, 2],
    [
      [1, gauge32(queue.messages)],
      [2, gauge32(queue.activeMessages)],
      [3, gauge32(incoming)],
      [4, gauge32(deferred)],
      [5, gauge32(hold)],
      [6, gauge32(corrupt)],
      [7, gauge32(queue.oldestMessageSeconds)],
      [8, gauge32(queue.oldestDueSeconds)],
      [9, truth(queue.stalled)],
      [10, truth(queue.open)],
      [11, gauge32(queue.diskFreeBytes / MEBI)],
      [12, gauge32(queue.diskSizeBytes / MEBI)],
    ],
  )
}

function imageScalars({ state }: Sight): readonly Instance[] {
  const { image } = state
  const fallback = image?.fallback
  return scalarInstances(
    [...OBJECTS, 3],
    [
      [1, text(image?.version ?? '')],
      [2, integer(SLOTS[image?.slot ?? ''])],
      [3, integer(image?.triesLeft ?? NONE)],
      [4, text(fallback?.version ?? '')],
      [5, text(fallback?.reason ?? '')],
      [6, integer(agoS(state.atMs, fallback?.atMs ?? 0))],
    ],
  )
}

function processRows({ state, memory }: Sight): readonly TableRow[] {
  return state.processes.flatMap((one: ProcessHealth): readonly TableRow[] => {
    const index = memory.processes.of(one.name)
    if (index === undefined) return []
    const cells: TableRow['cells'] = [
      [2, text(one.name)],
      [3, integer(PROCESS_STATES.get(one.state) ?? 1)],
      [4, ticks(one.state === 'ready' ? one.uptimeMs / 1000 : 0)],
      [5, counter32(one.restarts)],
      [6, gauge32(one.memoryBytes / KIBI)],
      [7, counter64(one.cpuSeconds * 1000)],
      [8, truth(one.silent)],
      [9, text(one.reason)],
    ]
    return [{ index: [index], cells }]
  })
}

function certificateRows({ state, memory }: Sight): readonly TableRow[] {
  return state.certificates.flatMap(({ name, untilMs }): readonly TableRow[] => {
    const index = memory.certificates.of(name)
    if (index === undefined) return []
    const days = Math.floor((untilMs - state.atMs) / DAY_MS)
    return [
      {
        index: [index],
        cells: [
          [2, text(name)],
          [3, integer(days)],
        ],
      },
    ]
  })
}

function alarmRows({ state, memory }: Sight): readonly TableRow[] {
  return state.alarms.flatMap((alarm): readonly TableRow[] => {
    const index = memory.alarms.of(alarm)
    if (index === undefined) return []
    const age = gauge32(agoS(state.atMs, alarm.sinceMs))
    return [{ index: [index], cells: [...alarmCells(alarm), [7, age]] }]
  })
}

/** What a notification has too: the columns of the alarm table that do not change while it is raised. */
export function alarmCells({ code, key, severity, reason }: Alarm): TableRow['cells'] {
  return [
    [2, text(code)],
    [3, text(key)],
    [4, integer(SEVERITY[severity])],
    [5, text(reason)],
    [6, text(ALARMS[code].text)],
  ]
}

function counterScalars({ state: { metrics } }: Sight): readonly Instance[] {
  const messages = (outcome: string) =>
    sumOf(metrics, 'postern_smtpd_messages_total', (labels) => labels[1] === outcome)
  const recipients = (status: string) =>
    sumOf(metrics, 'postern_delivery_recipients_total', (labels) => labels[1] === status)
  return scalarInstances(
    [...OBJECTS, 7],
    [
      [1, counter64(sumOf(metrics, 'postern_smtpd_connections_total'))],
      [2, counter64(messages('accepted'))],
      [3, counter64(messages('refused'))],
      [4, counter64(sumOf(metrics, 'postern_smtpd_message_bytes_total'))],
      [5, counter64(sumOf(metrics, 'postern_smtpd_refusals_total'))],
      [6, counter64(recipients('sent'))],
      [7, counter64(recipients('deferred'))],
      [8, counter64(recipients('bounced'))],
      [9, counter64(sumOf(metrics, 'postern_queue_removed_total'))],
    ],
  )
}
