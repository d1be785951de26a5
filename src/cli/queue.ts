import type { Action } from '#src/queue/changes.ts'
import type { QueueAccess } from './queue-access.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import { configOf, noWords, readOptions } from './options.ts'
import type { Options } from './options.ts'
import { print } from './output.ts'
import { openQueue } from './queue-access.ts'
import { queueJson, queueLine } from './queue-format.ts'
import { queuePathsOf } from './queue-paths.ts'
import { UsageError } from './usage.ts'

/** Each action with the words of its summary, which are postsuper's where it has one. */
const ACTIONS: ReadonlyMap<string, { readonly action: Action; readonly done: string }> = new Map([
  ['delete', { action: 'delete', done: 'Deleted' }],
  ['hold', { action: 'hold', done: 'Placed on hold' }],
  ['release', { action: 'release', done: 'Released from hold' }],
  ['requeue', { action: 'requeue', done: 'Requeued' }],
  ['flush', { action: 'flush', done: 'Flushed' }],
])

/** `postern queue list|delete|hold|release|requeue|flush`; resolves to the exit code. */
export async function queue(args: readonly string[]): Promise<number> {
  const options = readOptions(args, ['json'])
  const [verb, ...ids] = options.words
  if (verb === 'list') return await list({ ...options, words: ids })
  const known = verb === undefined ? undefined : ACTIONS.get(verb)
  if (known === undefined) {
    throw new UsageError('say what to do with the queue: list, delete, hold, release, requeue or flush')
  }
  if (ids.length === 0) throw new UsageError(`say which messages to ${verb}: ids, or ALL`)
  if (options.flags.has('json')) throw new UsageError('--json is for "queue list"')
  await using access = await openQueue(queuePathsOf(configOf(options)))
  const { text, code } = await act(access, known, ids)
  process.stderr.write(text)
  return code
}

async function list(options: Options): Promise<number> {
  noWords(options)
  const format = options.flags.has('json') ? queueJson : queueLine
  await using access = await openQueue(queuePathsOf(configOf(options)))
  await print(formatted(access.list(), format))
  return 0
}

async function* formatted(
  messages: AsyncIterable<ListedMessage>,
  format: (message: ListedMessage) => string,
): AsyncGenerator<string> {
  for await (const message of messages) yield format(message)
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
): Promise<{ readonly text: string; readonly code: number }> {
  if (ids.includes('ALL') && ids.length > 1) throw new UsageError('ALL stands alone')
  const { count, missing } = await access.act(action, ids[0] === 'ALL' ? null : [...new Set(ids.map(bareId))])
  const lines = missing.map((id) => `postern: ${id}: no such message in the queue\n`)
  lines.push(`postern: ${done}: ${count} message${count === 1 ? '' : 's'}\n`)
  return { text: lines.join(''), code: missing.length === 0 ? 0 : 1 }
}
