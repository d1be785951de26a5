import type { Destination } from '#src/queue/ports.ts'
import type { Result } from './failure.ts'
import type { Capabilities } from './handshake.ts'

/**
 * RFC 3461 section 5.2: who owes a success report for what this peer took. A mailbox server is the end of the way;
 * what goes on over SMTP is the next hop's to tell of if it was given the parameters.
 */
export function withArrival(
  results: ReadonlyMap<number, Result>,
  protocol: Destination['protocol'],
  { dsn }: Capabilities,
): ReadonlyMap<number, Result> {
  if (protocol === 'lmtp') return results
  const arrival = dsn ? 'passed' : 'relayed'
  return new Map(
    Array.from(results, ([index, result]) => [
      index,
      result.kind === 'sent' ? { ...result, arrival } : result,
    ]),
  )
}
