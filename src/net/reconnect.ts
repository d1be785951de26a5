import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'

/** Pauses between two tries, in milliseconds: `minMs` after a connection that stood, doubled up to `maxMs`. */
export interface Pauses {
  readonly minMs: number
  readonly maxMs: number
}

/**
 * Keeps a connection to another process of ours: connects, and again whenever it is lost. `connect` lives as long as
 * its connection and resolves with whether it came about; it never rejects. Ends when `signal` says so.
 */
export async function keepConnected(
  connect: () => Promise<boolean>,
  pauses: Pauses,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = pauses.minMs
  while (!signal.aborted) {
    if (await connect()) pauseMs = pauses.minMs
    if (!(await elapsed(clock, pauseMs, signal))) return
    pauseMs = Math.min(pauseMs * 2, pauses.maxMs)
  }
}
