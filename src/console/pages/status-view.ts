import { alarmLine, ALARMS } from '#src/base/alarms.ts'
import type { HealthState, Rates } from '#src/health/state.ts'
import type { Charts } from '#src/console/charts.ts'
import { BARS } from '#src/console/charts.ts'
import type { Canvas } from '#src/console/grid.ts'
import { age } from '#src/admin/durations.ts'
import { bars, bytes, counted, gauge, minute, rate, wrap } from '#src/console/text.ts'

/** All that the page shows. */
export interface StatusSight {
  readonly state: HealthState
  readonly charts: Charts
  /** `eth0 192.0.2.1 2001:db8::1`. */
  readonly network: string
  readonly disk: { readonly freeBytes: number; readonly sizeBytes: number } | undefined
  /** Share of the time of all cores in which they did something; undefined before it was seen twice. */
  readonly busy: number | undefined
  /** Sentences of the console itself, such as that its password is not set. */
  readonly remarks: readonly string[]
  /** systemd starts Postern, and starts it again (manager.ts). */
  readonly isManaged: boolean
  readonly nowMs: number
}

const RATES: readonly (readonly [string, keyof Rates])[] = [
  ['taken', 'accepted'],
  ['refused', 'refusals'],
  ['delivered', 'delivered'],
  ['deferred', 'deferred'],
  ['returned', 'bounced'],
]

const CHARTS_ROW = 3
const CHART_COLUMN = 21
const QUEUE_COLUMN = CHART_COLUMN + BARS + 2
const QUEUE_WIDTH = 17
const MACHINE_ROW = 10
const RIGHT_COLUMN = 45
const TROUBLE_ROW = 16
const GAUGE_WIDTH = 10
/** What ends sooner is worth a word. */
const DAY_MS = 86_400_000

/** Everything that is wrong, the worst first. */
export function troubles({ state, remarks }: StatusSight): readonly string[] {
  const alarms = sortedAlarms(state).map(alarmText)
  const processes = state.processes
    .filter((one) => one.state !== 'ready' || one.silent)
    .map((one) => `${one.name}: ${one.silent ? 'does not answer' : one.state} ${one.reason}`)
  // Some of what `postern status` ends with are alarms as well.
  const isTold = (problem: string): boolean =>
    state.alarms.some(({ key }) => key !== '' && problem.startsWith(`${key}:`))
  const problems = state.problems.filter((problem) => !isTold(problem))
  return [...alarms, ...processes, ...problems, ...remarks]
}

const ORDER = ['critical', 'error', 'warning']

function sortedAlarms({ alarms }: HealthState): HealthState['alarms'] {
  return alarms.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity))
}

function alarmText(alarm: HealthState['alarms'][number]): string {
  return `${alarm.severity.toUpperCase()} ${alarmLine(alarm)}`
}

/** The same at length: since when, and what to do about it. */
export function troubleLines(sight: StatusSight, width: number): readonly string[] {
  const alarms = sortedAlarms(sight.state).flatMap((alarm) => [
    alarmText(alarm),
    `  since ${minute(alarm.sinceMs)}. ${ALARMS[alarm.code].text}`,
    '',
  ])
  const others = troubles(sight)
    .slice(sight.state.alarms.length)
    .flatMap((text) => [text, ''])
  const all = [...alarms, ...others].flatMap((text) => wrap(text, width - 1, '  '))
  return all.length === 0 ? ['Nothing is wrong.'] : all
}

/** A word or two for the title line; '' where all is well. */
export function troubleWord(state: HealthState): string {
  if (state.master.kind === 'silent') return 'DOWN'
  const waiting = state.processes.filter((one) => one.state !== 'ready').length
  const count = state.alarms.length + waiting
  if (count > 0) return `${count} ALARM${count === 1 ? '' : 'S'}`
  return state.problems.length > 0 ? 'ATTENTION' : ''
}

export function drawStatus(canvas: Canvas, sight: StatusSight): void {
  const { state } = sight
  if (state.atMs === 0) {
    canvas.put(0, 1, 'Looking how it is.')
    return
  }
  if (state.master.kind === 'silent') {
    drawDown(canvas, sight)
  } else {
    const ports = [...new Set(state.listeners.map(({ port }) => port))].join(', ')
    const runs = `Postern ${state.version} runs for ${age(state.uptimeMs)}; settings ${state.generation}; ports ${ports}; ${counted(state.clients, 'client')}`
    canvas.put(0, 1, runs)
    canvas.put(1, 1, `Health: ${healthWord(sight)}`)
    drawRates(canvas, sight)
    drawQueues(canvas, sight)
  }
  drawMachine(canvas, sight)
  drawTroubles(canvas, sight)
}

function healthWord(sight: StatusSight): string {
  const count = troubles(sight).length
  if (count === 0) return 'good'
  const what = troubleWord(sight.state)
  return `${what === '' ? 'good, with remarks' : what}; the key a shows all of it`
}

function drawDown(canvas: Canvas, { state, isManaged }: StatusSight): void {
  const reason = state.master.kind === 'silent' ? state.master.reason : ''
  canvas.put(0, 1, 'Postern does not run.')
  canvas.put(1, 1, `(${reason})`)
  const lines = [
    isManaged
      ? 'systemd starts it again by itself, unless it has failed ten times in ten minutes:'
      : 'The key s starts it.',
    ...(isManaged ? ['then restart the machine, or as root "systemctl restart postern".'] : []),
    'What is in the queue is kept; pages 2, 3 and 5 work without it.',
    'Why it has ended stands in the log, page 4.',
  ]
  for (const [at, line] of lines.entries()) canvas.put(3 + at, 1, line)
}

function drawRates(canvas: Canvas, { state, charts }: StatusSight): void {
  canvas.put(CHARTS_ROW - 1, 1, `${'a second'.padStart(19)} last 10 minutes`)
  for (const [at, [what, key]] of RATES.entries()) {
    const row = CHARTS_ROW + at
    canvas.put(row, 1, `${what.padEnd(10)}${rate(state.rates[key]).padStart(9)}`)
    canvas.put(row, CHART_COLUMN, bars(charts.of(key), LEAST_TOP))
  }
}

/** A chart that has never seen more is not blown up to full height by one mail. */
const LEAST_TOP = 0.5

function drawQueues(canvas: Canvas, { state: { queue } }: StatusSight): void {
  const { incoming, deferred, hold, corrupt } = queue.recipients
  // What is active is in memory, and stands on the disk as incoming or deferred as well.
  const rows = [
    ['incoming', incoming],
    ['active', queue.activeMessages],
    ['deferred', deferred],
    ['hold', hold],
    ['corrupt', corrupt],
  ] as const
  const column = Math.min(QUEUE_COLUMN, canvas.columns - QUEUE_WIDTH)
  const due = queue.oldestDueSeconds
  const late = due >= 1 ? `, the oldest that is due waits for ${age(due * 1000)}` : ''
  canvas.put(CHARTS_ROW + rows.length, 1, `queue      ${counted(queue.messages, 'message')}${late}`)
  // Where the terminal is too narrow for both, the bars give way.
  canvas.put(CHARTS_ROW - 1, column, 'in the queue'.padEnd(QUEUE_WIDTH))
  for (const [at, [name, count]] of rows.entries())
    canvas.put(CHARTS_ROW + at, column, `${name.padEnd(9)}${String(count).padStart(8)}`)
}

function label(name: string): string {
  return name.padEnd(12)
}

function drawMachine(canvas: Canvas, { state, network, disk, busy, nowMs }: StatusSight): void {
  const { machine } = state
  const used = 1 - machine.availableBytes / Math.max(1, machine.memoryBytes)
  if (disk !== undefined) {
    const share = 1 - disk.freeBytes / Math.max(1, disk.sizeBytes)
    canvas.put(MACHINE_ROW, 1, `${label('disk')}${part(share)} of ${bytes(disk.sizeBytes)}`)
  }
  canvas.put(MACHINE_ROW, RIGHT_COLUMN, `memory ${part(used)} of ${bytes(machine.memoryBytes)}`)
  const load = machine.load.map((one) => one.toFixed(1)).join(' ')
  const cores = `${busy === undefined ? '' : `${part(busy)} of `}${counted(machine.cores, 'core')}`
  canvas.put(MACHINE_ROW + 1, 1, `${label('cores')}${cores}`)
  canvas.put(MACHINE_ROW + 1, RIGHT_COLUMN, `load   ${load}`)
  canvas.put(MACHINE_ROW + 2, 1, `${label('network')}${network}`)
  canvas.put(MACHINE_ROW + 3, 1, `${label('certificate')}${certificateText(state, nowMs)}`)
  canvas.put(MACHINE_ROW + 4, 1, `${label('signatures')}${signaturesText(state, nowMs)}`)
  canvas.put(MACHINE_ROW + 4, RIGHT_COLUMN, directoryText(state))
}

function signaturesText({ signatures: { count, writtenMs } }: HealthState, nowMs: number): string {
  if (count === 0) return 'none'
  return writtenMs > 0 ? `${count}, ${age(nowMs - writtenMs)} old` : `${count}, built in`
}

function part(share: number): string {
  return `${gauge(share, GAUGE_WIDTH)} ${String(Math.round(share * 100)).padStart(3)}%`
}

function directoryText({ directory }: HealthState): string {
  if (directory === null) return 'directory: embedded'
  const snapshot = directory['snapshotAgeS']
  return typeof snapshot === 'number'
    ? `directory: LDAP, ${age(snapshot * 1000)} old`
    : 'directory: LDAP, not read yet'
}

function certificateText({ certificates }: HealthState, nowMs: number): string {
  const [first] = certificates.toSorted((a, b) => a.untilMs - b.untilMs)
  if (first === undefined) return 'none is known'
  const left = first.untilMs - nowMs
  const more = certificates.length > 1 ? ` (the first of ${certificates.length} to end)` : ''
  const when = left > 0 ? `ends in ${age(left)}` : `HAS ENDED ${age(-left)} ago`
  const on = left < 100 * DAY_MS ? `, ${minute(first.untilMs).slice(0, 10)}` : ''
  return `${first.name} ${when}${on}${more}`
}

function drawTroubles(canvas: Canvas, sight: StatusSight): void {
  const lines = troubles(sight).map((text) => wrap(text, canvas.columns - 4))
  let row = TROUBLE_ROW
  for (const [at, wrapped] of lines.entries()) {
    // The last row says that there is more.
    const isLast = row >= canvas.rows - 1
    if (isLast && (at < lines.length - 1 || wrapped.length > 1)) {
      canvas.put(row, 1, `! and ${lines.length - at} more: the key a shows all of it`)
      return
    }
    for (const [n, line] of wrapped.slice(0, 2).entries()) {
      if (row >= canvas.rows) return
      canvas.put(row, 1, `${n === 0 ? '!' : ' '} ${line}`)
      row += 1
    }
  }
}
