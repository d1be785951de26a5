import { printable } from '#src/base/printable.ts'
import type { ListedMessage, ListedRecipient } from '#src/queue/listing.ts'

/** How Postfix shows the null sender. */
const NULL_SENDER = 'MAILER-DAEMON'

/** Postfix's widths where ids are long (enable_long_queue_ids): id and mark, size, time; then the address. */
function columns(id: string, size: string, time: string, address: string): string {
  return `${id.padEnd(17)} ${size.padStart(8)} ${time.padEnd(19)} ${address}`
}

export const MAILQ_HEADER = columns(
  '----Queue ID-----',
  '--Size--',
  '---Arrival Time----',
  '--Sender/Recipient------',
)

/** Where a reason ends: column 78, or later where it is longer. */
const REASON_WIDTH = 76

/**
 * One message as `postqueue -p` shows it, with the empty line after it. As Postfix has it: `*` is active, `!` held, `#`
 * forced to expire; who has a reason comes first, and a reason is said where it differs from the one before.
 */
export function mailqEntry(message: ListedMessage): string {
  const mark = message.queue === 'active' ? '*' : message.queue === 'hold' ? '!' : ''
  const id = printable(message.id) + mark + (message.forcedExpire ? '#' : '')
  const sender = message.sender === '' ? NULL_SENDER : printable(message.sender)
  const lines = [columns(id, String(message.sizeBytes), mailqTime(message.arrivedMs), sender)]
  let last = ''
  for (const { address, reason } of byReason(message)) {
    if (reason !== last) {
      last = reason
      const text = reason === '' ? 'reason unavailable' : printable(reason)
      lines.push(`${' '.repeat(Math.max(0, REASON_WIDTH - Buffer.byteLength(text)))}(${text})`)
    }
    lines.push(columns('', '', '', printable(address)))
  }
  return `${lines.join('\n')}\n\n`
}

/** Postfix has thrown away the reasons of what is active, and lists who has one before who has none. */
function byReason({ recipients }: ListedMessage): readonly ListedRecipient[] {
  const shown = recipients.map((each) => (each.state === 'active' ? { ...each, reason: '' } : each))
  return [...shown.filter(({ reason }) => reason !== ''), ...shown.filter(({ reason }) => reason === '')]
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** 'Sun Nov 22 10:50:16' in local time, as asctime writes it. */
export function mailqTime(ms: number): string {
  const at = new Date(ms)
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, '0'))
  return `${DAYS[at.getDay()]} ${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${clock.join(':')}`
}

/** The last line of `postqueue -p`. */
export function mailqSummary(messages: number, bytes: number): string {
  if (messages === 0) return 'Mail queue is empty\n'
  return `-- ${Math.floor(bytes / 1024)} Kbytes in ${messages} Request${messages === 1 ? '' : 's'}.\n`
}

/** One message as `postqueue -j` shows it, and more: who brought it, what was found, each recipient's own state. */
export function queueJson(message: ListedMessage): string {
  return `${JSON.stringify({
    queue_name: message.queue,
    queue_id: message.id,
    arrival_time: Math.floor(message.arrivedMs / 1000),
    message_size: message.sizeBytes,
    forced_expire: message.forcedExpire,
    sender: message.sender === '' ? NULL_SENDER : message.sender,
    client_address: message.clientAddress,
    client_name: message.clientName,
    subject: message.subject,
    verdict: message.verdict,
    recipients: message.recipients.map(({ address, original, reason, state, failed }) => ({
      orig_address: original,
      address,
      ...(reason === '' ? {} : { [failed ? 'bounce_reason' : 'delay_reason']: reason }),
      state,
    })),
  })}\n`
}

/** One message as `postqueue -j` writes it (Postfix 3.11: `orig_address`, and `bounce_reason` of who has failed). */
export function postqueueJson(message: ListedMessage): string {
  const recipients = byReason(message).map(({ address, original, reason, failed }) => {
    const known = `"orig_address": ${jsonText(original)}, "address": ${jsonText(address)}`
    if (reason === '') return `{${known}}`
    return `{${known}, "${failed ? 'bounce_reason' : 'delay_reason'}": ${jsonText(reason)}}`
  })
  const fields = [
    `"queue_name": ${jsonText(message.queue)}`,
    `"queue_id": ${jsonText(message.id)}`,
    `"arrival_time": ${Math.floor(message.arrivedMs / 1000)}`,
    `"message_size": ${message.sizeBytes}`,
    `"forced_expire": ${message.forcedExpire}`,
    `"sender": ${jsonText(message.sender === '' ? NULL_SENDER : message.sender)}`,
    `"recipients": [${recipients.join(', ')}]`,
  ]
  return `{${fields.join(', ')}}\n`
}

function jsonText(text: string): string {
  return JSON.stringify(printable(text))
}

/** One message on a line: state, id, size, time, sender, recipients, and the first reason why it is where it is. */
export function queueLine(message: ListedMessage): string {
  const recipients = message.recipients.map(({ address }) => `<${printable(address)}>`).join(' ')
  const at = new Date(message.arrivedMs).toISOString().slice(0, 19)
  const id = printable(message.id).padEnd(17)
  const reason = message.recipients.find((each) => each.reason !== '')?.reason ?? ''
  const why = reason === '' ? '' : ` (${printable(reason)})`
  return `${message.queue.padEnd(8)} ${id} ${String(message.sizeBytes).padStart(9)} ${at}Z <${printable(message.sender)}> ${recipients}${why}\n`
}
