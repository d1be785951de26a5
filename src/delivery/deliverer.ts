import { systemClock } from '#src/base/clock.ts'
import { histogram } from '#src/base/metrics.ts'
import { BodyEncoder as NativeEncoder } from '#src/match/encoder.ts'
import { Alarms } from './alarms.ts'
import { Attempts } from './attempt.ts'
import { Connector } from './connector.ts'
import { localResult } from './failure.ts'
import { genericRequest, withHeaderAddresses } from './generic.ts'
import { Pool } from './pool.ts'
import { countTaken, logRecipient } from './report.ts'
import { tableProblem } from './routing/tables.ts'
import { NO_POLICY } from './tls-outcome.ts'
import { USUAL_SESSION } from './tls-session.ts'
import { everybody } from './walk.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import type {
  Deliverer,
  DeliveryRequest,
  Destination,
  QueuedMessage,
  QueuedRecipient,
  RecipientOutcome,
} from '#src/queue/ports.ts'
import type { Secure } from './approach.ts'
import type { Planner } from './attempt.ts'
import type { BodyEncoder } from './body.ts'
import type { Result } from './failure.ts'
import type { IdleBudget } from './pool.ts'
import type { Delays } from './report.ts'
import type { Candidate } from './routing/candidates.ts'
import type { AgentSettings, DeliverySettings } from './settings.ts'
import type { TlsRecorder } from './tls-outcome.ts'
import type { Becomes, GenericRules } from './generic.ts'
import type { PeerTrouble } from './transcript.ts'
import type { Batch } from './walk.ts'

export interface DelivererOptions {
  /** In force at each attempt: a new generation of settings may have changed them. */
  readonly settings: () => DeliverySettings
  /** Finds the hosts of a destination that is more than one address. */
  readonly planner: Planner
  /** Our own names, where a peer at that address that says them must be ourselves. */
  readonly ownNames?: (candidate: Candidate) => ReadonlySet<string> | undefined
  /** What TLS and AUTH have to be at an address; the plain level of the settings if not given. */
  readonly secure?: Secure
  /** What addresses in the header of a message become wherever it goes (canonical(5)); undefined for no change of any. */
  readonly canonical?: (message: QueuedMessage) => Becomes | undefined
  /** What addresses become on their way out over SMTP (generic(5)); undefined for no such tables. */
  readonly generic?: () => GenericRules | undefined
  /** Told of each session with a domain's own hosts (RFC 8460). */
  readonly recordTls?: TlsRecorder
  /** Told of sessions with protocol errors; undefined, or where it gives undefined, nothing is written down of any. */
  readonly onTrouble?: () => ((trouble: PeerTrouble) => void) | undefined
  readonly log: Log
  /** The native encoder if not given. */
  readonly createEncoder?: () => BodyEncoder
  readonly clock?: Clock
}

/** Destinations that are remembered; one beyond it is answered as if new. A queue of a million has some hundreds. */
const POOLS_MAX = 10_000

/** Deliveries that wait for room; the caller asks hasRoom first, so this is only for its races. */
const WAITING_MAX = 10_000

type Protocol = Destination['protocol']

const attemptSeconds = histogram('postern_delivery_attempt_seconds')

interface Waiter {
  readonly pool: Pool
  readonly start: () => void
}

/** Opens the delivery side of the queue: see queue/ports.ts. Nothing is connected before the first delivery. */
export function createDeliverer(options: DelivererOptions): Deliverer {
  return new PooledDeliverer(options)
}

class PooledDeliverer implements Deliverer {
  readonly #settings: () => DeliverySettings
  readonly #log: Log
  readonly #clock: Clock
  readonly #attempts: Attempts
  readonly #canonical: (message: QueuedMessage) => Becomes | undefined
  readonly #generic: () => GenericRules | undefined
  readonly #pools = new Map<string, Pool>()
  readonly #waiters = new Set<Waiter>()
  readonly #listeners: (() => void)[] = []
  readonly #closing = new AbortController()
  /** The caller's signal joined with ours; a caller has one for all its deliveries, so it is made once. */
  readonly #joined = new WeakMap<AbortSignal, AbortSignal>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #idle: Readonly<Record<Protocol, IdleBudget>>
  /** Deliveries that run: a slow outside world must not take the mailbox servers' places. */
  readonly #active: Record<Protocol, number> = { lmtp: 0, smtp: 0 }
  readonly #notBeforeMs: Record<Protocol, number> = { lmtp: 0, smtp: 0 }
  #closed: (() => void) | undefined

  constructor(options: DelivererOptions) {
    this.#settings = options.settings
    this.#canonical = options.canonical ?? (() => undefined)
    this.#generic = options.generic ?? (() => undefined)
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    const { lmtp, smtp } = options.settings()
    this.#idle = {
      lmtp: { kept: 0, max: lmtp.connectionsMax },
      smtp: { kept: 0, max: smtp.connectionsMax },
    }
    const { clock, log } = { clock: this.#clock, log: this.#log }
    this.#attempts = new Attempts({
      connector: new Connector({
        settings: options.settings,
        clock,
        createEncoder: options.createEncoder ?? (() => new NativeEncoder()),
        onTrouble: options.onTrouble ?? (() => undefined),
      }),
      planner: options.planner,
      ownNames: options.ownNames ?? (() => undefined),
      secure: options.secure ?? plainLevel(options.settings),
      recordTls: options.recordTls ?? (() => {}),
      settings: options.settings,
      alarms: new Alarms(log, clock),
      clock,
      log,
      onRest: (ms) => this.#wakeIn(ms),
    })
  }

  hasRoom(destination: Destination): boolean {
    if (this.#closing.signal.aborted) return false
    const pool = this.#pools.get(keyOf(destination))
    const nowMs = this.#clock.monotonicMs()
    const room = pool === undefined ? 1 : pool.room(nowMs)
    return room === Infinity || (room > 0 && this.#placesLeft(destination.protocol) > 0)
  }

  onRoom(listener: () => void): void {
    this.#listeners.push(listener)
  }

  revive(): void {
    for (const pool of this.#pools.values()) pool.health.revive()
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
    const { protocol } = request.destination
    this.#active[protocol] += 1
    try {
      return await this.#deliverBatches(request, pool, delays, either)
    } finally {
      const endedMs = this.#clock.monotonicMs()
      const pauseMs = pool.end(endedMs)
      const { transportDelayMs } = this.#agent(protocol)
      this.#notBeforeMs[protocol] = endedMs + transportDelayMs
      this.#active[protocol] -= 1
      this.#roomAgain()
      if (pauseMs + transportDelayMs > 0) this.#wakeIn(Math.max(pauseMs, transportDelayMs))
    }
  }

  async close(): Promise<void> {
    const ended = Promise.withResolvers<void>()
    this.#closed = ended.resolve
    this.#closing.abort()
    for (const timer of this.#timers) clearTimeout(timer)
    for (const pool of this.#pools.values()) pool.close()
    // Running ones have been cancelled; what waits for the answer to its final dot has this long.
    const { lmtp, smtp } = this.#settings()
    const timer = setTimeout(() => this.#attempts.destroy(), Math.max(lmtp.closeMs, smtp.closeMs))
    if (this.#running > 0) await ended.promise
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
    const size = this.#agent(request.destination.protocol).recipientsMax
    const outcomes: RecipientOutcome[] = []
    for (let at = 0; at < recipients.length; at += size) {
      const batch = recipients.length <= size ? recipients : recipients.slice(at, at + size)
      const beganMs = this.#clock.monotonicMs()
      const done = await this.#carry({ ...request, recipients: batch }, pool, signal)
      const { setupMs } = done
      const transferMs = this.#clock.monotonicMs() - beganMs - setupMs
      attemptSeconds.of(request.destination.protocol).observeMs(setupMs + transferMs)
      outcomes.push(...this.#report(request, batch, done, { ...delays, setupMs, transferMs }))
    }
    return outcomes
  }

  /** Mailbox servers are told addresses as they are; canonical ones are what they are. */
  #carry(given: DeliveryRequest, pool: Pool, signal: AbortSignal): Promise<Batch> {
    const become = this.#canonical(given.message)
    const request = become === undefined ? given : withHeaderAddresses(given, become)
    const rules = request.destination.protocol === 'smtp' ? this.#generic() : undefined
    if (rules === undefined) return this.#attempts.carry(request, pool, signal)
    const problem = tableProblem(rules.tables)
    if (problem === '') return this.#attempts.carry(genericRequest(request, rules), pool, signal)
    const result = localResult('deferred', '4.3.0', `smtp_generic_maps: ${problem}`)
    return Promise.resolve({ ...everybody(request, result, 'none'), setupMs: 0 })
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

  #report(
    request: DeliveryRequest,
    recipients: readonly QueuedRecipient[],
    batch: Batch,
    delays: Delays,
  ): RecipientOutcome[] {
    const { message, destination } = request
    const nexthop = keyOf(destination)
    if (recipients.some((_, index) => batch.results.get(index)?.kind === 'sent')) countTaken(nexthop, message)
    return recipients.map((recipient, index) => {
      const result = batch.results.get(index) ?? UNANSWERED
      const relay = batch.relays?.get(index) ?? batch.relay
      logRecipient(this.#log, { message, recipient, result, relay, delays, nexthop })
      return {
        n: recipient.n,
        kind: result.kind,
        reply: result.reply,
        ...(result.logText === result.reply ? {} : { sentence: result.logText }),
        dsn: result.dsn,
        relay,
        source: result.source,
        ...(result.arrival === undefined ? {} : { arrival: result.arrival }),
      }
    })
  }

  #mayStart(pool: Pool): boolean {
    const room = pool.room(this.#clock.monotonicMs())
    return room === Infinity || (room > 0 && this.#placesLeft(pool.destination.protocol) > 0)
  }

  #agent(protocol: Protocol): AgentSettings {
    return this.#settings()[protocol]
  }

  #placesLeft(protocol: Protocol): number {
    const { connectionsMax, transportDelayMs } = this.#agent(protocol)
    if (transportDelayMs === 0) return connectionsMax - this.#active[protocol]
    return this.#active[protocol] > 0 || this.#clock.monotonicMs() < this.#notBeforeMs[protocol] ? 0 : 1
  }

  get #running(): number {
    return this.#active.lmtp + this.#active.smtp
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
    const total = { lmtp: this.#placesLeft('lmtp'), smtp: this.#placesLeft('smtp') }
    for (const waiter of this.#waiters) {
      const { protocol } = waiter.pool.destination
      const already = woken.get(waiter.pool) ?? 0
      if (total[protocol] <= 0 || waiter.pool.room(nowMs) <= already) continue
      woken.set(waiter.pool, already + 1)
      total[protocol] -= 1
      waiter.start()
    }
    if (this.#running === 0) this.#closed?.()
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
    const { protocol } = destination
    const pool = new Pool(destination, () => this.#agent(protocol), this.#idle[protocol])
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

function keyOf(destination: Destination): string {
  return `${destination.protocol}:${destination.host}:${destination.port}`
}

/** For levels that need to know nothing of the peer; any other is not watered down, but waits for its rules. */
function plainLevel(settings: () => DeliverySettings): Secure {
  return (_target, protocol) => {
    const { tls } = settings()[protocol]
    if (tls === 'none' || tls === 'may' || tls === 'encrypt')
      return Promise.resolve({
        kind: 'use',
        policy: { level: tls, session: USUAL_SESSION },
        source: NO_POLICY,
        credentials: undefined,
      })
    return Promise.resolve({ kind: 'deferred', dsn: '4.3.5', reason: `no rules for TLS level ${tls}` })
  }
}
