import test from 'ava'
import { METRICS } from '#src/base/metric-table.ts'
import type { MetricSpec } from '#src/base/metric-table.ts'
import {
  BoundedLabels,
  OTHER,
  counter,
  histogram,
  mergeSnapshots,
  readSnapshot,
  snapshot,
} from '#src/base/metrics.ts'

function connections(): number {
  let sum = 0
  for (const sample of snapshot().postern_smtpd_connections_total ?? [])
    if ('value' in sample && sample.labels[0] === 'smtp') sum += sample.value
  return sum
}

test('a counter is one and the same wherever it is asked for by the same labels', (t) => {
  const before = connections()
  counter('postern_smtpd_connections_total').of('smtp').add()
  counter('postern_smtpd_connections_total').of('smtp').add(2)
  t.is(connections(), before + 3)
})

test('a value on the bound of a bucket belongs to it, and one beyond the last bound to the last bucket', (t) => {
  const bounds: readonly number[] = METRICS.postern_queue_commit_messages.buckets
  const one = histogram('postern_queue_commit_messages').of()
  const before = one.counts
  one.observe(bounds[1] ?? 0)
  one.observe((bounds.at(-1) ?? 0) + 1)
  const grown = one.counts.map((count, i) => count - (before[i] ?? 0))
  t.deepEqual(
    grown.flatMap((count, i) => (count === 0 ? [] : [i])),
    [1, bounds.length],
  )
})

test('labels without end end in one that is for all the rest', (t) => {
  const family = counter('postern_delivery_recipients_total')
  for (let n = 0; n < 2000; n += 1) family.of(`hop${n}`, 'sent').add()
  const samples = snapshot().postern_delivery_recipients_total ?? []
  t.true(samples.length <= 501, String(samples.length))
  const total = samples.reduce((all, sample) => all + ('value' in sample ? sample.value : 0), 0)
  t.is(total, 2000)
  t.true(samples.some(({ labels }) => labels.includes(OTHER)))
  const labels = new BoundedLabels(2)
  t.deepEqual(
    ['a', 'b', 'c', 'a'].map((name) => labels.label(name)),
    ['a', 'b', OTHER, 'a'],
  )
  t.is(new BoundedLabels(2).label('x'.repeat(1000)), OTHER)
})

test('snapshots add up member by member, and where all tell the same the largest counts', (t) => {
  const merged = mergeSnapshots([
    {
      postern_smtpd_lost_total: [{ labels: [], value: 1 }],
      postern_signatures: [{ labels: ['hyperscan'], value: 7 }],
      postern_dns_lookup_seconds: [{ labels: [], counts: [1, 0], sum: 0.5 }],
    },
    {
      postern_smtpd_lost_total: [{ labels: [], value: 2 }],
      postern_signatures: [{ labels: ['hyperscan'], value: 7 }],
      postern_dns_lookup_seconds: [{ labels: [], counts: [1, 2], sum: 1 }],
    },
  ])
  t.deepEqual(merged, {
    postern_smtpd_lost_total: [{ labels: [], value: 3 }],
    postern_dns_lookup_seconds: [{ labels: [], counts: [2, 2], sum: 1.5 }],
    postern_signatures: [{ labels: ['hyperscan'], value: 7 }],
  })
})

test('what is no snapshot is left out of one', (t) => {
  const good = [{ labels: [], value: 1 }]
  const read = readSnapshot({
    postern_smtpd_lost_total: [...good, { labels: 'x', value: 1 }, { labels: [], value: 'y' }, null],
    postern_unknown: good,
    __proto__: { postern_clients: good },
  })
  t.deepEqual(read, { postern_smtpd_lost_total: good })
  t.deepEqual(readSnapshot('nonsense'), {})
})

for (const [name, spec] of Object.entries<MetricSpec>(METRICS)) {
  test(`${name} is named as Prometheus wants it`, (t) => {
    t.regex(name, /^postern_[a-z_]+$/)
    t.is(spec.kind === 'counter', name.endsWith('_total'))
    if (spec.kind === 'histogram') {
      t.regex(name, /_(?:seconds|messages)$/)
      t.deepEqual(
        [...(spec.buckets ?? [])],
        [...(spec.buckets ?? [])].toSorted((a, b) => a - b),
      )
    }
    t.regex(spec.help, /\.$/)
    t.false(/total|bucket|sum|count$/.test(name.replace(/_total$/, '')))
  })
}
