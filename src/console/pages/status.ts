import { statfs } from 'node:fs/promises'
import { cpus, networkInterfaces } from 'node:os'
import { masterStart, startDetached } from '#src/admin/start.ts'
import type { Clock } from '#src/base/clock.ts'
import { isRecord } from '#src/net/frames.ts'
import { EMPTY_STATE } from '#src/health/read-state.ts'
import type { HealthState } from '#src/health/state.ts'
import type { Appliance } from '#src/console/appliance.ts'
import { Charts } from '#src/console/charts.ts'
import type { Desk, Page } from '#src/console/desk.ts'
import type { Canvas } from '#src/console/grid.ts'
import type { Key } from '#src/console/keys.ts'
import { Pager } from '#src/console/pager.ts'
import { age } from '#src/admin/durations.ts'
import { bytes, columns } from '#src/console/text.ts'
import { drawStatus, troubleLines, troubleWord } from './status-view.ts'
import type { StatusSight } from './status-view.ts'

export interface StatusDeps {
  readonly appliance: Appliance
  readonly desk: Desk
  readonly clock: Clock
  /** What a master that is started here gets as its environment. */
  readonly env: NodeJS.ProcessEnv
  readonly remarks: () => readonly string[]
  /** systemd starts Postern, and starts it again (manager.ts). */
  readonly isManaged: boolean
  /** Time of all cores since the machine was started; that of this machine unless given. */
  readonly cores?: () => CoreTimes
}

/** How the box is. Everybody may see it. */
export class StatusPage implements Page {
  readonly title = 'Status'
  readonly open = true
  readonly help = [
    'How the box is. All of it is renewed every few seconds; only what has changed is sent.',
    '',
    'taken      messages that were taken, a second',
    'refused    commands that were refused (4xx and 5xx), a second',
    'delivered, deferred, returned: recipients, by what became of an attempt, a second',
    'bars       of 15 seconds each, ten minutes together, the highest as high as can be: " .:-=+*#"',
    'queue      recipients by their state on the disk; active: messages that are being delivered, of those.',
    '           What is due should wait for seconds only. Page 2 shows the messages.',
    'a          all alarms, with what to do about them, and remarks',
    'p          the processes',
    's          starts Postern where it does not run',
  ]
  readonly #deps: StatusDeps
  readonly #charts = new Charts()
  #state: HealthState = EMPTY_STATE
  #disk: StatusSight['disk']
  #cores: (CoreTimes & { readonly atMs: number }) | undefined
  #busy: number | undefined
  #detail: { readonly pager: Pager; readonly what: 'troubles' | 'processes' } | undefined

  constructor(deps: StatusDeps) {
    this.#deps = deps
  }

  get state(): HealthState {
    return this.#state
  }

  get trouble(): string {
    return troubleWord(this.#state)
  }

  get keys(): string {
    if (this.#detail !== undefined) return 'ESC back'
    const start = this.#canStart ? 's start Postern  ' : ''
    return `${start}a all alarms and remarks  p processes  ? help  q end`
  }

  get #canStart(): boolean {
    return this.#state.master.kind === 'silent' && !this.#deps.isManaged
  }

  async enter(): Promise<void> {
    this.#detail = undefined
    await this.tick()
  }

  /** Looks how the box is; also while another page is shown, for the word in the title and the charts. */
  async look(): Promise<void> {
    const { appliance, clock } = this.#deps
    this.#state = await appliance.health.state()
    this.#charts.add(clock.monotonicMs(), this.#state.rates)
  }

  async tick(): Promise<void> {
    await this.look()
    const { appliance } = this.#deps
    this.#disk = await diskOf(appliance.config.dataFolder)
    this.#lookAtCores()
  }

  /** Over some time together: of each second by itself it would change on the screen all the time. */
  #lookAtCores(): void {
    const { clock, cores = coreTimes } = this.#deps
    const now = { ...cores(), atMs: clock.monotonicMs() }
    this.#cores ??= now
    const allMs = now.allMs - this.#cores.allMs
    if (now.atMs - this.#cores.atMs < CORES_MS || allMs <= 0) return
    this.#busy = 1 - (now.idleMs - this.#cores.idleMs) / allMs
    this.#cores = now
  }

  draw(canvas: Canvas): void {
    if (this.#detail === undefined) {
      drawStatus(canvas, this.#sight())
      return
    }
    const { pager, what } = this.#detail
    pager.follow(what === 'troubles' ? troubleLines(this.#sight(), canvas.columns) : this.#processLines())
    pager.draw(canvas)
  }

  #sight(): StatusSight {
    const { clock, remarks, isManaged } = this.#deps
    return {
      state: this.#state,
      charts: this.#charts,
      network: networkText(),
      disk: this.#disk,
      busy: this.#busy,
      remarks: remarks(),
      isManaged,
      nowMs: clock.nowMs(),
    }
  }

  #processLines(): readonly string[] {
    const widths = [14, -8, 9, 12, -9, -9, 40]
    const rows = this.#state.processes.map((one) =>
      columns(
        [
          one.name,
          one.pid === null ? '-' : String(one.pid),
          one.silent ? 'silent' : one.state,
          age(one.uptimeMs),
          String(one.restarts),
          bytes(one.memoryBytes),
          one.reason,
        ],
        widths,
      ),
    )
    return [columns(['process', 'pid', 'state', 'for', 'restarts', 'memory', ''], widths), ...rows]
  }

  async press(key: Key): Promise<void> {
    if (this.#detail?.pager.press(key) === true || key.kind !== 'char') return
    if (key.char === 'a') this.#detail = { pager: new Pager(), what: 'troubles' }
    else if (key.char === 'p') this.#detail = { pager: new Pager(), what: 'processes' }
    else if (key.char === 's' && this.#canStart) await this.#start()
  }

  async #start(): Promise<void> {
    const { appliance, desk, env } = this.#deps
    if (!(await desk.login()) || !(await desk.confirm('Start Postern?'))) return
    const { dataFolder, file } = appliance.config
    const started = await desk.work('starting', () =>
      startDetached(masterStart(dataFolder, file, env), dataFolder),
    )
    if (started === undefined) return
    desk.say(started.code === 0 ? 'Postern runs.' : started.text.replaceAll('\n', ' '))
    await this.tick()
  }

  back(): boolean {
    const was = this.#detail !== undefined
    this.#detail = undefined
    return was
  }
}

const CORES_MS = 10_000

interface CoreTimes {
  readonly allMs: number
  readonly idleMs: number
}

/** Of all cores, since the machine was started. */
function coreTimes(): CoreTimes {
  const all = cpus().map(({ times }) => times)
  const sum = (of: (times: (typeof all)[number]) => number): number =>
    all.reduce((total, times) => total + of(times), 0)
  return {
    allMs: sum(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq),
    idleMs: sum(({ idle }) => idle),
  }
}

async function diskOf(folder: string): Promise<StatusSight['disk']> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
  } catch {
    // Not there before the first start.
    return undefined
  }
}

/** Addresses that others may reach, interface by interface. */
export function networkText(): string {
  const found = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) => {
    const others = addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    return others.length === 0 ? [] : [`${name} ${others.map(({ address }) => address).join(' ')}`]
  })
  return found.length === 0 ? 'no address but loopback' : found.join(', ')
}

export function recordsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}
