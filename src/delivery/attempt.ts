import { isIP } from 'node:net'
import { withArrival } from './arrival.ts'
import { readContentFacts } from './body.ts'
import { needsContentFacts, plan } from './envelope.ts'
import { localResult } from './failure.ts'
import { NO_CAPABILITIES } from './handshake.ts'
import { isNeedless } from './tls-policy.ts'
import { Transaction } from './transaction.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { DeliveryRequest, Destination } from '#src/queue/ports.ts'
import type { Alarms } from './alarms.ts'
import type { Content } from './body.ts'
import type { Connection, Keep, PeerAddress } from './connection.ts'
import type { Approach, Connector, OpenFailure } from './connector.ts'
import type { Result } from './failure.ts'
import type { Pool } from './pool.ts'
import type { Credentials } from './credentials.ts'
import type { Candidate, DeliveryPlan } from './routing/candidates.ts'
import type { DeliverySettings } from './settings.ts'
import type { TlsTarget } from './tls-policy.ts'
import type { TlsPolicy } from './tls.ts'

/** Looks up where a destination can be reached, with whatever DNS says at this moment. Never rejects. */
export type Planner = (destination: Destination, signal: AbortSignal) => Promise<DeliveryPlan>

/** What has to be true of TLS at one address, and whom we say that we are there; or why it may not be used now. */
export type Security =
  | { readonly kind: 'use'; readonly policy: TlsPolicy; readonly credentials: Credentials | undefined }
  | { readonly kind: 'deferred'; readonly dsn: string; readonly reason: string }

/** Never rejects. */
export type Secure = (target: TlsTarget, protocol: 'lmtp' | 'smtp', signal: AbortSignal) => Promise<Security>

/** What became of the recipients of one batch, by their place in the request. */
export interface Batch {
  readonly results: ReadonlyMap<number, Result>
  /** Of all recipients that `relays` does not name. */
  readonly relay: string
  /** Recipients whose answer came from another peer than the last. */
  readonly relays?: ReadonlyMap<number, string>
  readonly setupMs: number
}

export interface AttemptContext {
  readonly connector: Connector
  readonly planner: Planner
  /** Our own names, as far as they matter where SMTP is spoken at that address. */
  readonly ownNames: (candidate: Candidate) => ReadonlySet<string> | undefined
  readonly secure: Secure
  readonly settings: () => DeliverySettings
  readonly alarms: Alarms
  readonly clock: Clock
  readonly log: Log
  /** A pool has begun a pause or a rest of so many milliseconds. */
  readonly onRest: (ms: number) => void
}

interface How {
  readonly pool: Pool
  readonly signal: AbortSignal
  readonly setupMs: number
  /** Whether the connection may carry the destination's next mail. */
  readonly keep: boolean
}

/** One transaction as it ended, and whether another host may be asked for what was deferred. */
interface Talk extends Batch {
  readonly mayGoOn: boolean
}

/** Carries one batch of recipients: over a connection that is open, else along the hosts of the destination. */
export class Attempts {
  readonly #context: AttemptContext
  readonly #busy = new Set<Connection>()

  constructor(context: AttemptContext) {
    this.#context = context
  }

  /** Ends what runs at once. */
  destroy(): void {
    for (const connection of this.#busy) connection.destroy()
  }

  /**
   * A second transaction over a fresh connection when a pooled one proved dead before it took anything, or when its
   * peer did not know the BDAT that it had offered.
   */
  async carry(request: DeliveryRequest, pool: Pool, signal: AbortSignal): Promise<Batch> {
    const pooled = pool.take()
    if (pooled !== undefined) {
      const done = await this.#converse(pooled, request, { pool, signal, setupMs: 0, keep: true })
      if (done !== 'stale') return done
    }
    const { clock } = this.#context
    const beganMs = clock.monotonicMs()
    const direct = this.#direct(request.destination)
    if (direct === undefined) return await this.#along(request, pool, signal, beganMs)
    for (;;) {
      const { chunkless } = pool
      const opened = await this.#context.connector.open(direct, signal)
      const setupMs = clock.monotonicMs() - beganMs
      if (opened.kind === 'failed') {
        this.#noteFailure(pool, opened.failure)
        return { ...everybody(request, opened.failure.result, opened.failure.relay), setupMs }
      }
      const { connection } = opened
      const done = await this.#converse(connection, request, { pool, signal, setupMs, keep: true })
      if (done !== 'stale') return done
      if (chunkless || !pool.chunkless) return { ...lost(request, connection), setupMs }
    }
  }

  /**
   * The hosts of a destination, as smtp(8) goes along them: the next one where no session came about, and, for
   * recipients that were put off, where a session did, up to the session limit of the hop. What a host refused
   * for good is final, and so is whatever may have been taken.
   */
  async #along(request: DeliveryRequest, pool: Pool, signal: AbortSignal, beganMs: number): Promise<Batch> {
    const { clock, alarms, planner } = this.#context
    const found = await planner(request.destination, signal)
    alarms.raise(request.message.id, found.alarm)
    if (found.kind !== 'try') {
      const result = localResult(found.kind, found.dsn, found.reason)
      return { ...everybody(request, result, 'none'), setupMs: clock.monotonicMs() - beganMs }
    }
    const walk = new Walk(request, found)
    for (;;) {
      const candidate = signal.aborted ? undefined : walk.next()
      if (candidate === undefined) break
      const approach = await this.#approach(found, candidate, signal)
      if ('failure' in approach) {
        walk.failed(approach.failure)
        continue
      }
      const opened = await this.#context.connector.open(approach, signal)
      walk.setupMs = clock.monotonicMs() - beganMs
      if (opened.kind === 'failed') {
        walk.failed(ofOurMaking(opened.failure, found, candidate))
        this.#logPassed(approach.peer, opened.failure)
        continue
      }
      this.#logTls(opened.connection, approach.tls)
      const how = { pool, signal, setupMs: walk.setupMs, keep: candidate.hop === 0 }
      const part = walk.request
      const { chunkless } = pool
      const done = await this.#converse(opened.connection, part, how)
      if (done !== 'stale') walk.talked(done)
      else if (pool.chunkless && !chunkless) walk.again()
      else walk.talked(lost(part, opened.connection))
    }
    if (walk.failure !== undefined && walk.sessions === 0) this.#noteFailure(pool, walk.failure)
    if (walk.failure?.result.dsn.endsWith(LOOP) === true)
      alarms.raise(request.message.id, walk.failure.result.logText)
    return walk.batch()
  }

  /** One mailbox server at an address that needs no look-up, where TLS needs none either; undefined for all else. */
  #direct({ protocol, host, port, hops }: Destination): Approach | undefined {
    if (hops !== undefined || isIP(host) === 0) return undefined
    const { tls } = this.#context.settings()[protocol]
    if (tls !== 'none' && tls !== 'may' && tls !== 'encrypt') return undefined
    const level = isNeedless(protocol, host, tls) ? 'none' : tls
    const peer: PeerAddress = { protocol, host, address: host, port }
    return { peer, ownNames: undefined, tls: { level }, credentials: undefined }
  }

  async #approach(
    found: DeliveryPlan & { readonly kind: 'try' },
    candidate: Candidate,
    signal: AbortSignal,
  ): Promise<Approach | { readonly failure: OpenFailure }> {
    const { protocol, hops } = found
    const { host, address, port } = candidate
    const hop = hops[candidate.hop]
    const security =
      hop === undefined ? NO_HOP : await this.#context.secure({ hop, candidate }, protocol, signal)
    if (security.kind === 'deferred') {
      const result = localResult('deferred', security.dsn, security.reason)
      return { failure: { result, relay: 'none', verdict: 'other' } }
    }
    const ownNames = protocol === 'smtp' ? this.#context.ownNames(candidate) : undefined
    const { policy, credentials } = security
    const tls: TlsPolicy = isNeedless(protocol, address, policy.level) ? { level: 'none' } : policy
    return { peer: { protocol, host, address, port }, ownNames, tls, credentials }
  }

  async #converse(connection: Connection, request: DeliveryRequest, how: How): Promise<Talk | 'stale'> {
    const { message, body, recipients } = request
    const { relay } = connection
    const { setupMs, pool } = how
    const offered = connection.capabilities ?? NO_CAPABILITIES
    const capabilities = pool.chunkless && offered.chunking ? { ...offered, chunking: false } : offered
    const content: Content = { prefix: message.prefix, body }
    let facts
    try {
      facts = needsContentFacts(message, capabilities) ? await readContentFacts(content) : undefined
    } catch {
      // The store has noted what is wrong with the body.
      give(connection, how)
      const damaged = localResult('deferred', '4.3.0', `local data error while talking to ${connection.name}`)
      return { ...everybody(request, damaged, relay), setupMs, mayGoOn: false }
    }
    const planned = plan({
      protocol: request.destination.protocol,
      peer: connection.name,
      capabilities,
      message,
      recipients,
      content: facts,
    })
    if (planned.envelope === undefined) {
      give(connection, how)
      return { results: planned.failed, relay, setupMs, mayGoOn: false }
    }
    const transaction = new Transaction(planned.envelope, {
      reset: connection.needsReset,
      reused: connection.uses > 0,
    })
    const keep = await this.#run(connection, transaction, content, how.signal)
    if (keep === 'clean' || keep === 'reset') give(connection, how)
    if (keep === 'stale') {
      if (transaction.chunkingUnknown) this.#noteChunkless(pool, connection)
      return 'stale'
    }
    this.#noteTransaction(pool, transaction)
    const answered = withArrival(transaction.results, request.destination.protocol, capabilities)
    const results = planned.failed.size === 0 ? answered : new Map([...planned.failed, ...answered])
    return { results, relay, setupMs, mayGoOn: mayGoOn(transaction) }
  }

  async #run(
    connection: Connection,
    transaction: Transaction,
    content: Content,
    signal: AbortSignal,
  ): Promise<Keep> {
    const cancel = (): void => connection.cancel()
    this.#busy.add(connection)
    signal.addEventListener('abort', cancel, { once: true })
    const running = connection.run(transaction, content)
    if (signal.aborted) cancel()
    try {
      return await running
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#busy.delete(connection)
    }
  }

  #noteFailure(pool: Pool, failure: OpenFailure): void {
    switch (failure.verdict) {
      case 'dead':
        this.#noteDead(pool, failure.result)
        break
      case 'busy':
        this.#pause(pool)
        break
      case 'other':
        break
    }
  }

  /** A peer that takes connections and then stalls or hangs up is as dead as one that takes none. */
  #noteTransaction(pool: Pool, transaction: Transaction): void {
    if (transaction.toldToPause) this.#pause(pool)
    switch (transaction.brokenBy) {
      case undefined:
        if (pool.succeeded()) this.#logHealth(pool, 'recovered', '')
        break
      case 'lost':
      case 'timeout':
      case 'garbage': {
        const last = [...transaction.results.values()].findLast((result) => result.source === 'local')
        if (last !== undefined) this.#noteDead(pool, last)
        break
      }
      case 'local':
      case 'cancelled':
        break
    }
  }

  #noteChunkless(pool: Pool, { peer, relay }: Connection): void {
    pool.chunkless = true
    const { protocol, host, port } = peer
    const reason = `${relay} offers CHUNKING and does not know BDAT`
    this.#context.log.write('warn', 'delivery.connection', {
      protocol,
      host,
      port,
      state: 'no-chunks',
      reason,
    })
  }

  #noteDead(pool: Pool, result: Result): void {
    if (!pool.failed(this.#context.clock.monotonicMs(), result.logText, result.dsn)) return
    this.#logHealth(pool, 'resting', result.logText)
    this.#context.onRest(pool.restMs)
  }

  #pause(pool: Pool): void {
    if (pool.health.pause(this.#context.clock.monotonicMs())) this.#context.onRest(pool.pauseMs)
  }

  #logHealth(pool: Pool, state: 'resting' | 'recovered', reason: string): void {
    const { protocol, host, port } = pool.destination
    const told = reason === '' ? {} : { reason }
    this.#context.log.write('warn', 'delivery.connection', { protocol, host, port, state, ...told })
  }

  /** With whom a fresh connection has TLS, for who has to show it (smtp_tls_loglevel=1). */
  #logTls({ peer, tls, relay }: Connection, { level }: TlsPolicy): void {
    if (tls === '') return
    const { protocol, host, port } = peer
    this.#context.log.write('info', 'delivery.connection', {
      protocol,
      host,
      port,
      state: 'tls',
      relay,
      level,
      tls,
    })
  }

  /** One host that was passed over; what becomes of the mail is another line. */
  #logPassed({ protocol, host, port }: PeerAddress, { result }: OpenFailure): void {
    const facts = { protocol, host, port, state: 'failed', reason: result.logText }
    this.#context.log.write('info', 'delivery.connection', facts)
  }
}

/** The detail of RFC 3463's "routing loop detected". */
const LOOP = '.4.6'

/** The way along the candidates of one plan: who is left, and what the others were told. */
class Walk {
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
    if (failure.result.kind !== 'bounced') return
    for (const index of this.#left) this.#answer(index, failure.result, failure.relay)
    this.#left = []
  }

  talked(talk: Talk): void {
    this.sessions += 1
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

  /** Who was put off by one host and could reach no other has the words of the one that spoke. */
  batch(): Batch {
    const { result, relay } = this.failure ?? { result: STOPPED, relay: 'none' }
    for (const index of this.#whole.recipients.keys())
      if (!this.#results.has(index)) this.#answer(index, result, relay)
    return { results: this.#results, relay, relays: this.#relays, setupMs: this.setupMs }
  }
}

const STOPPED = localResult('deferred', '4.3.2', 'mail system is shutting down')

/** A relay host that is ourselves is a mistake of ours, and never bounces anybody's mail. */
function ofOurMaking(
  failure: OpenFailure,
  { hops }: DeliveryPlan & { readonly kind: 'try' },
  { hop }: Candidate,
): OpenFailure {
  const { result } = failure
  const isOurs = hops[hop]?.hop.role !== 'domain'
  if (!isOurs || result.dsn !== `5${LOOP}`) return failure
  return { ...failure, result: { ...result, kind: 'deferred', dsn: `4${LOOP}` } }
}

const NO_HOP: Security = { kind: 'deferred', dsn: '4.3.0', reason: 'an address without a hop' }

/** Not where the message may have been taken, and not where it is we who cannot go on. */
function mayGoOn(transaction: Transaction): boolean {
  switch (transaction.brokenBy) {
    case undefined:
      return true
    case 'lost':
    case 'timeout':
    case 'garbage':
      return transaction.stage !== 'dot'
    case 'local':
    case 'cancelled':
      return false
  }
}

function give(connection: Connection, { pool, keep }: How): void {
  if (keep) pool.keep(connection)
  else connection.quit()
}

function everybody(request: DeliveryRequest, result: Result, relay: string): Omit<Batch, 'setupMs'> {
  return { results: new Map(request.recipients.map((_, index) => [index, result])), relay }
}

function lost(request: DeliveryRequest, connection: Connection): Talk {
  const text = `lost connection with ${connection.name} while sending MAIL FROM`
  const result = localResult('deferred', '4.4.2', text)
  return { ...everybody(request, result, connection.relay), setupMs: 0, mayGoOn: true }
}
