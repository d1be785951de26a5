import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { isoDay, timeOfDay } from '#src/base/local-time.ts'
import type { Log } from '#src/base/log.ts'
import type { Store } from '#src/store/sqlite.ts'

export interface SizeLogOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** 0: never. A change counts at the next start, as all that is set about the log. */
  readonly everyMs: number
  /** Reading queue.db failed: the process must end. */
  readonly onError: (error: unknown) => void
}

/** Rows counted in one step, so that mail has its turns: about 3 ms. */
const COUNT_ROWS = 2000

/**
 * Writes the size of the queue into the log at each full ten minutes of the clock, as Zimbra's cron does with zmqueuelog
 * (its crontab.mta): the line whose `QUEUE: KBYTES MESSAGES` Zimbra's loggers and people's own scripts look for.
 */
export class SizeLog {
  readonly #o: SizeLogOptions
  readonly #stop = new AbortController()

  constructor(options: SizeLogOptions) {
    this.#o = options
  }

  start(): void {
    if (this.#o.everyMs > 0) void this.#run().catch(this.#o.onError)
  }

  stop(): void {
    this.#stop.abort()
  }

  async #run(): Promise<void> {
    const { clock, everyMs, log, store } = this.#o
    const { signal } = this.#stop
    // However the clock was set meanwhile: the next one is never farther away than that.
    while (await elapsed(clock, everyMs - (clock.nowMs() % everyMs), signal)) {
      const nowMs = clock.nowMs()
      const size = await sizeOfQueue(store, signal)
      if (signal.aborted) return
      log.write('info', 'qmgr.size', { date: `${isoDay(nowMs)} ${timeOfDay(nowMs)}`, ...size })
    }
  }
}

/** The two numbers at the end of mailq, without a listing: a million messages in about a second, in small steps. */
export async function sizeOfQueue(
  store: Store,
  signal: AbortSignal,
): Promise<{ readonly kilobytes: number; readonly messages: number }> {
  const step = store
    .prepare<[number, number], [number, number | null, number | null]>(
      `SELECT count(*), sum(size), max(seq) FROM
         (SELECT seq, octet_length(prefix) + body_bytes AS size FROM message WHERE seq > ? ORDER BY seq LIMIT ?)`,
    )
    .raw()
  let messages = 0
  let bytes = 0
  for (let after = 0; !signal.aborted;) {
    const [count, size, last] = step.get(after, COUNT_ROWS) ?? [0, null, null]
    if (last === null) break
    messages += count
    bytes += size ?? 0
    after = last
    await turn()
  }
  return { kilobytes: Math.floor(bytes / 1024), messages }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
