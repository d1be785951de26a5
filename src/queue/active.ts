import type { DeferredRecipient, DoneRecipient } from './changes.ts'
import type { Destination, RecipientOutcome } from './ports.ts'
import type { StoredMessage, StoredRecipient } from './rows.ts'

/** A recipient and what became of it. */
export interface Settled {
  readonly recipient: StoredRecipient
  readonly outcome: RecipientOutcome
}

/** A recipient that will not be tried again, until its bounce is written. */
export interface Failure extends Settled {
  /** It failed for its age; the outcome is that of the last attempt. */
  readonly expired: boolean
}

/** Some recipients of a message that go to one destination in one transaction. */
export interface Job {
  readonly entry: Active
  readonly recipients: readonly StoredRecipient[]
  readonly destination: Destination
}

/** What has arrived and its sender is to be told of, with all else that came of those attempts. */
export interface Arriving {
  readonly done: DoneRecipient[]
  readonly deferred: DeferredRecipient[]
  readonly told: Settled[]
}

/** A message in memory: being routed, waiting for a place, being delivered, or waiting for its outcome to be written. */
export class Active {
  readonly message: StoredMessage
  /** By position in the envelope; those of this round. */
  readonly recipients: ReadonlyMap<number, StoredRecipient>
  /** Whether it was read back from the disk, for the account of memory. */
  readonly pulled: boolean
  readonly enteredMs: number
  /** The body, while memory for it lasts. */
  body: Uint8Array | null
  /** Jobs that wait for a place at their destination. */
  waiting = 0
  /** Jobs and other work under way. */
  running = 0
  /** Changes that are not confirmed yet. */
  unsettled = 0
  /** The last change has been handed to the writer. */
  over = false
  /** The earliest next time of its deferred recipients; said to the puller when it is on the disk. */
  nextDueMs = Infinity
  /** A recipient that is not of this round fell due meanwhile. */
  again = false
  /** Why the stored message cannot be trusted; '' if it can. */
  damage = ''
  readonly failures: Failure[] = []
  /** Arrivals that are held for a moment, so that one report tells of them all. */
  arriving: Arriving | undefined
  /** Recipients of this round whose sender is to be told that they are late. */
  readonly delays: Settled[] = []
  /** No attempt is made any more: an operator wants it returned, or its time was up long ago (expiry.ts). */
  overdue: boolean

  constructor(
    message: StoredMessage,
    recipients: readonly StoredRecipient[],
    from: {
      readonly pulled: boolean
      readonly body: Uint8Array | null
      readonly nowMs: number
      readonly overdue?: boolean
    },
  ) {
    this.message = message
    this.recipients = new Map(recipients.map((recipient) => [recipient.n, recipient]))
    this.pulled = from.pulled
    this.body = from.body
    this.enteredMs = from.nowMs
    this.overdue = message.forcedExpire || from.overdue === true
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running === 0
  }
}
