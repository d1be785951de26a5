import { Worker } from 'node:worker_threads'
import { Fault } from '#src/base/fault.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import type { Action, ActionResult, ActionWhy, MessageChange } from './changes.ts'
import { NO_WHY } from './changes.ts'
import { changesToJson } from './change-json.ts'
import { readSubmission } from './submission.ts'
import type { FromWriter, ToWriter, WriterStart } from './thread-messages.ts'
import type { NewMessage } from './types.ts'

/** A message that has just been committed. */
export interface HandedMessage {
  readonly seq: number
  readonly dueMs: number
  readonly message: NewMessage
  readonly bodyBytes: number
  /** null where it is to be read from the disk. */
  readonly body: Uint8Array | null
}

/** What the writer tells the scheduler. */
export interface WriterListener {
  accepted(message: HandedMessage): void
  /** After a group of `accepted`: all of one commit are known. */
  acceptedAll(): void
  left(): void
  settled(seqs: readonly number[], removed: readonly number[]): void
  acted(action: Action, seqs: readonly number[]): void
}

/** What the scheduler and the tools want of the writer. */
export interface WriterPort {
  /** Written with the next commit, or soon; confirmed by `settled`. */
  change(change: MessageChange): void
  /** `null` means ALL. Rejects when the store cannot be written. */
  act(action: Action, ids: readonly string[] | null, why?: ActionWhy): Promise<ActionResult>
}

const NO_BODY = new Uint8Array()

/** The main thread's end of the writer thread. */
export class WriterHandle implements WriterPort {
  readonly #worker: Worker
  readonly #onFatal: (fault: Fault, damaged: boolean) => void
  #listener: WriterListener | undefined
  #changes: MessageChange[] = []
  #actions = new Map<number, { resolve(result: ActionResult): void; reject(error: Error): void }>()
  readonly #asked = new Map<number, (snapshot: MetricsSnapshot) => void>()
  #nextAction = 1
  #closing = false
  #closed = Promise.withResolvers<void>()

  private constructor(worker: Worker, onFatal: (fault: Fault, damaged: boolean) => void) {
    this.#worker = worker
    this.#onFatal = onFatal
  }

  /**
   * Starts the thread; resolves when smtpd can connect. `onFatal` is called once, when nothing can be written any
   * more: the process must end then.
   */
  static async start(
    start: WriterStart,
    onFatal: (fault: Fault, damaged: boolean) => void,
  ): Promise<WriterHandle> {
    const worker = new Worker(new URL('writer-thread.ts', import.meta.url), {
      workerData: start,
      name: 'writer',
    })
    const handle = new WriterHandle(worker, onFatal)
    const ready = Promise.withResolvers<void>()
    worker.on('message', (message: FromWriter) => {
      if (message.t === 'ready') ready.resolve()
      else handle.#receive(message)
    })
    worker.on('error', (error) => {
      ready.reject(error)
      handle.#died(new Fault('QUEUE_WRITER_DIED', {}, error), false)
    })
    worker.on('exit', () => {
      ready.reject(new Fault('QUEUE_WRITER_DIED'))
      handle.#died(new Fault('QUEUE_WRITER_DIED'), false)
      handle.#closed.resolve()
    })
    await ready.promise
    return handle
  }

  listen(listener: WriterListener): void {
    this.#listener = listener
  }

  change(change: MessageChange): void {
    this.#changes.push(change)
    if (this.#changes.length === 1) setImmediate(() => this.#sendChanges())
  }

  #sendChanges(): void {
    if (this.#changes.length === 0) return
    const { json, bodies } = changesToJson(this.#changes)
    this.#changes = []
    this.#send({ t: 'changes', json, bodies })
  }

  act(action: Action, ids: readonly string[] | null, why = NO_WHY): Promise<ActionResult> {
    const n = this.#nextAction++
    const { promise, resolve, reject } = Promise.withResolvers<ActionResult>()
    this.#actions.set(n, { resolve, reject })
    // Outcomes that were reported before must not be overtaken.
    this.#sendChanges()
    this.#send({ t: 'act', n, action, ids, why })
    return promise
  }

  /** What the thread has counted; nothing where it has ended. */
  metrics(): Promise<MetricsSnapshot> {
    if (this.#closing) return Promise.resolve({})
    const n = this.#nextAction++
    const { promise, resolve } = Promise.withResolvers<MetricsSnapshot>()
    this.#asked.set(n, resolve)
    this.#send({ t: 'metrics', n })
    return promise
  }

  recordGeneration(number: number, atMs: number, hash: string): void {
    this.#send({ t: 'generation', number, atMs, hash })
  }

  /** Smtpd gets no more answers but 'unavailable'. */
  stop(): void {
    this.#send({ t: 'stop' })
  }

  /** Writes what waits, copies the log back, ends the thread. */
  async close(): Promise<void> {
    this.#sendChanges()
    this.#closing = true
    this.#send({ t: 'close' })
    await this.#closed.promise
  }

  #send(message: ToWriter): void {
    this.#worker.postMessage(message, [])
  }

  #died(fault: Fault, damaged: boolean): void {
    for (const action of this.#actions.values()) action.reject(fault)
    this.#actions.clear()
    for (const answer of this.#asked.values()) answer({})
    this.#asked.clear()
    if (this.#closing) return
    this.#closing = true
    this.#onFatal(fault, damaged)
  }

  #receive(message: Exclude<FromWriter, { t: 'ready' }>): void {
    switch (message.t) {
      case 'accepted':
        this.#accepted(message.json, message.chunks)
        return
      case 'metrics':
        this.#asked.get(message.n)?.(message.snapshot)
        this.#asked.delete(message.n)
        return
      case 'left':
        this.#listener?.left()
        return
      case 'settled':
        this.#listener?.settled(message.seqs, message.removed)
        return
      case 'acted':
        this.#listener?.acted(message.action, message.seqs)
        return
      case 'action-result':
        this.#actions.get(message.n)?.resolve(message.result)
        this.#actions.delete(message.n)
        return
      case 'action-error':
        this.#actions.get(message.n)?.reject(new Fault('QUEUE_WRITER_DIED', { reason: message.reason }))
        this.#actions.delete(message.n)
        return
      case 'fatal':
        this.#died(new Fault('QUEUE_WRITER_DIED', { reason: message.reason }), message.damaged)
        return
    }
  }

  #accepted(json: string, chunks: readonly ArrayBuffer[]): void {
    const list: [number, number, number, number, number, { m: unknown }][] = JSON.parse(json)
    for (const [seq, dueMs, bodyBytes, index, at, head] of list) {
      const chunk = chunks[index]
      const body = chunk === undefined ? null : new Uint8Array(chunk, at, bodyBytes)
      const message = readSubmission(head.m, body ?? NO_BODY)
      // It was checked before it was committed; what cannot be read here is read from its row later.
      if (typeof message === 'string') this.#listener?.left()
      else this.#listener?.accepted({ seq, dueMs, message, bodyBytes, body })
    }
    this.#listener?.acceptedAll()
  }
}
