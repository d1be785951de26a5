import { readTable } from '#src/delivery/table.ts'
import type { Table } from '#src/delivery/table.ts'
import { withoutExtension } from './transport.ts'
import type { TableAnswer } from './transport.ts'

/** The tables of files that routing goes by, besides the directory. */
export interface RoutingTables {
  /** transport_maps, in their order. */
  readonly transport: readonly Table[]
  /** sender_dependent_relayhost_maps, in their order. */
  readonly relayHosts: readonly Table[]
}

export const NO_TABLES: RoutingTables = { transport: [], relayHosts: [] }

/**
 * Reads `lmdb:/etc/postfix/transport, hash:/etc/…`. A map of type ldap is left out: what Zimbra's says stands in the
 * directory, which is asked anyway.
 */
export function readTables(setting: string): readonly Table[] {
  return setting
    .split(/[\s,]+/)
    .filter((word) => word !== '' && !/^(?:proxy:)?ldap:/.test(word))
    .map(readTable)
}

/** Why a table of a list cannot be asked; '' where all can. */
export function tableProblem(tables: readonly Table[]): string {
  for (const table of tables) if (table.kind === 'unreadable') return table.reason
  return ''
}

/** One key in the first table that has it. As long as one of them cannot be read, nobody guesses what it says. */
export function lookUp(tables: readonly Table[], key: string): TableAnswer {
  for (const table of tables) {
    if (table.kind === 'unreadable') return { kind: 'unknown' }
    const value = table.entries.get(key)
    if (value !== undefined) return { kind: 'found', value }
  }
  return { kind: 'none' }
}

/**
 * The relay host of a sender: by its address, the address without extension, its domain as `@domain`; the null sender
 * is `<>` (empty_address_relayhost_maps_lookup_key). DUNNO is none of its own, whatever follows.
 */
export function senderRelayHost(sender: string, tables: readonly Table[], delimiters: string): TableAnswer {
  for (const key of senderKeys(sender.toLowerCase(), delimiters)) {
    const answer = lookUp(tables, key)
    if (answer.kind === 'none') continue
    return answer.kind === 'found' && answer.value.toUpperCase() === 'DUNNO' ? { kind: 'none' } : answer
  }
  return { kind: 'none' }
}

function senderKeys(sender: string, delimiters: string): readonly string[] {
  if (sender === '') return ['<>']
  const at = sender.lastIndexOf('@')
  if (at < 0) return [sender]
  const domain = sender.slice(at)
  const bare = withoutExtension(sender.slice(0, at), delimiters)
  return [...new Set([sender, `${bare}${domain}`, domain])]
}
