import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { FromChild, ToChild } from './ipc.ts'

export type ChildKind = 'smtpd' | 'qmgr' | 'mailbox' | 'directory' | 'health'

/** Behind standard input, output and error, and the IPC channel. */
export const FIRST_DESCRIPTOR = 4

export interface ChildSpec {
  readonly kind: ChildKind
  /** Counted from 1 within its kind. */
  readonly n: number
  /** The TypeScript file that is its program. */
  readonly script: string
  /** Its settings message of this moment. */
  readonly boot: () => unknown
  /** Descriptors of master's that it has too, from FIRST_DESCRIPTOR on, in every process that is started for it. */
  readonly descriptors?: readonly number[]
}

/** A process that runs, as master holds it. */
export interface Held {
  /** undefined: it could not even be started. */
  readonly pid: number | undefined
  /** What cannot be said because it is just ending need not be. */
  send(message: ToChild<unknown>): void
  /** Ends it at once; one that is not master's own is let go, and ends by that. */
  kill(): void
}

/** Told of one process from its start to its end; nothing after `ended`. */
export interface Life {
  started(held: Held): void
  heard(message: FromChild): void
  ended(how: string): void
}

/** Gets a process to run: starts it, or waits until somebody else has started it. */
export type Launch = (spec: ChildSpec, life: Life) => void

export interface ChildDeps {
  readonly clock: Clock
  readonly log: Log
  readonly launch: Launch
  /** What a child says beyond ready and failed. */
  readonly onMessage: (child: Child, message: FromChild) => void
  /** Its process has ended, for whatever reason; `life` is what `Child.life` was. */
  readonly onExit: (child: Child, life: number) => void
  /** A process was started or has become ready. */
  readonly onChange: () => void
}

/** What a child is doing; `waiting`: it has crashed so often that the next start is put off. */
export type ChildState =
  | {
      readonly at: 'starting' | 'ready' | 'stopping'
      readonly process: Held
      /** Its number among all processes that master has had: a process id may come again. */
      readonly life: number
      readonly sinceMs: number
      readonly facts: Facts
    }
  | { readonly at: 'waiting'; readonly reason: string }
  | { readonly at: 'stopped' }

/** A process that lived for less crashed quickly. */
const QUICK_MS = 5000
/** So many quick crashes in a row are restarted at once; then pauses begin, so that a broken box does not spin. */
const QUICK_FREE = 3
/** A process that is not ready by then hangs; qmgr alone may wait 15 s for the lock of one that is just ending. */
const START_MS = 45_000
const PAUSE_MIN_MS = 500
const PAUSE_MAX_MS = 30_000

let lives = 0

/** One process of ours that is to run for as long as master runs: started again whenever it ends. */
export class Child {
  readonly spec: ChildSpec
  readonly #deps: ChildDeps
  #state: ChildState = { at: 'stopped' }
  #restarts = 0
  #quick = 0
  #stopping = false
  #pause: AbortController | undefined
  /** Ends the watch over a start. */
  #started: AbortController | undefined
  #gone: (() => void) | undefined
  readonly #waiters = new Set<(outcome: StartOutcome) => void>()
  #reason = ''

  constructor(spec: ChildSpec, deps: ChildDeps) {
    this.spec = spec
    this.#deps = deps
  }

  get name(): string {
    return `${this.spec.kind}/${this.spec.n}`
  }

  get state(): ChildState {
    return this.#state
  }

  get restarts(): number {
    return this.#restarts
  }

  get pid(): number | undefined {
    return 'process' in this.#state ? this.#state.process.pid : undefined
  }

  /** Number of its present process; no other has it, ever. */
  get life(): number | undefined {
    return 'process' in this.#state ? this.#state.life : undefined
  }

  /** Starts the process and resolves when it is ready, or when it is clear that it will not be. */
  start(): Promise<StartOutcome> {
    const outcome = new Promise<StartOutcome>((resolve) => {
      this.#waiters.add(resolve)
    })
    this.#spawn()
    return outcome
  }

  #spawn(): void {
    this.#reason = ''
    this.#state = { at: 'waiting', reason: 'it is not started yet' }
    let held: Held | undefined
    this.#deps.launch(this.spec, {
      started: (process) => {
        held = process
        if (this.#stopping) process.kill()
        else this.#began(process)
      },
      heard: (message) => this.#heard(held, message),
      ended: (how) => {
        if (held !== undefined) this.#ended(held, how)
      },
    })
  }

  #began(held: Held): void {
    const { clock, log } = this.#deps
    lives += 1
    this.#state = { at: 'starting', process: held, life: lives, sinceMs: clock.monotonicMs(), facts: {} }
    this.#started = new AbortController()
    void this.#killAfter(held, START_MS, this.#started.signal)
    log.write('info', 'master.child.start', {
      child: this.name,
      childPid: held.pid,
      restarts: this.#restarts,
    })
    this.send({ kind: 'boot', boot: this.spec.boot() })
    this.#deps.onChange()
  }

  #heard(child: Held | undefined, message: FromChild): void {
    if (message.kind === 'ready') {
      if (this.#state.at !== 'starting' || this.#state.process !== child) return
      this.#state = { ...this.#state, at: 'ready', facts: message.facts ?? {} }
      this.#started?.abort()
      this.#settle({ kind: 'ready' })
      this.#deps.onChange()
    } else if (message.kind === 'facts') {
      if (this.#state.at === 'ready' && this.#state.process === child)
        this.#state = { ...this.#state, facts: message.facts }
    } else if (message.kind === 'failed') {
      this.#reason = message.reason
    } else {
      this.#deps.onMessage(this, message)
    }
  }

  #ended(child: Held, how: string): void {
    const state = this.#state
    if (!('process' in state) || state.process !== child) return
    this.#started?.abort()
    this.#gone?.()
    const livedMs = this.#deps.clock.monotonicMs() - state.sinceMs
    this.#deps.onExit(this, state.life)
    const expected = state.at === 'stopping'
    this.#deps.log.write(expected ? 'info' : 'error', 'master.child.exit', {
      child: this.name,
      childPid: child.pid,
      how,
      livedMs: Math.round(livedMs),
      reason: this.#reason === '' ? undefined : this.#reason,
    })
    if (this.#stopping) {
      this.#state = { at: 'stopped' }
      this.#settle({ kind: 'failed', reason: `${this.name} was told to stop` })
      this.#deps.onChange()
      return
    }
    this.#quick = livedMs < QUICK_MS ? this.#quick + 1 : 0
    this.#again(how)
  }

  /** Starts it again: at once, or after a pause once it has crashed quickly several times in a row. */
  #again(how: string): void {
    this.#restarts += 1
    const hopeless = this.#reason !== '' || this.#quick >= QUICK_FREE
    if (hopeless) {
      this.#settle({
        kind: 'failed',
        reason:
          this.#reason === ''
            ? `${this.name} ended again and again (${how}); the log says why`
            : this.#reason,
      })
    }
    const pauseMs = hopeless
      ? Math.min(PAUSE_MIN_MS * 2 ** Math.max(0, this.#quick - QUICK_FREE), PAUSE_MAX_MS)
      : 0
    if (pauseMs === 0) {
      this.#spawn()
      return
    }
    this.#state = { at: 'waiting', reason: this.#reason === '' ? how : this.#reason }
    this.#deps.onChange()
    this.#pause = new AbortController()
    void this.#spawnAfter(pauseMs, this.#pause.signal)
  }

  async #spawnAfter(pauseMs: number, signal: AbortSignal): Promise<void> {
    if ((await elapsed(this.#deps.clock, pauseMs, signal)) && !this.#stopping) this.#spawn()
    else this.#state = { at: 'stopped' }
  }

  #settle(outcome: StartOutcome): void {
    for (const tell of this.#waiters) tell(outcome)
    this.#waiters.clear()
  }

  /** Says something to the process; what cannot be said because it is just ending need not be. */
  send(message: ToChild<unknown>): void {
    if ('process' in this.#state) this.#state.process.send(message)
  }

  /** Sends the settings of this moment to a running process. */
  update(): void {
    if (this.#state.at === 'ready' || this.#state.at === 'starting')
      this.send({ kind: 'settings', boot: this.spec.boot() })
  }

  async #killAfter(child: Held, ms: number, signal: AbortSignal): Promise<void> {
    if (!(await elapsed(this.#deps.clock, ms, signal))) return
    this.#deps.log.write('warn', 'master.child.killed', {
      child: this.name,
      childPid: child.pid,
      afterMs: ms,
    })
    child.kill()
  }

  /** Tells the process to finish, waits for `graceMs`, then kills it. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#pause?.abort()
    const state = this.#state
    if (!('process' in state)) {
      this.#state = { at: 'stopped' }
      return
    }
    const gone = Promise.withResolvers<void>()
    this.#gone = gone.resolve
    this.send({ kind: 'stop' })
    this.#state = { ...state, at: 'stopping' }
    const patience = new AbortController()
    const killed = this.#killAfter(state.process, graceMs, patience.signal)
    await gone.promise
    patience.abort()
    await killed
  }
}

export type StartOutcome = { readonly kind: 'ready' } | { readonly kind: 'failed'; readonly reason: string }
