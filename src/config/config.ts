import { readFileSync, readlinkSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { errorCode, errorText } from '#src/base/fault.ts'
import type { DirectoryConfig } from './directory-source.ts'
import { readDirectory } from './directory-source.ts'
import type { AuthConfig } from './auth.ts'
import { readAuth } from './auth.ts'
import type { HealthConfig } from './health.ts'
import { readHealth } from './health.ts'
import type { SnmpConfig } from './snmp.ts'
import { readSnmp } from './snmp.ts'
import type { ConsoleConfig } from './console.ts'
import { readConsole } from './console.ts'
import { readAddress, readListeners } from './listeners.ts'
import type { Address, Listener } from './listeners.ts'
import { readLimits, readZimbraSettings } from './overrides.ts'
import type { ConfigProblem, Table } from './reader.ts'
import type { Overrides } from './resolve.ts'
import { parseDurationMs } from './setting.ts'
import { openToml } from './toml.ts'

/** `[tls]`: what the listeners show. */
export interface TlsConfig {
  readonly certificateFile: string
  readonly keyFile: string
  /** A folder for each host that clients may name, with certificate.pem and key.pem; it need not be there. */
  readonly hostsFolder: string
  /** Whether TLS 1.0 and 1.1 are taken where the settings list them. */
  readonly legacy: boolean
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** What postern.toml says: all that the box needs before it can reach a directory. Paths are absolute. */
export interface Config {
  /** The file it was read from; '' where there is none and every value is the default. */
  readonly file: string
  readonly dataFolder: string
  readonly listeners: readonly Listener[]
  /** Where mail goes by default, or the path of a socket with port 0; undefined means the embedded mailbox store. */
  readonly lmtpServer: HostPort | undefined
  /** Where the embedded mailbox store listens, if it is used. */
  readonly mailbox: Address
  /** Where domains, accounts and settings come from. */
  readonly directory: DirectoryConfig
  /** How passwords are checked. */
  readonly auth: AuthConfig
  /** Zimbra's localconfig.xml, whose values stand below the directory's; it need not be there. */
  readonly localconfigFile: string
  /** smtpd processes; 0 means as many as the machine carries. */
  readonly workers: number
  readonly signatureFolder: string
  readonly tls: TlsConfig
  /** Validating resolvers, asked in this order; none: those of /etc/resolv.conf. */
  readonly dnsServers: readonly HostPort[]
  /** Whether MTA-STS policies of other domains are asked for. */
  readonly mtaSts: boolean
  /** Where it is told how the box is. */
  readonly health: HealthConfig
  /** Whether and where snmpd is told how the box is. */
  readonly snmp: SnmpConfig
  /** The page for a terminal. */
  readonly console: ConsoleConfig
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error'
    readonly jsonFile: string
    readonly textFile: string
    readonly stdout: boolean
    /** A log file that is larger is set aside; 0: never. */
    readonly maxBytes: number
    /** Files of each log that were set aside and are kept. */
    readonly keep: number
    /** How often the size of the queue is told; 0: never. */
    readonly queueMs: number
  }
  readonly overrides: Overrides
}

/** Where the directory is: in a file of ours, or over LDAP. */
export function sourceOf(config: Config): 'embedded' | 'ldap' {
  return config.directory.ldap === undefined ? 'embedded' : 'ldap'
}

export type LoadedConfig =
  | { readonly kind: 'config'; readonly config: Config }
  | {
      readonly kind: 'invalid'
      readonly problems: readonly ConfigProblem[]
      /** Where the mistakes leave no doubt about it: the password of the console lies there. */
      readonly dataFolder?: string
    }

/** A larger file is no configuration. */
const FILE_BYTES_MAX = 1_048_576
/** More smtpd processes than this help no machine that Postern runs on. */
export const WORKERS_MAX = 256

const TOP_KEYS = [
  'data',
  'listener',
  'lmtp',
  'mailbox',
  'directory',
  'auth',
  'localconfig',
  'workers',
  'signatures',
  'tls',
  'dns',
  'health',
  'snmp',
  'console',
  'log',
  'limits',
  'settings',
]
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** A link to the one configuration file of an installed Postern (`make install`); a checkout has none. */
const INSTALLED = join(import.meta.dirname, '..', '..', 'installed.toml')

function installedFile(): string | undefined {
  try {
    return readlinkSync(INSTALLED)
  } catch {
    return undefined
  }
}

/**
 * Reads the configuration file. `file` given: it must exist. Not given: that of the installation, where this program is
 * installed (whatever folder one is in: a file that lies about must not become root's); else `postern.toml` of `folder`
 * if it is there, else every default. Relative paths in the file start at the file's folder, without a file at `folder`.
 */
export function loadConfig(named: string | undefined, folder: string): LoadedConfig {
  const file = named ?? installedFile()
  const path = resolve(folder, file ?? 'postern.toml')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (file === undefined && errorCode(error) === 'ENOENT') return readConfig('', '', folder)
    const why =
      errorCode(error) === 'ENOENT' ? 'there is no such file' : `cannot be read: ${errorText(error)}`
    return { kind: 'invalid', problems: [{ file: path, line: 1, key: '', reason: why }] }
  }
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    const reason = `is larger than ${FILE_BYTES_MAX} bytes`
    return { kind: 'invalid', problems: [{ file: path, line: 1, key: '', reason }] }
  }
  return readConfig(text, path, dirname(path))
}

/** Checks the text of a configuration file as a whole; every problem is told, each with its line. */
export function readConfig(text: string, file: string, folder: string): LoadedConfig {
  const opened = openToml(text, file)
  if (opened.kind === 'invalid') {
    const named = /^data\s*=\s*"([^"\\]+)"/m.exec(text)?.[1]
    return named === undefined ? opened : { ...opened, dataFolder: resolve(folder, named) }
  }
  const { top, problems } = opened
  const config = readDocument(top, file, folder)
  return problems.list.length > 0
    ? { kind: 'invalid', problems: problems.sorted, dataFolder: config.dataFolder }
    : { kind: 'config', config }
}

function readDocument(top: Table, file: string, folder: string): Config {
  top.only(TOP_KEYS)
  const dataFolder = resolve(folder, top.text('data', './var'))
  const signatures = top.table('signatures')
  signatures.only(['folder'])
  const mailbox = top.table('mailbox')
  mailbox.only(['address', 'port'])
  const dns = top.table('dns')
  dns.only(['servers', 'mta_sts'])
  const localconfigFile = resolve(folder, top.text('localconfig', join(dataFolder, 'localconfig.xml')))
  const directory = readDirectory(top.table('directory'), folder, localconfigFile)
  const limits = readLimits(top.table('limits'))
  return {
    file,
    dataFolder,
    listeners: readListeners(top),
    lmtpServer: readLmtp(top.table('lmtp')),
    mailbox: readAddress(mailbox, 2424),
    directory,
    auth: readAuth(top.table('auth'), folder),
    localconfigFile,
    workers: top.integer('workers', 0, { least: 0, most: WORKERS_MAX }),
    signatureFolder: resolve(folder, signatures.text('folder', join(dataFolder, 'signatures'))),
    tls: readTls(top.table('tls'), folder, dataFolder),
    dnsServers: readDns(dns),
    mtaSts: dns.flag('mta_sts', true),
    health: readHealth(top.table('health'), folder),
    snmp: readSnmp(top.table('snmp'), folder),
    console: readConsole(top.table('console'), folder),
    log: readLog(top.table('log'), folder, dataFolder),
    overrides: { ...pollOf(directory), ...limits, ...readZimbraSettings(top.table('settings'), limits) },
  }
}

/** `poll` of [directory] stands above `zmconfigd_interval`. */
function pollOf({ pollMs }: DirectoryConfig): Overrides {
  return pollMs === undefined ? {} : { configPollMs: pollMs }
}

/** LMTP's port in a Zimbra mailbox server. */
const LMTP_PORT = 7025

function readLmtp(table: Table): HostPort | undefined {
  table.only(['server'])
  if (table.raw('server') === undefined) return undefined
  const text = table.text('server', 'localhost')
  if (text.startsWith('unix:')) return readSocket(table, text.slice('unix:'.length))
  const parsed = parseHostPort(text, LMTP_PORT)
  if (parsed === undefined)
    table.wrong(
      'server',
      'must be host:port or unix:/path, such as mailbox.example.com:7025 or [2001:db8::1]:7025',
    )
  return parsed
}

/** `sun_path` has 108 octets, the last one a NUL. */
const SOCKET_PATH_BYTES_MAX = 107

function readSocket(table: Table, path: string): HostPort | undefined {
  if (path.startsWith('/') && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return { host: path, port: 0 }
  table.wrong(
    'server',
    `must have a path behind unix: that begins with "/" and has ${SOCKET_PATH_BYTES_MAX} octets at most`,
  )
  return undefined
}

/** `host`, `host:port`, `[address]:port`; undefined if it is none of these. */
export function parseHostPort(text: string, defaultPort: number): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,255}))(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? match[2] ?? ''
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  if (port < 1 || port > 65_535 || (match[1] !== undefined && isIP(host) === 0)) return undefined
  return { host, port }
}

function readTls(table: Table, folder: string, dataFolder: string): TlsConfig {
  table.only(['certificate', 'key', 'hosts', 'legacy'])
  if ((table.raw('certificate') === undefined) !== (table.raw('key') === undefined)) {
    const lone = table.raw('key') === undefined ? 'certificate' : 'key'
    table.wrong(lone, 'needs the other half: give both certificate and key, or neither')
  }
  return {
    certificateFile: resolve(folder, table.text('certificate', join(dataFolder, 'tls', 'certificate.pem'))),
    keyFile: resolve(folder, table.text('key', join(dataFolder, 'tls', 'key.pem'))),
    hostsFolder: resolve(folder, table.text('hosts', join(dataFolder, 'tls', 'hosts'))),
    legacy: table.flag('legacy', false),
  }
}

/** Resolvers that one lookup may go to, one after another: resolv.conf(5) has three. */
const DNS_SERVERS_MAX = 3
const DNS_PORT = 53

function readDns(table: Table): readonly HostPort[] {
  const given = table.raw('servers') ?? []
  if (!Array.isArray(given) || given.length > DNS_SERVERS_MAX) {
    table.wrong('servers', `must be a list of ${DNS_SERVERS_MAX} addresses at most`)
    return []
  }
  return given.flatMap((text: unknown) => {
    const bare = typeof text === 'string' && isIP(text) !== 0 ? { host: text, port: DNS_PORT } : undefined
    const server = bare ?? (typeof text === 'string' ? parseHostPort(text, DNS_PORT) : undefined)
    if (server !== undefined && isIP(server.host) !== 0) return [server]
    table.wrong('servers', 'must hold addresses such as 127.0.0.1, 127.0.0.1:5353 or [::1]:53')
    return []
  })
}

/** A larger log is for another machine to keep. */
const LOG_MB_MOST = 100_000
const LOG_KEEP_MOST = 100

function readLog(table: Table, folder: string, dataFolder: string): Config['log'] {
  table.only(['level', 'json', 'text', 'stdout', 'max_mb', 'keep', 'queue'])
  return {
    level: table.oneOf('level', 'info', LEVELS),
    jsonFile: logFile(table, 'json', { folder, fallback: join(dataFolder, 'log', 'postern.jsonl') }),
    textFile: logFile(table, 'text', { folder, fallback: join(dataFolder, 'log', 'postern.log') }),
    stdout: table.flag('stdout', true),
    maxBytes: table.integer('max_mb', 100, { least: 0, most: LOG_MB_MOST }) * 1_048_576,
    keep: table.integer('keep', 5, { least: 0, most: LOG_KEEP_MOST }),
    queueMs: readQueueInterval(table),
  }
}

/** `queue`: how often the size of the queue is told. */
function readQueueInterval(table: Table): number {
  const ms = parseDurationMs(table.text('queue', '10m'), 's')
  if (ms !== undefined && (ms === 0 || (ms >= QUEUE_MS_LEAST && ms <= QUEUE_MS_MOST))) return ms
  table.wrong('queue', 'must be 0 for never, or a time from 1s to 1d')
  return 0
}

const QUEUE_MS_LEAST = 1000
const QUEUE_MS_MOST = 86_400_000

/** A file name, or false for no such log. */
function logFile(
  table: Table,
  key: string,
  where: { readonly folder: string; readonly fallback: string },
): string {
  if (table.raw(key) === false) return ''
  if (table.raw(key) === true) return where.fallback
  return resolve(where.folder, table.text(key, where.fallback))
}
