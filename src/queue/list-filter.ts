import { isRecord } from '#src/net/frames.ts'
import type { ListedMessage, ListedRecipient } from './listing.ts'
import { isCount, isText } from './rows.ts'
import type { RecipientState } from './types.ts'

/**
 * Which messages a tool means. All that is given must hold; what is said of a recipient (address, domain, reason)
 * must hold of one and the same. Addresses and domains are compared without regard to case, texts are found anywhere.
 */
export interface QueueFilter {
  readonly queues?: readonly RecipientState[]
  /** '' is the null sender. */
  readonly sender?: string
  readonly senderDomain?: string
  readonly recipient?: string
  readonly recipientDomain?: string
  /** Address of the client, or its host name. */
  readonly client?: string
  /** Part of the subject. */
  readonly subject?: string
  /** What was found when it was taken: 'clean', or the name of a defect. */
  readonly verdict?: string
  /** Part of the last reply. */
  readonly reason?: string
  /** Arrived before, after: wall clock. */
  readonly beforeMs?: number
  readonly afterMs?: number
}

export const QUEUES: readonly RecipientState[] = ['incoming', 'active', 'deferred', 'hold', 'corrupt']

const TEXTS = [
  'sender',
  'senderDomain',
  'recipient',
  'recipientDomain',
  'client',
  'subject',
  'verdict',
  'reason',
] as const
const TIMES = ['beforeMs', 'afterMs'] as const

/** Longer than any address or reply that is kept. */
const TEXT_CHARS_MAX = 1000

/** Checks a filter that came as JSON; throws a TypeError that says what is wrong with it. */
export function readFilter(value: unknown): QueueFilter {
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) throw new TypeError('a filter is an object')
  const filter: Record<string, unknown> = {}
  for (const [key, given] of Object.entries(value)) {
    if (TEXTS.some((name) => name === key) && isText(given) && given.length <= TEXT_CHARS_MAX)
      filter[key] = given
    else if (TIMES.some((name) => name === key) && isCount(given)) filter[key] = given
    else if (key === 'queues') filter[key] = readQueues(given)
    else throw new TypeError(`the filter "${key}" is none, or has no such value`)
  }
  return filter
}

export function isEmptyFilter(filter: QueueFilter): boolean {
  return Object.keys(filter).length === 0
}

export function readQueues(value: unknown): RecipientState[] {
  if (!Array.isArray(value)) throw new TypeError('queues are a list')
  return value.map((name: unknown) => {
    const queue = QUEUES.find((each) => each === name)
    if (queue === undefined) throw new TypeError(`there is no queue "${String(name)}"`)
    return queue
  })
}

/** What follows the last '@'; all of it where there is none. */
export function domainPart(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

/** Whether a message, as it is listed, is meant. */
export function matches(filter: QueueFilter, message: ListedMessage): boolean {
  const { queues, beforeMs, afterMs } = filter
  if (queues !== undefined && !queues.includes(message.queue)) return false
  if (beforeMs !== undefined && message.arrivedMs >= beforeMs) return false
  if (afterMs !== undefined && message.arrivedMs < afterMs) return false
  if (!matchesOrigin(filter, message) || !matchesContent(filter, message)) return false
  return !asksForRecipient(filter) || message.recipients.some((each) => matchesRecipient(filter, each))
}

function matchesOrigin({ sender, senderDomain, client }: QueueFilter, message: ListedMessage): boolean {
  if (sender !== undefined && !same(sender, message.sender)) return false
  if (senderDomain !== undefined && !same(senderDomain, domainPart(message.sender))) return false
  return client === undefined || same(client, message.clientAddress) || same(client, message.clientName)
}

function matchesContent({ subject, verdict }: QueueFilter, message: ListedMessage): boolean {
  if (subject !== undefined && !holds(message.subject, subject)) return false
  return verdict === undefined || message.verdict.some((each) => same(each, verdict))
}

function asksForRecipient({ recipient, recipientDomain, reason }: QueueFilter): boolean {
  return recipient !== undefined || recipientDomain !== undefined || reason !== undefined
}

function matchesRecipient(
  { recipient, recipientDomain, reason }: QueueFilter,
  each: Pick<ListedRecipient, 'address' | 'reason'>,
): boolean {
  if (recipient !== undefined && !same(recipient, each.address)) return false
  if (recipientDomain !== undefined && !same(recipientDomain, domainPart(each.address))) return false
  return reason === undefined || holds(each.reason, reason)
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function holds(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase())
}
