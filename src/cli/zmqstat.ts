import { QUEUES } from '#src/queue/list-filter.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import type { RecipientState } from '#src/queue/types.ts'
import { print } from './output.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { printable } from '#src/base/printable.ts'
import { runTool, ToolError, toolQueue } from './tool.ts'

/** `zmqstat [all|incoming|active|deferred|hold|corrupt]` of Zimbra: counts per queue, or the messages of one. */
export function zmqstat(args: readonly string[]): Promise<number> {
  return runTool('zmqstat', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const [name = 'all'] = args
  const queue = QUEUES.find((each) => each === name)
  if (queue === undefined && name !== 'all') throw new ToolError(`there is no queue "${name}"`, 1)
  await using access = await toolQueue(undefined)
  await print(zmqstatText(access, queue))
  return 0
}

/** What Zimbra's administration console reads: `incoming=0` per queue, or a block of lines per message. */
export async function* zmqstatText(
  access: QueueAccess,
  queue: RecipientState | undefined,
): AsyncGenerator<string> {
  if (queue !== undefined) {
    for await (const page of access.pages({ queues: [queue] })) yield page.map(recordText).join('')
    return
  }
  for await (const counts of access.ask({ op: 'queues' })) {
    for (const name of QUEUES) yield `${name}=${Number(counts[name])}\n`
  }
}

/**
 * One message. Zimbra takes the client for `received=` from the Received header that is not of its own content
 * filter; here both are who brought the message. `filter=` names a content filter, and there is none.
 */
function recordText(message: ListedMessage): string {
  const reason = message.recipients.find((each) => each.reason !== '')?.reason ?? ''
  const lines = [
    `id=${printable(message.id)}`,
    `time=${Math.floor(message.arrivedMs / 1000)}`,
    `size=${message.sizeBytes}`,
    `from=${message.sender === '' ? 'MAILER-DAEMON' : printable(message.sender)}`,
    ...(message.clientAddress === '' ? [] : [`received=${printable(message.clientAddress)}`]),
    ...(message.clientAddress === '' ? [] : [`addr=${printable(message.clientAddress)}`]),
    ...(message.clientName === '' ? [] : [`host=${printable(message.clientName)}`]),
    ...(reason === '' ? [] : [`reason=${printable(reason)}`]),
    `to=${message.recipients.map(({ address }) => printable(address)).join(',')}`,
  ]
  return `${lines.join('\n')}\n\n`
}
