import { isIP } from 'node:net'
import { isPasswordHash, passwordProblem } from '#src/admin/console-password.ts'
import { parseHostPort } from '#src/config/config.ts'
import type { HostPort } from '#src/config/config.ts'
import { readIdle } from '#src/config/console.ts'
import { parseDomain, parseLdapUrl } from '#src/config/directory-source.ts'
import { suggest } from '#src/config/suggest.ts'
import type { Table } from '#src/config/reader.ts'
import { isHost, isHostName, readCertificates, readLine, readPublicKeys, readTexts } from './read-values.ts'

export interface SystemSettings {
  /** '' where none is given. */
  readonly hostname: string
  readonly timezone: string
  /** Whether a USB stick is looked at. */
  readonly sticks: boolean
}

export interface DnsSettings {
  /** Whom our resolver asks: addresses, with a port where it is not 53. None: the servers of the zones themselves. */
  readonly servers: readonly string[]
  readonly validate: boolean
  /** Domains that nobody has signed, although their parents say so: inner ones. */
  readonly insecure: readonly string[]
}

export interface TimeSettings {
  readonly servers: readonly string[]
  /** With Network Time Security (RFC 8915). */
  readonly nts: readonly string[]
}

export interface LdapSettings {
  readonly urls: readonly string[]
  readonly startTls: boolean
  readonly bindDn: string
  readonly password: string
  /** PEM; '' for the authorities of the machine. */
  readonly ca: string
  readonly base: string
  readonly server: string
}

export interface ConsoleSettings {
  /** A scrypt hash, or before it is stored a password; '' where none is given. */
  readonly password: string
  readonly idleMs: number
}

export interface MailSettings {
  readonly lmtp: string
  readonly domain: string
}

export interface UpdateSettings {
  readonly url: string
  /** PEM. */
  readonly keys: string
}

/** HOST_NAME_MAX of Linux. */
const HOSTNAME_CHARS_MAX = 64

export function readSystem(table: Table): SystemSettings {
  table.only(['hostname', 'timezone', 'sticks'])
  const hostname = readLine(table, 'hostname').toLowerCase()
  if (
    hostname !== '' &&
    (hostname.length > HOSTNAME_CHARS_MAX || !isHostName(hostname) || !hostname.includes('.'))
  )
    table.wrong(
      'hostname',
      `must be a whole name of ${HOSTNAME_CHARS_MAX} characters at most, such as mx1.example.com`,
    )
  return { hostname, timezone: readTimezone(table), sticks: table.flag('sticks', true) }
}

function readTimezone(table: Table): string {
  const zone = readLine(table, 'timezone')
  if (zone === '') return ''
  const zones = ['UTC', ...Intl.supportedValuesOf('timeZone')]
  if (zones.includes(zone)) return zone
  const meant = suggest(zone, zones)
  table.wrong(
    'timezone',
    `must be a zone such as UTC or Europe/Vienna${meant === undefined ? '' : `; did you mean ${meant}?`}`,
  )
  return ''
}

const SERVERS_MAX = 8
const DOMAINS_MAX = 64

export function readDns(table: Table): DnsSettings {
  table.only(['servers', 'validate', 'insecure'])
  return {
    servers: readTexts(table, 'servers', {
      most: SERVERS_MAX,
      fits: (text) => parseServer(text) !== undefined,
      means: 'addresses of resolvers, such as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:5353"',
    }),
    validate: table.flag('validate', true),
    insecure: readTexts(table, 'insecure', {
      most: DOMAINS_MAX,
      fits: (text) => isHostName(text),
      means: 'domains, such as "corp.example"',
    }),
  }
}

const DNS_PORT = 53

/** An address, with a port or without. */
export function parseServer(text: string): HostPort | undefined {
  if (isIP(text) !== 0) return { host: text, port: DNS_PORT }
  const server = parseHostPort(text, DNS_PORT)
  return server !== undefined && isIP(server.host) !== 0 ? server : undefined
}

export function readTime(table: Table): TimeSettings {
  table.only(['servers', 'nts'])
  return {
    servers: readTexts(table, 'servers', {
      most: SERVERS_MAX,
      fits: isHost,
      means: 'names or addresses, such as "ntp.example.com"',
    }),
    nts: readTexts(table, 'nts', {
      most: SERVERS_MAX,
      // The certificate of the server has its name.
      fits: (text) => isHost(text) && isIP(text) === 0,
      means: 'names, such as "nts.example.com"',
    }),
  }
}

const URLS_MAX = 16

/** `[ldap]`; undefined where no server is named: the directory is the embedded one then. */
export function readLdap(table: Table): LdapSettings | undefined {
  table.only(['urls', 'starttls', 'bind_dn', 'password', 'ca', 'base', 'server'])
  const urls = readTexts(table, 'urls', {
    most: URLS_MAX,
    fits: (text) => parseLdapUrl(text) !== undefined,
    means: 'addresses such as "ldap://ldap1.example.com:389" or "ldaps://ldap1.example.com"',
  })
  const bindDn = readLine(table, 'bind_dn')
  const password = readLine(table, 'password')
  // The file that it is kept in may also be a localconfig.xml.
  if (/^\s*<(?:\?xml|localconfig)/.test(password))
    table.wrong('password', 'may not begin as a localconfig.xml does')
  // RFC 4513 section 5.1.2: a name without a password succeeds as nobody.
  if (bindDn !== '' && password === '') table.wrong('bind_dn', 'needs password')
  if (password !== '' && bindDn === '') table.wrong('password', 'needs bind_dn, the name that it belongs to')
  const server = readLine(table, 'server').toLowerCase()
  if (server !== '' && !isHostName(server))
    table.wrong('server', 'must be the name of a server entry, such as mta1.example.com')
  const read = {
    urls,
    startTls: table.flag('starttls', true),
    bindDn,
    password,
    ca: readCertificates(table, 'ca'),
    base: readLine(table, 'base'),
    server,
  }
  if (urls.length > 0) return read
  // How it would be spoken to may stay, where it is taken away by whom it was set.
  const lone = table.keys.find((key) => !['urls', 'starttls'].includes(key))
  if (table.raw('urls') === undefined && lone !== undefined)
    table.wrong(lone, 'is for a directory over LDAP: give urls too')
  return undefined
}

export function readConsoleSettings(table: Table): ConsoleSettings {
  table.only(['password', 'idle_logout'])
  const password = readLine(table, 'password')
  const problem = password === '' || isPasswordHash(password) ? '' : passwordProblem(password)
  if (problem !== '') table.wrong('password', `cannot be used: ${problem}`)
  else if (/^(?:scrypt:|\$\w+\$)/.test(password) && !isPasswordHash(password))
    table.wrong(
      'password',
      'looks like a hash and is none of ours: write the password itself, or scrypt:SALT:KEY',
    )
  return { password, idleMs: readIdle(table) }
}

/** LMTP's port in a Zimbra mailbox server. */
const LMTP_PORT = 7025

export function readMail(table: Table): MailSettings {
  table.only(['lmtp', 'domain'])
  const lmtp = readLine(table, 'lmtp')
  const server = lmtp === '' ? undefined : parseHostPort(lmtp, LMTP_PORT)
  if (lmtp !== '' && server === undefined)
    table.wrong('lmtp', 'must be host:port, such as mailbox.example.com:7025 or [2001:db8::1]:7025')
  const domain = readLine(table, 'domain')
  const ascii = domain === '' ? '' : parseDomain(domain)
  if (ascii === undefined) table.wrong('domain', 'must be a domain such as example.com')
  return { lmtp, domain: ascii ?? '' }
}

export function readUpdate(table: Table): UpdateSettings {
  table.only(['url', 'keys'])
  const url = readLine(table, 'url')
  const parsed = url === '' ? undefined : URL.parse(url)
  if (url !== '' && (parsed === null || parsed?.protocol !== 'https:' || parsed.username !== ''))
    table.wrong(
      'url',
      'must be an address such as https://updates.example.com/postern.ptu, without a user in it',
    )
  return { url, keys: readPublicKeys(table, 'keys') }
}
