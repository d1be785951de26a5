import type { MetricName } from '#src/base/metric-table.ts'
import type { MetricsSnapshot, Sample } from '#src/base/metrics.ts'
import type { Rates } from './state.ts'

const NO_RATES: Rates = {
  connections: 0,
  accepted: 0,
  acceptedBytes: 0,
  refusedMessages: 0,
  refusals: 0,
  delivered: 0,
  deferred: 0,
  bounced: 0,
}

/** Rates are told over so long: short enough to see a change, long enough not to flicker. */
const WINDOW_MS = 10_000
/** Sums that are kept for it: one a second at most. */
const SUMS_MAX = 32

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
