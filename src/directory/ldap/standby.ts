import type { Clock } from '#src/base/clock.ts'
import type { LdapAlarms } from './alarms.ts'
import { failureOf } from './connection.ts'
import type { Mirror } from './mirror.ts'
import { isBehind, readContextCsns } from './reading.ts'
import type { ServerChoice } from './servers.ts'

export interface StandbyOptions {
  readonly urls: readonly string[]
  readonly base: string
  readonly mirror: Mirror
  readonly clock: Clock
  readonly alarms: LdapAlarms
  readonly choice: ServerChoice
  /** The server that serves; undefined while none does. */
  readonly current: () => string | undefined
  /** Alarms have changed. */
  readonly onChange: () => void
}

/** So often the servers behind the one that serves are looked at: one connection and one read each. */
const LOOK_MS = 60_000

/**
 * Looks at the servers that would serve next. One of them that is down, or has stopped following, is told before it is
 * needed; and what was wrong with one is told to be over although nobody asks it for anything.
 */
export class Standbys {
  readonly #options: StandbyOptions
  #lookedMs = Number.NEGATIVE_INFINITY
  /** What was known at the look before: who lacks that now lags by a minute, and not by the moment that all replicas do. */
  #earlierCsns: readonly string[] = []
  #underWay: Promise<void> | undefined

  constructor(options: StandbyOptions) {
    this.#options = options
  }

  /** Begins a look where it is time for one, or `now`; nobody waits for it. */
  look(signal: AbortSignal, isNow: boolean): void {
    const nowMs = this.#options.clock.monotonicMs()
    const isTime = nowMs - this.#lookedMs >= LOOK_MS
    if (this.#underWay !== undefined || (!isTime && !isNow)) return
    const earlier = this.#earlierCsns
    if (isTime) {
      this.#lookedMs = nowMs
      this.#earlierCsns = this.#options.mirror.state.seenCsns
    }
    this.#underWay = this.#lookAll(earlier, signal).finally(() => {
      this.#underWay = undefined
    })
  }

  /** Resolves when no look is under way. */
  async ended(): Promise<void> {
    await this.#underWay
  }

  async #lookAll(earlier: readonly string[], signal: AbortSignal): Promise<void> {
    const { urls, current, alarms, onChange } = this.#options
    const before = alarms.list.join('\n')
    const serving = current()
    // Those before it are tried by whoever wants to go back to them.
    const behind = serving === undefined ? [] : urls.slice(urls.indexOf(serving) + 1)
    for (const url of behind) if (!signal.aborted) await this.#lookAt(url, earlier, signal)
    if (!signal.aborted && alarms.list.join('\n') !== before) onChange()
  }

  async #lookAt(url: string, earlier: readonly string[], signal: AbortSignal): Promise<void> {
    const { base, mirror, alarms, choice, current } = this.#options
    try {
      const connection = await choice.connect(url, signal)
      try {
        const csns = await readContextCsns(connection, base)
        // Meanwhile it may have become the one that serves, and whoever reads it knows more.
        if (signal.aborted || current() === url) return
        const isMissed = isBehind(csns, earlier)
        choice.standsBy(url, !isBehind(csns, mirror.state.seenCsns))
        if (isMissed) alarms.raise('LDAP_BEHIND', url, 'the server has not followed for a minute')
      } finally {
        connection.close()
      }
    } catch (error) {
      if (!signal.aborted && current() !== url) choice.failed(url, failureOf(error))
    }
  }
}
