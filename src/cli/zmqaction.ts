import type { Action } from '#src/queue/changes.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { caller } from './called-as.ts'
import { isQueueId, runTool, ToolError, toolQueue } from './tool.ts'

const ACTIONS: ReadonlyMap<string, { readonly action: Action; readonly done: string }> = new Map([
  ['hold', { action: 'hold', done: 'Placed on hold' }],
  ['release', { action: 'release', done: 'Released from hold' }],
  ['requeue', { action: 'requeue', done: 'Requeued' }],
  ['delete', { action: 'delete', done: 'Deleted' }],
])

/** `zmqaction hold|release|requeue|delete QUEUE ID[,ID…]|ALL` of Zimbra. */
export function zmqaction(args: readonly string[]): Promise<number> {
  return runTool('zmqaction', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  await using access = await toolQueue(undefined)
  process.stderr.write(await zmqactionOn(access, args))
  return 0
}

/**
 * Does it; gives the line that Zimbra's postsuper would say. Throws a ToolError for what is wrongly called, and for ids
 * that cannot be told apart, without having done anything then.
 */
export async function zmqactionOn(access: QueueAccess, args: readonly string[]): Promise<string> {
  const [name = '', queueName, ids] = args
  if (queueName === undefined || ids === undefined || args.length > 3)
    throw new ToolError('Usage: zmqaction action queuename queuid1[,queueid2]+', 1)
  const known = ACTIONS.get(name)
  if (known === undefined) throw new ToolError(`unknown action ${name}`, 1)
  const queue = QUEUES.find((each) => each === queueName)
  if (queue === undefined && queueName !== 'maildrop') throw new ToolError(`unknown queue ${queueName}`, 1)
  const list = ids === 'ALL' ? null : await spelled(access, [...new Set(ids.split(',').filter(isQueueId))])
  // The console has seen a message in one queue; that it has meanwhile gone to another does not matter for an id.
  const filter = list === null && queue !== undefined ? { queues: [queue] } : {}
  const why = { by: caller(), note: 'zmqaction' }
  const count = queue === undefined ? 0 : (await access.act(known.action, list, { filter, why })).count
  return `postsuper: ${known.done}: ${count} message${count === 1 ? '' : 's'}\n`
}

/** The console sends every id in capitals, which long ones are not (RemoteMailQueue of Zimbra's mailboxd). */
async function spelled(access: QueueAccess, ids: readonly string[]): Promise<readonly string[]> {
  for await (const { ids: found, ambiguous } of access.ask({ op: 'resolve', ids })) {
    if (!Array.isArray(found) || !Array.isArray(ambiguous)) break
    if (ambiguous.length > 0)
      throw new ToolError(`more than one message is called ${ambiguous.join(', ')} in other letters`, 1)
    return found.map(String)
  }
  throw new ToolError('the queue manager gave no answer', 1)
}
