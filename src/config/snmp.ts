import { resolve } from 'node:path'
import type { Table } from './reader.ts'

/** `[snmp]`: whether and where our rows are handed to snmpd (AgentX, RFC 2741). */
export interface SnmpConfig {
  /** undefined: nowhere. */
  readonly agentx: AgentxSocket | undefined
}

export type AgentxSocket =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }

/** Where Debian's snmpd waits unless it is told otherwise. */
export const AGENTX_SOCKET = '/var/agentx/master'

/** What a socket's name may have in Linux (sun_path of unix(7)), less the octet that ends it. */
const SOCKET_BYTES_MAX = 107

/** Reads [snmp]. AgentX has no passwords (RFC 2741 section 9), so only this machine is spoken to. */
export function readSnmp(table: Table, folder: string): SnmpConfig {
  table.only(['agentx'])
  const given = table.raw('agentx')
  if (given === undefined || given === false) return { agentx: undefined }
  const text = table.text('agentx', '')
  const agentx = readSocket(text, folder)
  if (agentx === undefined)
    table.wrong('agentx', 'must be the path of a socket, tcp:127.0.0.1:705 (any loopback address), or false')
  return { agentx }
}

/** None where it is neither a path nor `tcp:127.0.0.1:705`. */
export function readSocket(text: string, folder: string): AgentxSocket | undefined {
  const match = /^tcp:(127(?:\.\d{1,3}){3}):(\d{1,5})$/.exec(text)
  if (match !== null) {
    const port = Number(match[2])
    const isAddress = (match[1] ?? '').split('.').every((part) => Number(part) <= 255)
    return isAddress && port > 0 && port <= 65_535
      ? { kind: 'tcp', address: match[1] ?? '', port }
      : undefined
  }
  const path = (text.startsWith('unix:') ? text.slice('unix:'.length) : text).trim()
  if (path === '' || path.includes('\0') || /^\w+:/.test(path)) return undefined
  const absolute = resolve(folder, path)
  return Buffer.byteLength(absolute) <= SOCKET_BYTES_MAX ? { kind: 'unix', path: absolute } : undefined
}

/** As snmpd.conf(5) writes it. */
export function socketText(socket: AgentxSocket): string {
  return socket.kind === 'unix' ? socket.path : `tcp:${socket.address}:${socket.port}`
}
