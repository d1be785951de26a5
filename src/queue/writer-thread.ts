import { parentPort, workerData } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { systemClock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import type { Log } from '#src/base/log.ts'
import { snapshot } from '#src/base/metrics.ts'
import { openStore, storeErrorKind } from '#src/store/sqlite.ts'
import { changesFromJson } from './change-json.ts'
import { Checkpoints } from './checkpoints.ts'
import { HandOver } from './hand-over.ts'
import { PAGE_BYTES, WRITER_CACHE_BYTES } from './limits.ts'
import { Maintenance } from './maintenance.ts'
import { databasePath } from './paths.ts'
import { QueueDb } from './queue-db.ts'
import { SpaceWatch } from './space.ts'
import { SpoolPool } from './spool-pool.ts'
import { SubmitServer } from './submit-server.ts'
import type { FromWriter, ToWriter, WriterStart } from './thread-messages.ts'
import { Writer } from './writer.ts'
import type { Work } from './writer.ts'

/**
 * The writer thread of qmgr: the one owner of queue.db for writing, and of the socket on which smtpd hands
 * messages over, so that what arrives during one commit is the next one's group.
 */
class WriterThread {
  readonly #start: WriterStart
  readonly #port: MessagePort
  readonly #log: Log
  readonly #db: QueueDb
  readonly #spool: SpoolPool
  readonly #space: SpaceWatch
  readonly #checkpoints: Checkpoints
  readonly #handOver: HandOver
  readonly #writer: Writer
  readonly #server: SubmitServer
  readonly #maintenance: Maintenance
  #ended = false

  constructor(start: WriterStart, port: MessagePort) {
    this.#start = start
    this.#port = port
    this.#log = openLog({ service: 'qmgr', ...start.log })
    this.#db = new QueueDb(openQueueStore(start))
    const log = this.#log
    this.#spool = new SpoolPool(start.spoolDir, this.#db.spoolFiles(), log, (code) => this.#spoolError(code))
    this.#space = new SpaceWatch({
      dir: start.queueDir,
      minFreeBytes: start.minFreeBytes,
      clock: systemClock,
      log,
      onChange: (open) => this.#spaceChanged(open),
    })
    this.#checkpoints = new Checkpoints(
      this.#db,
      () => this.#spool.flushed(),
      (error) => this.#failed(error),
    )
    this.#handOver = new HandOver(start.activeRecipientsMax, (message, move) =>
      this.#port.postMessage(message, [...move]),
    )
    this.#writer = new Writer({
      db: this.#db,
      spool: this.#spool,
      clock: systemClock,
      log,
      space: this.#space,
      events: {
        answered: () => this.#server.flush(),
        accepted: (messages) => this.#handOver.give(messages),
        settled: (changes) => {
          for (const { change } of changes) if (change.leaves) this.#handOver.back(change.seq)
          this.#post({
            t: 'settled',
            seqs: changes.map(({ change }) => change.seq),
            removed: changes.filter(({ removed }) => removed).map(({ change }) => change.seq),
          })
        },
        acted: (action, seqs) => this.#post({ t: 'acted', action, seqs }),
        committed: (bytes) => this.#checkpoints.wrote(bytes),
        fatal: (error) => this.#fatal(error),
      },
    })
    this.#server = new SubmitServer({ writer: this.#writer, spool: this.#spool, log, space: this.#space })
    this.#maintenance = new Maintenance({
      db: this.#db,
      trace: start.trace,
      clock: systemClock,
      log,
      spaceOpen: () => this.#space.open,
      onError: (error) => this.#failed(error),
    })
    port.on('message', (message: ToWriter) => this.#receive(message))
  }

  async run(): Promise<void> {
    await this.#space.start()
    this.#spool.refill()
    this.#maintenance.start()
    await this.#server.listen(this.#start.socketPath)
    this.#post({ t: 'ready' })
  }

  #post(message: FromWriter): void {
    this.#port.postMessage(message, [])
  }

  #receive(message: ToWriter): void {
    switch (message.t) {
      case 'changes':
        this.#writer.change(changesFromJson(message.json, message.bodies))
        return
      case 'act':
        void this.#act(message)
        return
      case 'generation':
        this.#try(() =>
          this.#db.transact(false, () =>
            this.#db.recordGeneration(message.number, message.atMs, message.hash),
          ),
        )
        return
      case 'metrics':
        this.#post({ t: 'metrics', n: message.n, snapshot: snapshot() })
        return
      case 'stop':
        // What has arrived is answered before the line is cut.
        this.#writer.flush()
        this.#server.stop()
        return
      case 'close':
        void this.#close()
        return
    }
  }

  async #act({ n, action, ids, why }: Extract<ToWriter, { t: 'act' }>): Promise<void> {
    try {
      const work: Work = ids === null ? { kind: 'all' } : { kind: 'ids', ids }
      const result = await this.#writer.act(action, work, why)
      this.#post({ t: 'action-result', n, result })
    } catch (error) {
      this.#post({ t: 'action-error', n, reason: errorText(error) })
      this.#failed(error)
    }
  }

  #try(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#failed(error)
    }
  }

  /** An error of the store outside a group: a full disk passes, anything else does not. */
  #failed(error: unknown): void {
    this.#log.write('error', 'qmgr.store_error', { kind: storeErrorKind(error), reason: errorText(error) })
    if (storeErrorKind(error) === 'full') this.#space.closeNow(errorText(error))
    else this.#fatal(error)
  }

  #spoolError(code: string): void {
    if (code === 'ENOSPC' || code === 'EDQUOT') this.#space.closeNow(`spool: ${code}`)
  }

  #spaceChanged(open: boolean): void {
    this.#server.announce(open)
    if (open) this.#spool.grow()
    else this.#spool.shrink()
  }

  #fatal(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#writer.close()
    this.#server.stop()
    this.#log.flush()
    this.#post({ t: 'fatal', reason: errorText(error), damaged: storeErrorKind(error) === 'damaged' })
  }

  async #close(): Promise<void> {
    if (this.#ended) return
    this.#server.stop()
    this.#writer.flush()
    if (this.#ended) return
    this.#ended = true
    this.#writer.close()
    this.#checkpoints.close()
    this.#maintenance.stop()
    this.#space.stop()
    await this.#spool.close()
    this.#db[Symbol.dispose]()
    this.#log.flush()
    // With its port closed the thread has nothing left to wait for; its end is the answer.
    this.#port.close()
  }
}

function openQueueStore(start: WriterStart): ReturnType<typeof openStore> {
  return openStore(databasePath(start.queueDir), {
    pageBytes: PAGE_BYTES,
    cacheBytes: WRITER_CACHE_BYTES,
    ...(start.pagesMax === undefined ? {} : { pagesMax: start.pagesMax }),
  })
}

if (parentPort !== null) {
  const start: WriterStart = workerData
  await new WriterThread(start, parentPort).run()
}
