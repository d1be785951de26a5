import { excerptOf } from '#src/admin/excerpt.ts'
import { lifeText } from '#src/admin/trace-format.ts'
import { bytes } from '#src/console/text.ts'
import type { ListedMessage } from '#src/queue/listing.ts'
import type { QueueAccess } from '#src/queue/tool-access.ts'

/** The tool shows all ten thousand. */
const RECIPIENTS_SHOWN = 100

/** A message from inside: who it is from and for, what has become of it, its header, the start of its text. */
export async function insideLines(queue: QueueAccess, message: ListedMessage): Promise<readonly string[]> {
  const lines = [
    `${message.id}  ${message.queue}  ${bytes(message.sizeBytes)}  from <${message.sender}>`,
    `brought by ${message.clientName} [${message.clientAddress}]; verdict ${message.verdict.join(', ')}`,
    `subject: ${message.subject}`,
    '',
  ]
  for (const { address, original, state, reason } of message.recipients.slice(0, RECIPIENTS_SHOWN)) {
    const was = original === address ? '' : ` (was <${original}>)`
    lines.push(`<${address}>${was} ${state}${reason === '' ? '' : `: ${reason}`}`)
  }
  const more = message.recipients.length - RECIPIENTS_SHOWN
  if (more > 0) lines.push(`and ${more} recipients more`)
  for await (const { trace } of queue.ask({ op: 'show', id: message.id }))
    lines.push('', ...lifeText(message.id, trace, message).trimEnd().split('\n'))
  const excerpt = await excerptOf(queue, message.id)
  const head = excerpt.damage === '' ? [] : [`DAMAGED: ${excerpt.damage}`]
  return [...lines, '', ...head, ...excerpt.lines, ...(excerpt.more ? ['[...]'] : [])]
}
