import { isIP } from 'node:net'
import { readAlarmChange } from '#src/base/alarms.ts'
import type { Facts } from '#src/base/fault.ts'
import { namesOf, readSnapshot } from '#src/base/metrics.ts'
import type { MetricsSnapshot, Sample } from '#src/base/metrics.ts'
import type { MetricName } from '#src/base/metric-table.ts'
import type { FromChild } from './ipc.ts'

/**
 * What a process says, taken apart as words of a stranger: smtpd speaks with the internet, and whoever has taken it over
 * must not bring master down with a message. undefined for what is no message of ours.
 */
export function readFromChild(message: unknown): FromChild | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const said: Said = { ...message }
  const { kind } = said
  return typeof kind === 'string' && Object.hasOwn(READERS, kind) ? READERS[kind]?.(said) : undefined
}

type Said = Readonly<Record<string, unknown>>

/** By the kinds of FromChild; a debugger's words have none of them. */
const READERS: Readonly<Record<string, (said: Said) => FromChild | undefined>> = {
  pong: () => ({ kind: 'pong' }),
  ready: ({ facts }) => ({ kind: 'ready', facts: readFacts(facts) }),
  facts: ({ facts }) => ({ kind: 'facts', facts: readFacts(facts) }),
  failed: ({ reason }) => ({ kind: 'failed', reason: String(reason).slice(0, REASON_CHARS_MAX) }),
  anvil: ({ n, address }) => (isCount(n) && isAddress(address) ? { kind: 'anvil', n, address } : undefined),
  gone: ({ address }) => (isAddress(address) ? { kind: 'gone', address } : undefined),
  directory: ({ changed }) => (isCount(changed) ? { kind: 'directory', changed } : undefined),
  answer: ({ n, value }) => (isCount(n) ? { kind: 'answer', n, value: readCounted(value) } : undefined),
  alarm: ({ change }) => {
    const read = readAlarmChange(change)
    return read === undefined ? undefined : { kind: 'alarm', change: read }
  },
} satisfies Readonly<Record<FromChild['kind'], (said: Said) => FromChild | undefined>>

/** A sentence for an operator, and what systemd's own status shows of it. */
const REASON_CHARS_MAX = 4096
/** Facts are for `postern status`; a list of listeners or sentences is the longest. */
const FACTS_MAX = 64
const FACT_CHARS_MAX = 65_536
/** A process has 500 members of one metric at most, and one for the rest (base/metrics.ts). */
const MEMBERS_MAX = 501
const LABELS_MAX = 4
const LABEL_CHARS_MAX = 400
const BUCKETS_MAX = 64
/** An IPv6 address with its zone: the kernel's name of an interface has 15 characters. */
const ADDRESS_CHARS_MAX = 64

function readFacts(value: unknown): Facts {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const facts: Record<string, Facts[string]> = {}
  for (const [name, fact] of Object.entries(value).slice(0, FACTS_MAX)) if (isFact(fact)) facts[name] = fact
  return facts
}

function isFact(value: unknown): value is Facts[string] {
  const isOne = isPlain(value) || (Array.isArray(value) && value.every(isPlain))
  return isOne && JSON.stringify(value).length <= FACT_CHARS_MAX
}

function isPlain(value: unknown): value is string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** '' where the client was gone before its address was asked for. */
function isAddress(value: unknown): value is string {
  return typeof value === 'string' && value.length <= ADDRESS_CHARS_MAX && (value === '' || isIP(value) !== 0)
}

/** Master keeps the sums of processes that have ended: what is no sum of ours must not grow in it. */
function readCounted(value: unknown): MetricsSnapshot {
  const read = readSnapshot(value)
  const kept: Partial<Record<MetricName, readonly Sample[]>> = {}
  for (const name of namesOf(read)) kept[name] = read[name]?.slice(0, MEMBERS_MAX).filter(isSmall) ?? []
  return kept
}

function isSmall(sample: Sample): boolean {
  const isNamed =
    sample.labels.length <= LABELS_MAX && sample.labels.every((one) => one.length <= LABEL_CHARS_MAX)
  return isNamed && ('value' in sample || sample.counts.length <= BUCKETS_MAX)
}
