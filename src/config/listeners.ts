import { isIP } from 'node:net'
import type { Table } from './reader.ts'

export interface Address {
  readonly address: string
  readonly port: number
}

/** What a listener is for: mail from anybody (25), or from our users (587 with STARTTLS, 465 with TLS at once). */
export type Service = (typeof SERVICES)[number]

export interface Listener extends Address {
  readonly service: Service
}

const SERVICES = ['smtp', 'submission', 'submissions'] as const

/** Listeners of one box: each costs a socket in every smtpd process. */
const LISTENERS_MAX = 64

/** RFC 6409 section 3.1, RFC 8314 section 7.3. */
const SERVICE_OF_PORT: ReadonlyMap<number, Service> = new Map([
  [465, 'submissions'],
  [587, 'submission'],
])

/** Without any `[[listener]]`: the ports with 2000 added, which any user may open, on this machine alone. */
const DEFAULT_LISTENERS: readonly Listener[] = [
  { address: '127.0.0.1', port: 2525, service: 'smtp' },
  { address: '127.0.0.1', port: 2587, service: 'submission' },
  { address: '127.0.0.1', port: 2465, service: 'submissions' },
]

export function readListeners(top: Table): readonly Listener[] {
  const tables = top.tables('listener')
  if (tables === undefined) return DEFAULT_LISTENERS
  if (tables.length > LISTENERS_MAX) top.wrong('listener', `may stand ${LISTENERS_MAX} times at most`)
  if (tables.length === 0) top.wrong('listener', 'must name one listener at least')
  const seen = new Set<string>()
  return tables.map((table) => {
    table.only(['address', 'port', 'service'])
    const { address, port } = readAddress(table, 2525)
    const name = `${address} ${port}`
    if (seen.has(name)) table.wrong('port', 'is the same listener as one above')
    seen.add(name)
    const service = table.oneOf('service', SERVICE_OF_PORT.get(port) ?? 'smtp', SERVICES)
    return { address, port, service }
  })
}

export function readAddress(table: Table, port: number): Address {
  const address = table.text('address', '127.0.0.1')
  if (isIP(address) === 0) table.wrong('address', 'must be an IP address, such as 127.0.0.1, 0.0.0.0 or ::')
  return { address, port: table.integer('port', port, { least: 1, most: 65_535 }) }
}
