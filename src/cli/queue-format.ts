import type { ListedMessage } from '#src/queue/listing.ts'

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

/** Text of the network on its way to a terminal: nothing in it may move the cursor or begin a line. */
export function printable(text: string): string {
  return text.replace(UNSAFE, '?')
}

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

/** One message as `postqueue -p` shows it, with the empty line after it. */
export function mailqEntry(message: ListedMessage): string {
  const mark = message.queue === 'active' ? '*' : message.queue === 'hold' ? '!' : ''
  const sender = message.sender === '' ? NULL_SENDER : printable(message.sender)
  const time = mailqTime(message.arrivedMs)
  const lines = [columns(printable(message.id) + mark, String(message.sizeBytes), time, sender)]
  let reason = ''
  for (const recipient of message.recipients.toSorted(byReason)) {
    if (recipient.reason !== reason) {
      reason = recipient.reason
      const text = printable(reason)
      lines.push(`${' '.repeat(Math.max(0, REASON_WIDTH - text.length))}(${text})`)
    }
    lines.push(columns('', '', '', printable(recipient.address)))
  }
  return `${lines.join('\n')}\n\n`
}

/** Recipients with one reason stand under it together; those without one come first. */
function byReason(a: { readonly reason: string }, b: { readonly reason: string }): number {
  return a.reason < b.reason ? -1 : a.reason > b.reason ? 1 : 0
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

/** One message as `postqueue -j` shows it, and one field more per recipient: its own state. */
export function queueJson(message: ListedMessage): string {
  return `${JSON.stringify({
    queue_name: message.queue,
    queue_id: message.id,
    arrival_time: Math.floor(message.arrivedMs / 1000),
    message_size: message.sizeBytes,
    forced_expire: message.forcedExpire,
    sender: message.sender === '' ? NULL_SENDER : message.sender,
    recipients: message.recipients.map(({ address, reason, state }) => ({
      address,
      ...(reason === '' ? {} : { delay_reason: reason }),
      state,
    })),
  })}\n`
}

/** One message byte for byte as `postqueue -j` writes it (Postfix 3.7). */
export function postqueueJson(message: ListedMessage): string {
  const recipients = message.recipients.map(({ address, reason }) =>
    reason === ''
      ? `{"address": ${JSON.stringify(address)}}`
      : `{"address": ${JSON.stringify(address)}, "delay_reason": ${JSON.stringify(reason)}}`,
  )
  const fields = [
    `"queue_name": ${JSON.stringify(message.queue)}`,
    `"queue_id": ${JSON.stringify(message.id)}`,
    `"arrival_time": ${Math.floor(message.arrivedMs / 1000)}`,
    `"message_size": ${message.sizeBytes}`,
    `"forced_expire": ${message.forcedExpire}`,
    `"sender": ${JSON.stringify(message.sender === '' ? NULL_SENDER : message.sender)}`,
    `"recipients": [${recipients.join(', ')}]`,
  ]
  return `{${fields.join(', ')}}\n`
}

/** One message on a line: state, id, size, time, sender, recipients. */
export function queueLine(message: ListedMessage): string {
  const recipients = message.recipients.map(({ address }) => `<${printable(address)}>`).join(' ')
  const at = new Date(message.arrivedMs).toISOString().slice(0, 19)
  const id = printable(message.id).padEnd(17)
  return `${message.queue.padEnd(8)} ${id} ${String(message.sizeBytes).padStart(9)} ${at}Z <${printable(message.sender)}> ${recipients}\n`
}
