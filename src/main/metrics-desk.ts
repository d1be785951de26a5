import type { Alarm } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { METRICS } from '#src/base/metric-table.ts'
import type { MetricName, MetricSpec } from '#src/base/metric-table.ts'
import { mergeSnapshots, namesOf, snapshot } from '#src/base/metrics.ts'
import type { MetricsSnapshot, Sample } from '#src/base/metrics.ts'
import { countProcess } from '#src/base/process-metrics.ts'
import { VERSION } from '#src/base/version.ts'
import type { Child } from './child.ts'

/** What all processes have counted. */
export interface CollectedMetrics {
  /** When, milliseconds since 1970. */
  readonly atMs: number
  /** Those that are per process have the process's name as their first label. */
  readonly metrics: MetricsSnapshot
}

/** What master itself knows. */
export interface MasterFacts {
  readonly children: readonly Child[]
  readonly generation: number
  readonly clients: number
  readonly alarms: readonly Alarm[]
}

/** A process that does not answer by then is left out, and said to be silent. */
const ANSWER_MS = 1000
/** Whoever asks again within this gets the same answer. */
const FRESH_MS = 1000
/** Asked so often although nobody wants to know, so that of a process that is killed no more than this is forgotten. */
const KEEP_MS = 10_000

/**
 * Asks the processes what they have counted and adds it up. A sum must never fall, or whoever watches it takes it for a
 * start anew and counts all of it again: so what a process had counted when it ended stays in the sums.
 */
export class MetricsDesk implements Disposable {
  readonly #clock: Clock
  readonly #facts: () => MasterFacts
  readonly #startedMs: number
  readonly #waiting = new Map<
    number,
    { readonly child: Child; readonly take: (value: MetricsSnapshot) => void }
  >()
  readonly #last = new Map<Child, MetricsSnapshot>()
  #ended: MetricsSnapshot = {}
  #asked = 0
  #collected: { readonly untilMs: number; readonly value: Promise<CollectedMetrics> } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock, facts: () => MasterFacts) {
    this.#clock = clock
    this.#facts = facts
    this.#startedMs = clock.nowMs()
  }

  start(): void {
    countProcess()
    this.#timer = setInterval(() => void this.collect(), KEEP_MS).unref()
  }

  /** At most a second old, and there after a second at the latest. */
  collect(): Promise<CollectedMetrics> {
    const known = this.#collected
    if (known !== undefined && this.#clock.monotonicMs() < known.untilMs) return known.value
    const value = this.#collect()
    // However many ask while it is being worked out: they are told the same.
    this.#collected = { untilMs: this.#clock.monotonicMs() + FRESH_MS, value }
    return value
  }

  /** A process has answered; what comes too late is kept for the next time. */
  answered(n: number, value: MetricsSnapshot): void {
    const asked = this.#waiting.get(n)
    if (asked === undefined) return
    this.#waiting.delete(n)
    this.#last.set(asked.child, value)
    asked.take(value)
  }

  /** Its process is gone. */
  ended(child: Child): void {
    for (const [n, asked] of this.#waiting) if (asked.child === child) this.#waiting.delete(n)
    const last = this.#last.get(child)
    this.#last.delete(child)
    if (last !== undefined) this.#ended = mergeSnapshots([this.#ended, sumsOf(last)])
  }

  async #collect(): Promise<CollectedMetrics> {
    const { children } = this.#facts()
    const over = new AbortController()
    const late = elapsed(this.#clock, ANSWER_MS, over.signal)
    const silent = new Set<Child>()
    await Promise.all(
      children.map(async (child) => {
        if (child.state.at !== 'ready') return
        const answer = this.#ask(child).then(() => true)
        const answered = await Promise.race([answer, late.then(() => false)])
        if (!answered) silent.add(child)
      }),
    )
    over.abort()
    const own = perProcess('master', snapshot())
    const each = children.map((child) => perProcess(child.name, this.#last.get(child) ?? {}))
    const merged = mergeSnapshots([this.#ended, own, ...each])
    return { atMs: this.#clock.nowMs(), metrics: { ...merged, ...this.#own(children, silent) } }
  }

  #ask(child: Child): Promise<MetricsSnapshot> {
    this.#asked += 1
    const n = this.#asked
    const { promise, resolve } = Promise.withResolvers<MetricsSnapshot>()
    // Of a process that hangs one question is kept: it is the one that it may yet answer.
    for (const [old, asked] of this.#waiting) if (asked.child === child) this.#waiting.delete(old)
    this.#waiting.set(n, { child, take: resolve })
    child.send({ kind: 'ask', n, what: 'metrics' })
    return promise
  }

  /** What master knows of the others and of itself. */
  #own(children: readonly Child[], silent: ReadonlySet<Child>): MetricsSnapshot {
    const { generation, clients, alarms } = this.#facts()
    const codes = new Map(alarms.map(({ code, severity }) => [code, severity]))
    const nowMs = this.#clock.monotonicMs()
    const of = (value: (child: Child) => number) =>
      children.map((child) => ({ labels: [child.name], value: value(child) }))
    return {
      postern_process_up: of((child) => (child.state.at === 'ready' ? 1 : 0)),
      postern_process_restarts_total: of((child) => child.restarts),
      postern_process_silent: of((child) => (silent.has(child) ? 1 : 0)),
      postern_process_uptime_seconds: of((child) =>
        'sinceMs' in child.state ? (nowMs - child.state.sinceMs) / 1000 : 0,
      ),
      postern_info: [{ labels: [VERSION], value: 1 }],
      postern_start_time_seconds: [{ labels: [], value: this.#startedMs / 1000 }],
      postern_settings_generation: [{ labels: [], value: generation }],
      postern_alarm: [...codes].map((labels) => ({ labels, value: 1 })),
      postern_clients: [{ labels: [], value: clients }],
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** What stays of a process that has ended: its sums, but not what was its alone, nor how things stood with it. */
function sumsOf(of: MetricsSnapshot): MetricsSnapshot {
  const kept: Partial<Record<MetricName, readonly Sample[]>> = {}
  for (const name of namesOf(of)) {
    const spec: MetricSpec = METRICS[name]
    if (spec.kind !== 'gauge' && spec.across !== 'each') kept[name] = of[name] ?? []
  }
  return kept
}

/** Gives each value that must not be added up the name of its process. */
function perProcess(name: string, of: MetricsSnapshot): MetricsSnapshot {
  const named: Partial<Record<MetricName, readonly Sample[]>> = { ...of }
  for (const metric of namesOf(of)) {
    const spec: MetricSpec = METRICS[metric]
    if (spec.across !== 'each') continue
    named[metric] = of[metric]?.map((sample) => ({ ...sample, labels: [name, ...sample.labels] })) ?? []
  }
  return named
}
