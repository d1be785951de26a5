import type { Action } from '#src/queue/changes.ts'
import { QUEUES } from '#src/queue/list-filter.ts'
import type { QueueAccess } from './queue-access.ts'
import { isQueueId, runTool, ToolError, toolQueue } from './tool.ts'

const ACTIONS: readonly Action[] = ['hold', 'release', 'requeue', 'delete']

/** `zmqaction hold|release|requeue|delete QUEUE ID[,ID…]|ALL` of Zimbra. */
export function zmqaction(args: readonly string[]): Promise<number> {
  return runTool('zmqaction', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  await using access = await toolQueue(undefined)
  process.stderr.write(await zmqactionOn(access, args))
  return 0
}

const SUMMARY: ReadonlyMap<Action, string> = new Map([
  ['hold', 'Placed on hold'],
  ['release', 'Released from hold'],
  ['requeue', 'Requeued'],
  ['delete', 'Deleted'],
])

/** Does it; gives the line that Zimbra's postsuper would say. Throws a ToolError for what is wrongly called. */
export async function zmqactionOn(access: QueueAccess, args: readonly string[]): Promise<string> {
  const [name, queueName, ids] = args
  if (name === undefined || queueName === undefined || ids === undefined || args.length > 3)
    throw new ToolError('Usage: zmqaction action queuename queuid1[,queueid2]+', 1)
  const action = ACTIONS.find((each) => each === name)
  if (action === undefined) throw new ToolError(`unknown action ${name}`, 1)
  const queue = QUEUES.find((each) => each === queueName)
  if (queue === undefined && queueName !== 'maildrop') throw new ToolError(`unknown queue ${queueName}`, 1)
  const list = ids === 'ALL' ? null : [...new Set(ids.split(',').filter(isQueueId))]
  // The console has seen a message in one queue; that it has meanwhile gone to another does not matter for an id.
  const filter = list === null && queue !== undefined ? { queues: [queue] } : {}
  const count = queue === undefined ? 0 : (await access.act(action, list, filter)).count
  return `postsuper: ${SUMMARY.get(action) ?? action}: ${count} message${count === 1 ? '' : 's'}\n`
}
