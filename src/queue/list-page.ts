import { PAGE_MESSAGES_MAX } from './limits.ts'
import { byArrival } from './list-find.ts'
import { matches, readQueues } from './list-filter.ts'
import type { ActiveSeqs, ListedMessage } from './listing.ts'
import { listRows, PAGE_RECIPIENTS_MAX, portions } from './listing.ts'
import type { QueueReader } from './queue-reader.ts'
import { isCount } from './rows.ts'
import type { RecipientState } from './types.ts'

/** What whoever reads the queue page by page wants next. */
export interface PageWish {
  /** All of them without. */
  readonly queues: readonly RecipientState[] | undefined
  /** Row number that the page before has ended with; 0 for the first. */
  readonly after: number
  /** 1 to PAGE_MESSAGES_MAX messages. */
  readonly limit: number
}

export interface MessagePage {
  /** In order of arrival; fewer than `limit` where they are for very many. */
  readonly messages: readonly ListedMessage[]
  /** What the next page comes after; null where this is the last. */
  readonly next: number | null
}

/** Throws a TypeError that says what is wrong with it. */
export function readPageWish(request: Readonly<Record<string, unknown>>): PageWish {
  const { queues, after, limit } = request
  if (!isCount(after)) throw new TypeError('after is a count')
  if (!isCount(limit) || limit < 1 || limit > PAGE_MESSAGES_MAX)
    throw new TypeError(`limit is 1 to ${PAGE_MESSAGES_MAX} messages`)
  return { queues: queues === undefined ? undefined : readQueues(queues), after, limit }
}

/**
 * One page. Row numbers grow with each message, so what is in the queue for as long as somebody goes through all pages is
 * met exactly once, whatever comes and goes meanwhile. `undefined` is a turn for others, the last value the page.
 */
export function* messagePage(
  reader: QueueReader,
  { queues, after, limit }: PageWish,
  active: ActiveSeqs,
): Generator<MessagePage | undefined> {
  const filter = queues === undefined ? {} : { queues }
  const messages: ListedMessage[] = []
  let next = after
  let recipients = 0
  for (const seqs of byArrival(reader.store, filter, after)) {
    for (const some of portions(reader, seqs)) {
      for (const { seq, message } of listRows(reader, some, active)) {
        if (!matches(filter, message)) continue
        // One more than is wanted tells that there is a next page.
        if (messages.length >= limit || recipients >= PAGE_RECIPIENTS_MAX) {
          yield { messages, next }
          return
        }
        messages.push(message)
        recipients += message.recipients.length
        next = seq
      }
      yield undefined
    }
  }
  yield { messages, next: null }
}
