import { resolve } from 'node:path'
import type { Table } from './reader.ts'
import { parseDurationMs } from './setting.ts'

/** When failed logins lock somebody out; plain data. */
export interface Lockout {
  /** 0: they never do. */
  readonly failuresMax: number
  readonly windowMs: number
  readonly lockMs: number
}

/** `[auth]`: how passwords are checked. */
export interface AuthConfig {
  /** 'auto': Zimbra's servers over SOAP where some are named, else the directory. */
  readonly method: 'auto' | 'soap' | 'directory'
  /** PEM file of authorities for servers that passwords go to; '' for those that Node.js brings. Absolute. */
  readonly caFile: string
  /** Attempts that one account may have within a minute, whatever addresses they come from; 0: any number. */
  readonly accountRateLimit: number
  /** For accounts whose class of service has no lock-out of its own. */
  readonly accountLockout: Lockout
  /** Clients of mynetworks are exempt. */
  readonly addressLockout: Lockout
}

const METHODS = ['auto', 'soap', 'directory'] as const
/** Failures, or attempts within a minute. */
const FAILURES_MOST = 1_000_000
const TIME_MOST_MS = 604_800_000

export function readAuth(table: Table, folder: string): AuthConfig {
  table.only(['method', 'ca', 'account_rate', 'account_failures', 'address_failures', 'window', 'lockout'])
  const ca = table.raw('ca') === undefined ? '' : table.text('ca', '')
  const windowMs = duration(table, 'window', '10m')
  const lockMs = duration(table, 'lockout', '10m')
  const failures = (key: string, fallback: number): number =>
    table.integer(key, fallback, { least: 0, most: FAILURES_MOST })
  return {
    method: table.oneOf('method', 'auto', METHODS),
    caFile: ca === '' ? '' : resolve(folder, ca),
    accountRateLimit: failures('account_rate', 0),
    accountLockout: { failuresMax: failures('account_failures', 20), windowMs, lockMs },
    addressLockout: { failuresMax: failures('address_failures', 60), windowMs, lockMs },
  }
}

function duration(table: Table, key: string, fallback: string): number {
  const ms = parseDurationMs(table.text(key, fallback), 's')
  if (ms !== undefined && ms >= 1000 && ms <= TIME_MOST_MS) return ms
  table.wrong(key, 'must be a time from 1s to 1w')
  return parseDurationMs(fallback, 's') ?? 0
}
