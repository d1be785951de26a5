import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Clock } from '#src/base/clock.ts'
import type { EventName } from '#src/base/events.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Level, Log } from '#src/base/log.ts'
import { isRecord } from '#src/net/frames.ts'
import { isCount, isText } from './rows.ts'

/**
 * Mail that is refused never becomes a row of queue.db, and yet "why did my mail not arrive" asks for it first. Each
 * smtpd tells the trace thread of qmgr what it refuses, in batches and with nobody waiting: a refusal costs the session
 * one push onto a list, and a flood costs lost refusals, which are counted, and nothing else.
 */

/** One refused command or message. */
export interface Refusal {
  /** The queue id that it had at the end of the data; before that the session's. */
  readonly id: string
  readonly atMs: number
  /** 'rejected': a command. 'refused': a whole message, for what is in it. 'discarded': one that a rule throws away. */
  readonly event: RefusalEvent
  readonly facts: Readonly<Record<string, unknown>>
}

/** What waits to be sent; with 1 KiB each a MiB. */
const WAITING_MAX = 1000
/** Kept of one smtpd: 100 a second for ever, a thousand at once. A dictionary attack makes ten thousand. */
const PER_SECOND = 100
const BURST_MAX = 1000
const FLUSH_AFTER_MS = 500
/** The trace thread is busy with a search: what comes meanwhile waits here, and beyond it is lost. */
const UNREAD_BYTES_MAX = 1024 * 1024
/** Characters of one line on the socket: a reply, three addresses and a verdict are a tenth. */
export const REFUSAL_CHARS_MAX = 65_536
/** How often a loss is told in the log. */
const TELL_LOSS_MS = 60_000

export interface RefusalSenderOptions {
  readonly socketPath: string
  readonly clock: Clock
  readonly log: Log
}

/** smtpd's end. */
export class RefusalSender implements Disposable {
  readonly #o: RefusalSenderOptions
  #waiting: string[] = []
  #credit = BURST_MAX
  #creditMs: number
  #lost = 0
  #lostUntold = 0
  #toldMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  #socket: Socket | undefined
  #closed = false

  constructor(options: RefusalSenderOptions) {
    this.#o = options
    this.#creditMs = options.clock.monotonicMs()
  }

  /** Never waits, never throws. */
  add(refusal: Refusal): void {
    if (this.#closed) return
    if (this.#waiting.length >= WAITING_MAX || !this.#allowed()) {
      this.#lost++
    } else {
      const line = JSON.stringify(refusal)
      if (line.length > REFUSAL_CHARS_MAX) this.#lost++
      else this.#waiting.push(line)
    }
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_AFTER_MS).unref()
  }

  #allowed(): boolean {
    const nowMs = this.#o.clock.monotonicMs()
    this.#credit = Math.min(BURST_MAX, this.#credit + ((nowMs - this.#creditMs) / 1000) * PER_SECOND)
    this.#creditMs = nowMs
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }

  #flush(): void {
    this.#timer = undefined
    this.#tellLoss()
    const socket = this.#socket ?? this.#dial()
    if (socket.writableLength > UNREAD_BYTES_MAX) {
      this.#timer = setTimeout(() => this.#flush(), FLUSH_AFTER_MS).unref()
      return
    }
    if (this.#lost > 0) this.#waiting.push(JSON.stringify({ lost: this.#lost, atMs: this.#o.clock.nowMs() }))
    this.#lost = 0
    socket.write(this.#waiting.map((line) => `${line}\n`).join(''))
    this.#waiting = []
  }

  #tellLoss(): void {
    const nowMs = this.#o.clock.monotonicMs()
    this.#lostUntold += this.#lost
    if (this.#lostUntold === 0 || nowMs - this.#toldMs < TELL_LOSS_MS) return
    this.#o.log.write('warn', 'smtpd.untraced', { count: this.#lostUntold })
    this.#toldMs = nowMs
    this.#lostUntold = 0
  }

  /** No qmgr, or one that ends: what was under way is lost, and the next batch tries again. */
  #dial(): Socket {
    const socket = connect(this.#o.socketPath)
    socket.unref()
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
    })
    return socket
  }

  [Symbol.dispose](): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer)
      this.#flush()
    }
    this.#closed = true
    this.#socket?.end()
  }
}

export type RefusalEvent = 'rejected' | 'refused' | 'discarded'

const TRACED: ReadonlyMap<EventName, RefusalEvent> = new Map([
  ['smtpd.reject', 'rejected'],
  ['smtpd.message_refused', 'refused'],
  ['smtpd.discarded', 'discarded'],
] as const)

function isRefusalEvent(value: unknown): value is RefusalEvent {
  return value === 'rejected' || value === 'refused' || value === 'discarded'
}

/** A log that also has what is refused traced. Of a refused message the subject goes into the trace only. */
export function tracingLog(log: Log, sender: Pick<RefusalSender, 'add'>, clock: Clock): Log {
  return {
    write(level: Level, event: EventName, facts: Facts) {
      if (!TRACED.has(event)) {
        log.write(level, event, facts)
        return
      }
      const { id, session, verdict, ...rest } = facts
      const { subject, ...found } = verdictOf(verdict)
      const logged = verdict === undefined ? facts : { ...facts, verdict: JSON.stringify(found) }
      log.write(level, event, logged)
      const key = isText(id) && id !== '' ? id : session
      if (!isText(key)) return
      sender.add({
        id: key,
        atMs: clock.nowMs(),
        event: TRACED.get(event) ?? 'refused',
        facts: { ...rest, session, ...(verdict === undefined ? {} : { verdict: { ...found, subject } }) },
      })
    },
    flush: () => log.flush(),
  }
}

function verdictOf(text: unknown): Record<string, unknown> {
  const value: unknown = isText(text) ? JSON.parse(text) : undefined
  return isRecord(value) ? value : {}
}

/** What came over the socket: a refusal, a count of lost ones, or undefined for what is neither. */
export function readRefusal(
  line: string,
): Refusal | { readonly lost: number; readonly atMs: number } | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const { id, atMs, event, facts, lost } = value
  if (!isCount(atMs)) return undefined
  if (isCount(lost)) return { lost, atMs }
  if (!isText(id) || !isRefusalEvent(event) || !isRecord(facts)) return undefined
  return { id, atMs, event, facts }
}
