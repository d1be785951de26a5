import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { ListedRecipient } from '#src/queue/listing.ts'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { systemClock } from '#src/base/clock.ts'
import type { Clock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { memoryLog } from '#src/base/log.ts'
import { QueueClient } from '#src/queue/client.ts'
import { ACTIVE_RECIPIENTS_MAX } from '#src/queue/limits.ts'
import type { QueuePaths } from '#src/queue/paths.ts'
import { databasePath, submitSocketPath } from '#src/queue/paths.ts'
import type {
  Deliverer,
  DeliveryRequest,
  Destination,
  RecipientOutcome,
  ReportComposer,
  ReportOrder,
} from '#src/queue/ports.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import type { RetryTimes } from '#src/queue/schedule.ts'
import type { MailTrouble } from '#src/queue/trouble.ts'
import { Scheduler } from '#src/queue/scheduler.ts'
import type { SchedulerOptions } from '#src/queue/scheduler.ts'
import type { NewMessage, NewRecipient } from '#src/queue/types.ts'
import { WriterHandle } from '#src/queue/writer-handle.ts'
import type { WriterStart } from '#src/queue/thread-messages.ts'
import { TRACE_LIMITS } from '#src/queue/trace-index.ts'
import { openStore } from '#src/store/sqlite.ts'

/** A folder that is gone when its scope ends. */
export function scratch(): QueuePaths & Disposable & { readonly dir: string } {
  const dir = mkdtempSync(join(tmpdir(), 'postern-queue-'))
  const paths = { queueDir: join(dir, 'queue'), spoolDir: join(dir, 'queue/spool'), runDir: join(dir, 'run') }
  mkdirSync(paths.spoolDir, { recursive: true })
  mkdirSync(paths.runDir)
  return { dir, ...paths, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
}

let ids = 0

/** A composer of reports that writes what it is told to, one report for all that an order is about. */
export function reporting(write: (order: ReportOrder) => NewMessage | undefined): ReportComposer {
  return (order) => {
    const message = write(order)
    if (message === undefined) return Promise.resolve([])
    const about = order.about.map(({ recipient: { n } }) => n)
    return Promise.resolve([{ kind: order.kind, audience: 'sender', about, message }])
  }
}

/** A queue id in Postfix's long form. */
export function newId(): string {
  return `4Z${String(process.pid).padStart(7, '0')}z${String(++ids).padStart(6, '0')}`.replaceAll('O', 'Q')
}

export function recipient(address: string): NewRecipient {
  return { address, original: address, orcpt: '', notify: [] }
}

/** A small message; what matters to a test is given in `with_`. */
export function newMessage(with_: Partial<NewMessage> & { readonly text?: string } = {}): NewMessage {
  const { text = 'Subject: x\r\n\r\nhello\r\n', ...rest } = with_
  const bytes = Buffer.from(text)
  return {
    id: newId(),
    arrivedMs: Date.now(),
    sender: 'sender@example.test',
    recipients: [recipient('alice@example.test')],
    eightBit: false,
    smtpUtf8: false,
    ret: '',
    envid: '',
    origin: {
      clientAddress: '192.0.2.1',
      clientPort: 2525,
      clientName: 'unknown',
      helo: 'client.example',
      protocol: 'ESMTP',
    },
    prefix: 'Received: from client.example\r\n',
    body: { kind: 'inline', bytes },
    bodyCrc32: crc32(bytes),
    messageId: '<x@example.test>',
    verdict: { clean: true },
    generation: 1,
    ...rest,
  }
}

/** What a peer says that is to be tried again. */
export const DEFERRED = { kind: 'deferred', reply: '450 4.2.0 later', dsn: '4.2.0' } as const

export const DESTINATION: Destination = { protocol: 'lmtp', host: '127.0.0.1', port: 24 }

/** What a fake deliverer took, with the whole body. */
export interface Delivery {
  readonly id: string
  readonly addresses: readonly string[]
  readonly bytes: Buffer
}

export type Answer = (
  request: DeliveryRequest,
  n: number,
) => Partial<RecipientOutcome> | Promise<Partial<RecipientOutcome>>

/** A deliverer that does as it is told, and takes note. */
export class FakeDeliverer implements Deliverer {
  /** Flushes it was told of. */
  revived = 0

  revive(): void {
    this.revived += 1
  }

  readonly deliveries: Delivery[] = []
  /** Deliveries of one destination at a time. */
  room = 20
  running = 0
  answer: Answer
  readonly #listeners: (() => void)[] = []

  constructor(answer: Answer = () => ({})) {
    this.answer = answer
  }

  async deliver(request: DeliveryRequest): Promise<readonly RecipientOutcome[]> {
    this.running++
    const blocks: Uint8Array[] = []
    try {
      for await (const block of request.body.blocks()) blocks.push(Buffer.from(block))
      const outcomes: RecipientOutcome[] = []
      for (const { n } of request.recipients) {
        const told = await this.answer(request, n)
        outcomes.push({
          n,
          kind: 'sent',
          reply: '250 2.0.0 ok',
          dsn: '2.0.0',
          relay: 'fake',
          source: 'remote',
          ...told,
        })
      }
      const sent = new Set(outcomes.filter(({ kind }) => kind === 'sent').map(({ n }) => n))
      const addresses = request.recipients.filter(({ n }) => sent.has(n)).map(({ address }) => address)
      this.deliveries.push({ id: request.message.id, addresses, bytes: Buffer.concat(blocks) })
      return outcomes
    } catch (error) {
      return request.recipients.map(({ n }) => ({
        n,
        kind: 'deferred',
        reply: String(error),
        dsn: '4.3.0',
        relay: 'none',
        source: 'local',
      }))
    } finally {
      this.running--
      setImmediate(() => {
        for (const listener of this.#listeners) listener()
      })
    }
  }

  hasRoom(): boolean {
    return this.running < this.room
  }

  onRoom(listener: () => void): void {
    this.#listeners.push(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** A whole queue manager in this process, but for its processes: real thread, real socket, real disk. */
export interface Queue extends AsyncDisposable {
  readonly client: QueueClient
  readonly writer: WriterHandle
  readonly scheduler: Scheduler
  readonly deliverer: FakeDeliverer
  readonly reader: QueueReader
  readonly log: ReturnType<typeof memoryLog>
  /** What postmaster would be told. */
  readonly troubles: readonly MailTrouble[]
  readonly fatal: Promise<{ readonly reason: string; readonly damaged: boolean }>
  stop(): Promise<void>
}

export interface QueueChoice extends Partial<Pick<SchedulerOptions, 'router' | 'composeReports'>> {
  readonly deliverer?: FakeDeliverer
  readonly times?: RetryTimes
  /** The scheduler's; the writer thread goes by the real one. */
  readonly clock?: Clock
  readonly minFreeBytes?: number
  readonly activeRecipientsMax?: number
  readonly pagesMax?: number
  /** Leaves mail where it is. */
  readonly idle?: boolean
}

function writerOf(paths: QueuePaths, choice: QueueChoice): WriterStart {
  return {
    queueDir: paths.queueDir,
    spoolDir: paths.spoolDir,
    socketPath: submitSocketPath(paths.runDir),
    minFreeBytes: choice.minFreeBytes ?? 1,
    activeRecipientsMax: choice.activeRecipientsMax ?? ACTIVE_RECIPIENTS_MAX,
    trace: TRACE_LIMITS,
    log: { level: 'error', jsonFd: undefined, textFd: undefined },
    ...(choice.pagesMax === undefined ? {} : { pagesMax: choice.pagesMax }),
  }
}

export async function startQueue(paths: QueuePaths, choice: QueueChoice = {}): Promise<Queue> {
  const log = memoryLog()
  const troubles: MailTrouble[] = []
  const fatal = Promise.withResolvers<{ readonly reason: string; readonly damaged: boolean }>()
  const writer = await WriterHandle.start(writerOf(paths, choice), (fault, damaged) =>
    fatal.resolve({ reason: fault.message, damaged }),
  )
  const reader = new QueueReader(openStore(databasePath(paths.queueDir), { readonly: true }))
  const deliverer = choice.deliverer ?? new FakeDeliverer()
  const scheduler = new Scheduler({
    writer,
    reader,
    spoolDir: paths.spoolDir,
    deliverer,
    router: choice.router ?? (() => ({ kind: 'destination', destination: DESTINATION })),
    composeReports: choice.composeReports ?? (() => Promise.resolve([])),
    times: () => choice.times ?? POSTFIX_TIMES,
    activeRecipientsMax: choice.activeRecipientsMax ?? ACTIVE_RECIPIENTS_MAX,
    clock: choice.clock ?? systemClock,
    log,
    onTrouble: (trouble) => troubles.push(trouble),
    onStoreError: (error) => fatal.resolve({ reason: String(error), damaged: true }),
  })
  if (choice.idle !== true) {
    writer.listen(scheduler)
    scheduler.start()
  }
  const client = await startClient(paths, log)
  let stopped = false
  const stop = async (): Promise<void> => {
    if (stopped) return
    stopped = true
    client.close()
    await scheduler.stop(2000)
    reader[Symbol.dispose]()
    await writer.close()
  }
  const { promise } = fatal
  return {
    client,
    writer,
    scheduler,
    deliverer,
    reader,
    log,
    troubles,
    fatal: promise,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** A client that has heard from qmgr. */
export async function startClient(paths: QueuePaths, log: Log): Promise<QueueClient> {
  const client = new QueueClient({
    socketPath: submitSocketPath(paths.runDir),
    spoolDir: paths.spoolDir,
    clock: systemClock,
    log,
  })
  client.start()
  await until(() => client.admission() !== 'unavailable')
  return client
}

/** So long a machine with two processors and a whole suite on them may take for anything. */
const PATIENCE_MS = 60_000

/** Waits for what must come; a test that waits in vain fails with the condition that did not come true. */
export async function until(condition: () => boolean): Promise<void> {
  const untilMs = systemClock.monotonicMs() + PATIENCE_MS
  while (!condition()) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`waited in vain for ${condition.toString()}`)
    await systemClock.sleep(2)
  }
}

/** Rows of queue.db that a test counts. */
export function rowCounts(paths: QueuePaths): { messages: number; bodies: number; recipients: number } {
  const store = openStore(databasePath(paths.queueDir), { readonly: true })
  try {
    const count = (table: string): number =>
      Number(store.prepare(`SELECT count(*) FROM ${table}`).pluck().get())
    return { messages: count('message'), bodies: count('body'), recipients: count('recipient') }
  } finally {
    store.close()
  }
}

/** Resolves when a socket is closed, broken off or not. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    // What happens to it before is not what is waited for.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve())
  })
}

/** A recipient as a listing shows him. */
export function listedRecipient(
  address: string,
  state: ListedRecipient['state'],
  reason: string,
  failed = false,
): ListedRecipient {
  return { address, original: address, state, reason, failed }
}
