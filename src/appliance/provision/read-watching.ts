import type { Address } from '#src/config/listeners.ts'
import {
  HEALTH_PORT,
  isLoopback,
  LISTEN_RULE,
  parseListen,
  TOKEN_CHARS_MAX,
  TOKEN_CHARS_MIN,
} from '#src/config/health.ts'
import { parseHostPort } from '#src/config/config.ts'
import type { Table } from '#src/config/reader.ts'
import { parsePrefix, readLine, readTexts } from './read-values.ts'

export interface HealthSettings {
  /** undefined: only on this machine, at the usual port. */
  readonly listen: Address | undefined
  readonly token: string
  /** Networks that may ask; none: all. */
  readonly allow: readonly string[]
}

/** A user of SNMPv3; authentication is by SHA-256 (RFC 7860), privacy by AES-128 (RFC 3826), and both are wanted. */
export interface SnmpUser {
  readonly name: string
  readonly auth: string
  readonly priv: string
}

export interface SnmpSettings {
  readonly users: readonly SnmpUser[]
  /** For SNMPv2c, which is spoken where this is given; '' else. */
  readonly community: string
  readonly allow: readonly string[]
  readonly listen: readonly string[]
  /** Who is told of alarms, as the first of the users: until it says that it has heard, or once. */
  readonly informs: readonly string[]
  readonly traps: readonly string[]
  readonly contact: string
  readonly location: string
}

const ALLOW_MAX = 64

function readAllow(table: Table): readonly string[] {
  return readTexts(table, 'allow', {
    most: ALLOW_MAX,
    fits: (text) => parsePrefix(text) !== undefined,
    means: 'networks, such as "192.0.2.0/24" or "2001:db8::/32"',
  })
}

export function readHealthSettings(table: Table): HealthSettings {
  table.only(['listen', 'token', 'allow'])
  const text = readLine(table, 'listen')
  const listen = text === '' ? undefined : parseListen(text, HEALTH_PORT)
  if (text !== '' && listen === undefined) table.wrong('listen', LISTEN_RULE)
  const token = readLine(table, 'token')
  if (
    token !== '' &&
    (token !== token.trim() || token.length < TOKEN_CHARS_MIN || token.length > TOKEN_CHARS_MAX)
  )
    table.wrong(
      'token',
      `must have ${TOKEN_CHARS_MIN} to ${TOKEN_CHARS_MAX} characters, and no blank around them`,
    )
  if (listen !== undefined && !isLoopback(listen.address) && token === '')
    table.wrong('listen', 'can be reached from other machines, and then needs token')
  return { listen, token, allow: readAllow(table) }
}

export const SNMP_PORT = 161
const USERS_MAX = 32
const LISTENS_MAX = 8
/** RFC 3417 section 2: where notifications are waited for. */
export const TRAP_PORT = 162
const TARGETS_MAX = 8

export function readSnmp(table: Table): SnmpSettings {
  table.only(['user', 'community', 'allow', 'listen', 'informs', 'traps', 'contact', 'location'])
  const users = readUsers(table)
  const community = readCommunity(table)
  const read = {
    users,
    community,
    allow: readAllow(table),
    listen: readTexts(table, 'listen', {
      most: LISTENS_MAX,
      fits: (text) => parseListen(text, SNMP_PORT) !== undefined,
      means: 'addresses, such as "192.0.2.5", "192.0.2.5:161" or "[2001:db8::5]:161"',
    }),
    informs: readTargets(table, 'informs'),
    traps: readTargets(table, 'traps'),
    contact: readAscii(table, 'contact'),
    location: readAscii(table, 'location'),
  }
  if (community !== '' && read.allow.length === 0)
    table.wrong('community', 'crosses the network in the clear: give allow, the networks that may ask')
  for (const key of ['informs', 'traps'] as const)
    if (read[key].length > 0 && users.length === 0)
      table.wrong(key, 'are sent as the first user: give one with [[snmp.user]]')
  return read
}

function readTargets(table: Table, key: string): readonly string[] {
  return readTexts(table, key, {
    most: TARGETS_MAX,
    fits: (text) => parseHostPort(text, TRAP_PORT) !== undefined,
    means: 'hosts, such as "nms.example.com" or "192.0.2.9:162"',
  })
}

/** RFC 3418: a DisplayString. */
const ASCII_MAX = 255

function readAscii(table: Table, key: string): string {
  const text = readLine(table, key)
  if (text.length <= ASCII_MAX && /^[\x20-\x7e]*$/.test(text)) return text
  table.wrong(key, `must be one line of ${ASCII_MAX} characters of ASCII at most`)
  return ''
}

/** Everybody on the way can read it, but nobody should guess it. */
function readCommunity(table: Table): string {
  const community = readLine(table, 'community')
  if (community === '' || /^[A-Za-z0-9][A-Za-z0-9._-]{7,31}$/.test(community)) return community
  table.wrong('community', 'must have 8 to 32 letters, digits, dots, dashes and underlines')
  return ''
}

/** RFC 3414 section 11.2 wants eight characters; snmpd cuts long lines of its settings. */
const SECRET = /^[\x20-\x7e]{8,128}$/

function readSecret(table: Table, key: string): string {
  if (table.raw(key) === undefined) return ''
  const word = table.text(key, '')
  if (SECRET.test(word)) return word
  table.wrong(key, 'must have 8 to 128 characters of ASCII')
  return ''
}

function readUsers(table: Table): readonly SnmpUser[] {
  const tables = table.tables('user') ?? []
  if (tables.length > USERS_MAX) table.wrong('user', `may stand ${USERS_MAX} times at most`)
  const seen = new Set<string>()
  return tables.map((one) => {
    one.only(['name', 'auth', 'priv'])
    const name = one.text('name', '')
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(name))
      one.wrong('name', 'must be 1 to 32 letters, digits, dots, dashes and underlines')
    if (seen.has(name)) one.wrong('name', 'is the same user as one above')
    seen.add(name)
    const user = { name, auth: readSecret(one, 'auth'), priv: readSecret(one, 'priv') }
    for (const key of ['auth', 'priv'] as const)
      if (one.raw(key) === undefined)
        one.wrong(key, 'is wanted: users without authentication and privacy are not made')
    return user
  })
}
