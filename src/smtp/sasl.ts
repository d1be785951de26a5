import { Buffer, isUtf8 } from 'node:buffer'
import type { Reply } from '#src/base/reply.ts'
import { REPLY } from './replies.ts'

/** The mechanisms that we know (zimbraMtaSaslSmtpdMechList). Both give us the password. */
export const MECHANISMS = ['PLAIN', 'LOGIN'] as const

export type Mechanism = (typeof MECHANISMS)[number]

/** What a client has proven nothing with yet. */
export interface Credentials {
  readonly mechanism: Mechanism
  readonly user: string
  /** Octets, because a text could not be wiped; whoever has used it fills it with zeros. */
  readonly password: Buffer
}

/** One step of an exchange. */
export type SaslStep =
  | { readonly kind: 'challenge'; readonly reply: Reply }
  | { readonly kind: 'credentials'; readonly credentials: Credentials }
  | { readonly kind: 'refused'; readonly reply: Reply }

/** RFC 4954 section 4: the longest line of an exchange, without CRLF. */
export const AUTH_LINE_MAX = 12_288
/** RFC 4616 section 2 allows 255 octets; an address has 254 (RFC 5321 section 4.5.3.1.3). */
const USER_BYTES_MAX = 512
/** Nobody types more; a hash of a longer one would only be work for us. */
const PASSWORD_BYTES_MAX = 1024
/** RFC 4648 section 4, with its padding and nothing else: what Buffer.from would let pass is refused. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** The prompts that clients of LOGIN know, as Cyrus SASL sends them. */
const USERNAME = prompt('Username:')
const PASSWORD = prompt('Password:')
/** RFC 4954 section 4: an empty challenge is `334 ` with its space. */
const EMPTY = prompt('')

function prompt(challenge: string): SaslStep {
  return { kind: 'challenge', reply: { code: 334, dsn: '', text: Buffer.from(challenge).toString('base64') } }
}

/**
 * One exchange of AUTH PLAIN (RFC 4616) or AUTH LOGIN (draft-murchison-sasl-login), from the command to the credentials. Every
 * line is checked before anybody is asked.
 */
export class SaslExchange {
  readonly #mechanism: Mechanism
  /** What LOGIN has been told so far. */
  #user: string | undefined

  constructor(mechanism: Mechanism) {
    this.#mechanism = mechanism
  }

  get mechanism(): Mechanism {
    return this.#mechanism
  }

  /** `initial`: the initial response of the command, undefined if there is none; `=` is an empty one (RFC 4954). */
  begin(initial: string | undefined): SaslStep {
    if (initial === undefined) return this.#mechanism === 'PLAIN' ? EMPTY : USERNAME
    return this.#decoded(initial === '=' ? '' : initial)
  }

  /** A line of the client, without CRLF. */
  next(line: string): SaslStep {
    if (line === '*') return { kind: 'refused', reply: REPLY.authAborted }
    return this.#decoded(line)
  }

  #decoded(text: string): SaslStep {
    if (!BASE64.test(text)) return { kind: 'refused', reply: REPLY.authBadBase64 }
    const octets = Buffer.from(text, 'base64')
    return this.#mechanism === 'PLAIN' ? plain(octets) : this.#login(octets)
  }

  #login(octets: Buffer): SaslStep {
    if (this.#user === undefined) {
      const user = userOf(octets)
      if (user === undefined) return { kind: 'refused', reply: REPLY.authMalformed }
      this.#user = user
      return PASSWORD
    }
    return credentials('LOGIN', this.#user, octets)
  }
}

/**
 * authzid NUL authcid NUL password. Nobody may act for somebody else here, so that the identity to act as has to be
 * absent or that of the one who logs in.
 */
function plain(octets: Buffer): SaslStep {
  const first = octets.indexOf(0)
  const second = first < 0 ? -1 : octets.indexOf(0, first + 1)
  const user = second < 0 ? undefined : userOf(octets.subarray(first + 1, second))
  if (user === undefined) return { kind: 'refused', reply: REPLY.authMalformed }
  const actAs = octets.toString('utf8', 0, first)
  if (actAs !== '' && actAs.toLowerCase() !== user.toLowerCase()) {
    return { kind: 'refused', reply: REPLY.authFailed }
  }
  return credentials('PLAIN', user, octets.subarray(second + 1))
}

function credentials(mechanism: Mechanism, user: string, password: Buffer): SaslStep {
  if (password.length > PASSWORD_BYTES_MAX || password.includes(0)) {
    return { kind: 'refused', reply: REPLY.authMalformed }
  }
  return { kind: 'credentials', credentials: { mechanism, user, password } }
}

/** The name, if it may be one: it goes into lookups and into the log. */
function userOf(octets: Buffer): string | undefined {
  if (octets.length === 0 || octets.length > USER_BYTES_MAX || !isUtf8(octets)) return undefined
  const user = octets.toString('utf8').normalize('NFC')
  return CONTROL.test(user) ? undefined : user
}
