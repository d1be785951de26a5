import test from 'ava'
import { sortOutcomes } from '#src/queue/outcomes.ts'
import type { RecipientOutcome } from '#src/queue/ports.ts'
import type { StoredRecipient } from '#src/queue/rows.ts'

const HOUR_MS = 3_600_000
const DELAY_MS = 300_000

function recipient(n: number, attempts: number): StoredRecipient {
  const address = `r${n}@example.test`
  const known = { n, address, original: address, orcpt: '', notify: [], dueMs: 0, attempts }
  return { ...known, state: 'active', lastReply: '', lastDsn: '', delayToldMs: 0 }
}

function deferral(
  n: number,
  dsn: string,
  reply: string,
  source: 'remote' | 'local' = 'remote',
): RecipientOutcome {
  return { n, kind: 'deferred', dsn, reply, relay: 'store[192.0.2.1]:7025', source }
}

/** Milliseconds until the next attempt of each. */
function waits(outcomes: readonly RecipientOutcome[], attempts: number, delayMs = DELAY_MS): number[] {
  const recipients = outcomes.map(({ n }) => recipient(n, attempts))
  return sortOutcomes(recipients, outcomes, 0, delayMs).deferred.map(({ dueMs }) => dueMs)
}

test('a full mailbox waits for hours, the other recipients of the message as ever', (t) => {
  const outcomes = [
    deferral(0, '4.2.2', '452 4.2.2 Over quota'),
    deferral(1, '4.2.1', '450 4.2.1 disabled'),
    deferral(2, '4.2.2', '421 4.2.2 TLS required'),
    deferral(3, '4.2.2', '452 4.2.2 our own words', 'local'),
  ]
  t.deepEqual(waits(outcomes, 0), [HOUR_MS, DELAY_MS, DELAY_MS, DELAY_MS])
})

test('its wait doubles with each attempt, up to eight hours, and is never shorter than that of others', (t) => {
  const full = [deferral(0, '4.2.2', '452 4.2.2 Over quota')]
  t.deepEqual(
    [0, 1, 2, 3, 4, 1000].flatMap((attempts) => waits(full, attempts)),
    [1, 2, 4, 8, 8, 8].map((n) => n * HOUR_MS),
  )
  t.deepEqual(waits(full, 0, 2 * HOUR_MS), [2 * HOUR_MS])
})
