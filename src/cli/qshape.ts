import type { QueueFilter } from '#src/queue/list-filter.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import { getopt, lastOf } from './getopt.ts'
import type { Given } from './getopt.ts'
import { print } from './output.ts'
import { printable } from '#src/base/printable.ts'
import { runTool, ToolError, toolQueue } from './tool.ts'

const USAGE =
  'Usage: qshape [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]\n' +
  '\t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]\n' +
  '\t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]\n' +
  '\t[ -c <config_directory> ] [ <queue_name> ... ]'

/** qshape(1): what it shows where nothing is said. */
const BUCKETS = 10
const BUCKET_MINUTES = 5
const WIDTH = 80
const DOMAIN_WIDTH_MIN = 18
const SUBDOMAINS_MIN = 5
/** Domains that a terminal is shown. */
const TOP_DOMAINS = 20

/** `qshape` of Postfix: the queue by domain and age. -N, how often a terminal is shown what has been counted, is read over. */
export function qshape(args: readonly string[]): Promise<number> {
  return runTool('qshape', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'lhc:psw:b:t:m:n:N:')
  if (typeof given === 'string' || lastOf(given, 'h') !== undefined) {
    process.stderr.write(`${USAGE}\n`)
    return 1
  }
  const buckets = numberOf(given, 'b', BUCKETS, 100)
  const bucketMinutes = numberOf(given, 't', BUCKET_MINUTES, 525_600)
  const linear = lastOf(given, 'l') !== undefined
  const request = {
    op: 'shape',
    filter: filterOf(given.words),
    bySender: lastOf(given, 's') !== undefined,
    buckets,
    bucketMinutes,
    linear,
  }
  await using queue = await toolQueue(lastOf(given, 'c'))
  for await (const { rows } of queue.ask(request)) {
    const width = Math.max(WIDTH, numberOf(given, 'w', WIDTH, 1000))
    const read = readRows(rows)
    const shown =
      lastOf(given, 'p') === undefined
        ? read
        : withParents(read, numberOf(given, 'm', SUBDOMAINS_MIN, 1_000_000))
    const top = process.stdout.isTTY ? numberOf(given, 'n', TOP_DOMAINS, 1_000_000) : Infinity
    await print([shapeText(shown, { buckets, bucketMinutes, linear, width, top })])
  }
  return 0
}

function numberOf(given: Given, letter: string, otherwise: number, most: number): number {
  const value = Number(lastOf(given, letter) ?? otherwise)
  return Number.isSafeInteger(value) && value > 0 ? Math.min(value, most) : otherwise
}

/** Names of Postfix's queues, with or without the folder that they are in there. */
function filterOf(words: readonly string[]): QueueFilter {
  if (words.length === 0) return { queues: ['incoming', 'active'] }
  const names = words
    .map((word) => word.slice(word.lastIndexOf('/') + 1))
    .filter((name) => name !== 'maildrop')
  const queues = names.map((name) => {
    const queue = QUEUES.find((each) => each === name)
    if (queue === undefined) throw new ToolError(`there is no queue "${name}"`, 1)
    return queue
  })
  return { queues }
}

type Row = readonly [domain: string, counts: readonly number[]]

function readRows(rows: unknown): Row[] {
  const read: Row[] = []
  for (const row of Array.isArray(rows) ? rows : []) {
    if (!Array.isArray(row) || typeof row[0] !== 'string' || !Array.isArray(row[1])) continue
    read.push([row[0], row[1].map(Number)])
  }
  return read
}

/**
 * With a row for each parent domain, its name behind a dot, that at least `least` subdomains stand under: their sum.
 * A top-level domain is none.
 */
export function withParents(rows: readonly Row[], least: number): readonly Row[] {
  const parents = new Map<string, { readonly counts: number[]; readonly children: Set<string> }>()
  for (const [domain, counts] of rows) {
    if (domain === 'TOTAL') continue
    let child = domain
    for (const name of parentsOf(domain)) {
      const parent = parents.get(name) ?? { counts: counts.map(() => 0), children: new Set() }
      parents.set(name, parent)
      parent.children.add(child)
      for (const [i, count] of counts.entries()) parent.counts[i] = (parent.counts[i] ?? 0) + count
      child = name
    }
  }
  const shown = [...parents].filter(([, { children }]) => children.size >= least)
  return [...rows, ...shown.map(([name, { counts }]): Row => [name, counts])]
}

/** `a.b.example.org`: `.b.example.org`, `.example.org`. */
function parentsOf(domain: string): string[] {
  const labels = domain.split('.')
  return labels.slice(1, -1).map((_, i) => `.${labels.slice(i + 1).join('.')}`)
}

interface Layout {
  readonly buckets: number
  readonly bucketMinutes: number
  readonly linear: boolean
  readonly width: number
  /** Rows at most, TOTAL among them. */
  readonly top?: number
}

/** The table as qshape prints it: each column as wide as its largest number, the domains in what is left of the line. */
export function shapeText(rows: readonly Row[], layout: Layout): string {
  const totals = rows.find(([domain]) => domain === 'TOTAL')?.[1] ?? []
  const heads = headsOf(layout)
  const widths = heads.map((head, i) => {
    const longest = Math.max(head.length, String(totals[i] ?? 0).length)
    return longest > 2 ? longest + 1 : 3
  })
  const used = widths.reduce((sum, width) => sum + width, 0)
  const domainWidth = Math.max(DOMAIN_WIDTH_MIN, layout.width - used)
  const line = (domain: string, cells: readonly (string | number)[]): string => {
    const columns = widths.map((width, i) => String(cells[i] ?? 0).padStart(width))
    return `${domainCell(domain, domainWidth)}${columns.join('')}\n`
  }
  const sorted = rows.toSorted(([a, x], [b, y]) => (y[0] ?? 0) - (x[0] ?? 0) || byName(a, b))
  const shown = sorted.slice(0, layout.top ?? Infinity)
  return line('', heads) + shown.map(([domain, counts]) => line(printable(domain), counts)).join('')
}

/** TOTAL first, then shorter names, then by the alphabet. */
function byName(a: string, b: string): number {
  if (a === 'TOTAL' || b === 'TOTAL') return a === 'TOTAL' ? -1 : 1
  return a.length - b.length || (a < b ? -1 : 1)
}

/** `T`, then where each bucket ends: 5 10 20 …; the last one, `1280+`, has no end. */
function headsOf({ buckets, bucketMinutes, linear }: Layout): string[] {
  const heads = ['T']
  let minutes = 0
  for (let i = 1; i < buckets; i++) {
    minutes += minutes > 0 && !linear ? minutes : bucketMinutes
    heads.push(String(minutes))
  }
  return [...heads, `${minutes}+`]
}

function domainCell(domain: string, width: number): string {
  if (domain.length <= width) return domain.padStart(width)
  const mark = domain.startsWith('.') ? '.+' : '+'
  return mark + domain.slice(domain.length - width + mark.length)
}
