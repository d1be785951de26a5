import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { VERSION } from '#src/base/version.ts'
import type { AgentxSocket } from '#src/config/snmp.ts'
import { socketText } from '#src/config/snmp.ts'
import type { HealthReader } from '#src/health/reader.ts'
import { LOOK_MS } from '#src/health/reader.ts'
import { EMPTY_STATE } from '#src/health/read-state.ts'
import type { HealthState } from '#src/health/state.ts'
import { MTA, mtaInstances } from './mta.ts'
import { APPLICATION, applInstances } from './network-services.ts'
import { POSTERN, posternInstances } from './postern.ts'
import { Rows } from './rows.ts'
import { AgentxSession } from './session.ts'
import { Memory } from './sight.ts'
import { Teller } from './teller.ts'
import { Told } from './told.ts'

export interface SnmpAgentOptions {
  readonly socket: AgentxSocket
  readonly reader: Pick<HealthReader, 'state'>
  readonly log: Log
  readonly clock: Clock
  /** Where it is kept which alarms were told. It is made where it is not there. */
  readonly ownFolder: string
}

/** The same rows are answered for so long: a thousand questions a second cost mail nothing. */
const FRESH_MS = 1000
/** Whoever asks waits no longer for a state; then the last one counts, and posternStateAge says how old it is. */
const PATIENCE_MS = 1000
/** After a session has ended; the last one again and again. snmpd is restarted in less than a second. */
const AGAIN_MS = [500, 1000, 2000, 5000, 10_000, 30_000] as const
/** A session that held for so long was a good one. */
const GOOD_MS = 60_000
/** Trees that we answer for. */
const SUBTREES = [APPLICATION, MTA, POSTERN].map((oid) => oid.join('.'))

/**
 * The AgentX subagent (RFC 2741): hands our rows to snmpd, and alarms as notifications. It goes on by itself whatever snmpd
 * does, and costs mail nothing.
 */
export class SnmpAgent {
  readonly #o: SnmpAgentOptions
  readonly #memory = new Memory()
  readonly #teller: Teller
  /** The one that is open; the other may still have to be. */
  #session: AgentxSession | undefined
  #newest: AgentxSession | undefined
  #state: HealthState = EMPTY_STATE
  /** When master has answered last. */
  #readMs: number
  #rows: { readonly untilMs: number; readonly rows: Rows } | undefined
  #building: Promise<Rows> | undefined
  #told = ''

  constructor(options: SnmpAgentOptions) {
    this.#o = options
    const { clock, log, ownFolder } = options
    this.#readMs = clock.monotonicMs()
    const told = new Told(join(ownFolder, 'snmp-told.json'), (reason) => this.#wrong(reason))
    this.#memory.alarms.know(told.all)
    this.#teller = new Teller(told, this.#memory.alarms, log)
  }

  /** Serves until the signal. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#newest?.end('we end'), { once: true })
    await Promise.all([this.#serve(signal), this.#watch(signal)])
  }

  /** Keeps a session with snmpd, a new one whenever the last has ended. */
  async #serve(signal: AbortSignal): Promise<void> {
    const { clock, log, socket } = this.#o
    const where = socketText(socket)
    let failures = 0
    let told = ''
    while (!signal.aborted) {
      const fromMs = clock.monotonicMs()
      const session = this.#newSession()
      this.#newest = session
      if (await session.open()) {
        this.#session = session
        log.write('info', 'snmp.start', { socket: where })
        void this.#look()
        told = ''
      }
      const reason = await session.ended
      this.#session = undefined
      if (signal.aborted) return
      failures = clock.monotonicMs() - fromMs > GOOD_MS ? 0 : failures + 1
      if (reason !== told) log.write('warn', 'snmp.lost', { socket: where, reason })
      told = reason
      await elapsed(clock, AGAIN_MS[Math.min(failures, AGAIN_MS.length) - 1] ?? AGAIN_MS[0], signal)
    }
  }

  #newSession(): AgentxSession {
    const { clock, socket } = this.#o
    return new AgentxSession({
      socket,
      clock,
      description: `Postern ${VERSION}`,
      identity: POSTERN.join('.'),
      subtrees: SUBTREES,
      rows: () => this.#fresh(),
      onError: (reason) => this.#wrong(reason),
    })
  }

  /** Looks for alarms and at what has changed, whether or not anybody asks. */
  async #watch(signal: AbortSignal): Promise<void> {
    do await this.#look()
    while (await elapsed(this.#o.clock, LOOK_MS, signal))
  }

  async #look(): Promise<void> {
    this.#note(await this.#o.reader.state())
    if (this.#session !== undefined) await this.#teller.look(this.#state, this.#session)
  }

  #note(state: HealthState): void {
    if (state === this.#state) return
    this.#state = state
    const nowMs = this.#o.clock.monotonicMs()
    if (state.master.kind === 'ok') this.#readMs = nowMs
    this.#memory.note(state, nowMs)
  }

  #fresh(): Rows | Promise<Rows> {
    const known = this.#rows
    if (known !== undefined && this.#o.clock.monotonicMs() < known.untilMs) return known.rows
    this.#building ??= this.#build().finally(() => {
      this.#building = undefined
    })
    return this.#building
  }

  async #build(): Promise<Rows> {
    const { clock, reader } = this.#o
    const over = new AbortController()
    const late = elapsed(clock, PATIENCE_MS, over.signal).then(() => this.#state)
    this.#note(await Promise.race([reader.state(), late]))
    over.abort()
    const nowMs = clock.monotonicMs()
    const rows = this.#rowsAt(nowMs)
    this.#rows = { untilMs: nowMs + FRESH_MS, rows }
    return rows
  }

  #rowsAt(nowMs: number): Rows {
    const sight = {
      state: this.#state,
      nowMs,
      readMs: this.#readMs,
      sysUpTimeS: this.#session?.sysUpTimeS ?? 0,
      memory: this.#memory,
    }
    return new Rows([...applInstances(sight), ...mtaInstances(sight), ...posternInstances(sight)])
  }

  /** Said once as long as it is the same. */
  #wrong(reason: string): void {
    if (reason === this.#told) return
    this.#told = reason
    this.#o.log.write('error', 'snmp.error', { reason })
  }
}
