import { availableParallelism, freemem, loadavg, totalmem } from 'node:os'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { readSnapshot } from '#src/base/metrics.ts'
import { askControl } from './control.ts'
import type { Told } from './control.ts'
import { History } from './history.ts'
import type { HealthState, MachineHealth } from './state.ts'
import { EMPTY_STATE, readState } from './read-state.ts'

/** Whoever asks again within this gets the same answer: a thousand questions a second cost mail nothing. */
const FRESH_MS = 1000
/** How often it is looked for the sake of rates and charts. */
export const LOOK_MS = 5000

/** Reads how the box is, over master's control socket, at most once a second however many ask. */
export class HealthReader {
  readonly #socket: string
  readonly #clock: Clock
  readonly history = new History()
  #last: HealthState = EMPTY_STATE
  #read: { readonly untilMs: number; readonly state: Promise<HealthState> } | undefined

  constructor(controlSocket: string, clock: Clock) {
    this.#socket = controlSocket
    this.#clock = clock
  }

  /** Looks every LOOK_MS until the signal; for whoever wants rates without being asked himself. */
  async watch(signal: AbortSignal): Promise<void> {
    do await this.state()
    while (await elapsed(this.#clock, LOOK_MS, signal))
  }

  /** As it is, a second ago at most. Never rejects; there after three seconds at the latest. */
  state(): Promise<HealthState> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#read !== undefined && nowMs < this.#read.untilMs) return this.#read.state
    const state = this.#look()
    this.#read = { untilMs: nowMs + FRESH_MS, state }
    return state
  }

  /** Any other question to master that only looks. */
  ask(command: 'generations', words: readonly string[]): Promise<Told> {
    return askControl(this.#socket, command, words)
  }

  async #look(): Promise<HealthState> {
    const told = await askControl(this.#socket, 'health')
    const atMs = this.#clock.nowMs()
    this.#last = this.#stateOf(told, atMs)
    return this.#last
  }

  #stateOf(told: Told, atMs: number): HealthState {
    const machine = readMachine()
    if (told.kind === 'silent')
      return { ...this.#last, atMs, machine, master: { kind: 'silent', reason: told.reason } }
    const { answer } = told
    this.history.add(this.#clock.monotonicMs(), readSnapshot(answer['metrics']))
    const state = readState(answer, { atMs, machine, rates: this.history.rates })
    this.history.note(state)
    return state
  }
}

function readMachine(): MachineHealth {
  const [one = 0, five = 0, fifteen = 0] = loadavg()
  return {
    cores: availableParallelism(),
    load: [one, five, fifteen],
    memoryBytes: totalmem(),
    // MemAvailable of /proc/meminfo, since libuv 1.45.
    availableBytes: freemem(),
  }
}
