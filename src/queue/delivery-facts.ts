import type { Facts } from '#src/base/fault.ts'
import type { Active } from './active.ts'
import type { RecipientOutcome } from './ports.ts'
import type { StoredRecipient } from './rows.ts'

/**
 * The facts of Postfix's delivery line for a recipient that no peer was asked about. delays: before the queue, in
 * it, and nothing for connecting and sending.
 */
export function localFacts(
  entry: Active,
  recipient: StoredRecipient,
  outcome: RecipientOutcome,
  nowMs: number,
): Facts {
  const { arrivedMs, id } = entry.message
  const { address, original } = recipient
  return {
    id,
    to: address,
    ...(original === address ? {} : { origTo: original }),
    relay: outcome.relay,
    delay: seconds(nowMs - arrivedMs),
    delays: `${seconds(entry.enteredMs - arrivedMs)}/${seconds(nowMs - entry.enteredMs)}/0/0`,
    dsn: outcome.dsn,
    status: outcome.kind,
    reply: outcome.reply,
  }
}

/** As Postfix prints it: two significant digits, two decimals at most. */
function seconds(ms: number): string {
  const value = Math.max(0, ms) / 1000
  return String(Number(value.toFixed(value >= 10 ? 0 : value >= 1 ? 1 : 2)))
}
