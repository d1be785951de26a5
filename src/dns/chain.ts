import type { AnswerRecord, Message } from './message.ts'
import type { AnyAnswer } from './cache.ts'
import type { RecordType } from './records.ts'

/** Aliases (CNAME) that one lookup follows, over all its exchanges. Postfix follows as many. */
export const CNAME_CHAIN_MAX = 10

/** How far a lookup has come along the aliases. */
export interface Chain {
  readonly type: RecordType
  /** The name that is being looked for now. */
  readonly at: string
  readonly aliases: number
  /** Whether every answer so far was proven. */
  readonly secure: boolean
  /** The shortest TTL on the way. */
  readonly ttlSeconds: number
}

export type Followed =
  | { readonly kind: 'done'; readonly answer: AnyAnswer }
  /** The server did not follow the aliases to their end: ask it for the rest. */
  | { readonly kind: 'more'; readonly chain: Chain }

type Reply = Message & { readonly kind: 'reply' }

export function startChain(name: string, type: RecordType): Chain {
  return { type, at: name, aliases: 0, secure: true, ttlSeconds: Number.POSITIVE_INFINITY }
}

/**
 * Reads a reply with RCODE 0 or 3. Only records whose owner is the name looked for, or the end of its aliases so
 * far, count: everything else in the message may be anybody's invention.
 */
export function followReply(start: Chain, reply: Reply, authentic: boolean): Followed {
  return follow({ ...start, secure: start.secure && authentic }, start.aliases, reply)
}

/** Calls itself for each alias, CNAME_CHAIN_MAX times at most. */
function follow(chain: Chain, aliasesBefore: number, reply: Reply): Followed {
  const here = reply.answers.filter((record) => record.owner === chain.at)
  const found = here.filter((record) => record.type === chain.type)
  if (found.length > 0) return { kind: 'done', answer: foundAnswer(chain, found) }
  const alias = here.find((record) => record.type === 'CNAME')
  if (typeof alias?.data !== 'string') return ending(chain, aliasesBefore, reply)
  if (chain.aliases === CNAME_CHAIN_MAX) return unknown('loop', `more than ${CNAME_CHAIN_MAX} aliases`)
  const ttlSeconds = Math.min(chain.ttlSeconds, alias.ttl)
  return follow({ ...chain, at: alias.data, aliases: chain.aliases + 1, ttlSeconds }, aliasesBefore, reply)
}

function foundAnswer(chain: Chain, found: readonly AnswerRecord[]): AnyAnswer {
  return {
    kind: 'found',
    records: found.map((record) => record.data),
    canonicalName: chain.at,
    secure: chain.secure,
    ttlSeconds: Math.min(chain.ttlSeconds, ...found.map((record) => record.ttl)),
  }
}

/** No record of the type at the end of what the reply holds. */
function ending(chain: Chain, aliasesBefore: number, reply: Reply): Followed {
  if (reply.odd) return unknown('malformed', `only unreadable ${chain.type} records`)
  const absent = (why: 'nxdomain' | 'nodata'): Followed => ({
    kind: 'done',
    answer: {
      kind: 'none',
      why,
      canonicalName: chain.at,
      secure: chain.secure,
      ttlSeconds: Math.min(chain.ttlSeconds, negativeTtl(chain, reply)),
    },
  })
  if (reply.rcode === 3) return absent('nxdomain')
  // RFC 2308 section 2.2: with a SOA it is "no data"; name servers instead of it are a referral.
  if (reply.soa !== undefined) return absent('nodata')
  if (reply.referral) return unknown('refused', 'a referral instead of an answer')
  if (chain.aliases > aliasesBefore) return { kind: 'more', chain }
  return absent('nodata')
}

/** RFC 2308 section 5: the lesser of the SOA's own TTL and its minimum. Without a SOA it is not kept. */
function negativeTtl(chain: Chain, reply: Reply): number {
  if (reply.soa === undefined || !isWithin(chain.at, reply.soa.owner)) return 0
  return Math.min(reply.soa.ttl, reply.soa.record.minimumSeconds)
}

/** Whether a zone can speak for a name. */
function isWithin(name: string, zone: string): boolean {
  return zone === '.' || name === zone || name.endsWith(`.${zone}`)
}

function unknown(cause: 'loop' | 'malformed' | 'refused', detail: string): Followed {
  return { kind: 'done', answer: { kind: 'unknown', cause, detail } }
}
