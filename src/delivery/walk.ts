import { REQUIRE_TLS_STATUS } from './approach.ts'
import { localResult } from './failure.ts'
import type { DeliveryRequest } from '#src/queue/ports.ts'
import type { Connection } from './connection.ts'
import type { OpenFailure } from './connector.ts'
import type { Result } from './failure.ts'
import type { Candidate, DeliveryPlan } from './routing/candidates.ts'

/** What became of the recipients of one batch, by their place in the request. */
export interface Batch {
  readonly results: ReadonlyMap<number, Result>
  /** Of all recipients that `relays` does not name. */
  readonly relay: string
  /** Recipients whose answer came from another peer than the last. */
  readonly relays?: ReadonlyMap<number, string>
  readonly setupMs: number
}

/** One transaction as it ended, and whether another host may be asked for what was deferred. */
export interface Talk extends Batch {
  readonly mayGoOn: boolean
}

/** The detail of RFC 3463's "routing loop detected". */
export const LOOP = '.4.6'

/** The way along the candidates of one plan: who is left, and what the others were told. */
export class Walk {
  readonly #whole: DeliveryRequest
  readonly #plan: DeliveryPlan & { readonly kind: 'try' }
  readonly #results = new Map<number, Result>()
  readonly #relays = new Map<number, string>()
  readonly #sessionsOf = new Map<number, number>()
  #left: readonly number[]
  #at = 0
  #hop = 0
  /** The last host that gave no session. */
  failure: OpenFailure | undefined
  sessions = 0
  /** Nothing but the promise of TLS was missing so far. */
  #onlyTls = true
  #lackedPromise = false
  setupMs = 0

  constructor(request: DeliveryRequest, found: DeliveryPlan & { readonly kind: 'try' }) {
    this.#whole = request
    this.#plan = found
    this.#left = request.recipients.map((_, index) => index)
  }

  /** The next address; undefined when nobody is left, or nowhere to go. */
  next(): Candidate | undefined {
    if (this.#left.length === 0) return undefined
    const { candidates } = this.#plan
    while (this.#at < candidates.length) {
      const candidate = candidates[this.#at]
      this.#at += 1
      if (candidate === undefined || !this.#open(candidate)) continue
      this.#hop = candidate.hop
      return candidate
    }
    return undefined
  }

  /** The last address gets another session, which does not count. */
  again(): void {
    this.#at -= 1
  }

  #open({ hop }: Candidate): boolean {
    return (this.#sessionsOf.get(hop) ?? 0) < this.#plan.sessionsMax
  }

  /** The request for those who are left. */
  get request(): DeliveryRequest {
    const { recipients } = this.#whole
    if (this.#left.length === recipients.length) return this.#whole
    return { ...this.#whole, recipients: recipients.filter((_, index) => this.#left.includes(index)) }
  }

  failed(failure: OpenFailure): void {
    this.failure = failure
    const lacks = lacksPromise(failure)
    this.#onlyTls &&= lacks
    this.#lackedPromise ||= lacks
    if (failure.result.kind !== 'bounced') return
    for (const index of this.#left) this.#answer(index, failure.result, failure.relay)
    this.#left = []
  }

  talked(talk: Talk): void {
    this.sessions += 1
    this.#onlyTls = false
    this.#sessionsOf.set(this.#hop, (this.#sessionsOf.get(this.#hop) ?? 0) + 1)
    const left: number[] = []
    for (const [place, index] of this.#left.entries()) {
      const result = talk.results.get(place)
      if (result === undefined) continue
      this.#answer(index, result, talk.relay)
      if (result.kind === 'deferred' && talk.mayGoOn && this.#whole.destination.protocol === 'smtp')
        left.push(index)
    }
    this.#left = left
  }

  #answer(index: number, result: Result, relay: string): void {
    this.#results.set(index, result)
    this.#relays.set(index, relay)
  }

  /**
   * A bounce that wants REQUIRETLS where no host that could be talked to promises it: RFC 8689 section 5 would rather
   * have it sent without than lost. It holds no more than the header of what came back.
   */
  get mayGoUnpromised(): boolean {
    const { requireTls, sender } = this.#whole.message
    return requireTls === true && sender === '' && this.sessions === 0 && this.#lackedPromise
  }

  /** Who was put off by one host and could reach no other has the words of the one that spoke. */
  batch(): Batch {
    const { result: last, relay } = this.failure ?? { result: STOPPED, relay: 'none' }
    const isRequired = this.#whole.message.requireTls === true
    const isHopeless = isRequired && this.failure !== undefined && this.#onlyTls
    const result = isHopeless ? localResult('bounced', REQUIRE_TLS_STATUS, last.reply) : last
    for (const index of this.#whole.recipients.keys())
      if (!this.#results.has(index)) this.#answer(index, result, relay)
    return { results: this.#results, relay, relays: this.#relays, setupMs: this.setupMs }
  }
}

const STOPPED = localResult('deferred', '4.3.2', 'mail system is shutting down')

/** Whether a host was passed over for what REQUIRETLS asks of it, and would be so again tomorrow. */
function lacksPromise({ result, tls }: OpenFailure): boolean {
  if (tls !== undefined) return tls.type !== 'validation-failure'
  return result.dsn === `4${REQUIRE_TLS_STATUS.slice(1)}`
}

/** A relay host that is ourselves is a mistake of ours, and never bounces anybody's mail. */
export function ofOurMaking(
  failure: OpenFailure,
  { hops }: DeliveryPlan & { readonly kind: 'try' },
  { hop }: Candidate,
): OpenFailure {
  const { result } = failure
  const isOurs = hops[hop]?.hop.role !== 'domain'
  if (!isOurs || result.dsn !== `5${LOOP}`) return failure
  return { ...failure, result: { ...result, kind: 'deferred', dsn: `4${LOOP}` } }
}

/** One answer for all recipients of a request. */
export function everybody(request: DeliveryRequest, result: Result, relay: string): Omit<Batch, 'setupMs'> {
  return { results: new Map(request.recipients.map((_, index) => [index, result])), relay }
}

/** A fresh connection that died before anything of the message went out. */
export function lost(request: DeliveryRequest, connection: Connection): Talk {
  const text = `lost connection with ${connection.name} while sending MAIL FROM`
  const result = localResult('deferred', '4.4.2', text)
  return { ...everybody(request, result, connection.relay), setupMs: 0, mayGoOn: true }
}
