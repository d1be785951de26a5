import type { HealthState, ProcessHealth } from '#src/health/state.ts'
import { readinessOf } from '#src/health/state.ts'
import type { Instance, TableRow } from './rows.ts'
import { tableInstances } from './rows.ts'
import { inboundOf, outboundOf, stampAgo, stampAt } from './sight.ts'
import type { Associations, Sight } from './sight.ts'
import { counter32, gauge32, integer, text } from './values.ts'

/** NETWORK-SERVICES-MIB, RFC 2788. */
export const APPLICATION = [1, 3, 6, 1, 2, 1, 27] as const
const APPL_ENTRY = [...APPLICATION, 1, 1] as const

/** applOperStatus. */
const STATUS = { up: 1, down: 2, halted: 3, congested: 4, restarting: 5, quiescing: 6 } as const
type Status = keyof typeof STATUS

/** applIndex of the whole: MTA-MIB tells of this one. */
export const MTA_INDEX = 1

interface Application {
  readonly index: number
  readonly name: string
  readonly description: string
  readonly status: Status
  /** Since its start; undefined while it does not run. */
  readonly uptimeS: number | undefined
  /** The key of its activity in the memory, with what there was. */
  readonly inbound?: { readonly key: string; readonly counts: Associations }
  readonly outbound?: { readonly key: string; readonly counts: Associations }
}

const SERVICES = [
  [2, 'smtp', 'Mail from other hosts, over SMTP'],
  [3, 'submission', 'Mail of users, over SMTP with STARTTLS'],
  [4, 'submissions', 'Mail of users, over SMTP with TLS from the first octet'],
] as const

const PARTS = [
  [6, 'qmgr', 'The queue and its schedule'],
  [7, 'directory', 'Accounts, domains and passwords'],
  [8, 'mailbox', 'The embedded mailbox store, over LMTP'],
] as const

/** A row for the MTA as a whole, for each service that has a listener, and for each kind of process there is. */
export function applInstances(sight: Sight): readonly Instance[] {
  const applications = applicationsOf(sight.state)
  for (const { name, status } of applications) sight.memory.changes.note(`appl ${name}`, status, sight.nowMs)
  return tableInstances(
    APPL_ENTRY,
    applications.map((one) => rowOf(one, sight)),
  )
}

const NO_ASSOCIATIONS = { key: '', counts: { open: 0, made: 0, failed: 0 } }

function rowOf(one: Application, sight: Sight): TableRow {
  const { changes } = sight.memory
  const { inbound = NO_ASSOCIATIONS, outbound = NO_ASSOCIATIONS } = one
  return {
    index: [one.index],
    cells: [
      [2, text(one.name)],
      [3, text('')],
      [4, text(sight.state.version)],
      [5, stampAgo(sight, one.uptimeS ?? Infinity)],
      [6, integer(STATUS[one.status])],
      [7, stampAt(sight, changes.at(`appl ${one.name}`))],
      [8, gauge32(inbound.counts.open)],
      [9, gauge32(outbound.counts.open)],
      [10, counter32(inbound.counts.made)],
      [11, counter32(outbound.counts.made)],
      [12, stampAt(sight, changes.at(inbound.key))],
      [13, stampAt(sight, changes.at(outbound.key))],
      [14, counter32(inbound.counts.failed)],
      [15, counter32(outbound.counts.failed)],
      [16, text(one.description)],
      [17, text('')],
    ],
  }
}

function applicationsOf(state: HealthState): readonly Application[] {
  const outbound = { key: 'out', counts: outboundOf(state) }
  const inbound = (service: string) => ({ key: `in ${service}`, counts: inboundOf(state, service) })
  const smtpd = partOf(state, 'smtpd')
  const qmgr = partOf(state, 'qmgr')
  const services = SERVICES.filter(([, name]) => state.listeners.some(({ service }) => service === name))
  const parts = PARTS.filter(([, name]) => state.processes.some((one) => one.name.startsWith(`${name}/`)))
  return [
    {
      index: MTA_INDEX,
      name: 'postern',
      description: 'The mail appliance as a whole',
      status: wholeStatus(state),
      uptimeS: state.master.kind === 'silent' ? undefined : state.uptimeMs / 1000,
      inbound: inbound(''),
      outbound,
    },
    ...services.map(([index, name, description]) => {
      const { status, uptimeS } = smtpd
      return { index, name, description, status, uptimeS, inbound: inbound(name) }
    }),
    { index: 5, name: 'delivery', description: 'Mail to next hops, over LMTP and SMTP', ...qmgr, outbound },
    ...parts.map(([index, name, description]) => {
      const { status, uptimeS } = partOf(state, name)
      return { index, name, description, status, uptimeS }
    }),
  ]
}

function wholeStatus(state: HealthState): Status {
  if (state.master.kind === 'silent') return 'down'
  if (readinessOf(state).ready) return 'up'
  if (!state.queue.open && state.queue.diskSizeBytes > 0) return 'congested'
  const isStarting = state.processes.some((one) => one.state === 'starting')
  return isStarting ? 'restarting' : 'halted'
}

const BEST_FIRST = ['up', 'halted', 'restarting', 'quiescing'] as const

/** Of the processes of one kind the best; none answers for those that are no more. */
function partOf({ processes, master }: HealthState, kind: string): Pick<Application, 'status' | 'uptimeS'> {
  const all = processes.filter(({ name }) => name.startsWith(`${kind}/`))
  const statuses = new Set(all.map(statusOf))
  const best = BEST_FIRST.find((status) => statuses.has(status)) ?? 'down'
  const status = master.kind === 'silent' ? 'down' : best
  const uptimes = all.filter((one) => one.state === 'ready').map(({ uptimeMs }) => uptimeMs / 1000)
  return { status, uptimeS: uptimes.length === 0 ? undefined : Math.max(...uptimes) }
}

function statusOf({ state, silent }: ProcessHealth): Status {
  switch (state) {
    case 'ready':
      // It is there and does not answer: operational, and of no use.
      return silent ? 'halted' : 'up'
    case 'starting':
      return 'restarting'
    case 'stopping':
      return 'quiescing'
    default:
      return 'down'
  }
}
