import { Worker } from 'node:worker_threads'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { TraceFilter } from './trace-document.ts'
import type { Found, TraceLimits } from './trace-index.ts'

export interface TraceStart {
  /** Has a queue.db. */
  readonly queueDir: string
  /** Where smtpd tells what it refuses; '' for nowhere. */
  readonly socketPath: string
  readonly limits: TraceLimits
}

export type ToTrace =
  | { readonly t: 'search'; readonly n: number; readonly filter: TraceFilter; readonly limit: number }
  | { readonly t: 'close' }

export type FromTrace =
  | { readonly t: 'found'; readonly n: number; readonly found: Found }
  | { readonly t: 'failed'; readonly n: number; readonly reason: string }
  | { readonly t: 'trouble'; readonly reason: string }

interface Waiting {
  resolve(found: Found): void
  reject(error: Error): void
}

/**
 * The main thread's end of the trace thread. It is no part of the mail's way: without it mail goes on, and only
 * `postern trace` says why it cannot.
 */
export class TraceHandle {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #log: Log
  #next = 1
  #gone = ''

  constructor(start: TraceStart, log: Log) {
    this.#log = log
    this.#worker = new Worker(new URL('trace-thread.ts', import.meta.url), {
      workerData: start,
      name: 'trace',
    })
    this.#worker.on('message', (message: FromTrace) => this.#receive(message))
    this.#worker.on('error', (error) => this.#end(errorText(error)))
    this.#worker.on('exit', () => {
      this.#end('the trace thread has ended')
      this.#ended.resolve()
    })
  }

  search(filter: TraceFilter, limit: number): Promise<Found> {
    if (this.#gone !== '') return Promise.reject(new Error(this.#gone))
    const n = this.#next++
    const { promise, resolve, reject } = Promise.withResolvers<Found>()
    this.#waiting.set(n, { resolve, reject })
    this.#worker.postMessage({ t: 'search', n, filter, limit } satisfies ToTrace, [])
    return promise
  }

  async close(): Promise<void> {
    if (this.#gone === '') this.#worker.postMessage({ t: 'close' } satisfies ToTrace, [])
    this.#gone ||= 'the queue manager stops'
    await this.#ended.promise
  }

  #receive(message: FromTrace): void {
    if (message.t === 'trouble') {
      this.#log.write('warn', 'qmgr.store_error', { kind: 'trace', reason: message.reason })
      return
    }
    const waiting = this.#waiting.get(message.n)
    this.#waiting.delete(message.n)
    if (message.t === 'found') waiting?.resolve(message.found)
    else waiting?.reject(new Error(message.reason))
  }

  #end(reason: string): void {
    if (this.#gone === '') {
      this.#gone = reason
      this.#log.write('warn', 'qmgr.store_error', { kind: 'trace', reason })
    }
    for (const each of this.#waiting.values()) each.reject(new Error(this.#gone))
    this.#waiting.clear()
  }
}
