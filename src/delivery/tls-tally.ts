import type { Clock } from '#src/base/clock.ts'
import { dayOf } from './peer-memory.ts'
import type { PeerMemory, TlsCount } from './peer-memory.ts'
import type { TlsRecorder } from './tls-outcome.ts'

/** So long a session is counted in memory only: a kill -9 loses no more. */
const WRITE_MS = 5000
/** Different outcomes within that time; beyond it sessions are not counted. */
const OUTCOMES_MAX = 10_000
/** Characters of a reason that are kept: it is what a peer or OpenSSL said. */
const REASON_MAX = 200

/** Counts sessions by domain, UTC day and outcome (RFC 8460), and writes them down now and then. */
export class TlsTally implements Disposable {
  readonly #memory: PeerMemory
  readonly #clock: Clock
  readonly #counts = new Map<string, { -readonly [K in keyof TlsCount]: TlsCount[K] }>()
  #timer: NodeJS.Timeout | undefined

  constructor(memory: PeerMemory, clock: Clock) {
    this.#memory = memory
    this.#clock = clock
  }

  readonly record: TlsRecorder = (domain, { source, mxHost, address, sender, failure }) => {
    const day = dayOf(this.#clock.nowMs())
    const where = failure === undefined ? ['', '', ''] : [mxHost, address, sender]
    const key = JSON.stringify([day, domain, source, failure?.type ?? '', where])
    const known = this.#counts.get(key)
    if (known !== undefined) {
      known.sessions += 1
      return
    }
    if (this.#counts.size >= OUTCOMES_MAX) return
    const [atHost = '', atAddress = '', from = ''] = where
    this.#counts.set(key, {
      day,
      domain,
      source,
      failure: failure?.type ?? '',
      mxHost: atHost,
      address: atAddress,
      sender: from,
      reason: (failure?.reason ?? '').slice(0, REASON_MAX),
      sessions: 1,
    })
    this.#timer ??= setTimeout(() => this.flush(), WRITE_MS).unref()
  }

  /** Writes what has been counted. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#counts.size === 0) return
    this.#memory.addTls([...this.#counts.values()], this.#clock.nowMs())
    this.#counts.clear()
  }

  [Symbol.dispose](): void {
    this.flush()
  }
}
