import { sumOf } from '#src/health/history.ts'
import { APPLICATION, MTA_INDEX } from './network-services.ts'
import type { Instance, TableRow } from './rows.ts'
import { tableInstances } from './rows.ts'
import { inboundOf, nexthopsOf } from './sight.ts'
import type { NexthopCounts, Sight } from './sight.ts'
import { counter32, gauge32, integer, interval, oid, text } from './values.ts'
import type { Value } from './values.ts'

/** MTA-MIB, RFC 2789. */
export const MTA = [1, 3, 6, 1, 2, 1, 28] as const
const MTA_ENTRY = [...MTA, 1, 1] as const
const GROUP_ENTRY = [...MTA, 2, 1] as const
const ERROR_ENTRY = [...MTA, 5, 1] as const
/** applTCPProtoID: a protocol by its port. */
const TCP_PROTOCOL = [...APPLICATION, 4] as const

/** mtaGroupIndex of the queue as a whole, and of each of the five; next hops follow from 101 on. */
const QUEUE_GROUP = 1
const QUEUES = [
  [2, 'incoming', 'Recipients that were never tried'],
  [3, 'active', 'Messages in memory, for their delivery'],
  [4, 'deferred', 'Recipients that are tried again later'],
  [5, 'hold', 'Recipients that an operator holds'],
  [6, 'corrupt', 'Recipients of messages that were set aside as damaged'],
] as const
/** Reception as a whole, and each service. */
const RECEPTION_GROUP = 11
const SERVICES = [
  [12, 'smtp', 25, 'Mail from other hosts'],
  [13, 'submission', 587, 'Mail of users, with STARTTLS'],
  [14, 'submissions', 465, 'Mail of users, with TLS from the first octet'],
] as const

/** mtaGroupHierarchy: negative numbers are ways to look at the whole. */
const BY_QUEUE = -1
const BY_SERVICE = -2
const BY_NEXTHOP = -3

/** Volumes are in kilo-octets. */
const KILO = 1024

export function mtaInstances(sight: Sight): readonly Instance[] {
  return [
    ...tableInstances(MTA_ENTRY, [wholeRow(sight)]),
    ...tableInstances(GROUP_ENTRY, [...queueRows(sight), ...receptionRows(sight), ...nexthopRows(sight)]),
    ...tableInstances(ERROR_ENTRY, [...inboundErrors(sight), ...outboundErrors(sight)]),
  ]
}

function wholeRow({ state }: Sight): TableRow {
  const { metrics, queue } = state
  const { incoming, deferred, hold, corrupt } = queue.recipients
  return {
    index: [MTA_INDEX],
    cells: [
      [1, counter32(messagesOf(metrics, '', 'accepted'))],
      [2, gauge32(queue.messages)],
      [3, counter32(sumOf(metrics, 'postern_delivery_messages_total'))],
      [4, counter32(sumOf(metrics, 'postern_smtpd_message_bytes_total') / KILO)],
      [6, counter32(sumOf(metrics, 'postern_delivery_message_bytes_total') / KILO)],
      [7, counter32(sumOf(metrics, 'postern_smtpd_message_recipients_total'))],
      [8, gauge32(incoming + deferred + hold + corrupt)],
      [9, counter32(sentOf(metrics))],
      [12, counter32(sumOf(metrics, 'postern_smtpd_refusals_total', (labels) => labels[2] === 'loop'))],
    ],
  }
}

type Metrics = Sight['state']['metrics']

/** Messages of a service, or of all where that is ''. */
function messagesOf(metrics: Metrics, service: string, outcome: 'accepted' | 'refused'): number {
  return sumOf(
    metrics,
    'postern_smtpd_messages_total',
    (labels) => (service === '' || labels[0] === service) && labels[1] === outcome,
  )
}

function sentOf(metrics: Metrics): number {
  return sumOf(metrics, 'postern_delivery_recipients_total', (labels) => labels[1] === 'sent')
}

/** Columns that every group has. */
function named(name: string, description: string, hierarchy: number): TableRow['cells'] {
  return [
    [25, text(name)],
    [28, text(description)],
    [29, text('')],
    [31, integer(hierarchy)],
  ]
}

function queueRows({ state }: Sight): readonly TableRow[] {
  const { queue } = state
  const { recipients } = queue
  const all = recipients.incoming + recipients.deferred + recipients.hold + recipients.corrupt
  const whole: TableRow = {
    index: [MTA_INDEX, QUEUE_GROUP],
    cells: [
      [4, gauge32(queue.messages)],
      [10, gauge32(all)],
      [12, interval(queue.oldestMessageSeconds)],
      ...named('queue', 'All queues together', BY_QUEUE),
    ],
  }
  const each = QUEUES.map(([index, name, description]): TableRow => {
    const stored: TableRow['cells'] =
      name === 'active' ? [[4, gauge32(queue.activeMessages)]] : [[10, gauge32(recipients[name])]]
    return { index: [MTA_INDEX, index], cells: [...stored, ...named(name, description, QUEUE_GROUP)] }
  })
  return [whole, ...each]
}

function receptionRows(sight: Sight): readonly TableRow[] {
  const { state } = sight
  const listening = SERVICES.filter(([, name]) => state.listeners.some(({ service }) => service === name))
  return [
    receptionRow(sight, RECEPTION_GROUP, '', named('reception', 'All services together', BY_SERVICE)),
    ...listening.map(([index, name, port, description]) =>
      receptionRow(sight, index, name, [[24, protocol(port)], ...named(name, description, RECEPTION_GROUP)]),
    ),
  ]
}

// oxlint-disable-next-line max-params -- what is looked at, and which of the groups
function receptionRow(sight: Sight, index: number, service: string, more: TableRow['cells']): TableRow {
  const { state, memory } = sight
  const { open, made, failed } = inboundOf(state, service)
  const { metrics } = state
  const volume = service === '' ? sumOf(metrics, 'postern_smtpd_message_bytes_total') / KILO : undefined
  const recipients = service === '' ? sumOf(metrics, 'postern_smtpd_message_recipients_total') : undefined
  return {
    index: [MTA_INDEX, index],
    cells: [
      [2, counter32(messagesOf(metrics, service, 'accepted'))],
      [3, counter32(messagesOf(metrics, service, 'refused'))],
      [6, volume === undefined ? undefined : counter32(volume)],
      [9, recipients === undefined ? undefined : counter32(recipients)],
      [13, gauge32(open)],
      [15, counter32(made)],
      [17, since(sight, memory.changes.at(`in ${service}`))],
      [19, counter32(failed)],
      ...more,
    ],
  }
}

/** TimeInterval since a moment; undefined where there was none. */
function since({ nowMs }: Sight, atMs: number | undefined): Value | undefined {
  return atMs === undefined ? undefined : interval((nowMs - atMs) / 1000)
}

function nexthopRows(sight: Sight): readonly TableRow[] {
  return withGroups(sight).map(([index, name, counts]): TableRow => {
    const { kind, host, port } = partsOf(name)
    const metMs = sight.memory.metMs.get(name)
    return {
      index: [MTA_INDEX, index],
      cells: [
        [5, counter32(counts.messages)],
        [8, counter32(counts.bytes / KILO)],
        [11, counter32(counts.sent)],
        [18, since(sight, sight.memory.changes.at(`hop ${name}`))],
        [24, port === undefined ? undefined : protocol(kind === 'smtp' ? 25 : port)],
        [30, since(sight, metMs)],
        ...named(host, descriptionOf(name, kind), BY_NEXTHOP),
      ],
    }
  })
}

function withGroups({ state, memory }: Sight): readonly (readonly [number, string, NexthopCounts])[] {
  return [...nexthopsOf(state)].flatMap(([name, counts]) => {
    const index = memory.nexthops.of(name)
    return index === undefined ? [] : [[index, name, counts] as const]
  })
}

/** `lmtp:mailbox.example.com:7025`, as the queue names a next hop; `other` and `none` stand for what has no name. */
function partsOf(name: string): { readonly kind: string; readonly host: string; readonly port?: number } {
  const match = /^(lmtp|smtp):(.+):(\d+)$/.exec(name)
  if (match === null) return { kind: '', host: name }
  return { kind: match[1] ?? '', host: match[2] ?? '', port: Number(match[3]) }
}

function descriptionOf(name: string, kind: string): string {
  if (kind !== '') return `Next hop ${name}`
  return name === 'none' ? 'Recipients for whom no next hop was asked' : 'Next hops beyond those with a group'
}

function protocol(port: number): Value {
  return oid([...TCP_PROTOCOL, port])
}

/** RFC 3463 for each reason that the metrics know: what they do not tell apart is the "other" of its subject. */
const CODES: Readonly<Record<string, readonly [subject: number, detail: number]>> = {
  address: [1, 0],
  auth: [7, 8],
  busy: [3, 2],
  content: [6, 0],
  internal: [3, 0],
  limit: [5, 3],
  loop: [4, 6],
  policy: [7, 1],
  protocol: [5, 0],
  rate: [7, 0],
  size: [3, 4],
  storage: [3, 1],
  timeout: [4, 2],
}

/** What was refused, by class and reason. */
function inboundErrors({ state }: Sight): readonly TableRow[] {
  const counts = new Map<number, number>()
  for (const sample of state.metrics.postern_smtpd_refusals_total ?? []) {
    const [, kind = '', reason = ''] = sample.labels
    const code = CODES[reason]
    if (!('value' in sample) || code === undefined) continue
    const number = statusCode(Number(kind), ...code)
    counts.set(number, (counts.get(number) ?? 0) + sample.value)
  }
  return [...counts].map(([code, count]): TableRow => ({
    index: [MTA_INDEX, RECEPTION_GROUP, code],
    cells: [[1, counter32(count)]],
  }))
}

/** Recipients that a next hop deferred or refused: X.0.0, since why is told by the log. */
function outboundErrors(sight: Sight): readonly TableRow[] {
  return withGroups(sight).flatMap(([index, , { deferred, bounced }]) =>
    [[4, deferred] as const, [5, bounced] as const]
      .filter(([, count]) => count > 0)
      .map(([kind, count]): TableRow => ({
        index: [MTA_INDEX, index, statusCode(kind, 0, 0)],
        cells: [[3, counter32(count)]],
      })),
  )
}

/** mtaStatusCode of RFC 2789. */
function statusCode(kind: number, subject: number, detail: number): number {
  return (kind * 1000 + subject) * 1000 + detail
}
