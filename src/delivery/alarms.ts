import { raiseAlarm } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'

/** One mistake touches every message; a line for each of them would bury the rest of the log. */
const REPEAT_MS = 600_000
/** Texts that are remembered: each names a next hop that somebody here has written down, or one that loops. */
const TEXTS_MAX = 1000

/** Tells an administrator what only he can mend, each thing once in ten minutes. */
export class Alarms {
  readonly #log: Log
  readonly #clock: Clock
  readonly #saidMs = new Map<string, number>()

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** '' is no alarm. `id`: the message that met it. */
  raise(id: string, reason: string): void {
    if (reason === '') return
    const nowMs = this.#clock.monotonicMs()
    const saidMs = this.#saidMs.get(reason)
    if (saidMs !== undefined && nowMs - saidMs < REPEAT_MS) return
    this.#saidMs.delete(reason)
    if (this.#saidMs.size >= TEXTS_MAX) {
      const [oldest] = this.#saidMs.keys()
      if (oldest !== undefined) this.#saidMs.delete(oldest)
    }
    this.#saidMs.set(reason, nowMs)
    raiseAlarm('DELIVERY_MISCONFIGURED', '', reason)
    this.#log.write('error', 'delivery.alarm', { id, reason })
  }
}
