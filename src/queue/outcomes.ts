import type { Failure } from './active.ts'
import type { DeferredRecipient, DoneRecipient } from './changes.ts'
import type { RecipientOutcome } from './ports.ts'
import type { StoredRecipient } from './rows.ts'

/** What an attempt means for the queue. */
export interface Sorted {
  readonly done: readonly DoneRecipient[]
  readonly deferred: readonly DeferredRecipient[]
  readonly failures: readonly Failure[]
}

/** A reply is kept with its recipient until the next attempt: no longer than a reply line may be, continued. */
const REPLY_CHARS_MAX = 1000

/**
 * Sorts the outcomes of an attempt. A recipient without one is a mistake of the deliverer's; it is tried again,
 * for what may have been sent twice is better than what may never have been. `delayMs`: until the next attempt;
 * undefined when the message is too old for one.
 */
export function sortOutcomes(
  recipients: readonly StoredRecipient[],
  outcomes: readonly RecipientOutcome[],
  nowMs: number,
  delayMs: number | undefined,
): Sorted {
  const byN = new Map(outcomes.map((outcome) => [outcome.n, outcome]))
  const done: DoneRecipient[] = []
  const deferred: DeferredRecipient[] = []
  const failures: Failure[] = []
  for (const recipient of recipients) {
    const outcome =
      byN.get(recipient.n) ?? localDeferral(recipient.n, '4.3.0', 'the attempt ended without an outcome')
    switch (outcome.kind) {
      case 'sent':
        done.push(doneRecipient(recipient, outcome, 'sent'))
        break
      case 'bounced':
        failures.push({ recipient, outcome, expired: false })
        break
      case 'deferred':
        if (delayMs === undefined) failures.push({ recipient, outcome, expired: true })
        else deferred.push(deferredRecipient(recipient, outcome, nowMs + delayMs))
        break
    }
  }
  return { done, deferred, failures }
}

export function doneRecipient(
  recipient: StoredRecipient,
  outcome: RecipientOutcome,
  event: DoneRecipient['event'],
): DoneRecipient {
  const { relay, dsn } = outcome
  return { n: recipient.n, event, address: recipient.address, relay, dsn, reply: cut(outcome.reply) }
}

export function deferredRecipient(
  recipient: StoredRecipient,
  outcome: Pick<RecipientOutcome, 'reply' | 'dsn'>,
  dueMs: number,
): DeferredRecipient {
  return {
    n: recipient.n,
    address: recipient.address,
    dueMs,
    attempts: recipient.attempts + 1,
    reply: cut(outcome.reply),
    dsn: outcome.dsn,
  }
}

/** An outcome of our own making: no peer was asked. */
export function localDeferral(n: number, dsn: string, reply: string): RecipientOutcome {
  return { n, kind: 'deferred', dsn, reply, relay: 'none', source: 'local' }
}

function cut(reply: string): string {
  return reply.length > REPLY_CHARS_MAX ? reply.slice(0, REPLY_CHARS_MAX) : reply
}
