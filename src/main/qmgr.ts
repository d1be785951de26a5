import { flushCompileCache } from 'node:module'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { systemClock } from '#src/base/clock.ts'
import { Fault, errorText } from '#src/base/fault.ts'
import { openLog } from '#src/base/log.ts'
import type { Log } from '#src/base/log.ts'
import { mergeSnapshots, snapshot } from '#src/base/metrics.ts'
import type { MetricsSnapshot } from '#src/base/metrics.ts'
import { createReportComposer } from '#src/delivery/bounce.ts'
import { createDeliverer } from '#src/delivery/deliverer.ts'
import { PeerMemory, peerMemoryPath } from '#src/delivery/peer-memory.ts'
import { BodyEncoder } from '#src/match/encoder.ts'
import { Directory } from '#src/directory/directory.ts'
import { ControlServer, LOOKS } from '#src/queue/control-server.ts'
import type { ControlOptions } from '#src/queue/control-server.ts'
import {
  QUEUE_LOCK,
  controlSocketPath,
  lookSocketPath,
  databasePath,
  refusalSocketPath,
  submitSocketPath,
} from '#src/queue/paths.ts'
import { QueueGauges } from '#src/queue/gauges.ts'
import type { Deliverer, ReportComposer } from '#src/queue/ports.ts'
import { createQueueIds } from '#src/queue/queue-id.ts'
import { Progress } from '#src/queue/progress.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { markDamaged, rescueQueue } from '#src/queue/rescue.ts'
import { Scheduler } from '#src/queue/scheduler.ts'
import { SizeLog } from '#src/queue/size-log.ts'
import { TraceHandle } from '#src/queue/trace-handle.ts'
import { WriterHandle } from '#src/queue/writer-handle.ts'
import { acquireLock } from '#src/store/lock.ts'
import type { StoreLock } from '#src/store/lock.ts'
import { openStore, storeErrorKind } from '#src/store/sqlite.ts'
import { mailboxesOf, noticeTargets } from './notice-targets.ts'
import { logTargets } from './open-log.ts'
import type { QmgrBoot } from './qmgr-boot.ts'
import { PeerNotices } from './peer-notices.ts'
import { QmgrRouting } from './qmgr-routing.ts'
import { TimeWatch } from './time-watch.ts'
import { serveMaster, tell } from './under-master.ts'

/**
 * The queue manager as a process: the one that writes the queue, decides what is tried when, and delivers it. It
 * ends whenever the store may not be what it believes; master starts a new one, which opens the store afresh.
 */

/** A predecessor that is just ending: a killed one frees the lock at once, a stopped one within its grace. */
const LOCK_WAIT_MS = 10_000
/** How long deliveries may run on after a stop, and as long again once they are told to break off. */
const STOP_MS = 5000
/** Time for the last answers to reach smtpd before the process is gone. */
const LAST_WORDS_MS = 50

/** Mailboxes that one report goes to: its address may be a list, and is one of a few people. */
const REPORT_MAILBOXES_MAX = 100

interface Running {
  readonly lock: StoreLock
  readonly writer: WriterHandle
  readonly reader: QueueReader
  readonly peers: PeerMemory
  readonly routing: QmgrRouting
  readonly deliverer: Deliverer
  readonly notices: PeerNotices
  readonly scheduler: Scheduler
  readonly progress: Progress
  readonly sizes: SizeLog
  readonly control: ControlServer
  readonly look: ControlServer
  readonly trace: TraceHandle
}

let boot: QmgrBoot | undefined
let log: Log | undefined
let running: Running | undefined
let starting: Promise<void> | undefined
let stopping = false

serveMaster<QmgrBoot>('qmgr', {
  boot: (settings) => {
    boot = settings
    starting = start(settings)
  },
  settings: (settings) => {
    boot = settings
    running?.routing.update(settings.routing)
    recordGeneration(settings)
  },
  stop: () => void stop(),
  counted,
  flush,
  alarms: (subject, lines) => running?.notices.alarms.tell(subject, lines),
})

/** What was deferred because the embedded store was just starting need not wait for a backoff. */
function flush(): void {
  running?.writer.act('flush', null).catch((error: unknown) => {
    log?.write('error', 'qmgr.store_error', { reason: errorText(error) })
  })
}

/** What both threads that move mail have counted. */
async function counted(): Promise<MetricsSnapshot> {
  const others = running === undefined ? [] : [await running.writer.metrics()]
  return mergeSnapshots([snapshot(), ...others])
}

async function start(settings: QmgrBoot): Promise<void> {
  try {
    const targets = logTargets('qmgr', settings.log)
    log = openLog(targets)
    mkdirSync(settings.spoolDir, { recursive: true, mode: 0o700 })
    const lock = await acquireLock({
      dir: settings.queueDir,
      name: QUEUE_LOCK,
      purpose: 'qmgr',
      waitMs: LOCK_WAIT_MS,
      clock: systemClock,
    })
    rescueQueue(settings, systemClock.nowMs(), log)
    const writer = await WriterHandle.start(
      {
        queueDir: settings.queueDir,
        spoolDir: settings.spoolDir,
        socketPath: submitSocketPath(settings.smtpdRunDir),
        minFreeBytes: settings.minFreeBytes,
        activeRecipientsMax: settings.activeRecipientsMax,
        trace: settings.trace,
        log: targets,
      },
      die,
    )
    // What came while the store was opened counts already.
    running = assemble(boot ?? settings, lock, writer, log)
    recordGeneration(settings)
    writer.listen(running.scheduler)
    running.notices.start()
    running.scheduler.start()
    running.progress.start()
    running.sizes.start()
    new TimeWatch(systemClock).start()
    countQueue(running, settings.queueDir)
    await running.control.listen(controlSocketPath(settings.runDir))
    await running.look.listen(lookSocketPath(settings.healthRunDir))
    log.write('info', 'qmgr.start', { queue: settings.queueDir, generation: settings.generation })
    tell({ kind: 'ready', facts: { queue: settings.queueDir } })
    // A process that is killed writes nothing at its end, and the one in its place should be quick.
    flushCompileCache()
  } catch (error) {
    log?.write('error', 'qmgr.store_error', { reason: errorText(error) })
    log?.flush()
    if (storeErrorKind(error) === 'damaged') markDamaged(settings.queueDir)
    tell({ kind: 'failed', reason: `The queue manager cannot start: ${errorText(error)}` })
    process.exit(1)
  }
}

/** Recipients were resolved when they were taken: all that is looked up are transports, domains, and who gets reports. */
function directoryOf(settings: QmgrBoot): Directory {
  return new Directory({
    path: settings.directoryFile,
    recipientDelimiter: settings.routing.settings.recipientDelimiters,
    expansionLimit: REPORT_MAILBOXES_MAX,
    staleMs: 100,
  })
}

function progressOf(reader: QueueReader, scheduler: Scheduler, opened: Log): Progress {
  return new Progress({
    reader,
    clock: systemClock,
    log: opened,
    isTried: (seq) => scheduler.isTried(seq),
    onError: storeFailed,
  })
}

function traceOf({ queueDir, smtpdRunDir, trace }: QmgrBoot, opened: Log): TraceHandle {
  return new TraceHandle({ queueDir, socketPath: refusalSocketPath(smtpdRunDir), limits: trace }, opened)
}

function sizesOf({ sizeLogMs }: QmgrBoot, { store }: QueueReader, opened: Log): SizeLog {
  return new SizeLog({ store, clock: systemClock, log: opened, everyMs: sizeLogMs, onError: storeFailed })
}

function storeFailed(error: unknown): void {
  die(error, storeErrorKind(error) === 'damaged')
}

function assemble(settings: QmgrBoot, lock: StoreLock, writer: WriterHandle, opened: Log): Running {
  const reader = new QueueReader(openStore(databasePath(settings.queueDir), { readonly: true }))
  const directory = directoryOf(settings)
  const peers = new PeerMemory(peerMemoryPath(settings.queueDir), opened)
  const routing = new QmgrRouting(directory, settings.routing, opened, peers)
  const makeId = createQueueIds(process.pid)
  const notices = new PeerNotices({
    boot: () => boot ?? settings,
    directory,
    newQueueId: makeId,
    log: opened,
  })
  const deliverer = createDeliverer({
    settings: () => (boot ?? settings).delivery,
    planner: routing.plan,
    ownNames: routing.ownNames,
    secure: routing.secure,
    recordTls: routing.recordTls,
    ...routing.rewriting(() => (boot ?? settings).canonical),
    log: opened,
    createEncoder: () => new BodyEncoder(),
    onTrouble: notices.onTrouble,
  })
  const scheduler = new Scheduler({
    writer,
    reader,
    spoolDir: settings.spoolDir,
    activeRecipientsMax: settings.activeRecipientsMax,
    deliverer,
    router: routing.route,
    composeReports: reportsOf(settings, directory, makeId),
    times: () => (boot ?? settings).times,
    clock: systemClock,
    log: opened,
    onStoreError: storeFailed,
    onTrouble: (trouble) => notices.mail.tell(trouble),
  })
  const trace = traceOf(settings, opened)
  const progress = progressOf(reader, scheduler, opened)
  const asked: ControlOptions = {
    reader,
    search: (filter, limit) => trace.search(filter, limit),
    spoolDir: settings.spoolDir,
    writer,
    active: () => scheduler.active,
    progress: () => progress.report(),
    log: opened,
  }
  return {
    lock,
    writer,
    reader,
    peers,
    routing,
    deliverer,
    notices,
    scheduler,
    progress,
    sizes: sizesOf(settings, reader, opened),
    control: new ControlServer(asked),
    look: new ControlServer(asked, LOOKS),
    trace,
  }
}

/** Reports by the settings of the moment in which they are written. */
function reportsOf(
  settings: QmgrBoot,
  directory: Directory,
  makeId: (nowMs: number) => string,
): ReportComposer {
  return (order) => {
    const { hostname, bounceSizeLimitBytes, generation, notices } = boot ?? settings
    return createReportComposer({
      hostname,
      makeId: () => makeId(systemClock.nowMs()),
      sizeLimit: bounceSizeLimitBytes,
      generation,
      postmasters: (which) => noticeTargets(which, notices, directory),
      mailboxes: (address) => mailboxesOf(address, directory),
    })(order)
  }
}

function countQueue({ reader, scheduler, progress }: Running, queueDir: string): void {
  new QueueGauges({
    reader,
    clock: systemClock,
    queueDir,
    active: () => scheduler.active,
    progress: () => progress.report(),
    onError: storeFailed,
  }).start()
}

/** When which settings came into force, beside the messages that they were applied to. */
function recordGeneration(settings: QmgrBoot): void {
  const hash = createHash('sha256').update(JSON.stringify(settings)).digest('hex')
  running?.writer.recordGeneration(settings.generation, systemClock.nowMs(), hash)
}

/** Nothing that this process believes of the store can be trusted any more. */
function die(error: unknown, damaged: boolean): void {
  const reason = error instanceof Fault ? error.message : errorText(error)
  log?.write('error', 'qmgr.store_error', { reason, end: true })
  log?.flush()
  if (damaged && boot !== undefined) markDamaged(boot.queueDir)
  setTimeout(() => process.exit(1), LAST_WORDS_MS)
}

/** Takes nothing more, lets deliveries end, writes what is to be written, and goes. */
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  await starting
  if (running !== undefined) {
    const {
      control,
      look,
      trace,
      writer,
      scheduler,
      progress,
      sizes,
      deliverer,
      notices,
      routing,
      peers,
      reader,
      lock,
    } = running
    progress.stop()
    sizes.stop()
    control.close()
    look.close()
    await trace.close()
    notices[Symbol.dispose]()
    writer.stop()
    await scheduler.stop(STOP_MS)
    await deliverer.close()
    routing.close()
    peers[Symbol.dispose]()
    await writer.close()
    reader[Symbol.dispose]()
    lock[Symbol.dispose]()
  }
  log?.flush()
  process.exit(0)
}
