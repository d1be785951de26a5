import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { PollAnswer } from '#src/directory/service.ts'
import { LdapAlarms } from './alarms.ts'
import { failureOf } from './connection.ts'
import type { LdapConnection } from './connection.ts'
import type { Mirror } from './mirror.ts'
import type { LdapServers } from './servers.ts'
import { ServerChoice } from './servers.ts'
import { Standbys } from './standby.ts'
import type { Round } from './sync.ts'
import { Sync } from './sync.ts'
import type { Kind } from './wanted.ts'

export interface LdapSourceOptions {
  readonly servers: LdapServers
  /** Where searches begin. */
  readonly base: string
  /** At the latest after so long the directory is compared with the mirror. */
  readonly pollMs: number
  readonly kinds: readonly Kind[]
  readonly mirror: Mirror
  readonly clock: Clock
  readonly log: Log
  /** The mirror has changed, or what `status` shows has. */
  readonly onChange: (changed: number) => void
}

/** How often a server's contextCSN is looked at: a change is live within that. It is one read of one entry. */
const LOOK_MS = 2000
/** While another server than the first serves, the first is tried again so often. */
const RETURN_MS = 60_000
/** A round that changes little and takes longer than this is an alarm: whoever asks live waits as long. */
const SLOW_MS = 3000
/** Rounds that bring more than this may take their time. */
const SLOW_CHANGES_MAX = 100

interface Waiting {
  readonly resolve: (answer: PollAnswer) => void
}

/** Keeps the mirror at the state of an LDAP directory, whatever becomes of its servers. */
export class LdapSource {
  readonly alarms: LdapAlarms
  readonly choice: ServerChoice
  readonly #options: LdapSourceOptions
  readonly #sync: Sync
  readonly #standbys: Standbys
  readonly #stop = new AbortController()
  #connection: LdapConnection | undefined
  #triedFirstMs = 0
  #wake = new AbortController()
  #waiting: Waiting[] = []
  #accept = false
  #ended: Promise<void> | undefined

  constructor(options: LdapSourceOptions) {
    const { servers, clock, log, mirror, kinds, base, pollMs } = options
    this.#options = options
    this.alarms = new LdapAlarms(log)
    this.choice = new ServerChoice(servers, clock, this.alarms)
    this.#sync = new Sync({ mirror, kinds, base, compareMs: pollMs })
    this.#standbys = new Standbys({
      urls: servers.urls,
      base,
      mirror,
      clock,
      alarms: this.alarms,
      choice: this.choice,
      current: () => this.url,
      onChange: () => options.onChange(0),
    })
  }

  /** Begins, and goes on until it is closed. */
  start(): void {
    this.#ended = this.#run()
  }

  /** The server that was spoken to last with success; undefined while none can be. */
  get url(): string | undefined {
    return this.#connection?.url
  }

  /** Looks at the directory at once; resolves when that is done. */
  poll(): Promise<PollAnswer> {
    this.#sync.compareNext()
    return this.#soon()
  }

  /** Takes over what was held back, and the server that is behind. */
  accept(): Promise<PollAnswer> {
    this.#accept = true
    return this.#soon()
  }

  /** Somebody else has met a server that does not answer: it is looked at now. */
  doubt(): void {
    this.#wake.abort()
  }

  /** What `postern status` shows. */
  get status(): Facts {
    const { mirror, clock } = this.#options
    const { state } = mirror
    return {
      source: 'ldap',
      server: this.url ?? 'none',
      snapshotAgeS:
        state.verifiedMs === 0 ? null : Math.max(0, Math.round((clock.nowMs() - this.#verifiedMs) / 1000)),
      entries: mirror.size,
      contextCSN: state.contextCsns,
      alarms: this.alarms.list,
    }
  }

  #lastVerifiedMs = 0
  get #verifiedMs(): number {
    return Math.max(this.#lastVerifiedMs, this.#options.mirror.state.verifiedMs)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake.abort()
    this.#connection?.close()
    await this.#ended
    await this.#standbys.ended()
  }

  #soon(): Promise<PollAnswer> {
    const { promise, resolve } = Promise.withResolvers<PollAnswer>()
    this.#waiting.push({ resolve })
    this.choice.forgive()
    this.#wake.abort()
    return promise
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waiting = this.#waiting.splice(0)
      this.#wake = new AbortController()
      const answer = await this.#look()
      this.#standbys.look(this.#stop.signal, waiting.length > 0)
      for (const { resolve } of waiting) resolve(answer)
      if (this.#waiting.length > 0) continue
      const until = AbortSignal.any([this.#stop.signal, this.#wake.signal])
      await elapsed(this.#options.clock, LOOK_MS, until)
    }
    for (const { resolve } of this.#waiting) resolve({ kind: 'unavailable', reason: 'the process ends' })
  }

  /** One look at the directory, at the next server where one fails, until none is left. */
  async #look(): Promise<PollAnswer> {
    const { signal } = this.#stop
    await this.#returnToFirst()
    for (;;) {
      this.#connection ??= await this.choice.open(signal)
      const connection = this.#connection
      if (connection === undefined) {
        this.#options.onChange(0)
        return { kind: 'unavailable', reason: this.alarms.list.join('; ') }
      }
      try {
        return await this.#round(connection)
      } catch (error) {
        connection.close()
        this.#connection = undefined
        if (signal.aborted) return { kind: 'unavailable', reason: 'the process ends' }
        this.choice.failed(connection.url, failureOf(error))
      }
    }
  }

  async #round(connection: LdapConnection): Promise<PollAnswer> {
    const { clock, log, onChange } = this.#options
    const accept = this.#accept
    const startedMs = clock.monotonicMs()
    const nowMs = clock.nowMs()
    const round = await this.#sync.round(connection, {
      nowMs,
      monotonicMs: startedMs,
      signal: this.#stop.signal,
      accept,
    })
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    if (accept) this.#accept = false
    this.#lastVerifiedMs = nowMs
    const nonsense = this.#nonsenseOf(round)
    this.choice.served(connection.url, nonsense === '')
    if (nonsense !== '') this.alarms.raise('LDAP_NONSENSE', connection.url, nonsense)
    this.#judgeSpeed(connection.url, tookMs, round.changed)
    if (round.changed > 0)
      log.write('info', 'directory.sync', { url: connection.url, changed: round.changed, tookMs })
    onChange(round.changed)
    if (round.kind === 'held') return { kind: 'unavailable', reason: round.reason }
    return { kind: 'ok', changed: round.changed }
  }

  /** What of the server's words was not believed; '' if all were. */
  #nonsenseOf(round: Round): string {
    if (round.kind === 'held') return `${round.reason}; "postern directory accept" takes it over`
    const { odd } = this.#sync
    return odd.length === 0
      ? ''
      : `it shows ${odd.length === 1 ? '' : `${odd.length} such entries: `}${odd[0] ?? ''}`
  }

  #judgeSpeed(url: string, tookMs: number, changed: number): void {
    if (tookMs < SLOW_MS) this.alarms.clear('LDAP_SLOW', url)
    else if (changed <= SLOW_CHANGES_MAX)
      this.alarms.raise(
        'LDAP_SLOW',
        url,
        'the server takes seconds to answer; see directory.sync and its own log',
      )
  }

  /** A better server than the one that serves may be there again. */
  async #returnToFirst(): Promise<void> {
    const { clock } = this.#options
    const current = this.#connection
    if (current === undefined || this.choice.isFirst(current.url)) {
      this.#triedFirstMs = clock.monotonicMs()
      return
    }
    if (clock.monotonicMs() - this.#triedFirstMs < RETURN_MS) return
    this.#triedFirstMs = clock.monotonicMs()
    const better = await this.choice.open(this.#stop.signal, current.url)
    if (better === undefined) return
    current.close()
    this.#connection = better
  }
}
