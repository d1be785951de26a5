import test from 'ava'
import { deferredRecipient, expiredOutcome, sortOutcomes } from '#src/queue/outcomes.ts'
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

for (const [kept, said] of [
  [
    'host mx.far.example[192.0.2.7] said: 450 4.2.0 Greylisted (in reply to RCPT TO command)',
    { relay: 'mx.far.example[192.0.2.7]', reply: '450 4.2.0 Greylisted' },
  ],
  [
    'host ::1[::1] said: 451 x (in reply to DATA command) (in reply to end of DATA command)',
    { relay: '::1[::1]', reply: '451 x (in reply to DATA command)' },
  ],
  [
    'host a.example[192.0.2.1] refused to talk to me: 554 5.7.1 host b.example[192.0.2.2] said: 450 no',
    { relay: 'a.example[192.0.2.1]', reply: '554 5.7.1 host b.example[192.0.2.2] said: 450 no' },
  ],
  ['450 4.2.0 As it was kept once', { relay: 'none', reply: '450 4.2.0 As it was kept once' }],
] as const) {
  test(`what waited for "${kept}" goes back in the words of who said it`, (t) => {
    const waited = { ...recipient(0, 3), lastReply: kept, lastDsn: '4.2.0' }
    t.like(expiredOutcome(waited, false), { ...said, source: 'remote', dsn: '4.2.0' })
  })
}

test('our own reasons go back as ours', (t) => {
  for (const lastReply of [
    'connect to host a[1] said: 450 x',
    'lost connection with a[1] while sending DATA',
  ]) {
    const waited = { ...recipient(0, 3), lastReply, lastDsn: '4.4.2' }
    t.like(expiredOutcome(waited, false), { relay: 'none', source: 'local', reply: lastReply })
  }
})

test('the sentence is kept that says who spoke, where there is one', (t) => {
  const outcome = deferral(0, '4.2.0', '450 4.2.0 no')
  t.is(deferredRecipient(recipient(0, 0), outcome, 1).reply, '450 4.2.0 no')
  const sentence = 'host store[192.0.2.1] said: 450 4.2.0 no (in reply to RCPT TO command)'
  t.is(deferredRecipient(recipient(0, 0), { ...outcome, sentence }, 1).reply, sentence)
})
