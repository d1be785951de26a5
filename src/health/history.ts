import type { MetricName } from '#src/base/metric-table.ts'
import type { MetricsSnapshot, Sample } from '#src/base/metrics.ts'
import { NO_RATES } from './state.ts'
import type { HealthState, Rates } from './state.ts'

/** Rates are told over so long: short enough to see a change, long enough not to flicker. */
const WINDOW_MS = 10_000
/** Sums that are kept for it: one a second at most. */
const SUMS_MAX = 32

/** One point of the charts: rates are per second, the rest as it was. */
export interface Point {
  readonly atMs: number
  readonly accepted: number
  readonly refused: number
  readonly delivered: number
  readonly deferred: number
  readonly bounced: number
  readonly messages: number
  readonly active: number
}

/** Points of the charts: an hour, one in five seconds. */
const POINTS_MAX = 720
const POINT_MS = 5000

interface Sums {
  readonly atMs: number
  readonly sums: Rates
}

/** The sum of all members of a metric, or of those that `wanted` means. */
export function sumOf(
  metrics: MetricsSnapshot,
  name: MetricName,
  wanted: (labels: readonly string[]) => boolean = () => true,
): number {
  const samples: readonly Sample[] = metrics[name] ?? []
  let sum = 0
  for (const sample of samples) if ('value' in sample && wanted(sample.labels)) sum += sample.value
  return sum
}

/** What was counted in the last seconds, to tell how fast it grows. */
export class History {
  readonly #kept: Sums[] = []
  readonly #points: Point[] = []

  /** `atMs` is of a clock that never jumps. */
  add(atMs: number, metrics: MetricsSnapshot): void {
    this.#kept.push({ atMs, sums: sumsOf(metrics) })
    // One older than the window stays, so that it is spanned.
    while (
      this.#kept.length > SUMS_MAX ||
      (this.#kept[1] !== undefined && this.#kept[1].atMs < atMs - WINDOW_MS)
    )
      this.#kept.shift()
  }

  get points(): readonly Point[] {
    return this.#points
  }

  /** A point for the charts, unless there is one of this moment. */
  note({ atMs, rates, queue }: HealthState): void {
    const last = this.#points.at(-1)
    // A second of tolerance: the timer that looks is never early, and sometimes late.
    if (last !== undefined && atMs >= last.atMs && atMs - last.atMs < POINT_MS - 1000) return
    const { accepted, refusedMessages: refused, delivered, deferred, bounced } = rates
    const { messages, activeMessages: active } = queue
    this.#points.push({ atMs, accepted, refused, delivered, deferred, bounced, messages, active })
    if (this.#points.length > POINTS_MAX) this.#points.shift()
  }

  get rates(): Rates {
    const first = this.#kept[0]
    const last = this.#kept.at(-1)
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return NO_RATES
    const seconds = (last.atMs - first.atMs) / 1000
    // A sum that fell belongs to a master that was started anew.
    const rate = (key: keyof Rates) => Math.max(0, (last.sums[key] - first.sums[key]) / seconds)
    return {
      connections: rate('connections'),
      accepted: rate('accepted'),
      acceptedBytes: rate('acceptedBytes'),
      refusedMessages: rate('refusedMessages'),
      refusals: rate('refusals'),
      delivered: rate('delivered'),
      deferred: rate('deferred'),
      bounced: rate('bounced'),
    }
  }
}

function sumsOf(metrics: MetricsSnapshot): Rates {
  const messages = (outcome: string) =>
    sumOf(metrics, 'postern_smtpd_messages_total', (labels) => labels[1] === outcome)
  const recipients = (status: string) =>
    sumOf(metrics, 'postern_delivery_recipients_total', (labels) => labels[1] === status)
  return {
    connections: sumOf(metrics, 'postern_smtpd_connections_total'),
    accepted: messages('accepted'),
    acceptedBytes: sumOf(metrics, 'postern_smtpd_message_bytes_total'),
    refusedMessages: messages('refused'),
    refusals: sumOf(metrics, 'postern_smtpd_refusals_total'),
    delivered: recipients('sent'),
    deferred: recipients('deferred'),
    bounced: recipients('bounced'),
  }
}
