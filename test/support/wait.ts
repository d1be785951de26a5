import { setTimeout as sleep } from 'node:timers/promises'

/** How often a condition of another process is looked at: there is no event to wait for. */
const POLL_MS = 25

/**
 * Resolves with what `probe` gives as soon as that is neither undefined nor false; rejects after `withinMs`, a
 * bound that a hung machine would need and no assertion about speed, naming what was waited for.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 180_000,
): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain until ${what}`)
    await sleep(POLL_MS)
  }
}
