import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { FrameDecoder, FrameWriter, parseHead } from '#src/net/frames.ts'
import { keepConnected } from '#src/net/reconnect.ts'
import {
  HEAD_BYTES_MAX,
  LEASE_SPARES,
  LEASE_WAIT_MS,
  RECONNECT,
  SUBMIT_WAIT_MS,
  TAIL_BYTES_MAX,
} from './limits.ts'
import { isCount, isText } from './rows.ts'
import { Descriptors } from './descriptors.ts'
import { SpoolFile } from './spool-file.ts'
import type { GiveBack } from './spool-file.ts'
import { isSpoolFile, submissionJson } from './submission.ts'
import type { NewMessage, QueueSubmitter, SpoolWriter, SubmitOutcome } from './types.ts'

export interface QueueClientOptions {
  readonly socketPath: string
  readonly spoolDir: string
  readonly clock: Clock
  readonly log: Log
}

const NO_TAIL = new Uint8Array()

interface InFlight {
  readonly resolve: (outcome: SubmitOutcome) => void
  readonly sentMs: number
}

/** One connection to qmgr, with what depends on it: leases end with it, and what is in flight is in doubt. */
interface Link {
  readonly socket: Socket
  readonly out: FrameWriter
  readonly inFlight: Map<number, InFlight>
  /** Leased files that nobody uses yet. */
  readonly spares: string[]
  /** Of the spool files of this qmgr. */
  readonly descriptors: Descriptors
  /** Counts of the lease requests that are not answered, in order. */
  readonly asked: number[]
  space: 'open' | 'full' | undefined
}

type SpoolResult = SpoolWriter | 'full' | 'unavailable'

/** Files in one lease request. */
const LEASE_BATCH = 16

/** How often submissions are looked over for one that has waited too long. */
const WATCH_MS = 5000

/** What qmgr answers is taken apart before the next read can happen: no fresh memory for each of its few octets. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/** The queue as smtpd sees it: a connection to qmgr that is made anew whenever it is lost. */
export class QueueClient implements QueueSubmitter {
  readonly #options: QueueClientOptions
  readonly #stop = new AbortController()
  #link: Link | undefined
  /** Sessions that wait for a spool file. */
  #wanting: ((result: SpoolResult) => void)[] = []
  /** Files that sessions write to, of the connection that there is now. */
  readonly #handedOut = new Map<string, SpoolFile>()
  readonly #firstWord = Promise.withResolvers<void>()
  #nextNumber = 1
  #watch: NodeJS.Timeout | undefined

  constructor(options: QueueClientOptions) {
    this.#options = options
  }

  /** Connects, and goes on doing so until close(). Does not wait for the connection. */
  start(): void {
    this.#watch = setInterval(() => this.#lookOver(), WATCH_MS).unref()
    const { clock } = this.#options
    void keepConnected(() => this.#connectOnce(), RECONNECT, clock, this.#stop.signal)
  }

  /** Resolves once qmgr has said for the first time whether there is room. Never rejects. */
  get heard(): Promise<void> {
    return this.#firstWord.promise
  }

  admission(): 'open' | 'full' | 'unavailable' {
    return this.#link?.space ?? 'unavailable'
  }

  submit(message: NewMessage): Promise<SubmitOutcome> {
    const link = this.#link
    if (link?.space === undefined) return Promise.resolve('unavailable')
    const { body } = message
    if (body.kind === 'spool') {
      const file = this.#handedOut.get(body.file)
      // Leased over an earlier connection, it is not ours any more.
      if (file === undefined) return Promise.resolve('unavailable')
      if (!file.holds(body.length)) {
        file.discard()
        return Promise.resolve('failed')
      }
      this.#handedOut.delete(body.file)
      file.release()
    }
    const n = this.#nextNumber++
    const { promise, resolve } = Promise.withResolvers<SubmitOutcome>()
    link.inFlight.set(n, { resolve, sentMs: this.#options.clock.monotonicMs() })
    const head = JSON.stringify({ t: 'submit', n, m: submissionJson(message) })
    link.out.write(head, body.kind === 'inline' ? body.bytes : NO_TAIL)
    return promise
  }

  openSpool(): Promise<SpoolResult> {
    const link = this.#link
    if (link?.space === undefined) return Promise.resolve('unavailable')
    if (link.space === 'full') return Promise.resolve('full')
    const file = link.spares.pop()
    if (file !== undefined) {
      this.#askLeases(link)
      return this.#openFile(link, file)
    }
    const { promise, resolve } = Promise.withResolvers<SpoolResult>()
    this.#wanting.push(resolve)
    this.#askLeases(link)
    const timer = setTimeout(() => {
      this.#wanting = this.#wanting.filter((wanting) => wanting !== resolve)
      resolve('unavailable')
    }, LEASE_WAIT_MS)
    return promise.finally(() => clearTimeout(timer))
  }

  async #openFile(link: Link, file: string): Promise<SpoolResult> {
    const giveBack: GiveBack = (_, bytes, damaged) => {
      if (this.#link !== link || !this.#handedOut.delete(file)) return
      link.out.write(JSON.stringify({ t: 'giveback', file, bytes, damaged }))
    }
    try {
      const path = join(this.#options.spoolDir, file)
      const spoolFile = await SpoolFile.open({ file, path, descriptors: link.descriptors }, giveBack)
      if (this.#link !== link) {
        spoolFile.release()
        return 'unavailable'
      }
      this.#handedOut.set(file, spoolFile)
      return spoolFile
    } catch (error) {
      this.#options.log.write('error', 'smtpd.error', { file, reason: errorText(error) })
      return 'unavailable'
    }
  }

  /** Ends the connection; what is in flight is 'unavailable'. */
  close(): void {
    this.#stop.abort()
    clearInterval(this.#watch)
    this.#link?.socket.destroy()
  }

  /** One connection from beginning to end; whether it came about. */
  #connectOnce(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const socket = connect({
      path: this.#options.socketPath,
      onread: {
        buffer: readBuffer,
        callback: (octets) => {
          try {
            decoder.push(readBuffer.subarray(0, octets), true)
          } catch (error) {
            socket.destroy(error instanceof Error ? error : new Error(errorText(error)))
          }
          return true
        },
      },
    })
    const link: Link = {
      socket,
      out: new FrameWriter(socket),
      inFlight: new Map(),
      spares: [],
      descriptors: new Descriptors('r+'),
      asked: [],
      space: undefined,
    }
    const limits = { headBytesMax: HEAD_BYTES_MAX, tailBytesMax: TAIL_BYTES_MAX }
    const decoder = new FrameDecoder(limits, (head) => this.#frame(link, head))
    let connected = false
    socket.on('connect', () => {
      connected = true
      this.#link = link
    })
    socket.on('error', (error) => {
      // No queue manager yet is what the backoff is for; a connection that breaks is worth a line.
      if (connected) this.#options.log.write('warn', 'smtpd.error', { reason: `qmgr: ${error.message}` })
    })
    socket.on('close', () => {
      this.#lost(link)
      resolve(connected)
    })
    return promise
  }

  #lost(link: Link): void {
    if (this.#link === link) {
      this.#link = undefined
      this.#handedOut.clear()
      for (const wanting of this.#wanting.splice(0)) wanting('unavailable')
    }
    link.descriptors[Symbol.dispose]()
    for (const { resolve } of link.inFlight.values()) resolve('unavailable')
    link.inFlight.clear()
  }

  /** qmgr that hangs (a disk that does) is as good as none. */
  #lookOver(): void {
    const link = this.#link
    if (link === undefined) return
    const [oldest] = link.inFlight.values()
    if (oldest === undefined) return
    if (this.#options.clock.monotonicMs() - oldest.sentMs < SUBMIT_WAIT_MS) return
    this.#options.log.write('error', 'smtpd.error', { reason: 'qmgr does not answer' })
    link.socket.destroy()
  }

  #frame(link: Link, head: string): void {
    const frame = parseHead(head)
    switch (frame['t']) {
      case 'done':
        this.#done(link, frame['done'])
        return
      case 'space':
        link.space = frame['open'] === true ? 'open' : 'full'
        this.#firstWord.resolve()
        if (link.space === 'open') this.#askLeases(link)
        return
      case 'leased':
        this.#leased(link, frame['files'])
        return
      default:
        throw new Error('unknown frame from qmgr')
    }
  }

  #done(link: Link, done: unknown): void {
    if (!Array.isArray(done)) throw new Error('done without a list')
    for (const entry of done) {
      if (!Array.isArray(entry)) throw new Error('done without a pair')
      const [n, outcome] = entry
      const inFlight = isCount(n) ? link.inFlight.get(n) : undefined
      if (inFlight === undefined || !isCount(n)) continue
      link.inFlight.delete(n)
      inFlight.resolve(isOutcome(outcome) ? outcome : 'failed')
    }
  }

  #askLeases(link: Link): void {
    let asked = 0
    for (const count of link.asked) asked += count
    for (let missing = LEASE_SPARES + this.#wanting.length - link.spares.length - asked; missing > 0;) {
      const count = Math.min(missing, LEASE_BATCH)
      link.asked.push(count)
      link.out.write(JSON.stringify({ t: 'lease', count }))
      missing -= count
    }
  }

  #leased(link: Link, files: unknown): void {
    link.asked.shift()
    if (!Array.isArray(files)) throw new Error('leased without files')
    for (const file of files) {
      if (!isText(file) || !isSpoolFile(file)) throw new Error('leased what is no file')
      const wanting = this.#wanting.shift()
      if (wanting === undefined) link.spares.push(file)
      else void this.#openFile(link, file).then(wanting)
    }
    if (files.length > 0) {
      if (this.#wanting.length > 0) this.#askLeases(link)
      return
    }
    for (const wanting of this.#wanting.splice(0)) wanting('full')
  }
}

function isOutcome(value: unknown): value is SubmitOutcome {
  return value === 'queued' || value === 'full' || value === 'failed' || value === 'unavailable'
}
