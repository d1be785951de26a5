import type { Active } from './active.ts'
import type { RecipientOutcome } from './ports.ts'
import type { StoredRecipient } from './rows.ts'

/** Seconds with as many digits as Postfix prints (delay_logging_resolution_limit). */
function seconds(ms: number): string {
  const value = Math.max(0, ms) / 1000
  return value >= 10 ? value.toFixed(0) : String(Number(value.toFixed(2)))
}

/** The facts of Postfix's delivery line: delays are before the queue, in it, connecting (not known apart), sending. */
export function deliveryFacts(
  entry: Active,
  recipient: StoredRecipient,
  outcome: RecipientOutcome,
  [startedMs, endedMs]: readonly [number, number],
): Readonly<Record<string, string | undefined>> {
  const { arrivedMs, id } = entry.message
  const delays = [entry.enteredMs - arrivedMs, startedMs - entry.enteredMs, 0, endedMs - startedMs]
  return {
    id,
    to: recipient.address,
    origTo: recipient.original === recipient.address ? undefined : recipient.original,
    relay: outcome.relay,
    delay: seconds(endedMs - arrivedMs),
    delays: delays.map(seconds).join('/'),
    dsn: outcome.dsn,
    status: outcome.kind,
    reply: outcome.reply,
  }
}
