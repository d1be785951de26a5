import type { Buffer } from 'node:buffer'
import { errorText } from '#src/base/fault.ts'
import type { Reply } from '#src/base/reply.ts'
import type { AuthVerdict } from './ports.ts'
import { COUNTS } from './counts.ts'
import { REPLY, tooManyAuthFailures, tooManyAuths } from './replies.ts'
import { AUTH_LINE_MAX, SaslExchange } from './sasl.ts'
import type { Credentials, Mechanism, SaslStep } from './sasl.ts'
import type { DialogueParts } from './wire.ts'

/** What is to be done about a line of an exchange. */
export type AuthStep =
  | { readonly kind: 'answer'; readonly reply: Reply }
  /** The answer comes when whoever checks passwords has spoken. */
  | { readonly kind: 'wait'; readonly reply: Promise<Reply> }

/** How much of a name that nobody knows is shown in the log. */
const NAME_SHOWN_MAX = 100

/** AUTH in one session (RFC 4954): the exchange under way, and what comes of it. */
export class Authentication {
  readonly #parts: DialogueParts
  #exchange: SaslExchange | undefined

  constructor(parts: DialogueParts) {
    this.#parts = parts
  }

  /** Whether the next line belongs to an exchange and is no command. */
  get underWay(): boolean {
    return this.#exchange !== undefined
  }

  /** The command itself; what makes it out of place was seen to. */
  begin(mechanism: Mechanism, initial: string | undefined): AuthStep {
    this.#exchange = new SaslExchange(mechanism)
    return this.#take(this.#exchange.begin(initial))
  }

  /** A line of the client, without CRLF. It is never logged. */
  line(bytes: Buffer, start: number, end: number): AuthStep {
    if (end - start > AUTH_LINE_MAX) return this.tooLong()
    const exchange = this.#exchange
    if (exchange === undefined) throw new Error('no authentication is under way')
    return this.#take(exchange.next(bytes.toString('latin1', start, end)))
  }

  /** RFC 4954 section 4: the exchange fails, the session goes on. */
  tooLong(): AuthStep {
    return this.#take({ kind: 'refused', reply: REPLY.authLineTooLong })
  }

  /** The exchange is over, whatever comes. */
  abandon(): void {
    this.#exchange = undefined
  }

  #take(step: SaslStep): AuthStep {
    if (step.kind === 'challenge') return { kind: 'answer', reply: step.reply }
    this.#exchange = undefined
    if (step.kind === 'refused') return { kind: 'answer', reply: step.reply }
    return { kind: 'wait', reply: this.#check(step.credentials) }
  }

  async #check(credentials: Credentials): Promise<Reply> {
    const { client, environment } = this.#parts
    const { user, password, mechanism } = credentials
    let verdict: AuthVerdict
    try {
      const { address: clientAddress, service } = client
      verdict = await environment.authenticator.authenticate({
        user,
        password,
        mechanism,
        clientAddress,
        service,
      })
    } catch (error) {
      verdict = { kind: 'unavailable', why: errorText(error) }
    } finally {
      password.fill(0)
    }
    this.#log(credentials, verdict)
    switch (verdict.kind) {
      case 'ok':
        client.user = verdict.user
        client.sendsAs = verdict.sendsAs
        client.mechanism = mechanism
        return REPLY.authOk
      case 'refused':
        return REPLY.authFailed
      case 'unavailable':
        return REPLY.authUnavailable
      case 'too-fast':
        return tooManyAuths(client.address)
      case 'blocked':
        return tooManyAuthFailures(environment.settings.hostname, client.address)
    }
  }

  #log({ user, mechanism }: Credentials, verdict: AuthVerdict): void {
    COUNTS.auth.of(mechanism.toLowerCase(), verdict.kind).add()
    const { client, environment, id } = this.#parts
    const who = { session: id, client: client.address, name: client.name, mechanism }
    if (verdict.kind === 'ok') {
      environment.log.write('info', 'smtpd.auth', { ...who, user: verdict.user })
      return
    }
    const why = 'why' in verdict ? verdict.why : verdict.kind
    // Two events: whoever counts failures to shut an address out must not do it because of a failure of ours.
    const event = verdict.kind === 'unavailable' ? 'smtpd.auth_unavailable' : 'smtpd.auth_failed'
    environment.log.write('warn', event, { ...who, user: user.slice(0, NAME_SHOWN_MAX), why })
  }
}
