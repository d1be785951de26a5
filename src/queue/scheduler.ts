import { elapsed } from '#src/base/clock.ts'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { counter } from '#src/base/metrics.ts'
import { Active } from './active.ts'
import type { Job } from './active.ts'
import { bodySource } from './body-source.ts'
import { SpoolReader } from './spool-reader.ts'
import type { Action, MessageChange } from './changes.ts'
import { localFacts } from './delivery-facts.ts'
import { Destinations } from './destinations.ts'
import { DuePuller } from './due-puller.ts'
import { Expiry } from './expiry.ts'
import { CHANGES_WAITING_MAX, STALLED_MS } from './limits.ts'
import { expandedOutcome, expiredOutcome, localDeferral, noRoute } from './outcomes.ts'
import type { BodySource, Deliverer, RecipientOutcome, ReportComposer, Route, Router } from './ports.ts'
import type { DueKey, QueueReader } from './queue-reader.ts'
import { Damage } from './rows.ts'
import type { StoredMessage, StoredRecipient } from './rows.ts'
import { LeapGuard } from './schedule.ts'
import type { RetryTimes } from './schedule.ts'
import { Settlement } from './settlement.ts'
import type { MailTrouble } from './trouble.ts'
import type { HandedMessage, WriterListener, WriterPort } from './writer-handle.ts'

const corrupt = counter('postern_queue_corrupt_total').of()
/** Of those that no peer was asked about. */
const unasked = counter('postern_delivery_recipients_total')

export interface SchedulerOptions {
  readonly writer: Pick<WriterPort, 'change'>
  readonly reader: QueueReader
  readonly spoolDir: string
  readonly deliverer: Deliverer
  readonly router: Router
  readonly composeReports: ReportComposer
  /** In force at each attempt: a new generation of settings may have changed them. */
  readonly times: () => RetryTimes
  /** qmgr_message_active_limit: recipients in memory at most, and one message more. */
  readonly activeRecipientsMax: number
  readonly clock: Clock
  readonly log: Log
  /** Reading queue.db failed: the process must end. */
  readonly onStoreError: (error: unknown) => void
  /** Something of ours keeps mail back: postmaster may want to know. */
  readonly onTrouble: (trouble: MailTrouble) => void
}

/**
 * Decides what is tried when. It lives in qmgr's main thread, holds a bounded number of recipients in memory, and
 * learns of new mail from the writer and of old mail from the due index. What it decides it tells the writer; a
 * message leaves memory only when its outcome is written, so nothing is ever tried twice at once.
 */
export class Scheduler implements WriterListener {
  readonly #o: SchedulerOptions
  readonly #active = new Map<number, Active>()
  /** Damaged messages whose setting-aside is not written yet. */
  readonly #aside = new Set<number>()
  readonly #waiting = new Destinations<Job>()
  readonly #puller: DuePuller
  readonly #expiry: Expiry
  readonly #leaps: LeapGuard
  readonly #settlement: Settlement
  readonly #abort = new AbortController()
  /** Half of the active set is for what is read back, half for new mail (hand-over.ts). */
  readonly #pulledMax: number
  #recipients = 0
  #pulled = 0
  #unsettled = 0
  /** Deliveries and compositions of bounces under way. */
  #running = 0
  #pumpScheduled = false
  readonly #spool: SpoolReader
  #stopping = false
  readonly #idle = Promise.withResolvers<void>()

  constructor(options: SchedulerOptions) {
    this.#o = options
    this.#spool = new SpoolReader(options.spoolDir)
    const { clock, reader, onStoreError } = options
    this.#pulledMax = Math.max(1, options.activeRecipientsMax / 2)
    this.#leaps = new LeapGuard(clock.nowMs(), clock.monotonicMs())
    this.#settlement = new Settlement({
      ...options,
      leaps: this.#leaps,
      write: (change) => this.#write(change),
      body: (entry) => this.#body(entry),
      begin: (entry) => this.#begin(entry),
      end: (entry) => this.#end(entry),
    })
    this.#puller = new DuePuller({
      reader,
      clock,
      hasRoom: () => this.#pulled < this.#pulledMax && !this.#stopping,
      take: (key) => this.#take(key),
      onRound: () => {
        if (this.#pulled >= this.#pulledMax) this.#postponeStalled()
        this.#pump()
      },
      onError: onStoreError,
    })
    this.#expiry = new Expiry({
      ...options,
      leaps: this.#leaps,
      hasRoom: () => this.#pulled < this.#pulledMax && !this.#stopping,
      expire: (seq) => this.#expire(seq),
      onError: onStoreError,
    })
    options.deliverer.onRoom(() => this.#pumpSoon())
  }

  /** Recipients in memory. */
  get activeRecipients(): number {
    return this.#recipients
  }

  /** Row numbers of the messages in memory: mailq marks them '*'. */
  get active(): Pick<ReadonlyMap<number, unknown>, 'has' | 'keys' | 'size'> {
    return this.#active
  }

  /** Whether a message is being delivered, or what became of it is being written. */
  isTried(seq: number): boolean {
    const entry = this.#active.get(seq)
    return entry !== undefined && (entry.running > 0 || entry.over)
  }

  /** Begins with what is due on the disk. */
  start(): void {
    this.#puller.start()
    this.#expiry.start()
  }

  /**
   * Starts nothing more, waits `graceMs` for the deliveries that run, then aborts them and waits as long again. What
   * was not begun stays on the disk as it is.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#puller.stop()
    this.#expiry.stop()
    if (this.#running > 0 && !(await this.#idleWithin(graceMs))) {
      this.#abort.abort(new Error('the queue manager stops'))
      await this.#idleWithin(graceMs)
    }
    this.#spool.close()
  }

  async #idleWithin(ms: number): Promise<boolean> {
    const wait = new AbortController()
    const late = elapsed(this.#o.clock, ms, wait.signal)
    try {
      return await Promise.race([this.#idle.promise.then(() => true), late.then((isLate) => !isLate)])
    } finally {
      wait.abort()
    }
  }

  // What the writer tells

  accepted({ seq, dueMs, message, bodyBytes, body }: HandedMessage): void {
    if (this.#active.has(seq)) return
    const { recipients: fresh, body: where, ...rest } = message
    const stored: StoredMessage = {
      ...rest,
      seq,
      sizeBytes: Buffer.byteLength(message.prefix) + bodyBytes,
      spool: where.kind === 'spool' ? where.file : null,
      bodyBytes,
      forcedExpire: false,
    }
    const recipients: StoredRecipient[] = []
    for (const [n, { address, original, orcpt, notify }] of fresh.entries()) {
      const known = { n, address, original, orcpt, notify }
      recipients.push({ ...known, state: 'active', dueMs, ...UNTRIED })
    }
    this.#activate(stored, recipients, { pulled: false, body })
  }

  acceptedAll(): void {
    this.#pump()
  }

  left(): void {
    this.#puller.wake()
  }

  settled(seqs: readonly number[], removed: readonly number[]): void {
    for (const seq of removed) {
      const id = this.#active.get(seq)?.message.id
      if (id !== undefined) this.#o.log.write('info', 'qmgr.removed', { id })
    }
    if (this.#unsettled > CHANGES_WAITING_MAX) this.#pumpSoon()
    this.#unsettled -= seqs.length
    for (const seq of seqs) {
      if (this.#aside.delete(seq)) continue
      const entry = this.#active.get(seq)
      if (entry === undefined) continue
      entry.unsettled--
      if (entry.over && entry.unsettled === 0) this.#leave(seq, entry)
    }
  }

  acted(action: Action, seqs: readonly number[]): void {
    switch (action) {
      case 'delete':
      case 'hold': {
        // What has not begun does not begin; what runs ends as it ends.
        const chosen = new Set(seqs)
        this.#waiting.remove(
          (job) => chosen.has(job.entry.message.seq),
          (job) => this.#unqueue(job),
        )
        return
      }
      case 'release':
      case 'requeue':
      case 'flush':
      case 'expire':
        if (action === 'flush') this.#o.deliverer.revive()
        for (const seq of seqs) {
          const entry = this.#active.get(seq)
          if (entry !== undefined) entry.again = true
        }
        this.#puller.restart()
    }
  }

  // Into memory and out of it

  /** One due recipient of the index: its message is read whole, once. */
  #take({ seq, n, dueMs }: DueKey): void {
    if (this.#aside.has(seq)) return
    const entry = this.#active.get(seq)
    if (entry !== undefined) {
      // Another one of its recipients, or one of this round that is already written anew with its next time.
      if (entry.recipients.get(n)?.dueMs !== dueMs) entry.again = true
      return
    }
    const loaded = this.#o.reader.load(seq)
    if (loaded instanceof Damage) this.#setAside(seq, loaded.reason)
    // undefined: delivered, or deleted by a tool, since the index was read.
    if (loaded === undefined || loaded instanceof Damage) return
    const nowMs = this.#o.clock.nowMs()
    const due = loaded.recipients.filter(
      (each) => (each.state === 'incoming' || each.state === 'deferred') && each.dueMs <= nowMs,
    )
    if (due.length === 0) return
    const { id, sender: from, sizeBytes: size } = loaded.message
    this.#o.log.write('info', 'qmgr.active', { id, from, size, nrcpt: due.length })
    this.#activate(loaded.message, due, { pulled: true, body: null })
  }

  /** Its time is up, and more: what is under way ends as it ends, and nothing is begun any more. */
  #expire(seq: number): void {
    if (this.#aside.has(seq)) return
    const entry = this.#active.get(seq)
    if (entry !== undefined) {
      entry.overdue = true
      this.#waiting.remove(
        (job) => job.entry === entry,
        (job) => this.#expireJob(job),
      )
      return
    }
    const loaded = this.#o.reader.load(seq)
    if (loaded instanceof Damage) this.#setAside(seq, loaded.reason)
    if (loaded === undefined || loaded instanceof Damage) return
    const waiting = loaded.recipients.filter(({ state }) => state === 'incoming' || state === 'deferred')
    if (waiting.length > 0)
      this.#activate(loaded.message, waiting, { pulled: true, body: null, overdue: true })
  }

  #expireJob({ entry, recipients }: Job): void {
    entry.waiting--
    this.#begin(entry)
    const outcomes = recipients.map((recipient) => expiredOutcome(recipient, false))
    this.#logLocal(entry, outcomes)
    this.#settlement.ended(entry, recipients, outcomes)
  }

  #setAside(seq: number, reason: string): void {
    const id = this.#o.reader.idOf(seq)
    corrupt.add()
    this.#o.log.write('error', 'qmgr.corrupt', { id, seq, reason })
    this.#o.onTrouble({ which: 'software', id, sender: '', recipient: '', reason })
    this.#aside.add(seq)
    this.#write({ seq, id, done: [], deferred: [], corrupt: reason, reports: [], leaves: true })
  }

  #activate(
    message: StoredMessage,
    recipients: readonly StoredRecipient[],
    from: { readonly pulled: boolean; readonly body: Uint8Array | null; readonly overdue?: boolean },
  ): void {
    const entry = new Active(message, recipients, { ...from, nowMs: this.#o.clock.nowMs() })
    this.#active.set(message.seq, entry)
    this.#recipients += entry.recipients.size
    if (from.pulled) this.#pulled += entry.recipients.size
    void this.#route(entry, recipients)
  }

  #leave(seq: number, entry: Active): void {
    this.#active.delete(seq)
    this.#puller.expect(entry.nextDueMs)
    this.#recipients -= entry.recipients.size
    if (entry.pulled) {
      const wasFull = this.#pulled >= this.#pulledMax / 2
      this.#pulled -= entry.recipients.size
      if (wasFull && this.#pulled < this.#pulledMax / 2) this.#puller.wake()
    }
    // Something of it fell due, or was moved, while it was in memory and could not be taken.
    const due = entry.again || entry.nextDueMs <= this.#o.clock.nowMs()
    if (due && !this.#stopping) {
      this.#take({ seq, n: 0, dueMs: 0 })
      this.#pumpSoon()
    }
  }

  // Attempts

  /** Without a single await where the router answers at once. */
  async #route(entry: Active, recipients: readonly StoredRecipient[]): Promise<void> {
    this.#begin(entry)
    const groups = new Map<string, { destination: Job['destination']; recipients: StoredRecipient[] }>()
    let asked = false
    const expanded: StoredRecipient[] = []
    const unroutable: { recipient: StoredRecipient; outcome: RecipientOutcome }[] = []
    for (const recipient of recipients) {
      if (recipient.notify.includes('EXPANDED')) {
        expanded.push(recipient)
        continue
      }
      if (entry.overdue) {
        const outcome = expiredOutcome(recipient, entry.message.forcedExpire)
        unroutable.push({ recipient, outcome })
        continue
      }
      const answer = this.#askRouter(recipient.address, entry.message.sender)
      asked ||= answer instanceof Promise
      const route = answer instanceof Promise ? await answer : answer
      if (route.kind !== 'destination') {
        const { kind, dsn, reason } = route
        const outcome: RecipientOutcome = {
          n: recipient.n,
          kind: kind === 'discarded' ? 'sent' : kind,
          dsn,
          reply: reason,
          relay: 'none',
          source: 'local',
        }
        unroutable.push({ recipient, outcome })
        continue
      }
      const key = Destinations.key(route.destination)
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { destination: route.destination, recipients: [recipient] })
      else group.recipients.push(recipient)
    }
    for (const group of groups.values()) {
      entry.waiting++
      this.#waiting.add(
        group.destination,
        { entry, ...group },
        this.#o.clock.monotonicMs(),
        entry.message.priority,
      )
    }
    const local = unroutable.map((each) => each.outcome)
    this.#logLocal(entry, local)
    this.#settlement.ended(
      entry,
      [...unroutable.map((each) => each.recipient), ...expanded],
      [...local, ...expanded.map(({ n }) => expandedOutcome(n))],
    )
    if (groups.size > 0 && asked) this.#pumpSoon()
  }

  /** The line of recipients that no deliverer has seen. */
  #logLocal(entry: Active, outcomes: readonly RecipientOutcome[]): void {
    const nowMs = this.#o.clock.nowMs()
    for (const outcome of outcomes) {
      const recipient = entry.recipients.get(outcome.n)
      if (recipient === undefined) continue
      unasked.of('none', outcome.kind).add()
      this.#o.log.write('info', 'delivery.recipient', localFacts(entry, recipient, outcome, nowMs))
    }
  }

  #askRouter(address: string, sender: string): Route | Promise<Route> {
    try {
      const route = this.#o.router(address, sender)
      return route instanceof Promise ? route.catch(noRoute) : route
    } catch (error) {
      return noRoute(error)
    }
  }

  #pumpSoon(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    setImmediate(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    // With so many outcomes unwritten (a full disk) each further delivery would be one more double after a crash.
    if (this.#stopping || this.#unsettled > CHANGES_WAITING_MAX) return
    this.#waiting.pump(
      (destination) => this.#o.deliverer.hasRoom(destination),
      (job) => void this.#deliver(job),
    )
  }

  async #deliver(job: Job): Promise<void> {
    const { entry, recipients, destination } = job
    entry.waiting--
    this.#begin(entry)
    const { message } = entry
    let outcomes: readonly RecipientOutcome[]
    try {
      // Logs each recipient, for it alone knows how long each part took.
      const body = this.#body(entry)
      outcomes = await this.#o.deliverer.deliver(
        { message, recipients, body, destination },
        this.#abort.signal,
      )
    } catch (error) {
      // It never should; whatever happened, these recipients are tried again.
      const reply = `delivery failed: ${errorText(error)}`
      outcomes = recipients.map(({ n }) => localDeferral(n, '4.3.0', reply))
      this.#logLocal(entry, outcomes)
    }
    this.#waiting.alive(destination, this.#o.clock.monotonicMs())
    this.#settlement.ended(entry, recipients, outcomes)
  }

  #body(entry: Active): BodySource {
    return bodySource(entry.message, entry.body, { reader: this.#o.reader, spool: this.#spool }, (reason) => {
      entry.damage = reason
    })
  }

  #begin(entry: Active): void {
    entry.running++
    this.#running++
  }

  #end(entry: Active): void {
    entry.running--
    this.#running--
    if (this.#running === 0 && this.#stopping) this.#idle.resolve()
  }

  /** A job that will not run: its recipients stay on the disk as they are. */
  #unqueue(job: Job): void {
    job.entry.waiting--
    this.#settlement.perhapsOver(job.entry, [], [])
  }

  #write(change: Omit<MessageChange, 'atMs'>): void {
    this.#unsettled++
    const entry = this.#active.get(change.seq)
    if (entry !== undefined) entry.unsettled++
    this.#o.writer.change({ ...change, atMs: this.#o.clock.nowMs() })
  }

  /** With the active set full, what waits for destinations that do not move goes back to the disk for a while. */
  #postponeStalled(): void {
    const { clock } = this.#o
    const dueMs = clock.nowMs() + this.#o.times().minimalBackoffMs
    this.#waiting.removeStalled(clock.monotonicMs() - STALLED_MS, ({ entry, recipients }) => {
      entry.waiting--
      const later = recipients.map(({ n, address, attempts, lastReply, lastDsn }) => {
        return { n, address, dueMs, attempts, reply: lastReply, dsn: lastDsn }
      })
      entry.nextDueMs = Math.min(entry.nextDueMs, dueMs)
      this.#settlement.perhapsOver(entry, [], later)
    })
  }
}

const UNTRIED = { attempts: 0, lastReply: '', lastDsn: '', delayToldMs: 0 }
