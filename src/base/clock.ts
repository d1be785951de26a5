import { setTimeout as sleepFor } from 'node:timers/promises'

/** Time, passed in so that a test can own it. */
export interface Clock {
  /** Milliseconds since 1970 (wall clock: it may jump). For what is stored and shown. */
  nowMs(): number
  /** Milliseconds of a clock that never jumps. For durations within one process. */
  monotonicMs(): number
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal })
  },
}

/** Waits, and tells whether the time has passed (true) or the signal cut the wait short (false). */
export async function elapsed(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal)
    return true
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

/** Does `job` again and again, each time `ms` after the last one, until the signal ends that. Rejects with what it throws. */
export async function every(clock: Clock, ms: number, signal: AbortSignal, job: () => void): Promise<void> {
  while (await elapsed(clock, ms, signal)) job()
}
