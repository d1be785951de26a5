import type { Log } from '#src/base/log.ts'
import { BoundedLabels, counter, histogram } from '#src/base/metrics.ts'
import type { QueuedMessage, QueuedRecipient } from '#src/queue/ports.ts'
import type { Result } from './failure.ts'

/** Where a delivery's time went, milliseconds; Postfix's delays=a/b/c/d. */
export interface Delays {
  /** Before delivery was asked for it: reception and the queue. */
  readonly queueMs: number
  /** Waiting here for a free connection. */
  readonly waitMs: number
  /** Looking up, connecting, greeting, TLS; 0 over a connection that was open. */
  readonly setupMs: number
  /** The transaction. */
  readonly transferMs: number
}

/**
 * A time as Postfix prints it (delay_logging_resolution_limit 2): two significant digits, two decimals at most,
 * no trailing zeros: `0.04`, `1.2`, `35`.
 */
export function postfixSeconds(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  const text = seconds.toFixed(seconds >= 10 ? 0 : seconds >= 1 ? 1 : 2)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

const recipients = counter('postern_delivery_recipients_total')
const messages = counter('postern_delivery_messages_total')
const messageBytes = counter('postern_delivery_message_bytes_total')
const delaySeconds = histogram('postern_delivery_delay_seconds')
const STAGES = {
  queue: delaySeconds.of('before'),
  wait: delaySeconds.of('wait'),
  setup: delaySeconds.of('setup'),
  transfer: delaySeconds.of('transfer'),
} as const
/** Next hops with a line of their own: the mailbox servers and relays of a site; of the world the first to be met. */
const NEXTHOPS_MAX = 100
const nexthops = new BoundedLabels(NEXTHOPS_MAX)

export interface DeliveryReport {
  /** The destination, as the queue groups by it. */
  readonly nexthop: string
  readonly message: QueuedMessage
  readonly recipient: QueuedRecipient
  readonly result: Result
  readonly relay: string
  readonly delays: Delays
}

/** Counts one transaction in which a next hop took a message, for at least one recipient. */
export function countTaken(nexthop: string, { sizeBytes }: QueuedMessage): void {
  const label = nexthops.label(nexthop)
  messages.of(label).add()
  messageBytes.of(label).add(sizeBytes)
}

/** One line for one recipient of one attempt. */
export function logRecipient(log: Log, report: DeliveryReport): void {
  const { message, recipient, result, delays } = report
  const { queueMs, waitMs, setupMs, transferMs } = delays
  recipients.of(nexthops.label(report.nexthop), result.kind).add()
  STAGES.queue.observeMs(queueMs)
  STAGES.wait.observeMs(waitMs)
  STAGES.setup.observeMs(setupMs)
  STAGES.transfer.observeMs(transferMs)
  log.write('info', 'delivery.recipient', {
    id: message.id,
    to: recipient.address,
    ...(recipient.original === recipient.address ? {} : { origTo: recipient.original }),
    relay: report.relay,
    delay: postfixSeconds(queueMs + waitMs + setupMs + transferMs),
    delays: `${postfixSeconds(queueMs)}/${postfixSeconds(waitMs)}/${postfixSeconds(setupMs)}/${postfixSeconds(transferMs)}`,
    dsn: result.dsn,
    status: result.kind,
    reply: result.logText,
  })
}
