import { errorText } from '#src/base/fault.ts'
import type { Failure, Settled } from './active.ts'
import type { DeferredRecipient, DoneRecipient } from './changes.ts'
import type { RecipientOutcome, Route } from './ports.ts'
import type { StoredRecipient } from './rows.ts'

/** What an attempt means for the queue. */
export interface Sorted {
  readonly done: readonly DoneRecipient[]
  readonly deferred: readonly DeferredRecipient[]
  readonly failures: readonly Failure[]
  /** Those in `done`, and those in `deferred`, with what became of them. */
  readonly arrivals: readonly Settled[]
  readonly delays: readonly Settled[]
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
  const arrivals: Settled[] = []
  const delays: Settled[] = []
  for (const recipient of recipients) {
    const outcome =
      byN.get(recipient.n) ?? localDeferral(recipient.n, '4.3.0', 'the attempt ended without an outcome')
    switch (outcome.kind) {
      case 'sent':
        done.push(doneRecipient(recipient, outcome, outcome.arrival === 'expanded' ? 'expanded' : 'sent'))
        arrivals.push({ recipient, outcome })
        break
      case 'bounced':
        failures.push({ recipient, outcome, expired: false })
        break
      case 'deferred':
        if (delayMs === undefined) {
          failures.push({ recipient, outcome, expired: true })
        } else {
          deferred.push(deferredRecipient(recipient, outcome, nowMs + waitMs(recipient, outcome, delayMs)))
          delays.push({ recipient, outcome })
        }
        break
    }
  }
  return { done, deferred, failures, arrivals, delays }
}

/** A mailbox that is full is not emptied within minutes: its first wait, doubled with each attempt. */
const OVER_QUOTA_FIRST_MS = 3_600_000
/** Three times a day is what a sender may expect who is told after `maximal_queue_lifetime`. */
const OVER_QUOTA_MOST_MS = 28_800_000

/** RFC 3463: mailbox full. Zimbra's LMTP server says 452 4.2.2 where zimbraLmtpPermanentFailureWhenOverQuota is off. */
const MAILBOX_FULL = '4.2.2'

/** A full mailbox has a slow schedule of its own; the other recipients of its message keep theirs. */
function waitMs({ attempts }: StoredRecipient, outcome: RecipientOutcome, delayMs: number): number {
  const isFull =
    outcome.dsn === MAILBOX_FULL && outcome.source === 'remote' && outcome.reply.startsWith('452')
  if (!isFull) return delayMs
  return Math.max(delayMs, Math.min(OVER_QUOTA_FIRST_MS * 2 ** Math.min(attempts, 3), OVER_QUOTA_MOST_MS))
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
  outcome: Pick<RecipientOutcome, 'reply' | 'sentence' | 'dsn'>,
  dueMs: number,
): DeferredRecipient {
  return {
    n: recipient.n,
    address: recipient.address,
    dueMs,
    attempts: recipient.attempts + 1,
    reply: cut(outcome.sentence ?? outcome.reply),
    dsn: outcome.dsn,
  }
}

/** An outcome of our own making: no peer was asked. */
export function localDeferral(n: number, dsn: string, reply: string): RecipientOutcome {
  return { n, kind: 'deferred', dsn, reply, relay: 'none', source: 'local' }
}

/** The router failed, which it never should: tried again. */
export function noRoute(error: unknown): Route {
  return { kind: 'deferred', dsn: '4.3.0', reason: `no route: ${errorText(error)}` }
}

/** A peer's reply as it was kept before its sentence was; our own begin with no code. */
const PEER_REPLY = /^[2-5][0-9][0-9][ -]/
/** Whose reply it is, and the reply itself (delivery/failure.ts makes these sentences). A long one was cut. */
const SAID =
  /^host (\S+\[[^\]]*\]) (?:said|refused to talk to me): ([2-5][0-9][0-9](?:[ -].*?)?)(?: \(in reply to [A-Za-z ]+ command\))?$/

/**
 * It is not tried once more: the last reason goes back to the sender (qmgr(8): "administratively expired" where an
 * operator wants it, `forced`).
 */
export function expiredOutcome(
  { n, lastReply, lastDsn }: StoredRecipient,
  forced: boolean,
): RecipientOutcome {
  if (lastReply === '') {
    return forced
      ? localDeferral(n, '4.7.0', 'message is administratively expired')
      : localDeferral(n, '4.4.7', 'delivery time expired before an attempt could be made')
  }
  const [, relay, said] = SAID.exec(lastReply) ?? []
  if (relay !== undefined && said !== undefined)
    return { n, kind: 'deferred', dsn: lastDsn, reply: said, sentence: lastReply, relay, source: 'remote' }
  const outcome = localDeferral(n, lastDsn, lastReply)
  return PEER_REPLY.test(lastReply) ? { ...outcome, source: 'remote' } : outcome
}

/** RFC 3461 section 5.2.7.3: the address has become others, which are recipients of their own. */
export function expandedOutcome(n: number): RecipientOutcome {
  return {
    n,
    kind: 'sent',
    dsn: '2.0.0',
    reply: 'alias expanded',
    relay: 'none',
    source: 'local',
    arrival: 'expanded',
  }
}

function cut(reply: string): string {
  return reply.length > REPLY_CHARS_MAX ? reply.slice(0, REPLY_CHARS_MAX) : reply
}
