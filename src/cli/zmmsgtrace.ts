import { isRecord } from '#src/net/frames.ts'
import { getopt, lastOf } from './getopt.ts'
import { print } from './output.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { printable } from '#src/base/printable.ts'
import { mailqTime } from './queue-format.ts'
import { runTool, ToolError, toolQueue } from './tool.ts'

const USAGE =
  'Usage: zmmsgtrace [-i msgid] [-s user@domain] [-r user@domain] [-F hostname_or_ip] [-D hostname_or_ip] [-t start_ts,end_ts]'

/** What is looked for: Perl's regular expressions, as far as they are JavaScript's too. */
export interface TracePatterns {
  readonly id?: RegExp
  readonly sender?: RegExp
  readonly recipient?: RegExp
  /** Host or address that it came from, went to. */
  readonly from?: RegExp
  readonly to?: RegExp
  readonly sinceMs?: number
  readonly untilMs?: number
}

/** `zmmsgtrace -i -s -r -F -D -t` of Zimbra. It reads the trace and no log files. */
export function zmmsgtrace(args: readonly string[]): Promise<number> {
  return runTool('zmmsgtrace', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args.map(shortOption), 'i:s:r:F:D:t:hc:')
  if (typeof given === 'string' || lastOf(given, 'h') !== undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 1
  }
  const patterns: { -readonly [K in keyof TracePatterns]: TracePatterns[K] } = {}
  for (const [letter, key] of [
    ['i', 'id'],
    ['s', 'sender'],
    ['r', 'recipient'],
    ['F', 'from'],
    ['D', 'to'],
  ] as const) {
    const text = lastOf(given, letter)
    if (text !== undefined) patterns[key] = patternOf(text, letter === 'i' ? '' : 'i')
  }
  const [since = '', until = ''] = (lastOf(given, 't') ?? '').split(',')
  if (since !== '') patterns.sinceMs = timeOf(since, false)
  if (until !== '') patterns.untilMs = timeOf(until, true)
  await using access = await toolQueue(lastOf(given, 'c'))
  const said = ['i', 's', 'r', 'F', 'D', 't'].flatMap((letter) => {
    const value = lastOf(given, letter)
    return value === undefined ? [] : [`\t${SAID.get(letter)} ${printable(value)}\n`]
  })
  await print([`Tracing messages\n${said.join('')}\n`])
  await print(zmmsgtraceText(access, patterns))
  return 0
}

const SAID: ReadonlyMap<string, string> = new Map([
  ['i', 'ID'],
  ['s', 'from'],
  ['r', 'to'],
  ['F', 'received from host'],
  ['D', 'delivered to host'],
  ['t', 'during window (start,end)'],
])

const LONG: ReadonlyMap<string, string> = new Map([
  ['id', 'i'],
  ['sender', 's'],
  ['recipient', 'r'],
  ['srchost', 'F'],
  ['desthost', 'D'],
  ['time', 't'],
  ['help', 'h'],
])

/** Getopt::Long takes the long names with one dash or two. */
function shortOption(arg: string): string {
  const letter = LONG.get(/^--?([a-z]+)$/.exec(arg)?.[1] ?? '')
  return letter === undefined ? arg : `-${letter}`
}

function patternOf(text: string, flags: string): RegExp {
  try {
    return new RegExp(text, flags)
  } catch {
    throw new ToolError(`invalid regex: '${text}'`, 1)
  }
}

/** YYYYMM[DD[HH[MM[SS]]]], local; `last` is the last second of what is named. */
function timeOf(text: string, last: boolean): number {
  const [, ...parts] = /^(\d{4})(\d{2})(\d{2})?(\d{2})?(\d{2})?(\d{2})?$/.exec(text) ?? []
  const given = parts.filter((part) => part !== undefined).map(Number)
  if (given.length < 2) throw new ToolError(`invalid time '${text}'`, 1)
  if (last) given[given.length - 1] = (given.at(-1) ?? 0) + 1
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = given
  return new Date(year, month - 1, day, hour, minute, second).getTime()
}

type Fields = Readonly<Record<string, unknown>>

interface Row {
  readonly atMs: number
  readonly event: string
  readonly facts: Fields
}

/** Messages in one request. */
const PAGE = 500

/** What the patterns mean, the newest first, page after page until there is no more. */
export async function* zmmsgtraceText(
  access: Pick<QueueAccess, 'ask'>,
  patterns: TracePatterns,
): AsyncGenerator<string> {
  const sinceMs = patterns.sinceMs ?? 0
  let untilMs = patterns.untilMs ?? Number.MAX_SAFE_INTEGER
  let known = new Set<string>()
  for (;;) {
    let oldestMs = untilMs
    const page = new Set<string>()
    for await (const { id, trace } of access.ask({
      op: 'trace',
      filter: { sinceMs, untilMs },
      limit: PAGE,
    })) {
      const rows = rowsOf(trace)
      if (rows[0] === undefined) continue
      oldestMs = Math.min(oldestMs, rows[0].atMs)
      page.add(String(id))
      if (!known.has(String(id))) yield messageText(String(id), rows, patterns)
    }
    if (page.size < PAGE) return
    // Others of the same millisecond may stand on the next page; if they alone fill one, the rest of them is left out.
    untilMs = [...page].every((id) => known.has(id)) ? oldestMs : oldestMs + 1
    known = page
  }
}

function rowsOf(trace: unknown): Row[] {
  return (Array.isArray(trace) ? trace : []).filter(isRecord).map(({ atMs, event, facts }) => {
    const parsed: unknown = typeof facts === 'string' ? JSON.parse(facts) : facts
    return { atMs: Number(atMs), event: String(event), facts: isRecord(parsed) ? parsed : {} }
  })
}

interface Recipient {
  readonly address: string
  readonly host: string
  readonly ip: string
  readonly status: string
  readonly reply: string
}

/** One message as zmmsgtrace prints it; '' where a pattern does not hold. */
function messageText(id: string, rows: readonly Row[], patterns: TracePatterns): string {
  const [first] = rows
  const recipients = recipientsOf(rows)
  if (first === undefined || recipients.length === 0) return ''
  const { facts } = first
  const name = /^<(.*)>$/.exec(textOf(facts, 'messageId'))?.[1] ?? `[${first.event}:${printable(id)}]`
  const sender = textOf(facts, 'from') || 'postmaster'
  const origin = { host: textOf(facts, 'name'), ip: textOf(facts, 'client') }
  const holds =
    fits(patterns.id, name) &&
    fits(patterns.sender, sender) &&
    fits(patterns.from, origin.host, origin.ip) &&
    fits(patterns.recipient, ...recipients.map(({ address }) => address)) &&
    fits(patterns.to, ...recipients.flatMap(({ host, ip }) => [host, ip]))
  if (!holds) return ''
  const from = `  ${mailqTime(first.atMs).slice(4)} - ${origin.host} ${inBrackets(origin.ip)}`
  return [
    `Message ID '${name}'\n${sender} -->\n`,
    ...recipients.map(({ address }) => `\t${address}\n`),
    ...recipients
      .filter(({ address }) => fits(patterns.recipient, address))
      .map((recipient) => recipientText(from, recipient)),
    '\n',
  ].join('')
}

function recipientText(from: string, { address, host, ip, status, reply }: Recipient): string {
  const to = host === '' ? '' : `--> ${host} `
  const why = status === 'sent' || reply === '' ? '' : `    ${reply}\n`
  return `  Recipient ${address}\n${from}${to}${inBrackets(ip)}status ${status}\n${why}`
}

function inBrackets(text: string): string {
  return text === '' ? '' : `(${text}) `
}

/** Each recipient with the last that was heard of it. */
function recipientsOf(rows: readonly Row[]): readonly Recipient[] {
  const known = new Map<string, Recipient>()
  for (const { event, facts } of rows) {
    const to = Array.isArray(facts['to']) ? facts['to'] : [facts['to']]
    const [, host = '', ip = '', port = ''] =
      /^([^[\]]*)(?:\[(.*?)\])?(:\d+)?$/.exec(textOf(facts, 'relay')) ?? []
    for (const address of to) {
      if (typeof address !== 'string') continue
      known.set(address, {
        address: printable(address),
        host: host === '' || host === 'none' ? host : host + port,
        ip: ip === '' ? '' : ip + port,
        status: event === 'rejected' || event === 'refused' ? 'reject' : event,
        reply: textOf(facts, 'reply'),
      })
    }
  }
  return [...known.values()]
}

function fits(pattern: RegExp | undefined, ...values: readonly string[]): boolean {
  return pattern === undefined || values.some((value) => pattern.test(value))
}

function textOf(facts: Fields, key: string): string {
  const value = facts[key]
  return typeof value === 'string' ? printable(value) : ''
}
