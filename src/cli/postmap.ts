import { createInterface } from 'node:readline'
import { LdapConnection } from '#src/directory/ldap/connection.ts'
import { failureOf } from '#src/directory/ldap/connection.ts'
import { MapFileError, readMapFile } from '#src/directory/ldap/map-file.ts'
import type { LdapMap } from '#src/directory/ldap/map-file.ts'
import { MapLookup } from '#src/directory/ldap/map-lookup.ts'
import { getopt, lastOf } from './getopt.ts'
import { runTool, ToolError } from './tool.ts'

const USAGE = 'usage: postmap [-fnNov] [-c config_dir] -q key|- ldap:FILE...'
/** A line of standard input: an address has 256 characters. */
const KEY_CHARS_MAX = 16_384

/**
 * `postmap -q KEY ldap:FILE` of Postfix: what an LDAP map says to a key, live from its server. Exit code 0: found, 1: not
 * found, or an error, which is told.
 */
export function postmap(args: readonly string[]): Promise<number> {
  return runTool('postmap', () => run(args), 1)
}

async function run(args: readonly string[]): Promise<number> {
  const given = getopt(args, 'bc:d:fFhimnNopq:rsuUvw')
  if (typeof given === 'string') throw new ToolError(`${given}\npostmap: fatal: ${USAGE}`, 1)
  const key = lastOf(given, 'q')
  const other = given.options.find(({ letter }) => 'bdFhimrsuUw'.includes(letter))
  if (key === undefined || other !== undefined) throw new ToolError(`${whyNot(other?.letter)}\n${USAGE}`, 1)
  if (given.words.length === 0) throw new ToolError(USAGE, 1)
  using tables = new Tables(given.words)
  if (key !== '-') return (await tables.print(key, '')) ? 0 : 1
  let found = false
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (line.length > KEY_CHARS_MAX) throw new ToolError('a key is too long', 1)
    if (await tables.print(line, `${line}\t`)) found = true
  }
  return found ? 0 : 1
}

function whyNot(letter: string | undefined): string {
  if (letter === undefined)
    return 'there are no tables to build here: lookups read the directory itself (docs/directory.md)'
  return `-${letter} is for tables that are built or changed, and there are none here`
}

/** The maps of one call, opened when they are asked. */
class Tables implements Disposable {
  readonly #names: readonly string[]
  readonly #open = new Map<string, MapLookup>()
  readonly #connections: LdapConnection[] = []

  constructor(names: readonly string[]) {
    this.#names = names
    for (const name of names) fileOf(name)
  }

  /** Whether one of the maps knows the key; the first that does counts. */
  async print(key: string, before: string): Promise<boolean> {
    for (const name of this.#names) {
      const map = this.#open.get(name) ?? (await this.#opened(name))
      const answer = await map.lookup(key)
      if (answer.kind === 'error') throw new ToolError(`table ${name}: query error: ${answer.reason}`, 1)
      if (answer.kind === 'none') continue
      process.stdout.write(`${before}${answer.value}\n`)
      return true
    }
    return false
  }

  async #opened(name: string): Promise<MapLookup> {
    const map = readMap(name)
    const connection = await connected(name, map)
    this.#connections.push(connection)
    const lookup = new MapLookup(map, connection, warn)
    this.#open.set(name, lookup)
    return lookup
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection.close()
  }
}

/** The file of `ldap:FILE` or `proxy:ldap:FILE`. Other types of tables are Postfix's own. */
function fileOf(name: string): string {
  const match = /^(?:proxy:)?([a-z]+):(.+)$/s.exec(name)
  if (match?.[1] === 'ldap' && match[2] !== undefined) return match[2]
  const type = match?.[1] ?? 'hash'
  throw new ToolError(
    `${name}: tables of the type ${type} are not used here; addresses, domains and transports are in the directory, and only ldap:FILE can be asked`,
    1,
  )
}

function readMap(name: string): LdapMap {
  try {
    return readMapFile(fileOf(name), warn)
  } catch (error) {
    if (error instanceof MapFileError) throw new ToolError(error.message, 1)
    throw error
  }
}

async function connected(name: string, map: LdapMap): Promise<LdapConnection> {
  const who = { dn: map.bindDn, password: map.bindPassword }
  let last = 'no server_host'
  for (const server of map.servers) {
    try {
      return await LdapConnection.open(server, who, new AbortController().signal)
    } catch (error) {
      last = `${server.url}: ${failureOf(error).message}`
      warn(`${map.file}: unable to use server ${last}`)
    }
  }
  throw new ToolError(`table ${name}: query error: ${last}`, 1)
}

function warn(text: string): void {
  process.stderr.write(`postmap: warning: ${text}\n`)
}
