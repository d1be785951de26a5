import { writeSync } from 'node:fs'
import { hostname } from 'node:os'
import type { EventName } from '#src/base/events.ts'
import { postfixLine } from '#src/base/postfix-line.ts'
import type { Facts } from '#src/base/fault.ts'

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
export function openLog(targets: LogTargets): Log {
  const host = hostname()
  const { service, jsonFd, textFd } = targets
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
      if (textFd !== undefined) {
        for (const line of postfixLine(event, facts)) {
          text += `${at} ${host} postern/${service}[${process.pid}]: ${line}\n`
        }
      }
      if (json.length + text.length > FLUSH_AT_CHARS || level === 'error') flush()
      else timer ??= setTimeout(flush, FLUSH_AFTER_MS).unref()
    },
    flush,
  }
}

/** Writes all of it; a log that cannot be written (disk full) must never stop mail, so it is dropped. */
function writeWhole(fd: number, lines: string): void {
  const bytes = Buffer.from(lines)
  let at = 0
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at)
    } catch (error) {
      if (isAgain(error)) continue
      return
    }
  }
}

function isAgain(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
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
