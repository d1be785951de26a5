import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { FromChild } from './ipc.ts'

/** Longer than any answer of a master that lives. Counting protects us; without it mail goes on. */
const ANSWER_MS = 2000

/** The smtpd side of connection counting: asks master over IPC. Lets the client in where master does not answer. */
export class AnvilClient {
  readonly #send: (message: FromChild) => void
  readonly #clock: Clock
  readonly #waiting = new Map<number, (admitted: boolean) => void>()
  #n = 0

  constructor(send: (message: FromChild) => void, clock: Clock) {
    this.#send = send
    this.#clock = clock
  }

  async admit(address: string): Promise<boolean> {
    this.#n += 1
    const n = this.#n
    const answer = new Promise<boolean>((resolve) => {
      this.#waiting.set(n, resolve)
    })
    this.#send({ kind: 'anvil', n, address })
    const patience = new AbortController()
    const late = elapsed(this.#clock, ANSWER_MS, patience.signal)
    try {
      return await Promise.race([answer, late])
    } finally {
      patience.abort()
      this.#waiting.delete(n)
    }
  }

  leave(address: string): void {
    this.#send({ kind: 'gone', address })
  }

  /** Master's answer has come. */
  answered(n: number, admitted: boolean): void {
    this.#waiting.get(n)?.(admitted)
  }
}
