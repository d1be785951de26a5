import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Facts } from '#src/base/fault.ts'
import { DirectoryClient } from '#src/directory/client.ts'
import type { PollAnswer } from '#src/directory/service.ts'
import type { ControlAnswer } from '#src/net/control-server.ts'

/** `postern reload` waits so long for the directory server; what comes later becomes a generation all the same. */
const POLL_MS = 20_000

/** The `directory` process, as master asks it on behalf of an operator. */
export class DirectoryDesk implements Disposable {
  readonly #client: DirectoryClient
  readonly #isLdap: boolean
  readonly #clock: Clock

  constructor(socket: string, isLdap: boolean, clock: Clock) {
    this.#client = new DirectoryClient(socket, clock)
    this.#isLdap = isLdap
    this.#clock = clock
  }

  start(): void {
    this.#client.start()
  }

  /** The directory server is looked at now; notes for the operator where it cannot be. */
  async poll(): Promise<readonly string[]> {
    if (!this.#isLdap) return []
    const over = new AbortController()
    const late = elapsed(this.#clock, POLL_MS, over.signal).then(() => LATE)
    const answer = await Promise.race([this.#client.ask({ kind: 'poll' }), late])
    over.abort()
    return notesOf(answer)
  }

  /** `postern directory accept`. */
  async accept(): Promise<ControlAnswer> {
    if (!this.#isLdap) return { ok: false, error: 'the directory is embedded: there is nothing to accept' }
    const answer = await this.#client.ask({ kind: 'accept' })
    if (answer.kind === 'unavailable') return { ok: false, error: answer.reason }
    return { ok: true, changed: answer.changed }
  }

  /** What `postern status` shows of the directory; undefined where it is embedded. */
  async status(): Promise<Facts | undefined> {
    return this.#isLdap ? await this.#client.ask({ kind: 'status' }) : undefined
  }

  /** `postern lockouts`: who is locked out, or with `forgive WHO` that this is over. */
  async lockouts([action, who]: readonly string[]): Promise<ControlAnswer> {
    const answer =
      action === 'forgive' && who !== undefined
        ? await this.#client.ask({ kind: 'forgive', who })
        : await this.#client.ask({ kind: 'lockouts' })
    if (answer.kind === 'unavailable') return { ok: false, error: answer.reason }
    return { ok: true, ...answer }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }
}

const LATE: PollAnswer = { kind: 'unavailable', reason: 'it is still being read' }

function notesOf(answer: PollAnswer): readonly string[] {
  if (answer.kind === 'ok') return []
  return [`the directory server could not be read, what was known last counts: ${answer.reason}`]
}
