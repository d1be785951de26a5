import { readAlarm } from '#src/base/alarms.ts'
import type { Fact, Facts } from '#src/base/fault.ts'
import { readSnapshot } from '#src/base/metrics.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import type { MetricName } from '#src/base/metric-table.ts'
import { isRecord } from '#src/net/frames.ts'
import { sumOf } from './history.ts'
import { readImage } from './image-facts.ts'
import { NO_RATES } from './state.ts'
import type { HealthState, MachineHealth, ProcessHealth, QueueHealth, Rates } from './state.ts'

type Answer = Readonly<Record<string, unknown>>

/** Before master has answered for the first time. */
export const EMPTY_STATE: HealthState = readState(
  {},
  {
    atMs: 0,
    machine: { cores: 1, load: [0, 0, 0], memoryBytes: 0, availableBytes: 0 },
    rates: NO_RATES,
  },
)

/** Makes a state of master's answer to `health`. Pure; what is missing in the answer is empty or 0. */
export function readState(
  answer: Answer,
  own: { readonly atMs: number; readonly machine: MachineHealth; readonly rates: Rates },
): HealthState {
  const metrics = readSnapshot(answer['metrics'])
  return {
    ...own,
    master: { kind: 'ok' },
    version: text(answer['version']),
    hostname: text(answer['hostname']),
    uptimeMs: count(answer['uptimeMs']),
    generation: count(answer['generation']),
    listeners: records(answer['listeners']).map((one) => ({
      address: text(one['address']),
      port: count(one['port']),
      service: text(one['service']),
    })),
    clients: count(answer['clients']),
    processes: processesOf(answer, metrics),
    queue: queueOf(metrics),
    certificates: (metrics.postern_certificate_expiry_timestamp_seconds ?? []).flatMap((sample) =>
      'value' in sample ? [{ name: sample.labels[0] ?? '', untilMs: sample.value * 1000 }] : [],
    ),
    signatures: {
      count: sumOf(metrics, 'postern_signatures'),
      engine: metrics.postern_signatures?.[0]?.labels[0] ?? '',
      writtenMs: sumOf(metrics, 'postern_signatures_timestamp_seconds') * 1000,
    },
    directory: isRecord(answer['directory']) ? factsOf(answer['directory']) : null,
    image: isRecord(answer['image']) ? readImage(answer['image']) : null,
    alarms: records(answer['alarms']).flatMap(readAlarm),
    problems: Array.isArray(answer['problems']) ? answer['problems'].map(text) : [],
    metrics,
  }
}

function processesOf(answer: Answer, metrics: MetricsSnapshot): readonly ProcessHealth[] {
  const of = (name: MetricName, process: string) => sumOf(metrics, name, (labels) => labels[0] === process)
  const master = { name: 'master', state: 'ready', pid: answer['pid'], uptimeMs: answer['uptimeMs'] }
  if (answer['pid'] === undefined) return []
  return [master, ...records(answer['processes'])].map((one: Answer) => {
    const name = text(one['name'])
    return {
      name,
      state: text(one['state']),
      pid: typeof one['pid'] === 'number' ? one['pid'] : null,
      uptimeMs: count(one['uptimeMs']),
      restarts: count(one['restarts']),
      reason: text(one['reason']),
      silent: of('postern_process_silent', name) > 0,
      memoryBytes: of('postern_process_resident_memory_bytes', name),
      cpuSeconds: of('postern_process_cpu_seconds_total', name),
    }
  })
}

function queueOf(metrics: MetricsSnapshot): QueueHealth {
  const inState = (state: string) =>
    sumOf(metrics, 'postern_queue_recipients', (labels) => labels[0] === state)
  return {
    messages: sumOf(metrics, 'postern_queue_messages'),
    activeMessages: sumOf(metrics, 'postern_queue_active_messages'),
    recipients: {
      incoming: inState('incoming'),
      deferred: inState('deferred'),
      hold: inState('hold'),
      corrupt: inState('corrupt'),
    },
    oldestMessageSeconds: sumOf(metrics, 'postern_queue_oldest_message_seconds'),
    oldestDueSeconds: sumOf(metrics, 'postern_queue_oldest_due_seconds'),
    stalled: sumOf(metrics, 'postern_queue_stalled') > 0,
    open: sumOf(metrics, 'postern_queue_open') > 0,
    diskFreeBytes: sumOf(metrics, 'postern_queue_disk_free_bytes'),
    diskSizeBytes: sumOf(metrics, 'postern_queue_disk_size_bytes'),
  }
}

/** What the directory process tells is made of plain facts. */
function factsOf(value: Answer): Facts {
  const facts: Record<string, Fact> = {}
  for (const [name, fact] of Object.entries(value)) {
    if (Array.isArray(fact)) facts[name] = fact.map(String)
    else if (typeof fact === 'string' || typeof fact === 'number' || typeof fact === 'boolean')
      facts[name] = fact
    else facts[name] = null
  }
  return facts
}

function records(value: unknown): readonly Answer[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
