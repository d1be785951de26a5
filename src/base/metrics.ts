import { METRICS } from './metric-table.ts'
import type { MetricName, MetricSpec } from './metric-table.ts'

/**
 * What this process counts. A counter is resolved once (`counter('…').of('smtp')`, a constant of its module) and then
 * costs an addition; label values come from small closed sets, or through `BoundedLabels`. Each thread counts for
 * itself; whoever speaks for the process merges the snapshots.
 */

/** One value of a counter or gauge, or one distribution; the labels stand in the order of the table. */
export type Sample =
  | { readonly labels: readonly string[]; readonly value: number }
  | { readonly labels: readonly string[]; readonly counts: readonly number[]; readonly sum: number }

/** Plain JSON: it goes from thread to thread and over IPC. What was never touched is not in it. */
export type MetricsSnapshot = Readonly<Partial<Record<MetricName, readonly Sample[]>>>

/** Members of one metric: a label that turns out not to be closed must not eat memory. The rest is one member. */
const MEMBERS_MAX = 500
/** Stands for every label value beyond that. */
export const OTHER = 'other'

/** A sum that only grows. */
export class Counter {
  #value = 0

  get value(): number {
    return this.#value
  }

  add(n = 1): void {
    this.#value += n
  }
}

/** A value that goes up and down. */
export class Gauge {
  value = 0
}

/** How values are distributed over the buckets of the table; the last bucket is for all that is larger. */
export class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** Most values fall into one of the first buckets, so they are gone through. */
  observe(value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += value
  }

  /** A duration in milliseconds, of a metric in seconds. */
  observeMs(ms: number): void {
    this.observe(ms > 0 ? ms / 1000 : 0)
  }

  get counts(): readonly number[] {
    return [...this.#counts]
  }

  get sum(): number {
    return this.#sum
  }
}

interface Node<T> {
  readonly below: Map<string, Node<T>>
  member: T | undefined
}

/** The members of one metric, by their labels. */
class Family<T> {
  readonly #make: () => T
  readonly #labels: number
  readonly #root: Node<T> = { below: new Map(), member: undefined }
  readonly members: { readonly labels: readonly string[]; readonly member: T }[] = []

  constructor(spec: MetricSpec, make: () => T) {
    this.#make = make
    this.#labels = spec.labels.length
  }

  /** The member with these labels; made when it is first asked for. Costs a look-up for each label. */
  of(first = '', second = '', third = ''): T {
    let node = this.#root
    if (this.#labels > 0) node = below(node, first)
    if (this.#labels > 1) node = below(node, second)
    if (this.#labels > 2) node = below(node, third)
    return node.member ?? this.#add(node, [first, second, third].slice(0, this.#labels))
  }

  #add(node: Node<T>, labels: readonly string[]): T {
    if (this.members.length >= MEMBERS_MAX && labels.some((label) => label !== OTHER)) {
      node.member = this.of(OTHER, OTHER, OTHER)
      return node.member
    }
    const member = this.#make()
    node.member = member
    this.members.push({ labels, member })
    return member
  }
}

function below<T>(node: Node<T>, label: string): Node<T> {
  const known = node.below.get(label)
  if (known !== undefined) return known
  // Nodes without a member of their own are as bounded as the members: one more for each label.
  if (node.below.size >= MEMBERS_MAX && label !== OTHER) return below(node, OTHER)
  const made: Node<T> = { below: new Map(), member: undefined }
  node.below.set(label, made)
  return made
}

type NameOf<K extends MetricSpec['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never
}[MetricName]

const counters = new Map<MetricName, Family<Counter>>()
const gauges = new Map<MetricName, Family<Gauge>>()
const histograms = new Map<MetricName, Family<Histogram>>()
/** Asked at each snapshot, for gauges that are worked out. */
const collectors: (() => void)[] = []

function familyOf<T>(families: Map<MetricName, Family<T>>, name: MetricName, make: () => T): Family<T> {
  const known = families.get(name)
  if (known !== undefined) return known
  const made = new Family(METRICS[name], make)
  families.set(name, made)
  return made
}

export function counter(name: NameOf<'counter'>): Pick<Family<Counter>, 'of'> {
  return familyOf(counters, name, () => new Counter())
}

export function gauge(name: NameOf<'gauge'>): Pick<Family<Gauge>, 'of'> {
  return familyOf(gauges, name, () => new Gauge())
}

export function histogram(name: NameOf<'histogram'>): Pick<Family<Histogram>, 'of'> {
  const { buckets } = METRICS[name]
  return familyOf(histograms, name, () => new Histogram(buckets))
}

/** `collect` sets gauges, and is called right before each snapshot. */
export function beforeSnapshot(collect: () => void): void {
  collectors.push(collect)
}

/** Everything that this thread has counted. */
export function snapshot(): MetricsSnapshot {
  for (const collect of collectors) collect()
  const all: Partial<Record<MetricName, readonly Sample[]>> = {}
  for (const [name, { members }] of [...counters, ...gauges])
    all[name] = members.map(({ labels, member: { value } }) => ({ labels, value }))
  for (const [name, { members }] of histograms)
    all[name] = members.map(({ labels, member: { counts, sum } }) => ({ labels, counts, sum }))
  return all
}

/** Adds snapshots up, member by member: those of the threads of a process, or of processes that do the same. */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const all: Partial<Record<MetricName, Map<string, Sample>>> = {}
  for (const each of snapshots) {
    for (const name of namesOf(each)) {
      const members = (all[name] ??= new Map<string, Sample>())
      for (const sample of each[name] ?? []) {
        const key = JSON.stringify(sample.labels)
        const known = members.get(key)
        members.set(key, known === undefined ? sample : together(METRICS[name], known, sample))
      }
    }
  }
  const merged: Partial<Record<MetricName, readonly Sample[]>> = {}
  for (const name of namesOf(all)) merged[name] = [...(all[name]?.values() ?? [])]
  return merged
}

/** The metrics of the table that a snapshot holds: what a process of another release counts is left out. */
export function namesOf(snapshots: Readonly<Partial<Record<MetricName, unknown>>>): readonly MetricName[] {
  return METRIC_NAMES.filter((name) => snapshots[name] !== undefined)
}

export const METRIC_NAMES: readonly MetricName[] = Object.keys(METRICS).filter(isMetricName)

function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name)
}

/** A snapshot that came as JSON; what is none of it is left out. */
export function readSnapshot(value: unknown): MetricsSnapshot {
  const read: Partial<Record<MetricName, readonly Sample[]>> = {}
  if (typeof value !== 'object' || value === null) return read
  for (const [name, samples] of Object.entries(value))
    if (isMetricName(name) && Array.isArray(samples)) read[name] = samples.filter(isSample)
  return read
}

function isNumbers(list: unknown): list is readonly number[] {
  return Array.isArray(list) && list.every((one) => typeof one === 'number')
}

function isSample(value: unknown): value is Sample {
  if (typeof value !== 'object' || value === null || !('labels' in value)) return false
  if (!Array.isArray(value.labels) || !value.labels.every((label) => typeof label === 'string')) return false
  if ('value' in value) return typeof value.value === 'number'
  return 'counts' in value && 'sum' in value && isNumbers(value.counts) && typeof value.sum === 'number'
}

function together({ across }: MetricSpec, one: Sample, other: Sample): Sample {
  if ('value' in one) {
    if (!('value' in other)) return one
    return { ...one, value: across === 'max' ? Math.max(one.value, other.value) : one.value + other.value }
  }
  if ('value' in other) return one
  const counts = one.counts.map((count, i) => count + (other.counts[i] ?? 0))
  return { ...one, counts, sum: one.sum + other.sum }
}

/** Names from outside as label values: the first `max` have a member of their own, the rest share one. */
export class BoundedLabels {
  readonly #max: number
  readonly #known = new Set<string>()

  constructor(max: number) {
    this.#max = max
  }

  label(name: string): string {
    if (this.#known.has(name)) return name
    if (this.#known.size >= this.#max || name.length > LABEL_CHARS_MAX) return OTHER
    this.#known.add(name)
    return name
  }
}

/** A host name with a port; a longer one is nobody's. */
const LABEL_CHARS_MAX = 300
