import { isRecord } from '#src/net/frames.ts'
import { printable } from '#src/base/printable.ts'

type Fields = Readonly<Record<string, unknown>>

/** The whole life of one message, as an answer to "show" or "trace" tells it. */
export function lifeText(id: string, trace: unknown, message: unknown): string {
  const rows = (Array.isArray(trace) ? trace : []).filter(isRecord)
  const lines = [printable(id)]
  for (const row of rows) lines.push(...rowLines(row))
  lines.push(isRecord(message) ? nowLine(message) : `  ${'now'.padEnd(WIDTH)} ${whereItIs(rows)}`)
  return `${lines.join('\n')}\n`
}

/** What is not in the queue: gone, or never there. */
function whereItIs(rows: readonly Fields[]): string {
  const refused = rows.some(({ event }) => event === 'rejected' || event === 'refused')
  const queued = rows.some(({ event }) => event === 'queued')
  if (rows.some(({ event }) => event === 'discarded') && !queued)
    return 'discarded by a rule: it was never in the queue'
  return refused && !queued ? 'refused: it was never in the queue' : 'not in the queue any more'
}

/** Of a time with its event. */
const WIDTH = 38

function rowLines({ atMs, event, facts }: Fields): string[] {
  const parsed: unknown = typeof facts === 'string' ? JSON.parse(facts) : facts
  const known = isRecord(parsed) ? parsed : {}
  const head = `${localTime(Number(atMs))} ${printable(String(event))}`.padEnd(WIDTH)
  return [`  ${head} ${factsText(known)}`.trimEnd()]
}

function factsText(facts: Fields): string {
  const { verdict, ...rest } = facts
  const all = isRecord(verdict) ? { ...rest, ...verdict } : rest
  return Object.entries(all)
    .filter(([, value]) => value !== '' && value !== undefined)
    .map(([key, value]) => `${key}=${shown(key, value)}`)
    .join(' ')
}

function shown(key: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((each) => shown(key, each)).join(',')
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value))
  if (key === 'from' || key === 'to') return `<${text}>`
  return /^[^\s"]*$/.test(text) ? text : JSON.stringify(text)
}

function nowLine(message: Fields): string {
  const recipients = (Array.isArray(message['recipients']) ? message['recipients'] : []).filter(isRecord)
  const each = recipients.map((one) => `<${printable(String(one['address']))}> ${String(one['state'])}`)
  return `  ${'now'.padEnd(WIDTH)} ${String(message['queue'])}: ${each.join(', ')}`
}

/** Local time to the millisecond: 2026-11-22 10:50:16.123. */
export function localTime(ms: number): string {
  const at = new Date(ms)
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  return `${day} ${time}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
