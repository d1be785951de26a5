import type { QueueReader } from './queue-reader.ts'
import { Damage } from './rows.ts'
import type { RecipientState } from './types.ts'

/** A message as the tools show it. */
export interface ListedMessage {
  /** The queue that Postfix would have it in: the most telling state of its recipients. */
  readonly queue: RecipientState
  readonly id: string
  readonly arrivedMs: number
  readonly sizeBytes: number
  readonly sender: string
  /** Who brought it; '' where the row is damaged. */
  readonly clientAddress: string
  readonly clientName: string
  /** An operator wants it returned to its sender (postsuper -e). */
  readonly forcedExpire: boolean
  readonly recipients: readonly {
    readonly address: string
    readonly state: RecipientState
    /** The last reply, '' before the first attempt; for a damaged message, what is wrong with it. */
    readonly reason: string
  }[]
}

/** Whether a message is in memory right now; says no where there is no daemon. */
export type IsActive = (seq: number) => boolean

export interface Page {
  readonly messages: readonly ListedMessage[]
  /** Row number to go on after; undefined at the end. */
  readonly next: number | undefined
}

/** One page of the queue in order of arrival, beginning after row `after`. */
export function listPage(reader: QueueReader, after: number, limit: number, isActive: IsActive): Page {
  const seqs = reader.seqsAfter(after, limit)
  const messages: ListedMessage[] = []
  for (const seq of seqs) {
    const message = listOne(reader, seq, isActive(seq))
    if (message !== undefined) messages.push(message)
  }
  return { messages, next: seqs.length < limit ? undefined : seqs.at(-1) }
}

/** One message; undefined if it is gone. */
export function listOne(reader: QueueReader, seq: number, active: boolean): ListedMessage | undefined {
  const loaded = reader.load(seq)
  // It left the queue between two reads.
  if (loaded === undefined) return undefined
  if (loaded instanceof Damage) {
    const recipients = reader
      .rawAddresses(seq)
      .map((address) => ({ address, state: 'corrupt' as const, reason: loaded.reason }))
    return {
      queue: 'corrupt',
      id: reader.idOf(seq),
      arrivedMs: 0,
      sizeBytes: 0,
      sender: '',
      clientAddress: '',
      clientName: '',
      forcedExpire: false,
      recipients,
    }
  }
  const { id, arrivedMs, sizeBytes, sender, origin, forcedExpire } = loaded.message
  return {
    queue: queueOfStates(new Set(loaded.recipients.map((each) => each.state)), active),
    id,
    arrivedMs,
    sizeBytes,
    sender,
    clientAddress: origin.clientAddress,
    clientName: origin.clientName,
    forcedExpire,
    recipients: loaded.recipients.map(({ address, state, lastReply }) => ({
      address,
      state: active && (state === 'incoming' || state === 'deferred') ? 'active' : state,
      reason: lastReply,
    })),
  }
}

/** Where the recipients of a message differ: what an operator has to look at comes first. */
export function queueOfStates(states: ReadonlySet<string>, active: boolean): RecipientState {
  if (states.has('corrupt')) return 'corrupt'
  if (states.has('hold')) return 'hold'
  if (active) return 'active'
  return states.has('deferred') ? 'deferred' : 'incoming'
}
