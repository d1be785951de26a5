import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { domainToASCII } from 'node:url'
import { readLocalconfig } from './localconfig.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import type { Table } from './reader.ts'
import { parseDurationMs } from './setting.ts'

/** How the directory server is reached, `[directory]` of postern.toml. Paths are absolute; plain data. */
export interface LdapConfig {
  /** In the order in which they are tried: `ldap://host:port` or `ldaps://host:port`. */
  readonly urls: readonly string[]
  /** Whether TLS is demanded on `ldap://` (Zimbra: ldap_starttls_required). */
  readonly startTls: boolean
  /** PEM file of the authorities that a server's certificate is checked with; '' for the machine's own. */
  readonly caFile: string
  /** '' for an anonymous bind. */
  readonly bindDn: string
  /** File that holds the password of `bindDn` in its first line, or a localconfig.xml with zimbra_ldap_password; '' for none. */
  readonly passwordFile: string
  /** Where searches begin; '' for the root, as in Zimbra. */
  readonly base: string
  readonly connectTimeoutMs: number
  /** For one answer of the server. */
  readonly searchTimeoutMs: number
  /** How often the directory is looked at for changes at the latest. */
  readonly pollMs: number
  readonly admin: LdapAdmin
}

/** Where and as whom tools change the directory: the daemon itself only reads, and may read from replicas. */
export interface LdapAdmin {
  /** The servers that take changes (Zimbra: ldap_master_url). */
  readonly urls: readonly string[]
  /** Zimbra: `uid=zimbra,cn=admins,cn=zimbra`. */
  readonly bindDn: string
  readonly passwordFile: string
}

/** `[directory]`: where domains, accounts and settings come from. */
export interface DirectoryConfig {
  /** The domain that an embedded directory is created with. */
  readonly firstDomain: string
  /** Which server entry's values stand above globalConfig; '' for the one of this machine's host name. */
  readonly server: string
  /** undefined: the embedded directory. */
  readonly ldap: LdapConfig | undefined
  /** `poll`, where it is given: it stands above what localconfig.xml says. */
  readonly pollMs: number | undefined
}

const LDAP_KEYS = [
  'starttls',
  'ca',
  'bind_dn',
  'password_file',
  'base',
  'connect_timeout',
  'search_timeout',
  'poll',
  'admin_urls',
  'admin_bind_dn',
  'admin_password_file',
] as const

/** Servers of one directory; Zimbra sites have a master and a few replicas. */
const URLS_MAX = 16
const NAME_CHARS_MAX = 1024
/** Zimbra's default of zimbra_ldap_userdn. */
const ZIMBRA_USER_DN = 'uid=zimbra,cn=admins,cn=zimbra'

/** `[directory]`. `localconfigFile`: whose keys say what the table leaves out, where the table wants it so. */
export function readDirectory(table: Table, folder: string, localconfigFile: string): DirectoryConfig {
  table.only(['domain', 'server', 'localconfig', 'urls', ...LDAP_KEYS])
  const ldap = readLdap(table, folder, readZimbra(table, localconfigFile))
  const pollMs = table.raw('poll') === undefined ? undefined : ldap?.pollMs
  return { firstDomain: readDomain(table), server: readServer(table), ldap, pollMs }
}

function readDomain(table: Table): string {
  const found = parseDomain(table.text('domain', 'example.test'))
  if (found === undefined) table.wrong('domain', 'must be a domain such as example.com')
  return found ?? 'example.test'
}

/** A domain of two labels at least, in ASCII and small letters; undefined where it is none. */
export function parseDomain(text: string): string | undefined {
  const ascii = domainToASCII(text).toLowerCase()
  return /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$/.test(ascii) && ascii.length <= 255 ? ascii : undefined
}

function readServer(table: Table): string {
  if (table.raw('server') === undefined) return ''
  const name = table.text('server', 'localhost').toLowerCase()
  if (/^[a-z0-9]([a-z0-9.-]{0,253}[a-z0-9])?$/.test(name)) return name
  table.wrong('server', 'must be the name of a server entry, such as mta1.example.com')
  return ''
}

/** What Zimbra's localconfig.xml says about its directory servers; each is what postern.toml says where it does. */
interface ZimbraLdap {
  readonly urls: readonly string[] | undefined
  readonly masters: readonly string[] | undefined
  readonly startTls: boolean
  readonly bindDn: string
  readonly passwordFile: string
}

const NO_ZIMBRA: ZimbraLdap = {
  urls: undefined,
  masters: undefined,
  startTls: true,
  bindDn: '',
  passwordFile: '',
}

/** `localconfig = true`: as a Zimbra's own MTA finds its directory. */
function readZimbra(table: Table, file: string): ZimbraLdap {
  if (!table.flag('localconfig', false)) return NO_ZIMBRA
  const read = readLocalconfig(file)
  if (read.kind === 'wrong') {
    table.wrong('localconfig', `${file}${read.line === 0 ? '' : `:${read.line}`} ${read.reason}`)
    return NO_ZIMBRA
  }
  const { keys } = read
  const urls = urlsOf(keys, 'ldap_url')
  if (urls === undefined && table.raw('urls') === undefined)
    table.wrong('localconfig', `finds no ldap_url in ${file}: give urls, or another localconfig.xml`)
  // What postern.toml names goes with what postern.toml has for it.
  const isOwnName = table.raw('bind_dn') !== undefined
  const hasPassword = (keys.get('zimbra_ldap_password') ?? '') !== '' && !isOwnName
  return {
    urls,
    masters: urlsOf(keys, 'ldap_master_url'),
    startTls: wantsStartTls(keys),
    bindDn: hasPassword ? keys.get('zimbra_ldap_userdn') || ZIMBRA_USER_DN : '',
    passwordFile: hasPassword && table.raw('password_file') === undefined ? file : '',
  }
}

/** Zimbra separates several by blanks. */
function urlsOf(keys: Localconfig, key: string): readonly string[] | undefined {
  const urls = (keys.get(key) ?? '').split(/\s+/).filter((url) => url !== '')
  return urls.length === 0 ? undefined : urls
}

/** Zimbra goes without TLS where any of the three is off. One that is not there switches nothing off here. */
function wantsStartTls(keys: Localconfig): boolean {
  return !['ldap_starttls_supported', 'ldap_starttls_required', 'zimbra_require_interprocess_security'].some(
    (key) => /^(?:0|false|no)$/i.test(keys.get(key) ?? ''),
  )
}

function readLdap(table: Table, folder: string, zimbra: ZimbraLdap): LdapConfig | undefined {
  const own = table.raw('urls')
  const urls = own ?? zimbra.urls
  if (urls === undefined) {
    // With `localconfig` it has been said what is missing.
    if (table.raw('localconfig') === true) return undefined
    for (const key of LDAP_KEYS) {
      if (table.raw(key) !== undefined) table.wrong(key, 'is for a directory over LDAP: give urls too')
    }
    return undefined
  }
  const bindDn = optional(table, 'bind_dn') || zimbra.bindDn
  const passwordFile = optional(table, 'password_file') || zimbra.passwordFile
  // RFC 4513 section 5.1.2: a name without a password is an unauthenticated bind, which succeeds and shows nothing.
  if (bindDn !== '' && passwordFile === '')
    table.wrong('bind_dn', 'needs password_file, a file with the password in its first line')
  if (bindDn === '' && passwordFile !== '') table.wrong('password_file', 'needs bind_dn')
  const caFile = optional(table, 'ca')
  const read = {
    urls: readUrls(table, own === undefined ? 'localconfig' : 'urls', urls),
    bindDn,
    passwordFile,
  }
  return {
    urls: read.urls,
    startTls: table.flag('starttls', zimbra.startTls),
    caFile: caFile === '' ? '' : resolve(folder, caFile),
    bindDn,
    passwordFile: passwordFile === '' ? '' : resolve(folder, passwordFile),
    base: optional(table, 'base'),
    connectTimeoutMs: duration(table, 'connect_timeout', { fallback: '5s', least: '1s', most: '60s' }),
    searchTimeoutMs: duration(table, 'search_timeout', { fallback: '30s', least: '1s', most: '600s' }),
    pollMs: duration(table, 'poll', { fallback: '120s', least: '1s', most: '1d' }),
    admin: readAdmin(table, folder, { read, masters: zimbra.masters }),
  }
}

/** What is not said is as for reading: a small site has one server and one name. */
function readAdmin(
  table: Table,
  folder: string,
  { read, masters }: { readonly read: LdapAdmin; readonly masters: readonly string[] | undefined },
): LdapAdmin {
  const given = table.raw('admin_urls')
  const urls = adminUrls(table, given, masters) ?? read.urls
  const bindDn = optional(table, 'admin_bind_dn')
  const passwordFile = optional(table, 'admin_password_file')
  if ((bindDn === '') !== (passwordFile === ''))
    table.wrong(
      bindDn === '' ? 'admin_password_file' : 'admin_bind_dn',
      'needs the other half: give both admin_bind_dn and admin_password_file, or neither',
    )
  const who =
    bindDn === '' ? { bindDn: read.bindDn, passwordFile: read.passwordFile } : { bindDn, passwordFile }
  return {
    urls,
    bindDn: who.bindDn,
    passwordFile: who.passwordFile === '' ? '' : resolve(folder, who.passwordFile),
  }
}

function adminUrls(
  table: Table,
  given: unknown,
  masters: readonly string[] | undefined,
): readonly string[] | undefined {
  if (given !== undefined) return readUrls(table, 'admin_urls', given)
  return masters === undefined ? undefined : readUrls(table, 'localconfig', masters)
}

function optional(table: Table, key: string): string {
  if (table.raw(key) === undefined) return ''
  const text = table.text(key, '')
  if (text.length > NAME_CHARS_MAX) table.wrong(key, `may have ${NAME_CHARS_MAX} characters at most`)
  return text
}

function readUrls(
  table: Table,
  key: 'urls' | 'admin_urls' | 'localconfig',
  given: unknown,
): readonly string[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > URLS_MAX) {
    table.wrong(key, `must be a list of 1 to ${URLS_MAX} addresses such as ldap://ldap1.example.com:389`)
    return []
  }
  return given.flatMap((one: unknown) => {
    const url = typeof one === 'string' ? parseLdapUrl(one) : undefined
    if (url === undefined)
      table.wrong(key, `must hold addresses such as ldap://ldap1.example.com:389, not ${JSON.stringify(one)}`)
    return url ?? []
  })
}

/** `ldap[s]://host[:port]` in its one spelling; undefined where it is anything else, or more. */
export function parseLdapUrl(text: string): string | undefined {
  const match = /^(ldaps?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,255})(?::(\d{1,5}))?\/?$/i.exec(text.trim())
  if (match === null) return undefined
  const [, scheme = '', host = '', given] = match
  const port =
    given === undefined ? DEFAULT_PORTS[scheme.toLowerCase() === 'ldaps' ? 'ldaps' : 'ldap'] : Number(given)
  if (port < 1 || port > 65_535 || (host.startsWith('[') && isIP(host.slice(1, -1)) !== 6)) return undefined
  return `${scheme}://${host}:${port}`.toLowerCase()
}

const DEFAULT_PORTS = { ldap: 389, ldaps: 636 } as const

function duration(
  table: Table,
  key: string,
  bounds: { readonly fallback: string; readonly least: string; readonly most: string },
): number {
  const text = table.text(key, bounds.fallback)
  const value = parseDurationMs(text, 's')
  if (value !== undefined && value >= secondsMs(bounds.least) && value <= secondsMs(bounds.most)) return value
  table.wrong(key, `must be a time from ${bounds.least} to ${bounds.most}`)
  return secondsMs(bounds.fallback)
}

function secondsMs(text: string): number {
  return parseDurationMs(text, 's') ?? 0
}
