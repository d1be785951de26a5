import { statfs } from 'node:fs/promises'
import type { Clock } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import { gauge } from '#src/base/metrics.ts'
import { INODES_MIN, SPACE_POLL_CLOSED_MS, SPACE_POLL_OPEN_MS } from './limits.ts'

/** Room on the queue's file system. */
export interface Room {
  readonly freeBytes: number
  readonly freeInodes: number
}

/** Asks the file system; inodes are infinite where it does not count them. */
export async function roomOf(dir: string): Promise<Room> {
  const stats = await statfs(dir)
  return { freeBytes: stats.bavail * stats.bsize, freeInodes: stats.files === 0 ? Infinity : stats.ffree }
}

/** Hysteresis: after the disk was full, mail is taken again only with so much more than the least. */
const REOPEN_FACTOR = 1.1

/** Whether mail may be taken, given whether it was until now. Pure. */
export function spaceOpen(room: Room, minFreeBytes: number, wasOpen: boolean): boolean {
  const least = wasOpen ? minFreeBytes : minFreeBytes * REOPEN_FACTOR
  return room.freeBytes >= least && room.freeInodes >= INODES_MIN
}

export interface SpaceOptions {
  readonly dir: string
  /** queue_minfree: 1.5 times the largest message, and never less than the reserve for our own log. */
  readonly minFreeBytes: number
  readonly clock: Clock
  readonly log: Log
  readonly room?: (dir: string) => Promise<Room>
  readonly onChange: (open: boolean) => void
}

/** Watches the free space of the queue's file system: closed means 452 4.3.1 at MAIL, before anything is lost. */
export class SpaceWatch {
  readonly #options: SpaceOptions
  readonly #stop = new AbortController()
  readonly #gauge = gauge('postern_queue_open').of()
  #open = true
  #wake = new AbortController()

  constructor(options: SpaceOptions) {
    this.#options = options
    this.#gauge.value = 1
  }

  get open(): boolean {
    return this.#open
  }

  /** Looks once, then watches until stop(). */
  async start(): Promise<void> {
    await this.#look()
    void this.#watch()
  }

  /** A write has just found the disk full. */
  closeNow(reason: string): void {
    this.#set(false, reason)
    this.#wake.abort()
  }

  stop(): void {
    this.#stop.abort()
    this.#wake.abort()
  }

  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      try {
        await this.#options.clock.sleep(
          this.#open ? SPACE_POLL_OPEN_MS : SPACE_POLL_CLOSED_MS,
          this.#wake.signal,
        )
      } catch {
        // Woken: stopped, or closed by a failed write. Then the next look comes a full interval later.
        continue
      }
      await this.#look()
    }
  }

  async #look(): Promise<void> {
    const { dir, minFreeBytes, log, room = roomOf } = this.#options
    try {
      const now = await room(dir)
      this.#set(spaceOpen(now, minFreeBytes, this.#open), `free=${now.freeBytes} inodes=${now.freeInodes}`)
    } catch (error) {
      // Not known is not full: the next write will tell.
      log.write('error', 'qmgr.space', { reason: errorText(error) })
    }
  }

  #set(open: boolean, reason: string): void {
    if (open === this.#open) return
    this.#open = open
    this.#gauge.value = open ? 1 : 0
    this.#options.log.write(open ? 'info' : 'error', 'qmgr.space', { open, reason })
    this.#options.onChange(open)
  }
}
