import type { Clock } from '#src/base/clock.ts'
import type { MetricName } from '#src/base/metric-table.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import type { Found } from './alarm-desk.ts'
import type { Alarm as SettingAlarm } from './alarms.ts'
import type { Child } from './child.ts'

/** What master looks at. */
export interface Sight {
  readonly metrics: MetricsSnapshot
  readonly children: readonly Pick<Child, 'name' | 'restarts' | 'state'>[]
  readonly settings: readonly SettingAlarm[]
  /** signatures_days of [health], milliseconds; 0: never. */
  readonly signaturesMaxMs: number
}

/** A disk is nearly full with less than a tenth free, or than this where a tenth is more. */
const LOW_SHARE = 0.1
const LOW_BYTES = 10 * 1024 * 1024 * 1024
/** It has room again only with so much more. */
const LOW_OVER = 1.2
/** So many starts within this are a crash loop. */
const CRASHES = 3
const CRASH_WINDOW_MS = 600_000
/** Looks in a row at which a process did not answer: half a minute. */
const SILENT_LOOKS = 3
/** A wall clock that has moved by more than this against one that never jumps was set. */
const JUMP_MS = 10_000
/** What has happened is shown for so long: there is nothing that would say that it is over. */
const JUMP_SHOWN_MS = 3_600_000

/** Rules over what was seen; some of them remember what was seen before. */
export class AlarmRules {
  readonly #clock: Clock
  readonly #crashes = new Map<string, { restarts: number; readonly atMs: number[] }>()
  readonly #silent = new Map<string, number>()
  #isLow = false
  #offsetMs: number | undefined
  #jump: { readonly reason: string; readonly atMs: number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** All that is wrong at this look. */
  look(sight: Sight): readonly Found[] {
    return [
      ...this.#disk(sight.metrics),
      ...this.#processes(sight),
      ...this.#signatures(sight),
      ...this.#jumped(),
      ...sight.settings.map(({ key, reason }) => ({ code: 'SETTING_REFUSED', key, reason }) as const),
    ]
  }

  #disk(metrics: MetricsSnapshot): readonly Found[] {
    const free = valueOf(metrics, 'postern_queue_disk_free_bytes')
    const size = valueOf(metrics, 'postern_queue_disk_size_bytes')
    const stalled = valueOf(metrics, 'postern_queue_stalled') === 1
    const due = valueOf(metrics, 'postern_queue_oldest_due_seconds') ?? 0
    const found: Found[] = []
    if (stalled)
      found.push({
        code: 'QUEUE_STALLED',
        key: '',
        reason: `the oldest is due for ${Math.round(due / 60)} minutes`,
      })
    // Nothing is known as long as the queue manager does not tell.
    if (free === undefined || size === undefined || size === 0) return found
    const least = Math.min(size * LOW_SHARE, LOW_BYTES)
    this.#isLow = free < (this.#isLow ? least * LOW_OVER : least)
    const room = `${Math.round(free / 1_048_576)} MiB of ${Math.round(size / 1_048_576)} MiB are free`
    if (valueOf(metrics, 'postern_queue_open') === 0) found.push({ code: 'DISK_FULL', key: '', reason: room })
    else if (this.#isLow) found.push({ code: 'DISK_LOW', key: '', reason: room })
    return found
  }

  #processes({ children, metrics }: Sight): readonly Found[] {
    const nowMs = this.#clock.monotonicMs()
    const silent = new Set(
      (metrics.postern_process_silent ?? []).flatMap((sample) =>
        'value' in sample && sample.value === 1 ? sample.labels : [],
      ),
    )
    return children.flatMap((child) => {
      const { name, restarts, state } = child
      const seen = this.#crashes.get(name) ?? { restarts, atMs: [] }
      this.#crashes.set(name, seen)
      for (; seen.restarts < restarts && seen.atMs.length < CRASHES; seen.restarts += 1) seen.atMs.push(nowMs)
      seen.restarts = restarts
      while (seen.atMs[0] !== undefined && nowMs - seen.atMs[0] > CRASH_WINDOW_MS) seen.atMs.shift()
      const looks = silent.has(name) ? (this.#silent.get(name) ?? 0) + 1 : 0
      this.#silent.set(name, looks)
      const found: Found[] = []
      if (state.at === 'waiting' || seen.atMs.length >= CRASHES) {
        const why = state.at === 'waiting' ? state.reason : `it was started anew ${restarts} times`
        found.push({ code: 'PROCESS_CRASHING', key: name, reason: why })
      }
      if (looks >= SILENT_LOOKS)
        found.push({ code: 'PROCESS_SILENT', key: name, reason: 'it does not answer master within a second' })
      return found
    })
  }

  #signatures({ metrics, signaturesMaxMs }: Sight): readonly Found[] {
    const writtenMs = (valueOf(metrics, 'postern_signatures_timestamp_seconds') ?? 0) * 1000
    const ageMs = this.#clock.nowMs() - writtenMs
    if (writtenMs === 0 || signaturesMaxMs === 0 || ageMs < signaturesMaxMs) return []
    const day = new Date(writtenMs).toISOString().slice(0, 10)
    return [{ code: 'SIGNATURES_OLD', key: '', reason: `the newest file is of ${day}` }]
  }

  #jumped(): readonly Found[] {
    const nowMs = this.#clock.monotonicMs()
    const offsetMs = this.#clock.nowMs() - nowMs
    const jumpMs = offsetMs - (this.#offsetMs ?? offsetMs)
    this.#offsetMs = offsetMs
    if (Math.abs(jumpMs) >= JUMP_MS) {
      const seconds = Math.round(Math.abs(jumpMs) / 1000)
      this.#jump = { reason: `it was set ${jumpMs > 0 ? 'forward' : 'back'} by ${seconds} s`, atMs: nowMs }
    }
    if (this.#jump === undefined || nowMs - this.#jump.atMs > JUMP_SHOWN_MS) return []
    return [{ code: 'CLOCK_WRONG', key: '', reason: this.#jump.reason }]
  }
}

function valueOf(metrics: MetricsSnapshot, name: MetricName): number | undefined {
  const sample = metrics[name]?.[0]
  return sample !== undefined && 'value' in sample ? sample.value : undefined
}
