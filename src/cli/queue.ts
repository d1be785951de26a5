import type { Action } from '#src/queue/changes.ts'
import type { QueueAccess, Which } from '#src/queue/tool-access.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { systemClock } from '#src/base/clock.ts'
import { isRecord } from '#src/net/frames.ts'
import { QUEUE_OPTIONS, queueFilter } from './filters.ts'
import { configOf, noWords, readOptions } from './options.ts'
import type { Options } from './options.ts'
import { print } from './output.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import { printable } from '#src/base/printable.ts'
import { queueJson, queueLine } from './queue-format.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { show } from './queue-show.ts'
import { caller } from './called-as.ts'
import { limitOf } from './trace.ts'
import { UsageError } from './usage.ts'

/** Each action with the words of its summary, which are postsuper's where it has one. */
const ACTIONS: ReadonlyMap<string, { readonly action: Action; readonly done: string }> = new Map([
  ['delete', { action: 'delete', done: 'Deleted' }],
  ['hold', { action: 'hold', done: 'Placed on hold' }],
  ['release', { action: 'release', done: 'Released from hold' }],
  ['requeue', { action: 'requeue', done: 'Requeued' }],
  ['flush', { action: 'flush', done: 'Flushed' }],
  ['expire', { action: 'expire', done: 'Force-expired' }],
])

/** `postern queue list|show|domains|delete|hold|release|requeue|flush|expire`; resolves to the exit code. */
export async function queue(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'], [...QUEUE_OPTIONS, 'limit', 'note'])
  const [verb, ...ids] = options.words
  const rest = { ...options, words: ids }
  if (verb === 'list') return await list(rest)
  if (verb === 'show') return await show(rest)
  if (verb === 'domains') return await domains(rest)
  const known = verb === undefined ? undefined : ACTIONS.get(verb)
  if (known === undefined) {
    throw new UsageError(
      'say what to do with the queue: list, show, domains, delete, hold, release, requeue, flush or expire',
    )
  }
  const why = { by: caller(), note: options.values.get('note') ?? '' }
  if (options.flags.has('json') || options.values.has('limit'))
    throw new UsageError('--json and --limit are for "queue list"')
  const filter = queueFilter(options.values, systemClock.nowMs())
  const filtered = Object.keys(filter).length > 0
  if (ids.length === 0 && !filtered)
    throw new UsageError(`say which messages to ${verb}: ids, ALL, or --recipient-domain, …`)
  await using access = await openQueue(queuePathsOf(configOf(options)))
  const { text, code } = await act(access, known, ids.length === 0 ? ['ALL'] : ids, { filter, why })
  process.stderr.write(text)
  return code
}

async function list(options: Options): Promise<number> {
  noWords(options)
  const format = options.flags.has('json') ? queueJson : queueLine
  const filter = queueFilter(options.values, systemClock.nowMs())
  const limit = options.values.has('limit') ? limitOf(options.values.get('limit')) : undefined
  await using access = await openQueue(queuePathsOf(configOf(options)))
  await print(formatted(access.pages(filter, limit), format))
  return 0
}

async function domains(options: Options): Promise<number> {
  noWords(options)
  await using access = await openQueue(queuePathsOf(configOf(options)))
  for await (const answer of access.ask({ op: 'domains' })) {
    const rows = (Array.isArray(answer['domains']) ? answer['domains'] : []).filter(isRecord)
    await print(
      rows.map((row) => {
        const count = String(row['recipients']).padStart(9)
        return `${count} ${String(row['state']).padEnd(8)} ${printable(String(row['domain']))}\n`
      }),
    )
  }
  return 0
}

async function* formatted(
  pages: AsyncIterable<readonly ListedMessage[]>,
  format: (message: ListedMessage) => string,
): AsyncGenerator<string> {
  for await (const page of pages) yield page.map(format).join('')
}

/** Ids as mailq prints them may have its mark behind them. */
function bareId(id: string): string {
  return id.replace(/[*!#]$/, '')
}

/** Does the action and says what came of it. An id that does not exist makes the exit code 1; the others are done. */
export async function act(
  access: Pick<QueueAccess, 'act'>,
  { action, done }: { readonly action: Action; readonly done: string },
  ids: readonly string[],
  which: Which = {},
): Promise<{ readonly text: string; readonly code: number }> {
  if (ids.includes('ALL') && ids.length > 1) throw new UsageError('ALL stands alone')
  const { count, missing } = await access.act(
    action,
    ids[0] === 'ALL' ? null : [...new Set(ids.map(bareId))],
    which,
  )
  const lines = missing.map((id) => `postern: ${id}: no such message in the queue\n`)
  lines.push(`postern: ${done}: ${count} message${count === 1 ? '' : 's'}\n`)
  return { text: lines.join(''), code: missing.length === 0 ? 0 : 1 }
}
