import type { Log } from '#src/base/log.ts'

/** Something that an operator has to look at, as long as it is so. */
export interface Alarm {
  /** What tells it from every other: the source and the attribute. */
  readonly key: string
  readonly attribute: string
  readonly source: string
  readonly reason: string
}

/** Alarms that are kept at once: a broken import could bring one for each value of the directory. */
const ALARMS_MAX = 1000

/** What is wrong with the settings: said once when it begins, once when it changes, and once when it is over. */
export class Alarms {
  readonly #log: Log
  #raised: ReadonlyMap<string, Alarm> = new Map()

  constructor(log: Log) {
    this.#log = log
  }

  get list(): readonly Alarm[] {
    return [...this.#raised.values()]
  }

  /** These and no others are raised from now on. `generation` is the one that stays in force. */
  set(alarms: readonly Alarm[], generation: number): void {
    const now = new Map(alarms.slice(0, ALARMS_MAX).map((alarm) => [alarm.key, alarm]))
    for (const [key, alarm] of now) {
      if (this.#raised.get(key)?.reason === alarm.reason) continue
      const { attribute, source, reason } = alarm
      this.#log.write('error', 'settings.alarm', { generation, attribute, source, reason })
    }
    for (const [key, { attribute, source }] of this.#raised) {
      if (!now.has(key)) this.#log.write('info', 'settings.cleared', { generation, attribute, source })
    }
    this.#raised = now
  }
}
