import type { Facts } from '#src/base/fault.ts'
import { isRecord } from '#src/net/frames.ts'
import type { DomainKind, RecipientLookup } from './directory.ts'

/**
 * What other processes ask of the `directory` process, over `run/directory.sock`. One request or answer is the JSON
 * head of a frame (net/frames.ts); `n` is chosen by who asks and comes back. Answers come in any order.
 *
 *     smtpd ▶ {n, kind: 'recipient', address}            directory ▶ {n, answer}
 *
 * The process answers each request within ANSWER_MS, with 'unavailable' where it does not know by then.
 */
export type DirectoryRequest =
  /** After a miss in the mirror: does LDAP itself know the address? What it finds stands in the mirror then. */
  | { readonly kind: 'recipient'; readonly address: string }
  | { readonly kind: 'domain'; readonly name: string }
  | AuthenticateRequest
  /** Looks at the directory server for changes now, and answers when that is done (`postern reload`). */
  | { readonly kind: 'poll' }
  /** Takes over what was held back as nonsense: many deletions at once, a server that is behind. */
  | { readonly kind: 'accept' }
  | { readonly kind: 'status' }
  /** Who is locked out after failed attempts to log in. */
  | { readonly kind: 'lockouts' }
  /** `who`: an address of an account, an IP address, or EVERYBODY. */
  | { readonly kind: 'forgive'; readonly who: string }

/** Whoever is locked out. */
export const EVERYBODY = 'ALL'

export interface ShownLockout {
  readonly kind: 'account' | 'address'
  readonly who: string
  readonly failures: number
  /** Wall clock; null: until somebody forgives it. */
  readonly untilMs: number | null
}

/** 'unavailable' where the process is not there. */
export type LockoutsAnswer =
  | { readonly kind: 'ok'; readonly lockouts: readonly ShownLockout[] }
  | { readonly kind: 'unavailable'; readonly reason: string }

export type ForgiveAnswer =
  | { readonly kind: 'ok'; readonly forgiven: number }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface AuthenticateRequest {
  readonly kind: 'authenticate'
  readonly user: string
  /** Its octets in base64: they need not be UTF-8. Never logged. */
  readonly password: string
  readonly clientAddress: string
  readonly service: 'smtp' | 'submission' | 'submissions'
  readonly mechanism: string
}

export type AuthenticateAnswer =
  /** `addresses`: those that the user may send as. */
  | { readonly kind: 'ok'; readonly user: string; readonly addresses: readonly string[] }
  /** `reason` is for the log alone: whoever asks to be let in is not told whether there is such an account. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** More attempts of this client within a minute than smtpd_client_auth_rate_limit allows. */
  | { readonly kind: 'too-fast' }
  /** Too many failures of this client. */
  | { readonly kind: 'blocked' }
  | { readonly kind: 'unavailable'; readonly reason: string }

/** `facts` for `postern status`. */
export type PollAnswer =
  | { readonly kind: 'ok'; readonly changed: number }
  | { readonly kind: 'unavailable'; readonly reason: string }

/** The answer to each kind of request. */
export interface DirectoryAnswers {
  readonly recipient: RecipientLookup
  readonly domain: DomainKind
  readonly authenticate: AuthenticateAnswer
  readonly poll: PollAnswer
  readonly accept: PollAnswer
  readonly status: Facts
  readonly lockouts: LockoutsAnswer
  readonly forgive: ForgiveAnswer
}

/** What the `directory` process does for each kind of request; what it throws is answered as 'unavailable'. */
export type DirectoryHandlers = {
  readonly [K in DirectoryRequest['kind']]: (
    request: Extract<DirectoryRequest, { kind: K }>,
    signal: AbortSignal,
  ) => Promise<DirectoryAnswers[K]> | DirectoryAnswers[K]
}

/** The process gives up on a request after this and answers 'unavailable'. */
const ANSWER_MS = 5000
/** A password may be checked by a slow server far away; the client that waits for it has five minutes. */
const AUTHENTICATE_MS = 30_000
/** Who asks gives up a little later: then the process hangs or is gone. */
export const CLIENT_EXTRA_MS = 1000
/** To read a whole directory takes a minute; who asks for that waits as long. */
const POLL_WAIT_MS = 120_000
/** An address has 256 bytes, a password a few hundred; a list of members is the largest answer (expansion_limit). */
export const FRAME_LIMITS = { headBytesMax: 16 * 1024 * 1024, tailBytesMax: 0 }
/** Requests of one client that are under way: an smtpd has no more sessions than that. */
export const REQUESTS_MAX = 10_000

/** How long the process may take to answer. */
export function answerMs(kind: DirectoryRequest['kind']): number {
  switch (kind) {
    case 'poll':
    case 'accept':
      return POLL_WAIT_MS
    case 'authenticate':
      return AUTHENTICATE_MS
    case 'recipient':
    case 'domain':
    case 'status':
    case 'lockouts':
    case 'forgive':
      return ANSWER_MS
  }
}

const TEXT_FIELDS: Readonly<Record<DirectoryRequest['kind'], readonly string[]>> = {
  recipient: ['address'],
  domain: ['name'],
  authenticate: ['user', 'password', 'clientAddress', 'service', 'mechanism'],
  poll: [],
  accept: [],
  status: [],
  lockouts: [],
  forgive: ['who'],
}

const KINDS = new Map(Object.entries(TEXT_FIELDS))

/** A request as it came; undefined where it is none. */
export function isRequest(value: unknown): value is DirectoryRequest {
  if (!isRecord(value) || typeof value['kind'] !== 'string') return false
  const fields = KINDS.get(value['kind'])
  return fields !== undefined && fields.every((field) => typeof value[field] === 'string')
}
