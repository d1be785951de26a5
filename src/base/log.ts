import { write, writeSync } from 'node:fs'
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

/** What waits for a terminal or pipe at most; more is dropped, whole lines at a time. */
const ECHO_CHARS_MAX = 1_048_576
const ECHO_IDLE_MS = 1000

/**
 * Standard output. Whoever reads it may have stopped doing so (`postern start | less`), and a write would then wait
 * for ever: so one write at a time is under way, in a thread of its own, and what does not fit meanwhile is dropped.
 */
class Echo {
  readonly #fd: number
  #waiting = ''
  #isWriting = false
  readonly #idle: (() => void)[] = []

  constructor(fd: number) {
    this.#fd = fd
  }

  write(lines: string): void {
    if (this.#waiting.length + lines.length > ECHO_CHARS_MAX) return
    this.#waiting += lines
    if (!this.#isWriting) this.#next(Buffer.alloc(0))
  }

  #next(left: Buffer): void {
    const bytes = left.length > 0 ? left : Buffer.from(this.#waiting)
    if (left.length === 0) this.#waiting = ''
    this.#isWriting = bytes.length > 0
    if (!this.#isWriting) {
      this.#rest()
      return
    }
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error === null) this.#next(bytes.subarray(written))
      // A pipe set not to block is asked again a little later; a reader that is gone never.
      else if (isAgain(error)) setTimeout(() => this.#next(bytes), FLUSH_AFTER_MS).unref()
      else this.#rest()
    })
  }

  /** Nothing is under way any more; after an error what waits is lost with it. */
  #rest(): void {
    this.#isWriting = false
    this.#waiting = ''
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Resolves when nothing is under way, at the latest after a second: a reader that has stopped is not waited for. */
  async idle(): Promise<void> {
    if (!this.#isWriting) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.push(resolve)
    const patience = setTimeout(resolve, ECHO_IDLE_MS)
    await promise
    clearTimeout(patience)
  }
}

function isAgain(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EAGAIN'
}

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
