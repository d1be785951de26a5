import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { askLines } from '#src/net/ask-line.ts'
import { isRecord } from '#src/net/frames.ts'
import type { Told } from './control.ts'

/** The queue manager has other things to do: who looks waits no longer than this. */
const ANSWER_MS = 5000
const ANSWER_CHARS_MAX = 8 * 1024 * 1024
/** The same question again within this has the same answer. */
const FRESH_MS = 2000
/** Different questions that are kept. */
const KEPT_MAX = 32

interface Kept {
  readonly untilMs: number
  readonly told: Promise<Told>
}

/**
 * Asks the queue manager over its control socket: one question at a time, however many want to know, and none that makes
 * it look at more of the queue than one page.
 */
export class QueueDesk {
  readonly #socket: string
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(controlSocket: string, clock: Clock) {
    this.#socket = controlSocket
    this.#clock = clock
  }

  /** Messages of one queue, or of all, in order of arrival: those behind row `after`, and where the next ones begin. */
  messages(queue: string | undefined, after: number, limit: number): Promise<Told> {
    const queues = queue === undefined ? {} : { queues: [queue] }
    return this.#ask({ op: 'page', ...queues, after, limit }, ([page]) => page ?? {})
  }

  /** What waits for each domain and state, in no order. */
  domains(): Promise<Told> {
    return this.#ask({ op: 'domains' }, ([line]) => ({ domains: line?.['domains'] ?? [] }))
  }

  /** All that is known of one message; without an `id` where that is nothing. */
  trace(id: string): Promise<Told> {
    return this.#ask({ op: 'trace', id }, (lines) => {
      const found = lines.find((line) => line['id'] === id)
      const isKnown =
        Array.isArray(found?.['trace']) && (found['trace'].length > 0 || isRecord(found['message']))
      return found !== undefined && isKnown ? found : {}
    })
  }

  #ask(
    request: object,
    read: (lines: readonly Readonly<Record<string, unknown>>[]) => Readonly<Record<string, unknown>>,
  ): Promise<Told> {
    const line = JSON.stringify(request)
    const nowMs = this.#clock.monotonicMs()
    const known = this.#kept.get(line)
    if (known !== undefined && nowMs < known.untilMs) return known.told
    const told = this.#last.then(() => this.#exchange(line, read))
    this.#last = told
    this.#kept.delete(line)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(line, { untilMs: nowMs + FRESH_MS, told })
    return told
  }

  async #exchange(
    line: string,
    read: (lines: readonly Readonly<Record<string, unknown>>[]) => Readonly<Record<string, unknown>>,
  ): Promise<Told> {
    try {
      const limits = { answerMs: ANSWER_MS, charsMax: ANSWER_CHARS_MAX }
      const text = await askLines(this.#socket, line, limits)
      if (text.length === 0) return { kind: 'silent', reason: 'the queue manager does not answer' }
      const lines = text.map((one): unknown => JSON.parse(one)).filter(isRecord)
      const error = lines.find((one) => typeof one['error'] === 'string')
      if (error !== undefined) return { kind: 'silent', reason: String(error['error']) }
      return { kind: 'told', answer: read(lines) }
    } catch (error) {
      return { kind: 'silent', reason: errorText(error) }
    }
  }
}
