import type { QueueAccess } from './queue-access.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { print } from './output.ts'
import { openQueue } from './queue-access.ts'
import { MAILQ_HEADER, mailqEntry, mailqSummary } from './queue-format.ts'
import { queuePathsOf } from './queue-paths.ts'

/** `postern mailq`: the queue as `mailq` and `postqueue -p` of Postfix show it. */
export async function mailq(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  noWords(options)
  await using queue = await openQueue(queuePathsOf(configOf(options)))
  await print(mailqText(queue))
  return 0
}

/** The whole listing, in pieces. */
export async function* mailqText(queue: Pick<QueueAccess, 'list'>): AsyncGenerator<string> {
  let messages = 0
  let bytes = 0
  for await (const message of queue.list()) {
    if (messages === 0) yield `${MAILQ_HEADER}\n`
    messages++
    bytes += message.sizeBytes
    yield mailqEntry(message)
  }
  yield mailqSummary(messages, bytes)
}
