import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Clock } from '#src/base/clock.ts'
import { errorCode } from '#src/base/fault.ts'
import { startedAt } from '#src/base/process.ts'

/** A process of ours as it is remembered on disk. */
export interface KnownProcess {
  readonly pid: number
  readonly started: string
}

/** How long processes of a master that was killed may finish what they have. */
const WAIT_MS = 15_000
const POLL_MS = 50

/** Notes which processes there are, for the next master should this one be killed. */
export function rememberProcesses(path: string, pids: readonly number[]): void {
  const known: KnownProcess[] = pids.flatMap((pid) => {
    const started = startedAt(pid)
    return started === undefined ? [] : [{ pid, started }]
  })
  writeFileSync(`${path}.new`, JSON.stringify(known))
  renameSync(`${path}.new`, path)
}

/**
 * Waits for the processes of a master that was killed: they see their channel close, finish what they have and
 * leave. One that is still there after 15 s is killed, since it holds what we need. Returns how many there were.
 */
export async function awaitLeftovers(path: string, clock: Clock, signal: AbortSignal): Promise<number> {
  const known = read(path)
  const alive = () => known.filter((one) => startedAt(one.pid) === one.started)
  const found = alive().length
  const untilMs = clock.monotonicMs() + WAIT_MS
  while (alive().length > 0 && clock.monotonicMs() < untilMs) await clock.sleep(POLL_MS, signal)
  for (const one of alive()) killIfThere(one.pid)
  while (alive().length > 0 && clock.monotonicMs() < untilMs + WAIT_MS) await clock.sleep(POLL_MS, signal)
  return found
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It has ended this very moment.
    if (errorCode(error) !== 'ESRCH') throw error
  }
}

function read(path: string): readonly KnownProcess[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Array.isArray(parsed) ? parsed.filter(isKnown) : []
  } catch {
    // The first start, or a file that was cut short: then there is nobody to wait for that we know of.
    return []
  }
}

function isKnown(value: unknown): value is KnownProcess {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    Number.isInteger(value.pid) &&
    Number(value.pid) > 1 &&
    'started' in value &&
    typeof value.started === 'string'
  )
}
