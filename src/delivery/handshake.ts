import { CLEAN, LEAVE, DROP, TLS, WAIT } from './dialogue.ts'
import { brokenResult, localResult, refusedResult } from './failure.ts'
import { enhancedStatus, replyLine } from './replies.ts'
import type { Dialogue, Step } from './dialogue.ts'
import type { Break, PeerName, Result, Stage } from './failure.ts'
import type { PeerReply } from './replies.ts'
import type { Credentials } from './credentials.ts'
import type { TlsLevel } from './settings.ts'
import type { TlsFailure } from './tls-outcome.ts'

/** What the peer offers, after its last EHLO or LHLO. */
export interface Capabilities {
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  /** BDAT (RFC 3030 section 2). */
  readonly chunking: boolean
  readonly startTls: boolean
  /** RFC 6710. */
  readonly mtPriority: boolean
  /** RFC 8689. */
  readonly requireTls: boolean
  /** Mechanisms of AUTH (RFC 4954), upper case. */
  readonly auth: readonly string[]
  readonly size: boolean
  /** Octets (RFC 1870); 0 where no limit was named. */
  readonly sizeMax: number
}

export const NO_CAPABILITIES: Capabilities = {
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  chunking: false,
  startTls: false,
  requireTls: false,
  mtPriority: false,
  auth: [],
  size: false,
  sizeMax: 0,
}

export interface HandshakeOptions {
  readonly protocol: 'lmtp' | 'smtp'
  readonly helloName: string
  readonly peer: PeerName
  readonly tls: TlsLevel
  /** TLS comes before the greeting, without STARTTLS (RFC 8314 section 3). */
  readonly wrapped: boolean
  /** Lower case; a peer that says one of these is ourselves. undefined where it may be a filter of ours. */
  readonly ownNames: ReadonlySet<string> | undefined
  /** Upper case; what the peer offers under these names is not used (smtp_discard_ehlo_keywords). */
  readonly ignored: readonly string[]
  /** Whom to say that we are, where the peer offers AUTH; undefined: nobody. */
  readonly credentials: Credentials | undefined
}

/** From the greeting to a connection that is ready for MAIL. */
export class Handshake implements Dialogue {
  readonly #options: HandshakeOptions
  #stage: Stage
  #secured = false
  #capabilities: Capabilities = NO_CAPABILITIES
  #failure: Result | undefined
  #namesake = false
  #tlsFailure: TlsFailure | undefined
  #counts = true
  #busy = false
  #plainMayDo = false
  /** What is still to be said after a 334, the next one first. */
  #secrets: readonly string[] = []

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#stage = options.wrapped ? 'starttls' : 'greeting'
  }

  get stage(): Stage {
    return this.#stage
  }

  get capabilities(): Capabilities {
    return this.#capabilities
  }

  /** What was wrong with TLS, whether or not it had to be right. */
  get tlsFailure(): TlsFailure | undefined {
    return this.#tlsFailure
  }

  /** It greets with our own name; what it answers to EHLO decides (smtp(8): a warning). */
  get namesake(): boolean {
    return this.#namesake
  }

  /** Why the connection cannot be used; undefined when it can. */
  get failure(): Result | undefined {
    return this.#failure
  }

  /** Whether the peer said 421. */
  get busy(): boolean {
    return this.#busy
  }

  /** Whether the failure says that the destination as a whole does not work (and not: asked for a pause). */
  get countsAsDead(): boolean {
    return this.#counts
  }

  /** Whether a new connection without TLS could do better (level 'may', RFC 7435). */
  get plainMayDo(): boolean {
    return this.#plainMayDo
  }

  reply(reply: PeerReply): Step {
    if (reply.code === 421) {
      // It works, and has enough for now: a pause is asked for, not a rest.
      this.#counts = false
      this.#busy = true
      return this.#refused('deferred', reply)
    }
    switch (this.#stage) {
      case 'greeting':
        return this.#greeted(reply)
      case 'lhlo':
      case 'ehlo':
      case 'helo':
        return this.#hello(reply)
      case 'starttls':
        return this.#startTls(reply)
      case 'auth':
        return this.#authenticated(reply)
      case 'rset':
      case 'mail':
      case 'rcpt':
      case 'data':
      case 'body':
      case 'dot':
        return this.broken('garbage')
    }
  }

  broken(cause: Break): Step {
    this.#failure = brokenResult(cause, this.#stage, this.#options.peer)
    this.#plainMayDo = this.#stage === 'starttls' && this.#options.tls === 'may' && cause !== 'cancelled'
    this.#counts = cause !== 'cancelled' && cause !== 'local'
    return DROP
  }

  /** The TLS handshake is done: everything said before it is forgotten (RFC 3207 section 4.2). */
  secured(): Step {
    this.#secured = true
    this.#capabilities = NO_CAPABILITIES
    if (!this.#options.wrapped) return this.#sayHello()
    this.#stage = 'greeting'
    return WAIT
  }

  /** The TLS handshake failed, or plaintext came behind the reply to STARTTLS. */
  notSecured(reason: string): Step {
    this.#tlsFailure = { type: 'validation-failure', reason }
    this.#failure = localResult('deferred', '4.7.5', `Cannot start TLS: ${reason}`)
    this.#plainMayDo = this.#options.tls === 'may'
    return DROP
  }

  /** TLS works, and the peer is not who it has to be. Never tried without: that is what an attacker wants. */
  notTrusted(failure: TlsFailure): Step {
    this.#tlsFailure = failure
    this.#failure = localResult('deferred', '4.7.5', failure.reason)
    return DROP
  }

  #greeted(reply: PeerReply): Step {
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    if (reply.code < 300) {
      this.#namesake = this.#isOurselves(reply)
      return this.#sayHello()
    }
    // smtp_skip_5xx_greeting: a 5xx here is about the host, not about our mail, and is tried again later.
    return this.#refused('deferred', reply)
  }

  #sayHello(): Step {
    const word = this.#options.protocol === 'lmtp' ? 'LHLO' : 'EHLO'
    this.#stage = word === 'LHLO' ? 'lhlo' : 'ehlo'
    return { kind: 'send', text: `${word} ${this.#options.helloName}\r\n` }
  }

  #hello(reply: PeerReply): Step {
    if (reply.code >= 300 && reply.code < 400) return this.broken('garbage')
    if (reply.code >= 300) {
      if (this.#stage === 'ehlo' && reply.code >= 500 && !this.#secured) {
        // RFC 5321 section 3.2: a server that does not know EHLO.
        this.#stage = 'helo'
        return { kind: 'send', text: `HELO ${this.#options.helloName}\r\n` }
      }
      return this.#refused(reply.code >= 500 ? 'bounced' : 'deferred', reply)
    }
    if (this.#isOurselves(reply)) {
      // smtp(8): it is not the host that does not work, so nobody else's mail waits for it.
      this.#counts = false
      this.#failure = localResult(
        'bounced',
        '5.4.6',
        `mail loops back to myself: ${this.#options.peer} has my own name`,
      )
      return LEAVE
    }
    if (this.#stage !== 'helo') this.#capabilities = readCapabilities(reply, this.#options.ignored)
    if (this.#secured || this.#options.tls === 'none') return this.#ready()
    if (this.#capabilities.startTls) {
      this.#stage = 'starttls'
      return { kind: 'send', text: 'STARTTLS\r\n' }
    }
    this.#tlsFailure = { type: 'starttls-not-supported', reason: '' }
    if (this.#options.tls === 'may') return this.#ready()
    this.#failure = localResult(
      'deferred',
      '4.7.4',
      `TLS is required, but was not offered by host ${this.#options.peer}`,
    )
    return LEAVE
  }

  /** TLS is as it has to be; now who we are, where that is asked and told. */
  #ready(): Step {
    const { credentials, peer } = this.#options
    const offered = this.#capabilities.auth
    if (credentials === undefined || offered.length === 0) return CLEAN
    const { user, password, mechanisms, inPlaintext } = credentials
    const mechanism =
      this.#secured || inPlaintext ? mechanisms.find((each) => offered.includes(each)) : undefined
    this.#stage = 'auth'
    if (mechanism === undefined) {
      // smtp(8): without it the relay host would refuse every recipient for good.
      const why =
        this.#secured || inPlaintext ? 'no mechanism available' : 'no mechanism available without TLS'
      this.#counts = false
      const text = `SASL authentication failed; cannot authenticate to server ${peer}: ${why}`
      this.#failure = localResult('deferred', '4.7.0', text)
      return LEAVE
    }
    if (mechanism === 'PLAIN')
      return { kind: 'send', text: `AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n` }
    this.#secrets = [base64(user), base64(password)]
    return { kind: 'send', text: 'AUTH LOGIN\r\n' }
  }

  #authenticated(reply: PeerReply): Step {
    if (reply.code < 300) return CLEAN
    const [secret, ...rest] = this.#secrets
    if (reply.code === 334 && secret !== undefined) {
      this.#secrets = rest
      return { kind: 'send', text: `${secret}\r\n` }
    }
    if (reply.code < 400) return this.broken('garbage')
    // smtp_sasl_auth_soft_bounce: a password that is wrong here is no fault of whoever sent the mail.
    this.#counts = false
    const status = enhancedStatus(reply)
    const dsn = status === '' ? '4.7.8' : `4${status.slice(1)}`
    const text = `SASL authentication failed; server ${this.#options.peer} said: ${replyLine(reply)}`
    this.#failure = localResult('deferred', dsn, text)
    return LEAVE
  }

  /** The first word of a greeting, and of the answer to EHLO, is the name of who answers (RFC 5321 sections 4.2, 4.1.1.1). */
  #isOurselves(reply: PeerReply): boolean {
    const { ownNames } = this.#options
    if (ownNames === undefined) return false
    const name = /^.{4}([^ ]+)/.exec(reply.lines[0] ?? '')?.[1] ?? ''
    return ownNames.has(name.toLowerCase().replace(/\.$/, ''))
  }

  #startTls(reply: PeerReply): Step {
    if (reply.code < 300) return TLS
    if (reply.code < 400) return this.broken('garbage')
    this.#tlsFailure = { type: 'starttls-not-supported', reason: replyLine(reply) }
    if (this.#options.tls === 'may' && reply.code >= 400) {
      // The dialogue goes on in plaintext on the same connection (RFC 3207 section 4.1).
      return this.#ready()
    }
    this.#failure = localResult(
      'deferred',
      enhancedStatus(reply).startsWith('4') ? enhancedStatus(reply) : '4.7.5',
      `TLS is required, but host ${this.#options.peer} refused to start TLS: ${replyLine(reply)}`,
    )
    return LEAVE
  }

  #refused(kind: 'deferred' | 'bounced', reply: PeerReply): Step {
    this.#failure = refusedResult(kind, reply, this.#options.peer)
    return LEAVE
  }
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** The keywords of an EHLO reply; the first line is the greeting and holds none (RFC 5321 section 4.1.1.1). */
function readCapabilities(reply: PeerReply, ignored: readonly string[]): Capabilities {
  const words = new Map<string, string>()
  for (const line of reply.lines.slice(1)) {
    const text = line.slice(4).trim()
    const gap = text.search(/[ =]/)
    const word = (gap < 0 ? text : text.slice(0, gap)).toUpperCase()
    if (!ignored.includes(word)) words.set(word, gap < 0 ? '' : text.slice(gap + 1).trim())
  }
  const size = words.get('SIZE')
  return {
    pipelining: words.has('PIPELINING'),
    eightBitMime: words.has('8BITMIME'),
    smtpUtf8: words.has('SMTPUTF8'),
    dsn: words.has('DSN'),
    chunking: words.has('CHUNKING'),
    startTls: words.has('STARTTLS'),
    requireTls: words.has('REQUIRETLS'),
    mtPriority: words.has('MT-PRIORITY'),
    auth: (words.get('AUTH') ?? '')
      .toUpperCase()
      .split(/[\s=]+/)
      .filter((word) => word !== ''),
    size: size !== undefined,
    sizeMax: size !== undefined && /^[0-9]{1,15}$/.test(size) ? Number(size) : 0,
  }
}
