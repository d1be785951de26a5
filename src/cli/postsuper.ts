import type { Action } from '#src/queue/changes.ts'
import type { QueueFilter } from '#src/queue/list-filter.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { RecipientState } from '#src/queue/types.ts'
import { getopt, lastOf } from './getopt.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { caller } from './called-as.ts'
import { inputLines, isQueueId, runTool, ToolError, toolQueue } from './tool.ts'

const USAGE =
  'usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]'

interface Verb {
  readonly actions: readonly Action[]
  /** Of one message, and before the count at the end. */
  readonly one: string
  readonly many: string
  /** Queues that ALL means where none is named (postsuper(1)). */
  readonly queues: readonly RecipientState[]
}

const WAITING: readonly RecipientState[] = ['incoming', 'active', 'deferred']

const VERBS: ReadonlyMap<string, Verb> = new Map([
  ['d', { actions: ['delete'], one: 'removed', many: 'Deleted', queues: ['hold', ...WAITING] }],
  ['e', { actions: ['expire'], one: 'expired', many: 'Force-expired', queues: ['hold', ...WAITING] }],
  [
    'f',
    {
      actions: ['expire', 'release'],
      one: 'expired and/or released from hold',
      many: 'Force-expired',
      queues: ['hold', ...WAITING],
    },
  ],
  ['h', { actions: ['hold'], one: 'placed on hold', many: 'Placed on hold', queues: WAITING }],
  ['H', { actions: ['release'], one: 'released from hold', many: 'Released from hold', queues: ['hold'] }],
  ['r', { actions: ['requeue'], one: 'requeued', many: 'Requeued', queues: ['hold', ...WAITING] }],
])

/** Postfix has it, we have nothing in it. */
const MAILDROP = 'maildrop'

/** `postsuper` of Postfix: -d, -h, -H, -r, -e, -f with an id, ALL, or `-` for ids on standard input. */
export function postsuper(args: readonly string[]): Promise<number> {
  return runTool('postsuper', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'c:d:e:f:h:H:pr:sSv')
  if (typeof given === 'string') {
    process.stderr.write(`postsuper: ${given}\n`)
    throw new ToolError(USAGE, 1)
  }
  const named = given.words.filter((word) => word !== MAILDROP).map(queueNamed)
  if (given.words.length > 0 && named.length === 0) return 0
  await using queue = await toolQueue(lastOf(given, 'c'))
  // One line for each kind of action, however many ids it was given.
  const counts = new Map<string, number>()
  // -p, -s and -S mend what does not arise here: the queue is one file, and checked whenever it is read.
  for (const { letter, value } of given.options) {
    const verb = VERBS.get(letter)
    if (verb === undefined) continue
    const count = value === 'ALL' ? await onAll(queue, verb, named) : await onIds(queue, verb, value, named)
    counts.set(verb.many, (counts.get(verb.many) ?? 0) + count)
  }
  for (const [many, count] of counts) tell(`${many}: ${count} message${count === 1 ? '' : 's'}`)
  return 0
}

function queueNamed(word: string): RecipientState {
  const queue = QUEUES.find((each) => each === word)
  if (queue === undefined) throw new ToolError(`invalid directory name: ${word}`, 1)
  return queue
}

async function onAll(queue: QueueAccess, verb: Verb, named: readonly RecipientState[]): Promise<number> {
  const filter: QueueFilter = { queues: named.length > 0 ? named : verb.queues }
  const why = { by: caller(), note: 'postsuper' }
  let most = 0
  for (const action of verb.actions)
    most = Math.max(most, (await queue.act(action, null, { filter, why })).count)
  return most
}

/** Ids given by hand may lie anywhere, in corrupt too; what cannot be done where they lie is not counted. */
async function onIds(
  queue: QueueAccess,
  verb: Verb,
  value: string,
  named: readonly RecipientState[],
): Promise<number> {
  const filter: QueueFilter = { queues: named.length > 0 ? named : anywhere(verb) }
  let count = 0
  for await (const ids of value === '-' ? batches(inputLines()) : [[value]]) {
    const sound = ids.filter((id) => {
      if (!isQueueId(id)) tell(`warning: invalid mail queue id: ${id}`)
      return isQueueId(id)
    })
    if (sound.length > 0) count += await onBatch(queue, verb, [...new Set(sound)], filter)
  }
  return count
}

function anywhere(verb: Verb): readonly RecipientState[] {
  return verb.actions.includes('delete') || verb.actions.includes('requeue') ? QUEUES : verb.queues
}

async function onBatch(
  queue: QueueAccess,
  verb: Verb,
  ids: readonly string[],
  filter: QueueFilter,
): Promise<number> {
  let most = 0
  const why = { by: caller(), note: 'postsuper' }
  const missing = new Set<string>()
  for (const action of verb.actions) {
    const done = await queue.act(action, ids, { filter, why })
    most = Math.max(most, done.count)
    for (const id of done.missing) missing.add(id)
  }
  for (const id of ids) if (!missing.has(id)) tell(`${id}: ${verb.one}`)
  return most
}

/** Ids that are sent in one request. */
const BATCH = 1000

async function* batches(lines: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = []
  for await (const line of lines) {
    batch.push(line)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** As Postfix does, on standard error. */
function tell(text: string): void {
  process.stderr.write(`postsuper: ${text}\n`)
}
