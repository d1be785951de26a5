import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorText } from '#src/base/fault.ts'
import type { LdapServer } from './connection.ts'
import type { FilterMaker } from './filter-template.ts'
import { compileFilter, FilterRefused } from './filter-template.ts'
import type { TemplateNeeds } from './map-template.ts'
import { TemplateRefused, templateNeeds } from './map-template.ts'

/** A map file that cannot be used; the message is a sentence for whoever wrote it. */
export class MapFileError extends Error {}

/** One of Postfix's LDAP maps (ldap_table(5)), read from its file. */
export interface LdapMap {
  readonly file: string
  /** In the order in which they are tried. */
  readonly servers: readonly LdapServer[]
  readonly bindDn: string
  readonly bindPassword: string
  readonly searchBase: string
  /** Whether the base depends on the key: then one that does not exist is a key that does not. */
  readonly hasDynamicBase: boolean
  readonly scope: 'base' | 'one' | 'sub'
  readonly filter: FilterMaker
  readonly needs: TemplateNeeds
  readonly resultFormat: string
  /** Terminal, leaf-only, ordinary and special attributes, in this order. */
  readonly attributes: readonly string[]
  readonly terminalCount: number
  readonly leafCount: number
  /** Terminal, leaf-only and ordinary ones; those behind are special: they hold names of entries, or LDAP URLs. */
  readonly ordinaryCount: number
  readonly recursionLimit: number
  /** 0 for none. */
  readonly expansionLimit: number
  readonly sizeLimit: number
  /** Domains that keys are looked up for; none: all. */
  readonly domains: readonly string[]
}

const FILE_BYTES_MAX = 1_048_576
const NUMBER_MAX = 2_147_483_647
/** What Postfix knows and has no meaning here: there is no cache, and no second version of the protocol. */
const KNOWN = new Set([
  'server_host',
  'server_port',
  'version',
  'timeout',
  'search_base',
  'query_filter',
  'result_format',
  'result_filter',
  'domain',
  'scope',
  'bind',
  'bind_dn',
  'bind_pw',
  'start_tls',
  'result_attribute',
  'special_result_attribute',
  'leaf_result_attribute',
  'terminal_result_attribute',
  'recursion_limit',
  'expansion_limit',
  'size_limit',
  'dereference',
  'chase_referrals',
  'cache',
  'cache_expiry',
  'cache_size',
  'debuglevel',
  'tls_ca_cert_dir',
  'tls_ca_cert_file',
  'tls_cert',
  'tls_key',
  'tls_require_cert',
  'tls_random_file',
  'tls_cipher_suite',
  'sasl_mechs',
  'sasl_realm',
  'sasl_authz_id',
  'sasl_minssf',
])

/** Reads a map file. Throws MapFileError. `warn` is told of what has no effect. */
export function readMapFile(file: string, warn: (text: string) => void): LdapMap {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MapFileError(`open ${file}: ${errorText(error)}`)
  }
  if (text.length > FILE_BYTES_MAX) throw new MapFileError(`${file} is larger than ${FILE_BYTES_MAX} bytes`)
  try {
    return mapOf(file, new Parameters(file, parameters(text)), warn)
  } catch (error) {
    if (error instanceof FilterRefused || error instanceof TemplateRefused)
      throw new MapFileError(`${file}: ${error.message}`)
    throw error
  }
}

/** `name = value`; a line that begins with white space goes on with the one above; comments begin with `#` (postconf(5)). */
function parameters(text: string): ReadonlyMap<string, string> {
  const logical: string[] = []
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(#|$)/.test(line)) continue
    const last = logical.length - 1
    if (/^\s/.test(line) && last >= 0) logical[last] = `${logical[last] ?? ''} ${line.trim()}`
    else logical.push(line.trim())
  }
  const found = new Map<string, string>()
  for (const line of logical) {
    const match = /^([A-Za-z0-9_]+)\s*=\s*(.*)$/s.exec(line)
    if (match !== null) found.set(match[1] ?? '', match[2] ?? '')
  }
  return found
}

class Parameters {
  readonly file: string
  readonly #values: ReadonlyMap<string, string>

  constructor(file: string, values: ReadonlyMap<string, string>) {
    this.file = file
    this.#values = values
  }

  get names(): readonly string[] {
    return [...this.#values.keys()]
  }

  text(name: string, fallback: string): string {
    return this.#values.get(name) ?? fallback
  }

  words(name: string, fallback: string): readonly string[] {
    return this.text(name, fallback)
      .split(/[\s,]+/)
      .filter((word) => word !== '')
  }

  number(name: string, fallback: number, least: number): number {
    const text = this.text(name, String(fallback))
    const value = /^\d{1,10}$/.test(text) ? Number(text) : -1
    if (value < least || value > NUMBER_MAX) throw this.wrong(name, `must be a number of ${least} or more`)
    return value
  }

  flag(name: string, fallback: boolean): boolean {
    const text = this.text(name, fallback ? 'yes' : 'no').toLowerCase()
    if (text !== 'yes' && text !== 'no') throw this.wrong(name, 'must be yes or no')
    return text === 'yes'
  }

  wrong(name: string, reason: string): MapFileError {
    return new MapFileError(`${this.file}: ${name} ${reason}`)
  }
}

function mapOf(file: string, given: Parameters, warn: (text: string) => void): LdapMap {
  for (const name of given.names) if (!KNOWN.has(name)) warn(`${file}: unused parameter: ${name}`)
  if (given.number('dereference', 0, 0) !== 0)
    throw given.wrong('dereference', 'is not possible here: leave it out, or name the entries that are meant')
  if (given.flag('chase_referrals', false)) warn(`${file}: referrals are not followed`)
  if (given.text('bind', 'yes') === 'sasl')
    throw given.wrong('bind', 'by SASL is not possible here: give bind_dn and bind_pw')
  const searchBase = given.text('search_base', '')
  const query = given.text('query_filter', '(mailacceptinggeneralid=%s)')
  const resultFormat = given.text('result_format', given.text('result_filter', '%s'))
  const terminal = given.words('terminal_result_attribute', '')
  const leaf = given.words('leaf_result_attribute', '')
  const ordinary = given.words('result_attribute', 'maildrop')
  const special = given.words('special_result_attribute', '')
  const expansionLimit = given.number('expansion_limit', 0, 0)
  const doesBind = given.flag('bind', true)
  return {
    file,
    servers: serversOf(given),
    bindDn: doesBind ? given.text('bind_dn', '') : '',
    bindPassword: doesBind ? given.text('bind_pw', '') : '',
    searchBase,
    hasDynamicBase: /%[sudSUD1-9]/.test(searchBase),
    scope: scopeOf(given, warn),
    filter: compileFilter(query),
    needs: templateNeeds([searchBase, query], resultFormat),
    resultFormat,
    attributes: [...terminal, ...leaf, ...ordinary, ...special],
    terminalCount: terminal.length,
    leafCount: leaf.length,
    ordinaryCount: terminal.length + leaf.length + ordinary.length,
    recursionLimit: given.number('recursion_limit', 1000, 1),
    expansionLimit,
    sizeLimit: given.number('size_limit', expansionLimit, 0),
    domains: domainsOf(given),
  }
}

function scopeOf(given: Parameters, warn: (text: string) => void): LdapMap['scope'] {
  const text = given.text('scope', 'sub').toLowerCase()
  if (text === 'base' || text === 'one' || text === 'sub') return text
  warn(`${given.file}: Unrecognized value ${text} specified for scope; using sub`)
  return 'sub'
}

function domainsOf(given: Parameters): readonly string[] {
  const words = given.words('domain', '')
  for (const word of words) {
    if (/[:/]/.test(word)) throw given.wrong('domain', `can only name domains here, not ${word}`)
  }
  return words.map((word) => word.toLowerCase())
}

function serversOf(given: Parameters): readonly LdapServer[] {
  const port = given.number('server_port', 389, 1)
  const timeoutMs = given.number('timeout', 10, 1) * 1000
  const startTls = given.flag('start_tls', false)
  const isVerified = given.flag('tls_require_cert', false)
  const ca = authorities(given)
  return given.words('server_host', 'localhost').map((word) => ({
    url: urlOf(given, word, port),
    startTls,
    caFile: '',
    ca,
    // ldap_table(5): without tls_require_cert a server may show any certificate.
    isUnverified: !isVerified,
    connectTimeoutMs: timeoutMs,
    searchTimeoutMs: timeoutMs,
  }))
}

function urlOf(given: Parameters, word: string, port: number): string {
  if (/^ldapi:/i.test(word)) throw given.wrong('server_host', 'cannot be ldapi://: give ldap:// or ldaps://')
  const url = /^ldaps?:\/\//i.test(word) ? word : `ldap://${word}${word.includes(':') ? '' : `:${port}`}`
  if (!URL.canParse(url)) throw given.wrong('server_host', `${word} is no server`)
  const { protocol, hostname, port: own } = new URL(url)
  const standard = protocol.toLowerCase() === 'ldaps:' ? 636 : 389
  return `${protocol}//${hostname === '' ? 'localhost' : hostname}:${own === '' ? standard : own}`
}

/** PEM of tls_ca_cert_file and of every file of tls_ca_cert_dir. */
function authorities(given: Parameters): readonly string[] {
  const file = given.text('tls_ca_cert_file', '')
  const folder = given.text('tls_ca_cert_dir', '')
  try {
    const files = folder === '' ? [] : readdirSync(folder).map((name) => join(folder, name))
    return [...(file === '' ? [] : [file]), ...files]
      .map((one) => readFileSync(one, 'utf8'))
      .filter((pem) => pem.includes('-----BEGIN CERTIFICATE-----'))
  } catch (error) {
    throw new MapFileError(`${given.file}: ${errorText(error)}`)
  }
}
