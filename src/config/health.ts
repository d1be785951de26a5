import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { BlockList, isIP } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import type { Address } from './listeners.ts'
import type { Table } from './reader.ts'

/** `[health]`: where it is told how the box is. */
export interface HealthConfig {
  /** undefined: nowhere. */
  readonly listen: Address | undefined
  /** A file whose first line whoever asks has to know; '' for none. Absolute. */
  readonly tokenFile: string
  /** Whether it is spoken over TLS, with the certificate of [tls]. */
  readonly tls: boolean
  /** Whether alarms are mailed to postmaster. */
  readonly mail: boolean
  /** Older signatures are an alarm; 0: never. Milliseconds. */
  readonly signaturesMaxMs: number
}

export const HEALTH_PORT = 8025

/** A shorter secret can be guessed. */
export const TOKEN_CHARS_MIN = 16
/** A larger file is no token; and no header line would hold it. */
export const TOKEN_CHARS_MAX = 1024

const DAY_MS = 86_400_000
/** Ten years: whoever wants it longer wants 0. */
const DAYS_MOST = 3650

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/**
 * Reads [health]. What can be asked from elsewhere needs TLS and a token, or it would tell strangers who writes to whom:
 * without them the file is refused.
 */
export function readHealth(table: Table, folder: string): HealthConfig {
  table.only(['listen', 'token', 'tls', 'mail', 'signatures_days'])
  const listen = readListen(table)
  const token = table.raw('token') === undefined ? '' : table.text('token', '')
  const tokenFile = token === '' ? '' : resolve(folder, token)
  const tls = table.flag('tls', false)
  if (tokenFile !== '') checkToken(table, tokenFile)
  if (listen !== undefined && !isLoopback(listen.address)) {
    const lacks = [...(tls ? [] : ['tls = true']), ...(tokenFile === '' ? ['token = "FILE"'] : [])]
    if (lacks.length > 0) {
      table.wrong(
        'listen',
        `can be reached from other machines, and then needs ${lacks.join(' and ')}; or stay on 127.0.0.1 or ::1`,
      )
    }
  }
  const days = table.integer('signatures_days', 14, { least: 0, most: DAYS_MOST })
  return { listen, tokenFile, tls, mail: table.flag('mail', true), signaturesMaxMs: days * DAY_MS }
}

/** Whether only this machine itself reaches the address. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function readListen(table: Table): Address | undefined {
  if (table.raw('listen') === false) return undefined
  const found = parseListen(table.text('listen', `127.0.0.1:${HEALTH_PORT}`), HEALTH_PORT)
  if (found === undefined) table.wrong('listen', LISTEN_RULE)
  return found
}

export const LISTEN_RULE = 'must be an address with a port, such as 127.0.0.1:8025 or [::1]:8025, or false'

/** `192.0.2.1`, `192.0.2.1:8025`, `[2001:db8::1]:8025`; undefined for anything else. */
export function parseListen(text: string, defaultPort: number): Address | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3] ?? defaultPort)
  return isIP(address) !== 0 && port > 0 && port <= 65_535 ? { address, port } : undefined
}

function checkToken(table: Table, file: string): void {
  try {
    const length = readToken(file).length
    if (length < TOKEN_CHARS_MIN || length > TOKEN_CHARS_MAX)
      table.wrong(
        'token',
        `the first line of ${file} must have ${TOKEN_CHARS_MIN} to ${TOKEN_CHARS_MAX} characters`,
      )
  } catch (error) {
    table.wrong('token', `names a file that cannot be read: ${errorText(error)}`)
  }
}

/** The first line of the file. Throws what reading throws. */
export function readToken(file: string): string {
  return (readFileSync(file, 'utf8').split('\n')[0] ?? '').trim()
}
