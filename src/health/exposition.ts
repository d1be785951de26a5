import { AggregatorRegistry, Registry } from 'prom-client'
import { METRICS } from '#src/base/metric-table.ts'
import type { MetricName, MetricSpec } from '#src/base/metric-table.ts'
import { namesOf } from '#src/base/metrics.ts'
import type { MetricsSnapshot, Sample } from '#src/base/metrics.ts'

/** A text of all metrics, in the form that was asked for. */
export interface Exposition {
  readonly contentType: string
  readonly text: string
}

interface Value {
  readonly value: number
  readonly labels: Readonly<Record<string, string | number>>
  readonly metricName?: string
}

/**
 * Writes metrics for Prometheus: OpenMetrics 1.0 where `accept` names it, else the older text format. Its client library
 * writes both; the counting itself is ours, since that library's counters cost an object for each label set and add.
 */
export async function expose(metrics: MetricsSnapshot, accept: string): Promise<Exposition> {
  const isOpen = accept.includes('application/openmetrics-text')
  const contentType = isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE
  const known = namesOf(metrics).map((name) => {
    // OpenMetrics names the family without the `_total` of its samples, which the library puts behind them.
    const shown = isOpen ? name.replace(/_total$/, '') : name
    return metricOf(name, shown, metrics[name] ?? [])
  })
  const registry = AggregatorRegistry.aggregate([known])
  registry.setContentType(contentType)
  return { contentType, text: await registry.metrics() }
}

/** One metric in the shape in which the library's own workers tell theirs. */
function metricOf(name: MetricName, shown: string, samples: readonly Sample[]) {
  const spec: MetricSpec = METRICS[name]
  const labels = labelsOf(spec)
  return {
    name: shown,
    help: spec.help,
    type: spec.kind,
    aggregator: 'sum',
    values: samples.flatMap((sample): readonly Value[] => {
      const named = Object.fromEntries(labels.map((label, i) => [label, sample.labels[i] ?? '']))
      return 'value' in sample
        ? [{ value: sample.value, labels: named }]
        : bucketsOf(name, sample, { bounds: spec.buckets ?? [], labels: named })
    }),
  }
}

/** The names of a metric's labels, with that of the process in front where each has its own. */
export function labelsOf({ labels, across }: MetricSpec): readonly string[] {
  return across === 'each' ? ['process', ...labels] : labels
}

/** Buckets add up: each holds what the ones below it hold. */
function bucketsOf(
  name: MetricName,
  { counts, sum }: Extract<Sample, { readonly sum: number }>,
  {
    bounds,
    labels,
  }: { readonly bounds: readonly number[]; readonly labels: Readonly<Record<string, string>> },
): readonly Value[] {
  let below = 0
  const buckets = counts.map((count, i) => {
    below += count
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] ?? '+Inf' }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}
