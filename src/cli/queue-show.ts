import { isRecord } from '#src/net/frames.ts'
import { configOf } from './options.ts'
import type { Options } from './options.ts'
import { print } from './output.ts'
import { openQueue } from '#src/queue/tool-access.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'
import { printable } from '#src/base/printable.ts'
import { mailqEntry } from './queue-format.ts'
import { queuePathsOf } from '#src/admin/queue-paths.ts'
import { excerptOf } from '#src/admin/excerpt.ts'
import { lifeText, localTime } from '#src/admin/trace-format.ts'
import { UsageError } from './usage.ts'
import type { ListedMessage } from '#src/queue/listing.ts'

/** `postern queue show ID…`: why it is where it is, what is in it, and what has become of it so far. */
export async function show(options: Options): Promise<number> {
  if (options.words.length === 0) throw new UsageError('say which message to show: its id')
  await using queue = await openQueue(queuePathsOf(configOf(options)))
  let code = 0
  for (const word of options.words) {
    const id = word.replace(/[*!#]$/, '')
    const text = await messageText(queue, id)
    if (text === undefined) {
      process.stderr.write(`postern: ${id}: no such message in the queue\n`)
      code = 1
    } else {
      await print([text])
    }
  }
  return code
}

async function messageText(queue: QueueAccess, id: string): Promise<string | undefined> {
  let text = ''
  for await (const { message, recipients, trace } of queue.ask({ op: 'show', id })) {
    if (!isListed(message)) return undefined
    const next = (Array.isArray(recipients) ? recipients : []).filter(isRecord).map(recipientLine)
    text = `${mailqEntry(message)}${next.join('')}\n${lifeText(id, trace, message)}`
  }
  return `${text}\n${await excerpt(queue, id)}`
}

function isListed(value: unknown): value is ListedMessage {
  return isRecord(value) && Array.isArray(value['recipients'])
}

function recipientLine(recipient: Readonly<Record<string, unknown>>): string {
  const { address, state, attempts, dueMs } = recipient
  const next = state === 'hold' || state === 'corrupt' ? 'none' : localTime(Number(dueMs))
  return `<${printable(String(address))}> ${String(state)}, attempts ${String(attempts)}, next ${next}\n`
}

/** The header and the first lines of the body, whatever is wrong with the rest. */
async function excerpt(queue: QueueAccess, id: string): Promise<string> {
  const { generation, damage, lines, more } = await excerptOf(queue, id)
  const taken = generation === '' ? '' : `Taken under generation ${generation} of the settings.\n`
  const wrong = damage === '' ? '' : `Damaged: ${printable(damage)}\n`
  const shown = lines.map((line) => `${printable(line.replaceAll('\t', ' '))}\n`).join('')
  return `${taken}${wrong}${shown}${more ? '[…]\n' : ''}`
}
