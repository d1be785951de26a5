import type { Run } from './load.ts'
import { type Load, loadText, type ServerName } from './options.ts'
import { digits, ratioOf, type Spread, spreadOf, spreadText } from './stats.ts'
import { sizeText, table } from './table.ts'

/** All runs of one load, by server, in the order of the rounds. */
export interface LoadResult {
  readonly load: Load
  readonly runs: ReadonlyMap<ServerName, readonly Run[]>
}

/** Above this share of the machine in other hands a figure says little. */
const OTHERS_MAX_SHARE = 0.12

const TITLES = {
  plain: 'Fill letters (smtp-source -l)',
  mime: 'MIME mail: text, HTML and a document in base64 (smtp-source -F)',
  slow: 'A disk with slow flushes',
} as const

/** The whole report: for each part the ratios, then what they were made of. */
export function reportText(results: readonly LoadResult[]): string {
  const parts: string[] = []
  for (const [part, of] of Map.groupBy(results, (result) => result.load.part)) {
    parts.push(`## ${TITLES[part]}`)
    const ratios = of.map(ratioRow).filter((row) => row !== undefined)
    if (ratios.length > 0) {
      parts.push(
        'Postern against the better of default and tuned Postfix (by end to end); more than 1 is better.',
      )
      parts.push(table(RATIO_HEAD, ratios))
    }
    parts.push(table(RUN_HEAD, of.flatMap(serverRows)))
  }
  const invalid = results.flatMap(invalidLines)
  if (invalid.length > 0) parts.push(`INVALID RUNS (not counted):\n${invalid.join('\n')}`)
  return parts.join('\n\n')
}

const RATIO_HEAD = ['load', 'end to end', 'accepted', 'CPU', 'memory', 'against']

/** Every ratio is turned so that more than 1 means that Postern is the better one. */
function ratioRow(result: LoadResult): string[] | undefined {
  const ours = good(result, 'postern')
  const rival = bestPostfix(result)
  if (ours.length === 0 || rival === undefined) return undefined
  const theirs = good(result, rival)
  const more = (of: (run: Run) => number) => times(ratioOf(ours.map(of), theirs.map(of)))
  const less = (of: (run: Run) => number) => times(ratioOf(theirs.map(of), ours.map(of)))
  return [
    loadText(result.load),
    more((run) => run.deliveredPerSecond),
    more((run) => run.acceptedPerSecond),
    less(cpuSeconds),
    less((run) => run.memoryBytes),
    rival,
  ]
}

function times(spread: Spread | undefined): string {
  return spread === undefined ? '-' : spreadText(spread, 'x')
}

/** The Postfix that delivers more of this load, by the median. */
export function bestPostfix(result: LoadResult): ServerName | undefined {
  const rates = (['postfix-default', 'postfix-tuned'] as const).map((name) => ({
    name,
    rate: spreadOf(good(result, name).map((run) => run.deliveredPerSecond))?.median ?? 0,
  }))
  const best = rates.toSorted((a, b) => b.rate - a.rate)[0]
  return best === undefined || best.rate === 0 ? undefined : best.name
}

const RUN_HEAD = [
  'load',
  'server',
  'messages',
  'accepted/s',
  'end to end/s',
  'CPU s/1000',
  'user+sys',
  'memory',
  'syncs, flushes/message',
  'others',
]

function serverRows(result: LoadResult): string[][] {
  const rows: string[][] = []
  for (const name of result.runs.keys()) {
    const runs = good(result, name)
    const over = (of: (run: Run) => number) => spreadOf(runs.map(of))
    const others = over((run) => run.otherShare)
    rows.push([
      loadText(result.load),
      name,
      String(Math.round(over((run) => run.messages)?.median ?? 0)),
      spreadText(over((run) => run.acceptedPerSecond)),
      spreadText(over((run) => run.deliveredPerSecond)),
      spreadText(over(cpuSeconds)),
      `${digits(over((run) => run.userSeconds)?.median ?? 0)}+${digits(over((run) => run.systemSeconds)?.median ?? 0)}`,
      memoryText(over((run) => run.memoryBytes)),
      flushText(runs),
      othersText(others),
    ])
  }
  return rows
}

function memoryText(spread: Spread | undefined): string {
  return spread === undefined ? '-' : sizeText(spread.median)
}

function flushText(runs: readonly Run[]): string {
  const syncs = spreadOf(runs.flatMap((run) => run.syncsPerMessage ?? []))
  const flushes = spreadOf(runs.flatMap((run) => run.flushesPerMessage ?? []))
  return syncs === undefined || flushes === undefined
    ? ''
    : `${digits(syncs.median)}, ${digits(flushes.median)}`
}

function othersText(spread: Spread | undefined): string {
  if (spread === undefined || Number.isNaN(spread.max)) return '-'
  return `${Math.round(spread.max * 100)} %${spread.max > OTHERS_MAX_SHARE ? ' !' : ''}`
}

function cpuSeconds(run: Run): number {
  return run.userSeconds + run.systemSeconds
}

function good(result: LoadResult, name: ServerName): Run[] {
  return (result.runs.get(name) ?? []).filter((run) => run.invalid.length === 0)
}

function invalidLines(result: LoadResult): string[] {
  return [...result.runs].flatMap(([name, runs]) =>
    runs.flatMap((run, round) =>
      run.invalid.map((why) => `${loadText(result.load)}, ${name}, round ${round + 1}: ${why}`),
    ),
  )
}
