import { clearAlarm, raiseAlarm } from '#src/base/alarms.ts'
import { counter, histogram } from '#src/base/metrics.ts'
import { isLoopback } from '#src/net/addresses.ts'
import { AnswerCache } from './cache.ts'
import { exchange } from './exchange.ts'
import { dnsName } from './records.ts'
import { Turnstile } from './turnstile.ts'
import { followReply, startChain } from './chain.ts'
import type { Clock } from '#src/base/clock.ts'
import type { AnyAnswer } from './cache.ts'
import type { DnsServer, Exchanged } from './exchange.ts'
import type { Answer, NameLookup, RecordData, RecordType, UnknownCause } from './records.ts'

const lookups = counter('postern_dns_lookups_total')
const lookupSeconds = histogram('postern_dns_lookup_seconds').of()

export interface ResolverOptions {
  /** Asked in this order. One validating resolver on this machine is best: see docs/dns.md. */
  readonly servers: readonly DnsServer[]
  readonly clock: Clock
  /**
   * Whether to believe the AD bit of a server that is not on this machine (RFC 4035 section 4.9.3: only over a
   * way that is safe). On loopback it is always believed.
   */
  readonly trustAd?: boolean
  readonly limits?: ResolverLimits
}

export interface ResolverLimits {
  /** For the whole of one lookup: every try, TCP, and every alias that has to be asked for by itself. */
  readonly budgetMs: number
  /** For the first try over UDP; the second has what is left. */
  readonly firstTryMs: number
  /** Exchanges under way at once: each holds a socket. */
  readonly exchangesMax: number
}

/** Two tries within five seconds are what the C library does in ten; the queue comes back anyway. */
const DEFAULT_LIMITS: ResolverLimits = { budgetMs: 5000, firstTryMs: 2000, exchangesMax: 200 }

const TRIES = 2
/** However long a TTL says (RFC 8767 section 4 has a week at most; a day is what unbound keeps). */
const TTL_MAX_SECONDS = 86_400
/** RFC 2308 section 5: one to three hours. */
const NEGATIVE_TTL_MAX_SECONDS = 3600
/** RFC 9520 section 3.2 wants a second at least, so that a broken domain is not asked for in a storm. */
const FAILURE_TTL_MS = 5000

/** A question under way, and how many wait for it. */
interface Flight {
  readonly answer: Promise<AnyAnswer>
  readonly abort: AbortController
  waiting: number
}

/** Counters for the metrics. They only grow. */
export interface ResolverCounters {
  readonly lookups: number
  readonly cacheHits: number
  readonly exchanges: number
  readonly unknown: number
}

/**
 * Asks a validating resolver, and tells apart what exists, what does not, and what is not known. Equal questions
 * at one time are one exchange; answers are kept for their TTL.
 */
export class Resolver implements NameLookup {
  readonly #servers: readonly DnsServer[]
  readonly #clock: Clock
  readonly #trustAd: boolean
  readonly #limits: ResolverLimits
  readonly #cache = new AnswerCache()
  readonly #flights = new Map<string, Flight>()
  readonly #turnstile: Turnstile
  /** Questions in a row to which no server had an answer. */
  #silent = 0
  readonly #counters = { lookups: 0, cacheHits: 0, exchanges: 0, unknown: 0 }

  constructor(options: ResolverOptions) {
    this.#servers = options.servers
    this.#clock = options.clock
    this.#trustAd = options.trustAd ?? false
    this.#limits = options.limits ?? DEFAULT_LIMITS
    this.#turnstile = new Turnstile(this.#limits.exchangesMax)
  }

  get counters(): ResolverCounters {
    return { ...this.#counters }
  }

  /** Forgets every answer: the administrator has mended something and does not want to wait. */
  clear(): void {
    this.#cache.clear()
  }

  async lookup<T extends RecordType>(
    name: string,
    type: T,
    signal?: AbortSignal,
  ): Promise<Answer<RecordData[T]>> {
    // oxlint-disable-next-line no-unsafe-type-assertion -- what is kept under a key was decoded for the type in it
    const answer = (await this.#lookup(name, type, signal)) as Answer<RecordData[T]>
    if (answer.kind === 'unknown') this.#counters.unknown += 1
    return answer
  }

  async #lookup(name: string, type: RecordType, signal: AbortSignal | undefined): Promise<AnyAnswer> {
    this.#counters.lookups += 1
    const asked = dnsName(name)
    if (asked === undefined) {
      // What cannot be asked for cannot exist.
      return { kind: 'none', why: 'nxdomain', canonicalName: name, secure: false, ttlSeconds: 0 }
    }
    if (signal?.aborted === true) return unknown('cancelled', 'cancelled')
    const key = `${type} ${asked}`
    const kept = this.#cache.get(key, this.#clock.monotonicMs())
    if (kept !== undefined) {
      this.#counters.cacheHits += 1
      return kept
    }
    const flight = this.#flights.get(key) ?? this.#start(key, asked, type)
    return await this.#join(key, flight, signal)
  }

  #start(key: string, name: string, type: RecordType): Flight {
    const abort = new AbortController()
    const timer = setTimeout(() => {
      abort.abort()
    }, this.#limits.budgetMs)
    const fromMs = performance.now()
    const answer = this.#resolve(name, type, abort.signal).then((found) => {
      lookups.of(type.toLowerCase(), found.kind).add()
      lookupSeconds.observeMs(performance.now() - fromMs)
      this.#judgeServers(found)
      clearTimeout(timer)
      const ms = keepMs(found)
      if (ms > 0) this.#cache.put(key, found, this.#clock.monotonicMs() + ms)
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
      return found
    })
    const flight: Flight = { answer, abort, waiting: 0 }
    this.#flights.set(key, flight)
    return flight
  }

  /** A name that cannot be resolved is its owner's affair; a resolver that says nothing to any question is ours. */
  #judgeServers(found: AnyAnswer): void {
    if (found.kind !== 'unknown') {
      if (this.#silent >= SILENT_MAX) clearAlarm('DNS_FAILING')
      this.#silent = 0
    } else if (SILENT_CAUSES.has(found.cause)) {
      this.#silent += 1
      if (this.#silent === SILENT_MAX) raiseAlarm('DNS_FAILING', '', found.detail)
    }
  }

  /** Waits along. When the last that waits gives up, the flight ends too. */
  async #join(key: string, flight: Flight, signal: AbortSignal | undefined): Promise<AnyAnswer> {
    flight.waiting += 1
    const { promise, resolve } = Promise.withResolvers<AnyAnswer>()
    const giveUp = (): void => {
      resolve(unknown('cancelled', 'cancelled'))
      flight.waiting -= 1
      if (flight.waiting > 0) return
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
      flight.abort.abort(NOBODY_WAITS)
    }
    signal?.addEventListener('abort', giveUp, { once: true })
    void flight.answer.then(resolve)
    const answer = await promise
    signal?.removeEventListener('abort', giveUp)
    return answer
  }

  async #resolve(name: string, type: RecordType, signal: AbortSignal): Promise<AnyAnswer> {
    const deadlineMs = performance.now() + this.#limits.budgetMs
    let chain = startChain(name, type)
    // Ends: each round but the last follows an alias more, and those are counted.
    for (;;) {
      const said = await this.#ask({ name: chain.at, type, deadlineMs }, signal)
      if (said.kind === 'failed') return unknown(said.cause, said.detail)
      const followed = followReply(chain, said.message, said.authentic)
      if (followed.kind === 'done') return followed.answer
      ;({ chain } = followed)
    }
  }

  /** One question to the servers in turn, until one of them knows. */
  async #ask(asked: Asked, signal: AbortSignal): Promise<Said> {
    let last: Said = { kind: 'failed', cause: 'unreachable', detail: 'no DNS server is configured' }
    for (let n = 0; n < TRIES; n++) {
      const server = this.#servers[n % this.#servers.length]
      if (server === undefined) return last
      const leftMs = Math.max(1, asked.deadlineMs - performance.now())
      const udpMs = n === TRIES - 1 ? leftMs : Math.min(leftMs, this.#limits.firstTryMs)
      const exchanged = await this.#turnstile.pass(async () => {
        this.#counters.exchanges += 1
        return await exchange(server, asked, { udpMs, tcpMs: leftMs }, signal)
      }, signal)
      if (exchanged === undefined && !signal.aborted) return OVERLOAD
      if (exchanged === undefined || signal.aborted) return outOfTime(signal, server)
      last = this.#judge(exchanged, server)
      if (last.kind === 'said' || !this.#isWorthAsking(last.cause)) return last
    }
    return last
  }

  /** A server that could not find out will not find out at once; another one might. */
  #isWorthAsking(cause: UnknownCause): boolean {
    switch (cause) {
      case 'timeout':
      case 'unreachable':
      case 'malformed':
        return true
      case 'servfail':
      case 'refused':
        return this.#servers.length > 1
      case 'bogus':
      case 'loop':
      case 'overload':
      case 'cancelled':
        return false
    }
  }

  #judge(exchanged: Exchanged, server: DnsServer): Said {
    if (exchanged.kind === 'failed') return exchanged
    const { message } = exchanged
    const isOurs = this.#trustAd || isLoopback(server.address)
    if (message.rcode === 0 || message.rcode === 3) {
      return { kind: 'said', message, authentic: message.authentic && isOurs }
    }
    const errors =
      message.extendedErrors.length === 0 ? '' : `, extended error ${message.extendedErrors.join(', ')}`
    const detail = `RCODE ${message.rcode} from ${server.address}${errors}`
    if (message.rcode !== 2) return { kind: 'failed', cause: 'refused', detail }
    const isBogus = message.extendedErrors.some((code) => DNSSEC_ERRORS.has(code))
    return { kind: 'failed', cause: isBogus ? 'bogus' : 'servfail', detail }
  }
}

interface Asked {
  readonly name: string
  readonly type: RecordType
  readonly deadlineMs: number
}

/** What a server said that may be read, or why there is nothing to read. */
type Said =
  | {
      readonly kind: 'said'
      readonly message: (Exchanged & { kind: 'reply' })['message']
      readonly authentic: boolean
    }
  | { readonly kind: 'failed'; readonly cause: UnknownCause; readonly detail: string }

/** So many questions in a row without an answer are no accident of one name. */
const SILENT_MAX = 5
const SILENT_CAUSES: ReadonlySet<UnknownCause> = new Set(['timeout', 'unreachable', 'refused', 'malformed'])

const NOBODY_WAITS = Symbol('nobody waits')
const OVERLOAD: Said = { kind: 'failed', cause: 'overload', detail: 'too many DNS questions at once' }

/** RFC 8914 section 4: algorithm or digest not supported, bogus, signatures or keys out of date or missing, no proof. */
const DNSSEC_ERRORS: ReadonlySet<number> = new Set([1, 2, 5, 6, 7, 8, 9, 10, 11, 12])

function outOfTime(signal: AbortSignal, server: DnsServer): Said {
  if (signal.reason === NOBODY_WAITS) return { kind: 'failed', cause: 'cancelled', detail: 'cancelled' }
  return { kind: 'failed', cause: 'timeout', detail: `no answer from ${server.address} in time` }
}

function unknown(cause: UnknownCause, detail: string): AnyAnswer {
  return { kind: 'unknown', cause, detail }
}

/** How long an answer may be kept, milliseconds; 0 for not at all. */
function keepMs(answer: AnyAnswer): number {
  switch (answer.kind) {
    case 'found':
      return 1000 * Math.min(answer.ttlSeconds, TTL_MAX_SECONDS)
    case 'none':
      return 1000 * Math.min(answer.ttlSeconds, NEGATIVE_TTL_MAX_SECONDS)
    case 'unknown':
      return KEPT_CAUSES.has(answer.cause) ? FAILURE_TTL_MS : 0
  }
}

/** Not those of our own making, and not a resolver that is being restarted: asking it again costs nothing. */
const KEPT_CAUSES: ReadonlySet<UnknownCause> = new Set([
  'servfail',
  'bogus',
  'refused',
  'timeout',
  'malformed',
  'loop',
])
