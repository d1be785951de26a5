import type { Alarm, AlarmChange } from '#src/base/alarms.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { DISK_REPORTS, reportedTroubles } from '#src/workers/disk-reports.ts'
import { hardwareTroubles } from '#src/workers/hardware.ts'
import { AlarmDesk } from './alarm-desk.ts'
import { AlarmRules } from './alarm-rules.ts'
import type { Sight } from './alarm-rules.ts'
import { failedUpdates } from './update-alarm.ts'
import type { MetricsDesk } from './metrics-desk.ts'

export interface AlarmWatchOptions {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<MetricsDesk, 'collect'>
  readonly sight: () => Omit<Sight, 'metrics'>
  /** Where the kernel shows its hardware. */
  readonly sysFolder?: string
  /** Where the answers of disks are (disk-reports.ts). */
  readonly diskFolder?: string
  /** What tells of an update that was given up (update-alarm.ts). */
  readonly updateFile: string
  readonly isMailing: () => boolean
  readonly mail: (subject: string, lines: readonly string[]) => void
}

/** How often it is looked whether something is wrong; the hardware every sixth time. */
const LOOK_MS = 10_000
const HARDWARE_LOOKS = 6

/** Looks at the box every few seconds, and keeps what it and the processes find wrong. */
export class AlarmWatch implements Disposable {
  readonly #o: AlarmWatchOptions
  readonly #desk: AlarmDesk
  readonly #rules: AlarmRules
  #hardware: ReturnType<typeof hardwareTroubles> = []
  #looks = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: AlarmWatchOptions) {
    this.#o = options
    this.#desk = new AlarmDesk(options)
    this.#rules = new AlarmRules(options.clock)
  }

  get list(): readonly Alarm[] {
    return this.#desk.list
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_MS).unref()
    void this.look()
  }

  heard(process: string, change: AlarmChange): void {
    this.#desk.heard(process, change)
  }

  ended(process: string): void {
    this.#desk.ended(process)
  }

  /** Looks now. */
  async look(): Promise<void> {
    const { metrics } = await this.#o.metrics.collect()
    if (this.#looks % HARDWARE_LOOKS === 0) this.#hardware = this.#lookAtHardware()
    this.#looks += 1
    this.#desk.found([
      ...this.#rules.look({ ...this.#o.sight(), metrics }),
      ...this.#hardware,
      ...failedUpdates(this.#o.updateFile),
    ])
    this.#desk.tick(this.#o.isMailing())
  }

  #lookAtHardware(): ReturnType<typeof hardwareTroubles> {
    const { sysFolder = '/sys', diskFolder = DISK_REPORTS } = this.#o
    return [...hardwareTroubles(sysFolder), ...reportedTroubles(diskFolder)]
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
