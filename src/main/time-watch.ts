import { clearAlarm, raiseAlarm } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import { TIME_SERVICES, timeState } from '#src/workers/time-service.ts'
import type { TimeServices } from '#src/workers/time-service.ts'

/** How often it is looked. */
const LOOK_MS = 60_000
/** A time service that was just started, or whose network is away for a moment, is given so long. */
const UNKEPT_MS = 900_000
/** Beside the alarm of master's that the clock was set. */
const ALARM_KEY = 'time service'

/**
 * Raises an alarm where nobody keeps the clock right. In the queue manager: retries, expiry and reports go by the clock,
 * and master has no network to ask the time service over.
 */
export class TimeWatch {
  readonly #clock: Clock
  readonly #services: TimeServices
  #unkeptMs: number | undefined

  constructor(clock: Clock, services = TIME_SERVICES) {
    this.#clock = clock
    this.#services = services
  }

  /** Looks now and every minute, until the process ends. */
  start(): void {
    setInterval(() => void this.look(), LOOK_MS).unref()
    void this.look()
  }

  /** Looks now. Never rejects. */
  async look(): Promise<void> {
    const state = await timeState(this.#services, this.#clock.nowMs())
    if (state.kind !== 'unkept') {
      if (this.#unkeptMs !== undefined) clearAlarm('CLOCK_WRONG', ALARM_KEY)
      this.#unkeptMs = undefined
      return
    }
    const nowMs = this.#clock.monotonicMs()
    this.#unkeptMs ??= nowMs
    if (nowMs - this.#unkeptMs >= UNKEPT_MS) raiseAlarm('CLOCK_WRONG', ALARM_KEY, state.reason)
  }
}
