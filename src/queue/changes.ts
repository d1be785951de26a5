import type { Report } from './ports.ts'

/** A recipient that leaves the queue, with what the trace keeps of it. */
export interface DoneRecipient {
  readonly n: number
  /** 'expired' is bounced for its age; the trace tells them apart. */
  readonly event: 'sent' | 'bounced' | 'expired' | 'expanded'
  readonly address: string
  readonly relay: string
  readonly dsn: string
  readonly reply: string
}

/** A recipient that stays, with its next time. */
export interface DeferredRecipient {
  readonly n: number
  readonly address: string
  readonly dueMs: number
  readonly attempts: number
  readonly reply: string
  readonly dsn: string
}

/** What attempts have made of a message: written whole or not at all, and lost only together. */
export interface MessageChange {
  readonly seq: number
  readonly id: string
  readonly atMs: number
  readonly done: readonly DoneRecipient[]
  readonly deferred: readonly DeferredRecipient[]
  /** Why all that is left of it is set aside; '' if it is not. */
  readonly corrupt: string
  /**
   * Each enters the queue in the transaction that removes a recipient that it speaks of or, where it tells of a
   * delay, marks it as told; and not at all where that was done before, or an operator has deleted them.
   */
  readonly reports: readonly Report[]
  /** Whether the message leaves memory with this change. */
  readonly leaves: boolean
}

/** What a tool may do to messages; the names are postsuper's and postqueue's. */
export type Action = 'delete' | 'hold' | 'release' | 'requeue' | 'flush' | 'expire'

export const ACTIONS: readonly Action[] = ['delete', 'hold', 'release', 'requeue', 'flush', 'expire']

/** Who wanted it, and in whose words why; '' where that was not said. Kept in the trace of each message. */
export interface ActionWhy {
  readonly by: string
  readonly note: string
}

export const NO_WHY: ActionWhy = { by: '', note: '' }

export interface ActionResult {
  /** Messages that were changed. */
  readonly count: number
  /** Ids that are not in the queue. */
  readonly missing: readonly string[]
}
