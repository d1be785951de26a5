import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { askLine } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'

/** It changes at an update, minutes at the soonest. */
const LOOK_MS = 30_000
/** The helper reads the EFI partition for it. */
const ANSWER_MS = 10_000
const ANSWER_CHARS_MAX = 65_536

/** Asks the helper of the appliance image now and then what runs there (`slots` in admin/image-commands.ts). */
export class ImageWatch implements Disposable {
  readonly #over = new AbortController()
  readonly #socket: string
  readonly #clock: Clock
  #told: Readonly<Record<string, unknown>> | undefined

  constructor(socket: string, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
  }

  /** Its last answer; undefined where there is no helper, as on every machine but the image. */
  get told(): Readonly<Record<string, unknown>> | undefined {
    return this.#told
  }

  start(): void {
    void this.#watch()
  }

  [Symbol.dispose](): void {
    this.#over.abort()
  }

  async #watch(): Promise<void> {
    do this.#told = (await this.#ask()) ?? this.#told
    while (await elapsed(this.#clock, LOOK_MS, this.#over.signal))
  }

  async #ask(): Promise<Readonly<Record<string, unknown>> | undefined> {
    try {
      const limits = { answerMs: ANSWER_MS, charsMax: ANSWER_CHARS_MAX }
      const line = await askLine(this.#socket, JSON.stringify({ command: 'slots' }), limits)
      const answer: unknown = line === undefined ? undefined : JSON.parse(line)
      return isRecord(answer) && answer['ok'] === true ? answer : undefined
    } catch {
      // A helper that is being started anew has not changed the image: what it told last counts.
      return undefined
    }
  }
}
