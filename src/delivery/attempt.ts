import { Approaches, REQUIRE_TLS_STATUS } from './approach.ts'
import { withArrival } from './arrival.ts'
import { readContentFacts } from './body.ts'
import { needsContentFacts, plan } from './envelope.ts'
import { localResult } from './failure.ts'
import { NO_CAPABILITIES } from './handshake.ts'
import { Transaction } from './transaction.ts'
import { LOOP, Walk, everybody, lost, ofOurMaking } from './walk.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type { DeliveryRequest, Destination } from '#src/queue/ports.ts'
import type { Alarms } from './alarms.ts'
import type { Content } from './body.ts'
import type { Connection, Keep, PeerAddress } from './connection.ts'
import type { ApproachContext } from './approach.ts'
import type { Connector, OpenFailure, Opened } from './connector.ts'
import type { Result } from './failure.ts'
import type { Pool } from './pool.ts'
import type { DeliveryPlan } from './routing/candidates.ts'
import type { TlsPolicy } from './tls.ts'
import type { Batch, Talk } from './walk.ts'

/** Looks up where a destination can be reached, with whatever DNS says at this moment. Never rejects. */
export type Planner = (destination: Destination, signal: AbortSignal) => Promise<DeliveryPlan>

export interface AttemptContext extends ApproachContext {
  readonly connector: Connector
  readonly planner: Planner
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

/** Carries one batch of recipients: over a connection that is open, else along the hosts of the destination. */
export class Attempts {
  readonly #context: AttemptContext
  readonly #approaches: Approaches
  readonly #busy = new Set<Connection>()

  constructor(context: AttemptContext) {
    this.#context = context
    this.#approaches = new Approaches(context)
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
    // How an open connection came by its TLS is not asked: REQUIRETLS mail has one of its own.
    const requireTls = request.message.requireTls === true
    const pooled = requireTls ? undefined : pool.take()
    if (pooled !== undefined) {
      const done = await this.#converse(pooled, request, { pool, signal, setupMs: 0, keep: true })
      if (done !== 'stale') return done
    }
    const { clock } = this.#context
    const beganMs = clock.monotonicMs()
    const direct = this.#approaches.direct(request.destination, requireTls)
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
      this.#logTls(connection, direct.tls)
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
      const approached = await this.#approaches.to(found, candidate, request, signal)
      if (approached.kind === 'not') {
        walk.failed(approached.failure)
        continue
      }
      const { approach } = approached
      const made = await this.#context.connector.open(approach, signal)
      approached.note(made)
      if (made.kind === 'open' && made.namesake === true)
        alarms.raise(request.message.id, `host ${made.connection.name} greets with my own name`)
      const opened = promised(made, request)
      walk.setupMs = clock.monotonicMs() - beganMs
      if (opened.kind === 'failed') {
        walk.failed(ofOurMaking(opened.failure, found, candidate))
        this.#logPassed(approach.peer, opened.failure)
        continue
      }
      this.#logTls(opened.connection, approach.tls)
      const how = { pool, signal, setupMs: walk.setupMs, keep: candidate.hop === 0 && !approached.special }
      const part = walk.request
      const { chunkless } = pool
      const done = await this.#converse(opened.connection, part, how)
      if (done !== 'stale') walk.talked(done)
      else if (pool.chunkless && !chunkless) walk.again()
      else walk.talked(lost(part, opened.connection))
    }
    if (walk.mayGoUnpromised && !signal.aborted) {
      const message = { ...request.message, requireTls: false }
      return await this.#along({ ...request, message }, pool, signal, beganMs)
    }
    this.#noteWalk(pool, request, walk)
    return walk.batch()
  }

  #noteWalk(pool: Pool, { message }: DeliveryRequest, { failure, sessions }: Walk): void {
    if (failure === undefined) return
    if (sessions === 0) this.#noteFailure(pool, failure)
    if (failure.result.dsn.endsWith(LOOP)) this.#context.alarms.raise(message.id, failure.result.logText)
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
  #logTls({ peer, tls, relay, capabilities }: Connection, { level }: TlsPolicy): void {
    const { protocol, host, port } = peer
    if (tls === '') {
      const isOffered = capabilities?.startTls === true && this.#context.settings()[protocol].noteStartTls
      const facts = { protocol, host, port, state: 'starttls-offered', relay, level }
      if (isOffered) this.#context.log.write('info', 'delivery.connection', facts)
      return
    }
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

/** A connection that REQUIRETLS mail may go over: the next hop must have promised the same (RFC 8689 section 4.2.1). */
function promised(opened: Opened, { message, destination }: DeliveryRequest): Opened {
  if (message.requireTls !== true || opened.kind === 'failed' || destination.protocol === 'lmtp')
    return opened
  const { connection } = opened
  if (connection.capabilities?.requireTls === true) return opened
  connection.quit()
  const text = `REQUIRETLS was not offered by host ${connection.name}`
  const result = localResult('deferred', `4${REQUIRE_TLS_STATUS.slice(1)}`, text)
  return { kind: 'failed', failure: { result, relay: connection.relay, verdict: 'other', localAddress: '' } }
}

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
