import { readProvisionReport } from '#src/admin/provision-report.ts'
import type { ProvisionReport } from '#src/admin/provision-report.ts'
import { alarmLine } from '#src/base/alarms.ts'
import { duration } from '#src/admin/durations.ts'
import { errorText } from '#src/base/fault.ts'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import type { QueueCounts } from '#src/queue/counts.ts'
import { countQueue } from '#src/queue/counts.ts'
import { controlSocketPath, databasePath } from '#src/queue/paths.ts'
import { alarmsOf } from './alarms.ts'
import { askMaster, askQueueManager } from './control-client.ts'
import type { ControlReply } from './control-client.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { controlSocketOf, NOT_RUNNING, tellNotRunning } from './running.ts'

/** `postern status [--json]`: what runs. */
export async function status(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'])
  noWords(options)
  const config = configOf(options)
  const master = await askMaster(controlSocketOf(config), 'status')
  const reply = master === undefined ? undefined : { ...master, queue: await queueOf(config) }
  if (options.flags.has('json')) {
    const provision = setUpOf(config)
    const running = {
      ...(reply === undefined
        ? { running: false, dataFolder: config.dataFolder }
        : { running: true, ...reply }),
      ...(provision === undefined ? {} : { provision }),
    }
    process.stdout.write(`${JSON.stringify(running, undefined, 2)}\n`)
    return reply === undefined ? NOT_RUNNING : 0
  }
  process.stdout.write(setUpText(setUpOf(config)))
  if (reply === undefined) return tellNotRunning(config)
  process.stdout.write(statusText(reply))
  return 0
}

/** How the appliance image was set up; undefined elsewhere. */
function setUpOf(config: Config): ProvisionReport | undefined {
  try {
    return readProvisionReport(config.console.helperSocket)
  } catch (error) {
    return { isOpen: false, outcomes: [], troubles: [errorText(error)], updateUrl: '' }
  }
}

/** Before all else, since a box that is not set up does nothing else. */
function setUpText(report: ProvisionReport | undefined): string {
  if (report === undefined) return ''
  const lines = [
    ...(report.isOpen
      ? []
      : ['Attention: the console has no password; nothing listens to the network before it has one']),
    ...report.troubles.map((trouble) => `Attention: ${trouble}`),
    ...report.outcomes.flatMap(({ kind, text, problems }) => [
      `${kind === 'wrong' ? 'Attention' : 'Set-up'}: ${text}`,
      ...problems.map((problem) => `  ${problem}`),
    ]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

interface ProcessStatus {
  readonly name: string
  readonly state: string
  readonly pid: number | null
  readonly uptimeMs: number | null
  readonly restarts: number
  readonly reason: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** What is in the queue and how far it is behind its schedule, or why that cannot be told. */
async function queueOf(config: Config): Promise<(QueueCounts & ControlReply) | { readonly error: string }> {
  const paths = pathsOf(config.dataFolder)
  try {
    const progress = await askQueueManager(controlSocketPath(paths.run), 'progress')
    return { ...countQueue(databasePath(paths.queue)), ...progress }
  } catch (error) {
    return { error: errorText(error) }
  }
}

function queueText(queue: unknown): string {
  if (typeof queue !== 'object' || queue === null) return 'unknown'
  const { oldestDueMs, oldestDueId, stalled, ...counts }: Record<string, unknown> = { ...queue }
  if (typeof oldestDueMs !== 'number' || oldestDueMs < DUE_TOLD_MS) return facts(counts)
  const behind = `${duration(oldestDueMs)} behind (${String(oldestDueId)})`
  return `${facts(counts)}, ${behind}${stalled === true ? ', STALLED: see qmgr.progress in the log' : ''}`
}

/** Alarms that stand among what needs attention already, in the words of those who know most of it. */
const SHOWN_ELSEWHERE = /^(?:LDAP_.*|SETTING_REFUSED|CERTIFICATE)$/

/** Less is how things are: mail waits a moment for its place. */
const DUE_TOLD_MS = 60_000

/** The answer of master for a person. */
export function statusText(reply: ControlReply): string {
  const processes = (Array.isArray(reply['processes']) ? reply['processes'] : []) as readonly ProcessStatus[]
  const listeners = (Array.isArray(reply['listeners']) ? reply['listeners'] : []) as readonly {
    address: string
    port: number
    service: string
  }[]
  const lines = [
    `Postern ${String(reply['version'])} on ${String(reply['hostname'])}, running for ${duration(Number(reply['uptimeMs']))}`,
    `  data      ${String(reply['dataFolder'])}`,
    `  settings  ${reply['configFile'] === '' ? 'all defaults' : String(reply['configFile'])}, generation ${String(reply['generation'])}`,
    `  SMTP      ${listeners.map(listenerText).join(', ')}`,
    `  clients   ${String(reply['clients'])} counted`,
    `  queue     ${queueText(reply['queue'])}`,
    '',
    table(
      ['process', 'pid', 'state', 'for', 'restarts', ''],
      [
        ['master', String(reply['pid']), 'ready', duration(Number(reply['uptimeMs'])), '', ''],
        ...processes.map((one) => [
          one.name,
          one.pid === null ? '-' : String(one.pid),
          one.state,
          one.uptimeMs === null ? '-' : duration(one.uptimeMs),
          String(one.restarts),
          one.reason === '' ? facts(one.facts) : one.reason,
        ]),
      ],
    ),
  ]
  const held = Array.isArray(reply['held']) ? reply['held'] : []
  if (held.length > 0) lines.push(`Held by a rollback: ${held.map(String).join(', ')}`)
  lines.push(...directoryLines(reply['directory']))
  const problems = Array.isArray(reply['problems']) ? reply['problems'] : []
  lines.push(...problems.map((problem) => `Attention: ${String(problem)}`))
  const alarms = alarmsOf(reply).filter(({ code }) => !SHOWN_ELSEWHERE.test(code))
  return `${[...lines, ...alarms.map((alarm) => `Alarm: ${alarmLine(alarm)}`)].join('\n')}\n`
}

function listenerText(one: {
  readonly address: string
  readonly port: number
  readonly service: string
}): string {
  return `${one.address} port ${one.port}${one.service === 'smtp' ? '' : ` (${one.service})`}`
}

/** Where the directory comes from, and what is wrong with its servers. */
function directoryLines(directory: unknown): readonly string[] {
  if (typeof directory !== 'object' || directory === null) return []
  const { alarms, contextCSN, ...rest }: Readonly<Record<string, unknown>> = { ...directory }
  const csns = Array.isArray(contextCSN) ? contextCSN.map(String) : []
  const raised = Array.isArray(alarms) ? alarms.map(String) : []
  return [
    `Directory: ${facts(rest)}${csns.length === 0 ? '' : `, contextCSN ${csns.join(' ')}`}`,
    ...raised.map((alarm) => `Attention: ${alarm}`),
  ]
}

function facts(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)))
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
