import type { QueueAccess } from '#src/queue/tool-access.ts'
import { configOf, noWords, readOptions } from './options.ts'
import { print } from './output.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import { MAILQ_HEADER, mailqEntry, mailqSummary } from './queue-format.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'

/** `postern mailq`: the queue as `mailq` and `postqueue -p` of Postfix show it. */
export async function mailq(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  noWords(options)
  await using queue = await openQueue(queuePathsOf(configOf(options)))
  await print(mailqText(queue))
  return 0
}

/** The whole listing, in pieces. */
export async function* mailqText(queue: Pick<QueueAccess, 'pages'>): AsyncGenerator<string> {
  let messages = 0
  let bytes = 0
  for await (const page of queue.pages()) {
    let text = messages === 0 && page.length > 0 ? `${MAILQ_HEADER}\n` : ''
    for (const message of page) {
      messages++
      bytes += message.sizeBytes
      text += mailqEntry(message)
    }
    yield text
  }
  yield mailqSummary(messages, bytes)
}

/** The whole queue in two numbers, those of the last line of mailq. */
export interface QueueTotals {
  readonly kilobytes: number
  readonly messages: number
}

export async function queueTotals(queue: Pick<QueueAccess, 'pages'>): Promise<QueueTotals> {
  let messages = 0
  let bytes = 0
  for await (const page of queue.pages()) {
    messages += page.length
    for (const { sizeBytes } of page) bytes += sizeBytes
  }
  return { kilobytes: Math.floor(bytes / 1024), messages }
}
