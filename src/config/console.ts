import { resolve } from 'node:path'
import { formatDuration, parseDurationMs } from './setting.ts'
import type { Table } from './reader.ts'

/** `[console]`: the page for a terminal. */
export interface ConsoleConfig {
  /** Without a key for so long whoever has logged in is taken for gone; 0: never. */
  readonly idleMs: number
  /** Where the helper of the appliance image listens, which may set addresses, update and restart the machine. */
  readonly helperSocket: string
}

/** A day: longer is never. */
const IDLE_MS_MOST = 86_400_000
const IDLE_MS_LEAST = 10_000

export function readConsole(table: Table, folder: string): ConsoleConfig {
  table.only(['idle_logout', 'helper'])
  return {
    idleMs: readIdle(table),
    helperSocket: resolve(folder, table.text('helper', '/run/postern-image/helper.sock')),
  }
}

/** `idle_logout`, in milliseconds. */
export function readIdle(table: Table): number {
  const text = table.text('idle_logout', '10m')
  const idleMs = parseDurationMs(text, 's')
  if (idleMs === undefined || (idleMs !== 0 && (idleMs < IDLE_MS_LEAST || idleMs > IDLE_MS_MOST)))
    table.wrong(
      'idle_logout',
      `must be 0 for never, or a time from ${formatDuration(IDLE_MS_LEAST)} to ${formatDuration(IDLE_MS_MOST)}`,
    )
  return idleMs ?? 0
}
