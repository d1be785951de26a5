import type { Clock } from '#src/base/clock.ts'
import type { Child } from './child.ts'

/** How long no mail is taken, at most: by then the machine has started anew, or it will not. */
const DRAIN_MS = 600_000

/**
 * Before the machine starts anew (an update of the appliance image): smtpd answers 421 to who comes, and what is under
 * way can end. It is over by itself.
 */
export class Drain {
  readonly #clock: Clock
  #untilMs = 0
  readonly #told = new Set<number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What somebody says over the control socket: `end`, or nothing for the beginning. */
  told([word]: readonly string[], children: readonly Child[]): void {
    if (word === 'end') this.#end(children)
    else this.#begin(children)
  }

  #begin(children: readonly Child[]): void {
    this.#untilMs = this.#clock.monotonicMs() + DRAIN_MS
    this.#told.clear()
    this.tell(children)
  }

  /** The machine is not started anew after all: mail is taken again at once. */
  #end(children: readonly Child[]): void {
    this.#untilMs = 0
    for (const child of children) if (isReadyServer(child)) child.send({ kind: 'drain', ms: 0 })
  }

  /** To be called when a process has become ready: it may not have heard of it. */
  tell(children: readonly Child[]): void {
    const leftMs = this.#untilMs - this.#clock.monotonicMs()
    if (leftMs <= 0) return
    for (const child of children) {
      const { pid } = child
      if (!isReadyServer(child) || pid === undefined || this.#told.has(pid)) continue
      this.#told.add(pid)
      child.send({ kind: 'drain', ms: leftMs })
    }
  }
}

function isReadyServer({ spec, state }: Child): boolean {
  return spec.kind === 'smtpd' && state.at === 'ready'
}
