import { lookup as lookupName } from 'node:dns/promises'
import { systemClock } from '#src/base/clock.ts'
import { BodyEncoder as NativeEncoder } from '#src/match/encoder.ts'
import { readContentFacts } from './body.ts'
import { Connector } from './connector.ts'
import { needsContentFacts, plan } from './envelope.ts'
import { localResult } from './failure.ts'
import { NO_CAPABILITIES } from './handshake.ts'
import { Pool } from './pool.ts'
import { logRecipient } from './report.ts'
import { Transaction } from './transaction.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type {
  Deliverer,
  DeliveryRequest,
  Destination,
  QueuedRecipient,
  RecipientOutcome,
} from '#src/queue/ports.ts'
import type { BodyEncoder, Content } from './body.ts'
import type { Connection, Keep } from './connection.ts'
import type { Lookup, OpenFailure } from './connector.ts'
import type { Result } from './failure.ts'
import type { IdleBudget } from './pool.ts'
import type { Delays } from './report.ts'
import type { DeliverySettings } from './settings.ts'

export interface DelivererOptions {
  readonly settings: DeliverySettings
  readonly log: Log
  /** The native encoder if not given. */
  readonly createEncoder?: () => BodyEncoder
  readonly clock?: Clock
  /** Finds the addresses of a next hop's name; the system's resolver if not given. */
  readonly lookup?: Lookup
}

/** Destinations that are remembered; one beyond it is answered as if new. A queue of a million has some hundreds. */
const POOLS_MAX = 10_000

/** Deliveries that wait for room; the caller asks hasRoom first, so this is only for its races. */
const WAITING_MAX = 10_000

/** What became of a batch of recipients over one connection. */
interface Batch {
  readonly results: ReadonlyMap<number, Result>
  readonly relay: string
  readonly setupMs: number
}

interface Waiter {
  readonly pool: Pool
  readonly start: () => void
}

/** Opens the delivery side of the queue: see queue/ports.ts. Nothing is connected before the first delivery. */
export function createDeliverer(options: DelivererOptions): Deliverer {
  return new PooledDeliverer(options)
}

class PooledDeliverer implements Deliverer {
  readonly #settings: DeliverySettings
  readonly #log: Log
  readonly #clock: Clock
  readonly #connector: Connector
  readonly #pools = new Map<string, Pool>()
  readonly #waiters = new Set<Waiter>()
  readonly #listeners: (() => void)[] = []
  readonly #busy = new Set<Connection>()
  readonly #closing = new AbortController()
  /** The caller's signal joined with ours; a caller has one for all its deliveries, so it is made once. */
  readonly #joined = new WeakMap<AbortSignal, AbortSignal>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #idle: IdleBudget
  #active = 0
  #closed: (() => void) | undefined

  constructor(options: DelivererOptions) {
    this.#settings = options.settings
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#idle = { kept: 0, max: options.settings.connectionsMax }
    this.#connector = new Connector({
      settings: options.settings,
      clock: this.#clock,
      createEncoder: options.createEncoder ?? (() => new NativeEncoder()),
      lookup: options.lookup ?? systemLookup,
    })
  }

  hasRoom(destination: Destination): boolean {
    if (this.#closing.signal.aborted) return false
    const pool = this.#pools.get(keyOf(destination))
    const nowMs = this.#clock.monotonicMs()
    const room = pool === undefined ? this.#settings.concurrencyMax : pool.room(nowMs)
    return room === Infinity || (room > 0 && this.#active < this.#settings.connectionsMax)
  }

  onRoom(listener: () => void): void {
    this.#listeners.push(listener)
  }

  async deliver(request: DeliveryRequest, signal: AbortSignal): Promise<readonly RecipientOutcome[]> {
    const askedMs = this.#clock.monotonicMs()
    const queueMs = this.#clock.nowMs() - request.message.arrivedMs
    const pool = this.#poolOf(request.destination)
    const either = this.#join(signal)
    while (!this.#mayStart(pool) && (await this.#waitForRoom(pool, either)));
    const startedMs = this.#clock.monotonicMs()
    const refused = this.#refusal(pool, startedMs, either)
    const delays = { queueMs, waitMs: startedMs - askedMs, setupMs: 0, transferMs: 0 }
    if (refused !== undefined) {
      const none = {
        results: new Map(request.recipients.map((_, i) => [i, refused])),
        relay: 'none',
        setupMs: 0,
      }
      return this.#report(request, request.recipients, none, delays)
    }
    pool.begin(pool.health.state(startedMs))
    this.#active += 1
    try {
      return await this.#deliverBatches(request, pool, delays, either)
    } finally {
      pool.end()
      this.#active -= 1
      this.#roomAgain()
    }
  }

  async close(): Promise<void> {
    const ended = Promise.withResolvers<void>()
    this.#closed = ended.resolve
    this.#closing.abort()
    for (const timer of this.#timers) clearTimeout(timer)
    for (const pool of this.#pools.values()) pool.close()
    // Running ones have been cancelled; what waits for the answer to its final dot has this long.
    const timer = setTimeout(() => {
      for (const connection of this.#busy) connection.destroy()
    }, this.#settings.closeMs)
    if (this.#active > 0) await ended.promise
    clearTimeout(timer)
    this.#pools.clear()
  }

  /** Postfix's destination_recipient_limit: batches of recipients one after another, over one connection where it holds. */
  async #deliverBatches(
    request: DeliveryRequest,
    pool: Pool,
    delays: Delays,
    signal: AbortSignal,
  ): Promise<readonly RecipientOutcome[]> {
    const { recipients } = request
    const size = this.#settings.recipientsMax
    const outcomes: RecipientOutcome[] = []
    for (let at = 0; at < recipients.length; at += size) {
      const batch = recipients.length <= size ? recipients : recipients.slice(at, at + size)
      const beganMs = this.#clock.monotonicMs()
      const done = await this.#deliverBatch({ ...request, recipients: batch }, pool, signal)
      const { setupMs } = done
      const transferMs = this.#clock.monotonicMs() - beganMs - setupMs
      outcomes.push(...this.#report(request, batch, done, { ...delays, setupMs, transferMs }))
    }
    return outcomes
  }

  /** One transaction; a second one over a fresh connection when a pooled one proved dead before it took anything. */
  async #deliverBatch(request: DeliveryRequest, pool: Pool, signal: AbortSignal): Promise<Batch> {
    const pooled = pool.take()
    if (pooled !== undefined) {
      const done = await this.#converse(pooled, request, { pool, signal, setupMs: 0 })
      if (done !== 'stale') return done
    }
    const beganMs = this.#clock.monotonicMs()
    const opened = await this.#connector.open(request.destination, signal)
    const nowMs = this.#clock.monotonicMs()
    const setupMs = nowMs - beganMs
    if (opened.kind === 'failed') {
      this.#noteFailure(pool, opened.failure, nowMs)
      return {
        results: forAll(request.recipients, opened.failure.result),
        relay: opened.failure.relay,
        setupMs,
      }
    }
    const done = await this.#converse(opened.connection, request, { pool, signal, setupMs })
    if (done !== 'stale') return done
    const lost = localResult(
      'deferred',
      '4.4.2',
      `lost connection with ${opened.connection.name} while sending MAIL FROM`,
    )
    return { results: forAll(request.recipients, lost), relay: opened.connection.relay, setupMs }
  }

  async #converse(
    connection: Connection,
    request: DeliveryRequest,
    how: { readonly pool: Pool; readonly signal: AbortSignal; readonly setupMs: number },
  ): Promise<Batch | 'stale'> {
    const { message, body, recipients } = request
    const { relay } = connection
    const capabilities = connection.capabilities ?? NO_CAPABILITIES
    const content: Content = { prefix: message.prefix, body }
    let facts
    try {
      facts = needsContentFacts(message, capabilities) ? await readContentFacts(content) : undefined
    } catch {
      // The store has noted what is wrong with the body.
      how.pool.keep(connection)
      const damaged = localResult('deferred', '4.3.0', `local data error while talking to ${connection.name}`)
      return { results: forAll(recipients, damaged), relay, setupMs: how.setupMs }
    }
    const { protocol } = request.destination
    const planned = plan({
      protocol,
      peer: connection.name,
      capabilities,
      message,
      recipients,
      content: facts,
    })
    if (planned.envelope === undefined) {
      how.pool.keep(connection)
      return { results: planned.failed, relay, setupMs: how.setupMs }
    }
    const transaction = new Transaction(planned.envelope, {
      reset: connection.needsReset,
      reused: connection.uses > 0,
    })
    const keep = await this.#run(connection, transaction, content, how.signal)
    if (keep === 'clean' || keep === 'reset') how.pool.keep(connection)
    if (keep === 'stale') return 'stale'
    this.#noteTransaction(how.pool, transaction)
    const results =
      planned.failed.size === 0 ? transaction.results : new Map([...planned.failed, ...transaction.results])
    return { results, relay, setupMs: how.setupMs }
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

  /** Why a delivery does not even start. */
  #refusal(pool: Pool, nowMs: number, signal: AbortSignal): Result | undefined {
    if (signal.aborted) return localResult('deferred', '4.3.2', 'mail system is shutting down')
    const state = pool.health.state(nowMs)
    if (state.at === 'resting') {
      return localResult('deferred', state.dsn, `delivery temporarily suspended: ${state.reason}`)
    }
    if (!this.#mayStart(pool)) {
      return localResult('deferred', '4.3.2', 'delivery temporarily suspended: too many deliveries at once')
    }
    return undefined
  }

  #noteFailure(pool: Pool, failure: OpenFailure, nowMs: number): void {
    switch (failure.verdict) {
      case 'dead':
        this.#noteDead(pool, failure.result, nowMs)
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
        if (pool.health.succeeded()) this.#logHealth(pool, 'recovered', '')
        break
      case 'lost':
      case 'timeout':
      case 'garbage': {
        const last = [...transaction.results.values()].findLast((result) => result.source === 'local')
        if (last !== undefined) this.#noteDead(pool, last, this.#clock.monotonicMs())
        break
      }
      case 'local':
      case 'cancelled':
        break
    }
  }

  #noteDead(pool: Pool, result: Result, nowMs: number): void {
    if (!pool.health.failed(nowMs, result.logText, result.dsn)) return
    this.#logHealth(pool, 'resting', result.logText)
    this.#wakeIn(this.#settings.restMs)
  }

  #pause(pool: Pool): void {
    if (pool.health.pause(this.#clock.monotonicMs())) this.#wakeIn(this.#settings.pauseMs)
  }

  #logHealth(pool: Pool, state: 'resting' | 'recovered', reason: string): void {
    const { protocol, host, port } = pool.destination
    this.#log.write('warn', 'delivery.connection', {
      protocol,
      host,
      port,
      state,
      ...(reason === '' ? {} : { reason }),
    })
  }

  #report(
    request: DeliveryRequest,
    recipients: readonly QueuedRecipient[],
    batch: Batch,
    delays: Delays,
  ): RecipientOutcome[] {
    const { message } = request
    return recipients.map((recipient, index) => {
      const result = batch.results.get(index) ?? UNANSWERED
      const { relay } = batch
      logRecipient(this.#log, { message, recipient, result, relay, delays })
      return {
        n: recipient.n,
        kind: result.kind,
        reply: result.reply,
        dsn: result.dsn,
        relay,
        source: result.source,
      }
    })
  }

  #mayStart(pool: Pool): boolean {
    const room = pool.room(this.#clock.monotonicMs())
    return room === Infinity || (room > 0 && this.#active < this.#settings.connectionsMax)
  }

  /** Resolves when it may be tried again; false when there is no use in waiting. */
  #waitForRoom(pool: Pool, signal: AbortSignal): Promise<boolean> {
    if (this.#waiters.size >= WAITING_MAX || signal.aborted) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const start = (): void => {
      this.#waiters.delete(waiter)
      signal.removeEventListener('abort', start)
      resolve(!signal.aborted)
    }
    const waiter: Waiter = { pool, start }
    this.#waiters.add(waiter)
    signal.addEventListener('abort', start, { once: true })
    return promise
  }

  /** A delivery ended, or a rest or a pause is over. */
  #roomAgain(): void {
    const nowMs = this.#clock.monotonicMs()
    const woken = new Map<Pool, number>()
    let total = this.#settings.connectionsMax - this.#active
    for (const waiter of this.#waiters) {
      const already = woken.get(waiter.pool) ?? 0
      if (total <= 0 || waiter.pool.room(nowMs) <= already) continue
      woken.set(waiter.pool, already + 1)
      total -= 1
      waiter.start()
    }
    if (this.#active === 0) this.#closed?.()
    for (const listener of this.#listeners) listener()
  }

  /** Tells that there is room once a rest or a pause is over. */
  #wakeIn(ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#roomAgain()
    }, ms + 1)
    timer.unref()
    this.#timers.add(timer)
  }

  #join(signal: AbortSignal): AbortSignal {
    const known = this.#joined.get(signal)
    if (known !== undefined) return known
    const joined = AbortSignal.any([signal, this.#closing.signal])
    this.#joined.set(signal, joined)
    return joined
  }

  #poolOf(destination: Destination): Pool {
    const key = keyOf(destination)
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    if (this.#pools.size >= POOLS_MAX) this.#forget()
    const pool = new Pool(destination, this.#settings, this.#idle)
    this.#pools.set(key, pool)
    return pool
  }

  /** Makes room in the map: first what need not be remembered, then the oldest that is not in use. */
  #forget(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, pool] of this.#pools) if (pool.forgettable(nowMs)) this.#pools.delete(key)
    for (const [key, pool] of this.#pools) {
      if (this.#pools.size < POOLS_MAX) break
      if (pool.active === 0) {
        pool.close()
        this.#pools.delete(key)
      }
    }
  }
}

/** Cannot be: a transaction gives each recipient a result. Tried again rather than lost if it were. */
const UNANSWERED = localResult('deferred', '4.3.0', 'no result of the delivery attempt')

function forAll(recipients: readonly QueuedRecipient[], result: Result): ReadonlyMap<number, Result> {
  return new Map(recipients.map((_, index) => [index, result]))
}

function keyOf(destination: Destination): string {
  return `${destination.protocol}:${destination.host}:${destination.port}`
}

/** getaddrinfo(3), which knows /etc/hosts too (lmtp_host_lookup native). */
async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await lookupName(host, { all: true, order: 'verbatim' })
  return found.map((entry) => entry.address)
}
