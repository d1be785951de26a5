import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryLog } from '#src/base/log.ts'
import { changesFromJson, changesToJson } from '#src/queue/change-json.ts'
import type { Action, ActionResult, MessageChange } from '#src/queue/changes.ts'
import { HandOver } from '#src/queue/hand-over.ts'
import { databasePath } from '#src/queue/paths.ts'
import type { Deliverer, DeliveryRequest, Destination, RecipientOutcome, Route } from '#src/queue/ports.ts'
import { QueueDb } from '#src/queue/queue-db.ts'
import { QueueReader } from '#src/queue/queue-reader.ts'
import { POSTFIX_TIMES } from '#src/queue/schedule.ts'
import { Scheduler } from '#src/queue/scheduler.ts'
import { SpoolPool } from '#src/queue/spool-pool.ts'
import type { FromWriter } from '#src/queue/thread-messages.ts'
import { Writer } from '#src/queue/writer.ts'
import { readSubmission } from '#src/queue/submission.ts'
import type { NewMessage, NewRecipient, SubmitOutcome } from '#src/queue/types.ts'
import { openStore } from '#src/store/sqlite.ts'
import { newMessage, recipient, reporting } from '#test/queue/support.ts'
import type { Random } from '#test/support/random.ts'
import { VirtualClock, settle } from './virtual-clock.ts'

/** How things go wrong; each is a probability. */
export interface Weather {
  readonly bounced: number
  readonly deferred: number
  /** The deliverer forgets an outcome, or throws. */
  readonly mistakes: number
  /** The disk is full at a commit. */
  readonly full: number
  readonly unroutable: number
}

export const FAIR: Weather = { bounced: 0, deferred: 0, mistakes: 0, full: 0, unroutable: 0 }

/** What became of one accepted recipient, as seen from outside the queue. */
export interface Fate {
  delivered: number
  bounced: number
  deleted: boolean
  /** Its sender wants to hear that it has arrived, and how often it did. */
  readonly wantsArrival: boolean
  told: number
}

/** A queue manager with chance for its peers, its disk and its operator. A crash forgets all but the disk. */
export class World implements AsyncDisposable {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 1))
  readonly fates = new Map<string, Fate>()
  readonly #random: Random
  readonly #dir: string
  readonly #activeMax: number
  weather: Weather
  crashes = 0
  /** Deliveries that were under way, or whose outcome was not written, when the queue manager was killed. */
  inDoubt = new Set<string>()
  #life: Life
  #count = 0

  constructor(random: Random, weather: Weather, activeMax: number) {
    this.#random = random
    this.weather = weather
    this.#activeMax = activeMax
    this.#dir = mkdtempSync(join(tmpdir(), 'postern-simulate-'))
    mkdirSync(join(this.#dir, 'spool'))
    this.#life = new Life(this.#options())
  }

  #options(): LifeOptions {
    return {
      dir: this.#dir,
      clock: this.clock,
      random: this.#random,
      activeMax: this.#activeMax,
      weather: () => this.weather,
      onDelivered: (key) => {
        const fate = this.fates.get(key)
        if (fate !== undefined) fate.delivered++
      },
      onTold: (keys) => {
        for (const key of keys) {
          const fate = this.fates.get(key)
          if (fate !== undefined) fate.told++
        }
      },
      onBounced: (keys) => {
        for (const key of keys) {
          const fate = this.fates.get(key)
          if (fate !== undefined) fate.bounced++
        }
      },
    }
  }

  get messages(): number {
    return this.#life.reader.seqsAfter(0, 1_000_000).length
  }

  get activeRecipients(): number {
    return this.#life.scheduler.activeRecipients
  }

  get ids(): string[] {
    return this.#life.reader.seqsAfter(0, 1_000_000).map((seq) => this.#life.reader.idOf(seq))
  }

  /** A client hands a message over; if it was told 'queued', its recipients are on the ledger. */
  submit(): void {
    const n = this.#random.between(1, 5)
    const name = `m${++this.#count}`
    const recipients = Array.from({ length: n }, (_, i) =>
      wishing(`${name}.${i}@d${this.#random.between(0, 4)}.example.test`, this.#random.fraction() < 0.3),
    )
    const message = newMessage({
      arrivedMs: this.clock.nowMs(),
      sender: `${name}@sender.example.test`,
      recipients,
    })
    this.#life.submit(message, (outcome) => {
      if (outcome !== 'queued') return
      for (const { address, notify } of recipients) {
        const wantsArrival = notify.length > 0
        this.fates.set(address, { delivered: 0, bounced: 0, deleted: false, wantsArrival, told: 0 })
      }
    })
  }

  async act(action: Action, ids: readonly string[] | null): Promise<ActionResult | undefined> {
    const addresses = action === 'delete' ? this.#life.addressesOf(ids) : []
    try {
      const result = await this.#life.writer.act(
        action,
        ids === null ? { kind: 'all' } : { kind: 'ids', ids },
      )
      for (const address of addresses) {
        const fate = this.fates.get(address)
        if (fate !== undefined) fate.deleted = true
      }
      return result
    } catch {
      // The disk was full: nothing was done, and the operator is told so.
      return undefined
    }
  }

  /** kill -9 and a new start. */
  async crash(): Promise<void> {
    this.crashes++
    for (const address of this.#life.kill()) this.inDoubt.add(address)
    await settle()
    await this.#life.close()
    this.#life = new Life(this.#options())
    await settle()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.kill()
    await this.#life.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

interface LifeOptions {
  readonly dir: string
  readonly clock: VirtualClock
  readonly random: Random
  readonly activeMax: number
  readonly weather: () => Weather
  readonly onDelivered: (address: string) => void
  readonly onBounced: (addresses: readonly string[]) => void
  readonly onTold: (addresses: readonly string[]) => void
}

function wishing(address: string, arrival: boolean): NewRecipient {
  return { ...recipient(address), notify: arrival ? ['SUCCESS', 'FAILURE'] : [] }
}

/** The queue manager from one start to its end. */
class Life {
  readonly #db: QueueDb
  readonly reader: QueueReader
  readonly writer: Writer
  readonly scheduler: Scheduler
  readonly #spool: SpoolPool
  readonly #peer: Peer
  /** Addresses whose delivery is not settled on the disk. */
  readonly #open = new Set<string>()
  #alive = true

  constructor(options: LifeOptions) {
    const { dir, clock, random, weather } = options
    const log = memoryLog()
    const path = databasePath(dir)
    this.#db = new QueueDb(openStore(path))
    this.reader = new QueueReader(openStore(path, { readonly: true }))
    this.#spool = new SpoolPool(join(dir, 'spool'), this.#db.spoolFiles(), log, () => {})
    const handOver = new HandOver(options.activeMax, (message) => setImmediate(() => this.#hear(message)))
    const db = faulty(this.#db, () => random.fraction() < weather().full)
    this.writer = new Writer({
      db,
      spool: this.#spool,
      clock,
      log,
      space: { open: true, closeNow: () => {} },
      events: {
        answered: () => {},
        accepted: (messages) => {
          for (const { message } of messages) {
            const { told, arrived } = message.verdict
            if (typeof told === 'string') options.onBounced(told.split(' '))
            if (typeof arrived === 'string') options.onTold(arrived.split(' '))
          }
          handOver.give(messages)
        },
        settled: (changes) => {
          for (const { change } of changes) if (change.leaves) handOver.back(change.seq)
          const seqs = changes.map(({ change }) => change.seq)
          const removed = changes.filter((each) => each.removed).map(({ change }) => change.seq)
          for (const { change } of changes) for (const { address } of change.done) this.#open.delete(address)
          setImmediate(() => this.#hear({ t: 'settled', seqs, removed }))
        },
        acted: (action, seqs) => setImmediate(() => this.#hear({ t: 'acted', action, seqs })),
        committed: () => {},
        fatal: (error) => {
          throw error
        },
      },
    })
    this.#peer = new Peer(options, (request) => {
      for (const { address } of request.recipients) this.#open.add(address)
    })
    this.scheduler = new Scheduler({
      writer: { change: (change) => this.#change(change) },
      reader: this.reader,
      spoolDir: join(dir, 'spool'),
      deliverer: this.#peer,
      router: (address) => route(address, random, weather()),
      composeReports: reporting(({ kind, message, about }) => {
        if (!message.sender.startsWith('m')) return undefined
        const told = about.map((each) => each.recipient.address).join(' ')
        return newMessage({
          arrivedMs: clock.nowMs(),
          sender: '',
          recipients: [recipient(`bounce@d0.example.test`)],
          verdict: kind === 'failed' ? { told } : { arrived: told },
        })
      }),
      times: () => POSTFIX_TIMES,
      activeRecipientsMax: options.activeMax,
      clock,
      log,
      onTrouble: () => undefined,
      onStoreError: (error) => {
        throw error
      },
    })
    this.scheduler.start()
  }

  submit(message: NewMessage, answer: (outcome: SubmitOutcome) => void): void {
    this.writer.submit({ message, head: '', owner: this, answer })
  }

  addressesOf(ids: readonly string[] | null): string[] {
    const addresses: string[] = []
    for (const seq of this.reader.seqsAfter(0, 1_000_000)) {
      if (ids !== null && !ids.includes(this.reader.idOf(seq))) continue
      addresses.push(...this.reader.rawAddresses(seq))
    }
    return addresses
  }

  /** As over the thread's port: through JSON, and not at once. */
  #change(change: MessageChange): void {
    const { json, bodies } = changesToJson([change])
    setImmediate(() => {
      if (this.#alive) this.writer.change(changesFromJson(json, bodies))
    })
  }

  #hear(message: FromWriter): void {
    if (!this.#alive) return
    switch (message.t) {
      case 'accepted': {
        const list: [number, number, number, number, number, { m: unknown }][] = JSON.parse(message.json)
        for (const [seq, dueMs, bodyBytes, index, at, head] of list) {
          const chunk = message.chunks[index]
          const body = chunk === undefined ? null : new Uint8Array(chunk, at, bodyBytes)
          const read = readSubmission(head.m, body ?? new Uint8Array())
          if (typeof read === 'string') throw new Error(read)
          this.scheduler.accepted({ seq, dueMs, message: read, bodyBytes, body })
        }
        this.scheduler.acceptedAll()
        return
      }
      case 'left':
        this.scheduler.left()
        return
      case 'settled':
        this.scheduler.settled(message.seqs, message.removed)
        return
      case 'acted':
        this.scheduler.acted(message.action, message.seqs)
        return
      case 'ready':
      case 'metrics':
      case 'action-result':
      case 'action-error':
      case 'fatal':
        throw new Error(`${message.t}: nobody says this here`)
    }
  }

  /** Nothing that this life still had in mind happens. Returns whose delivery was under way. */
  kill(): string[] {
    this.#alive = false
    this.#peer.kill()
    this.writer.close()
    void this.scheduler.stop(0)
    return [...this.#open]
  }

  async close(): Promise<void> {
    await this.#spool.close()
    this.reader[Symbol.dispose]()
    this.#db[Symbol.dispose]()
  }
}

/** A store whose disk is full now and then, at the commit. */
function faulty(db: QueueDb, full: () => boolean): QueueDb {
  const { store } = db
  const transact = db.transact.bind(db)
  db.transact = (durable, work) => {
    if (!full()) return transact(durable, work)
    // A limit below what is used makes SQLite itself say SQLITE_FULL.
    store.pragma('max_page_count = 1')
    try {
      return transact(durable, () => {
        const result = work()
        store.exec(
          `CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(1000000)); DROP TABLE filler`,
        )
        return result
      })
    } finally {
      store.pragma('max_page_count = 4294967294')
    }
  }
  return db
}

function route(address: string, random: Random, weather: Weather): Route | Promise<Route> {
  if (random.fraction() < weather.unroutable) {
    const kind = random.pick(['deferred', 'bounced'] as const)
    return Promise.resolve({ kind, dsn: kind === 'deferred' ? '4.4.3' : '5.4.4', reason: 'no route' })
  }
  const host = address.slice(address.indexOf('@') + 1)
  return { kind: 'destination', destination: { protocol: 'lmtp', host, port: 24 } }
}

/** Mailbox servers of all kinds. */
class Peer implements Deliverer {
  revive(): void {}

  readonly #o: LifeOptions
  readonly #onStart: (request: DeliveryRequest) => void
  readonly #running = new Map<string, number>()
  readonly #listeners: (() => void)[] = []
  #alive = true

  constructor(options: LifeOptions, onStart: (request: DeliveryRequest) => void) {
    this.#o = options
    this.#onStart = onStart
  }

  kill(): void {
    this.#alive = false
  }

  async deliver(request: DeliveryRequest): Promise<readonly RecipientOutcome[]> {
    const { random, clock, weather } = this.#o
    const { host } = request.destination
    this.#running.set(host, (this.#running.get(host) ?? 0) + 1)
    this.#onStart(request)
    await clock.sleep(random.between(0, 3000))
    const outcomes: RecipientOutcome[] = []
    // A killed process delivers nothing more; the peer may have taken it all the same, which the ledger allows.
    if (!this.#alive) return []
    for (const { n, address } of request.recipients) {
      const chance = random.fraction()
      const { bounced, deferred } = weather()
      const common = { n, relay: host, source: 'remote' as const }
      if (chance < bounced) outcomes.push({ ...common, kind: 'bounced', dsn: '5.1.1', reply: '550 5.1.1 no' })
      else if (chance < bounced + deferred)
        outcomes.push({ ...common, kind: 'deferred', dsn: '4.2.0', reply: '450 later' })
      else {
        this.#o.onDelivered(address)
        outcomes.push({ ...common, kind: 'sent', dsn: '2.0.0', reply: '250 ok' })
      }
    }
    this.#running.set(host, (this.#running.get(host) ?? 1) - 1)
    setImmediate(() => {
      for (const listener of this.#listeners) listener()
    })
    if (random.fraction() < weather().mistakes) {
      const kept = outcomes.filter(({ kind }) => kind === 'sent')
      if (kept.length === 0) throw new Error('the deliverer has a mistake')
      return kept
    }
    return outcomes
  }

  hasRoom({ host }: Destination): boolean {
    return (this.#running.get(host) ?? 0) < 2
  }

  onRoom(listener: () => void): void {
    this.#listeners.push(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
