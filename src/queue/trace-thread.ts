import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { storeErrorKind } from '#src/store/sqlite.ts'
import { TraceIndex } from './trace-index.ts'
import { TRACE_STEP_ROWS, searchNow } from './trace-search.ts'
import type { FromTrace, ToTrace, TraceStart } from './trace-handle.ts'
import { RefusalServer } from './refusal-server.ts'
import type { Refusal } from './refusals.ts'

/** Rests after a step for nine times as long as the step took: a tenth of a processor at most. */
const REST_FACTOR = 9
/** Rests so long when there is nothing to take in; rows that come together are then taken in together. */
const IDLE_MS = 2000
/** After an error (a full disk), before it is tried again. */
const ERROR_MS = 60_000

/** The trace thread of qmgr: keeps the index behind `postern trace` up to date, and searches it. */
class TraceThread {
  readonly #index: TraceIndex
  readonly #port: MessagePort
  readonly #server: RefusalServer
  #timer: NodeJS.Timeout | undefined

  constructor({ queueDir, limits }: TraceStart, port: MessagePort) {
    this.#index = new TraceIndex(queueDir, limits)
    this.#port = port
    this.#server = new RefusalServer((refusals, lost) => this.#take(refusals, lost))
  }

  async run(socketPath: string): Promise<void> {
    this.#timer = setTimeout(() => this.#step(), IDLE_MS)
    this.#port.on('message', (message: ToTrace) => this.#receive(message))
    if (socketPath !== '') await this.#server.listen(socketPath)
  }

  #take(refusals: readonly Refusal[], lost: number): void {
    try {
      this.#index.takeRefusals(refusals, lost, systemClock.nowMs())
    } catch (error) {
      // They are in the log; the trace of mail goes on without them.
      this.#mended(error)
    }
  }

  #step(): void {
    const beganMs = performance.now()
    let restMs = IDLE_MS
    try {
      if (this.#index.catchUp(TRACE_STEP_ROWS) > 0) restMs = (performance.now() - beganMs) * REST_FACTOR
    } catch (error) {
      restMs = this.#mended(error) ? 0 : ERROR_MS
    }
    this.#timer = setTimeout(() => this.#step(), restMs)
  }

  /** A damaged index is made anew; of anything else the next try will tell. */
  #mended(error: unknown): boolean {
    this.#port.postMessage({ t: 'trouble', reason: errorText(error) } satisfies FromTrace, [])
    if (storeErrorKind(error) !== 'damaged') return false
    this.#index.rebuild()
    return true
  }

  #receive(message: ToTrace): void {
    if (message.t === 'close') {
      clearTimeout(this.#timer)
      this.#server.close()
      this.#index[Symbol.dispose]()
      this.#port.close()
      return
    }
    const { n, filter, limit } = message
    try {
      this.#answer({ t: 'found', n, found: searchNow(this.#index, filter, limit) })
    } catch (error) {
      this.#mended(error)
      this.#answer({ t: 'failed', n, reason: errorText(error) })
    }
  }

  #answer(message: FromTrace): void {
    this.#port.postMessage(message, [])
  }
}

if (parentPort !== null) {
  const start: TraceStart = workerData
  await new TraceThread(start, parentPort).run(start.socketPath)
}
