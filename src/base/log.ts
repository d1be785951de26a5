import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { hostname } from 'node:os'
import type { EventName } from './events.ts'
import { postfixLine } from './postfix-line.ts'
import type { Facts } from './fault.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * The log of one process. A line is for a program first: an event name of one union and facts. Network text is
 * a fact and is quoted so that it cannot forge a line. No password and no message text is ever a fact.
 */
export interface Log {
  write(level: Level, event: EventName, facts: Facts): void
  /** Hands what is buffered to the kernel. Called by a timer, at exit and before a crash. */
  flush(): void
}

/** Where lines go: a file descriptor per form; undefined where the form is switched off. */
export interface LogTargets {
  readonly service: string
  readonly level: Level
  readonly jsonFd: number | undefined
  readonly textFd: number | undefined
  /** Gets the readable form too: a terminal, or a pipe that nobody may be reading. */
  readonly echoFd?: number | undefined
}

/** A log with descriptors of its own. */
export interface OpenLog extends Log {
  /** Flushes, and resolves when standard output has taken all of it, so that what is printed next comes after it. */
  printed(): Promise<void>
}

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/** Lines wait at most this long before they are written: one write for many lines costs a tenth of many. */
const FLUSH_AFTER_MS = 50
/** Or until so many characters wait. */
const FLUSH_AT_CHARS = 32_768

/**
 * Opens a log that appends to the given descriptors. Files are opened for appending, so that several
 * processes may share one; each write is whole lines.
 */
export function openLog(targets: LogTargets): OpenLog {
  const host = hostname()
  const { service, jsonFd, textFd, echoFd } = targets
  const isReadable = textFd !== undefined || echoFd !== undefined
  const echo = echoFd === undefined ? undefined : new Echo(echoFd)
  const least = RANK[targets.level]
  let json = ''
  let text = ''
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    if (timer !== undefined) {
      clearTimeout(timer)
      timer = undefined
    }
    if (json !== '' && jsonFd !== undefined) writeWhole(jsonFd, json)
    if (text !== '' && textFd !== undefined) writeWhole(textFd, text)
    if (text !== '') echo?.write(text)
    json = ''
    text = ''
  }

  return {
    write(level, event, facts) {
      if (RANK[level] < least) return
      const at = new Date().toISOString()
      if (jsonFd !== undefined) {
        json += `${JSON.stringify({ at, level, service, pid: process.pid, event, ...facts })}\n`
      }
      if (isReadable) {
        for (const line of postfixLine(event, facts)) {
          text += `${at} ${host} postern/${service}[${process.pid}]: ${line}\n`
        }
      }
      if (json.length + text.length > FLUSH_AT_CHARS || level === 'error') flush()
      else timer ??= setTimeout(flush, FLUSH_AFTER_MS).unref()
    },
    flush,
    printed: async () => {
      flush()
      await echo?.idle()
    },
  }
}

/** Writes all of it to a file; a log that cannot be written (disk full) must never stop mail, so it is dropped. */
function writeWhole(fd: number, lines: string): void {
  const bytes = Buffer.from(lines)
  let at = 0
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at)
    } catch {
      return
    }
  }
}

/** What waits for a terminal or pipe at most; what comes beyond it is dropped. */
const ECHO_BYTES_MAX = 1_048_576
const ECHO_AGAIN_MS = 50
const ECHO_IDLE_MS = 1000

/**
 * Standard output. Whoever reads it may have stopped doing so (`postern start | less`), and a write that waits for a
 * reader would stop mail, and even the end of the process. So nothing here ever waits.
 */
class Echo {
  readonly #fd: number
  #waiting: Buffer = Buffer.alloc(0)
  #again: NodeJS.Timeout | undefined
  readonly #idle: (() => void)[] = []

  constructor(fd: number) {
    this.#fd = openWithoutWaiting(fd)
  }

  write(lines: string): void {
    if (this.#waiting.length + lines.length > ECHO_BYTES_MAX) return
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(lines)])
    if (this.#again === undefined) this.#push()
  }

  #push(): void {
    this.#again = undefined
    try {
      while (this.#waiting.length > 0)
        this.#waiting = this.#waiting.subarray(writeSync(this.#fd, this.#waiting))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') {
        this.#again = setTimeout(() => this.#push(), ECHO_AGAIN_MS).unref()
        return
      }
      // The reader is gone: nobody misses what waits.
      this.#waiting = Buffer.alloc(0)
    }
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Resolves when nothing waits, at the latest after a second: a reader that has stopped is not waited for. */
  async idle(): Promise<void> {
    if (this.#waiting.length === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.push(resolve)
    const patience = setTimeout(resolve, ECHO_IDLE_MS)
    await promise
    clearTimeout(patience)
  }
}

/**
 * A descriptor that never makes us wait. A terminal or pipe is opened once more, so that O_NONBLOCK holds for us and
 * not for all who share it. A socket (a parent's, the journal's) cannot be; wrapping it sets the flag for all of us.
 */
function openWithoutWaiting(fd: number): number {
  const stat = fstatSync(fd)
  if (stat.isSocket()) sharedSockets.push(new Socket({ fd, readable: false, writable: true }).unref())
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    // No /proc here, or a terminal of another user: then as it is.
    return fd
  }
}

/** Held for as long as we run: what is collected closes its descriptor. */
const sharedSockets: Socket[] = []

/** A log that keeps its lines in memory, for tests. */
export function memoryLog(): Log & { readonly lines: { level: Level; event: EventName; facts: Facts }[] } {
  const lines: { level: Level; event: EventName; facts: Facts }[] = []
  return {
    lines,
    write: (level, event, facts) => {
      lines.push({ level, event, facts })
    },
    flush: () => {},
  }
}
