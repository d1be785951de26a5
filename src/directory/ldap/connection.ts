import { readFileSync, statSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { Filter } from 'ldapts'
import { Client } from 'ldapts'
import { errorText } from '#src/base/fault.ts'
import { counter, histogram } from '#src/base/metrics.ts'
import { LOCALCONFIG_BYTES_MAX, parseLocalconfig } from '#src/base/localconfig-xml.ts'
import { cutMessages, MessageCutter } from './framing.ts'

/** How one directory server is spoken to. Plain data but for the secrets, which are read when they are needed. */
export interface LdapServer {
  /** `ldap://host:port` or `ldaps://host:port`. */
  readonly url: string
  /** On `ldap://`: TLS is demanded before anything else is said. */
  readonly startTls: boolean
  /** PEM file of authorities; '' for the machine's own. */
  readonly caFile: string
  /** Authorities as PEM texts, beside or instead of a file. */
  readonly ca?: readonly string[]
  /** Any certificate will do: only for maps whose file says so (tls_require_cert of ldap_table(5)). */
  readonly isUnverified?: boolean
  /** TCP, TLS and bind together. */
  readonly connectTimeoutMs: number
  /** One answer; of a paged search, one page. */
  readonly searchTimeoutMs: number
}

/** Who we say we are. '' as `dn` is nobody (RFC 4513 section 5.1.1). */
export interface Credentials {
  readonly dn: string
  readonly password: string
}

/** Why a server could not be used; the caller decides whether another one is tried. */
export class LdapFailure extends Error {
  readonly kind: LdapFailureKind
  constructor(kind: LdapFailureKind, reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/**
 * 'unreachable': no connection, no answer in time, or a server that is busy. 'untrusted': TLS failed. 'credentials':
 * the server does not take name and password. 'refused': it will not do what was asked. 'nonsense': what it says
 * cannot be so. 'behind': it knows less than we do.
 */
export type LdapFailureKind = 'unreachable' | 'untrusted' | 'credentials' | 'refused' | 'nonsense' | 'behind'

/** An entry as it came: names as the server spells them, values as text. What is not UTF-8 is left out. */
export interface LdapEntry {
  readonly dn: string
  readonly attributes: ReadonlyMap<string, readonly string[]>
}

export interface SearchOptions {
  readonly scope: 'base' | 'one' | 'sub'
  readonly filter: Filter
  /** [] for all user attributes, ['1.1'] for none. */
  readonly attributes: readonly string[]
  /** 0 for no limit of ours. */
  readonly sizeLimit?: number
  /** If it is to be shorter than the server's searchTimeoutMs; the connection is given up then. */
  readonly timeoutMs?: number
}

/** The server is told a little less than we wait, so that its own word arrives (RFC 4511 section 4.5.1.5). */
const SERVER_TIME_SHARE = 0.8
/** So many entries come in one page: half a megabyte, and few round trips. */
const PAGE_ENTRIES = 500
/** Result codes of RFC 4511 appendix A.1 that say something about the server and nothing about the request. */
const NOT_NOW: ReadonlySet<number> = new Set([1, 2, 3, 11, 51, 52, 80])
const INVALID_CREDENTIALS: ReadonlySet<number> = new Set([7, 8, 13, 48, 49])
export const NO_SUCH_OBJECT = 32

/** The code that a server answered with (RFC 4511 section 4.1.9); undefined where it did not answer. */
export function resultCode(error: unknown): number | undefined {
  const cause = error instanceof LdapFailure ? error.cause : error
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'number' ? cause.code : undefined
}

/**
 * Reads the password of a bind, from a file of its own or a localconfig.xml. Throws LdapFailure where the file is for anybody's eyes: then it is no secret.
 */
export function readPassword(file: string): string {
  try {
    const stat = statSync(file)
    if (!stat.isFile() || stat.size > LOCALCONFIG_BYTES_MAX)
      throw new LdapFailure('credentials', `${file} is no file with a password in its first line`)
    if ((stat.mode & 0o077) !== 0)
      throw new LdapFailure('credentials', `${file} can be read by other users: chmod 600 it`)
    const password = passwordOf(readFileSync(file, 'utf8'))
    // RFC 4513 section 5.1.2: a bind without a password would succeed as nobody.
    if (password === '') throw new LdapFailure('credentials', `${file} holds no password in its first line`)
    return password
  } catch (error) {
    if (error instanceof LdapFailure) throw error
    throw new LdapFailure('credentials', `${file} cannot be read: ${errorText(error)}`, error)
  }
}

/** Of the first line, or zimbra_ldap_password where the file is a localconfig.xml; '' where there is none. */
function passwordOf(text: string): string {
  if (!/^\s*<(?:\?xml|localconfig)/.test(text)) return text.split(/\r?\n/, 1)[0] ?? ''
  const parsed = parseLocalconfig(text)
  return parsed.kind === 'keys' ? (parsed.keys.get('zimbra_ldap_password') ?? '') : ''
}

/**
 * One connection to one server, bound. It is never made anew: whoever holds it asks for another when it breaks, since
 * a connection that came back by itself would be nobody's and see nothing.
 */
export class LdapConnection {
  readonly url: string
  /** For what has no method here: add, modify, compare. */
  readonly client: Client
  readonly #server: LdapServer
  readonly #cutter = new MessageCutter()
  #socket: Socket | undefined
  #opened = false
  /** Rejects when the socket closes: the client does not notice it for what is asked right then. */
  readonly #closed = Promise.withResolvers<never>()
  /** Why we ended the connection, which says more than that it ended. */
  #why: LdapFailure | undefined

  private constructor(server: LdapServer) {
    this.url = server.url
    this.#server = server
    // Nobody may be asking when it happens.
    this.#closed.promise.catch(() => undefined)
    this.client = new Client({
      url: server.url,
      timeout: server.searchTimeoutMs,
      connectTimeout: server.connectTimeoutMs,
      strictDN: false,
      // oxlint-disable-next-line no-unsafe-type-assertion -- of the forms of net.connect() the client uses this one
      createConnection: ((port: number, host: string) =>
        this.#open(() => connect(port, host))) as typeof connect,
      createSecureConnection: (...args: unknown[]) => this.#openTls(args),
    })
  }

  /** Connects, with TLS where it is demanded, and binds. Throws LdapFailure; nothing is left open then. */
  static async open(server: LdapServer, who: Credentials, signal: AbortSignal): Promise<LdapConnection> {
    const connection = new LdapConnection(server)
    const over = AbortSignal.any([signal, AbortSignal.timeout(server.connectTimeoutMs)])
    const giveUp = Promise.withResolvers<never>()
    const onAbort = () => {
      giveUp.reject(
        new LdapFailure('unreachable', `no connection within ${server.connectTimeoutMs / 1000} s`),
      )
      connection.close()
    }
    over.addEventListener('abort', onAbort, { once: true })
    try {
      if (signal.aborted) throw new LdapFailure('unreachable', 'stopped')
      await counted('connect', Promise.race([connection.#hello(who), giveUp.promise]))
      return connection
    } catch (error) {
      connection.close()
      throw connection.#failure(error)
    } finally {
      over.removeEventListener('abort', onAbort)
    }
  }

  get isOpen(): boolean {
    return this.client.isConnected
  }

  /** All entries that match, of a search that has few. Throws LdapFailure. */
  async search(base: string, options: SearchOptions): Promise<readonly LdapEntry[]> {
    this.#cutter.begin()
    let late: NodeJS.Timeout | undefined
    const { timeoutMs } = options
    if (timeoutMs !== undefined) late = setTimeout(() => this.#giveUp(timeoutMs), timeoutMs)
    try {
      const asked = this.#whileOpen(this.client.search(base, this.#request(options)))
      const { searchEntries } = await counted('search', asked)
      return searchEntries.map(entryOf)
    } catch (error) {
      throw this.#failure(error)
    } finally {
      clearTimeout(late)
    }
  }

  /** All entries that match, page by page (RFC 2696). Throws LdapFailure. */
  async *pages(base: string, options: SearchOptions): AsyncGenerator<readonly LdapEntry[]> {
    this.#cutter.begin()
    try {
      const request = { ...this.#request(options), paged: { pageSize: PAGE_ENTRIES } }
      const pages = this.client.searchPaginated(base, request)
      for (;;) {
        const page = await this.#whileOpen(pages.next())
        if (page.done === true) return
        yield page.value.searchEntries.map(entryOf)
        this.#cutter.begin()
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #whileOpen<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#closed.promise])
  }

  #giveUp(ms: number): void {
    this.#why = new LdapFailure('unreachable', `no answer within ${ms / 1000} s`)
    this.close()
  }

  close(): void {
    // An unbind (RFC 4511 section 4.3) may stay unheard; the socket is ours to close.
    this.#socket?.destroy()
  }

  #request({ scope, filter, attributes, sizeLimit, timeoutMs }: SearchOptions) {
    return {
      scope,
      filter,
      attributes: [...attributes],
      sizeLimit: sizeLimit ?? 0,
      timeLimit: Math.max(
        1,
        Math.floor(((timeoutMs ?? this.#server.searchTimeoutMs) / 1000) * SERVER_TIME_SHARE),
      ),
    }
  }

  async #hello(who: Credentials): Promise<void> {
    const { url, startTls } = this.#server
    if (startTls && url.startsWith('ldap:')) {
      try {
        await this.client.startTLS(this.#tlsOptions())
      } catch (error) {
        throw resultCode(error) === undefined && isTlsError(error)
          ? new LdapFailure('untrusted', errorText(error), error)
          : error
      }
    }
    await this.client.bind(who.dn, who.password)
  }

  #open<S extends Socket>(dial: () => S): S {
    // Once only: see above.
    if (this.#opened) throw new LdapFailure('unreachable', 'the connection was lost')
    this.#opened = true
    const socket = dial()
    this.#socket = socket
    socket.once('close', () => this.#closed.reject(new LdapFailure('unreachable', 'the connection was lost')))
    socket.setNoDelay(true)
    return this.#cut(socket)
  }

  #cut<S extends Socket>(socket: S): S {
    return cutMessages(socket, this.#cutter, (error) => {
      this.#why = new LdapFailure('nonsense', error.message, error)
    })
  }

  #failure(error: unknown): LdapFailure {
    return this.#why ?? failureOf(error)
  }

  /** Called with port, host and options for ldaps://, and with options that name the socket for StartTLS. */
  #openTls(args: readonly unknown[]): TLSSocket {
    const [first] = args
    if (typeof first !== 'object' || first === null) {
      const { hostname, port } = new URL(this.url)
      const options = { ...this.#tlsOptions(), host: bare(hostname), port: Number(port) }
      return this.#open(() => connectTls(options))
    }
    const secure = connectTls(first)
    this.#socket = secure
    return this.#cut(secure)
  }

  #tlsOptions(): ConnectionOptions {
    const host = bare(new URL(this.url).hostname)
    const { caFile, ca = [], isUnverified = false } = this.#server
    const authorities = [...(caFile === '' ? [] : [readCa(caFile)]), ...ca]
    return {
      host,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: !isUnverified,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(authorities.length === 0 ? {} : { ca: authorities }),
    }
  }
}

const operations = counter('postern_ldap_operations_total')
const operationSeconds = histogram('postern_ldap_operation_seconds')

/** Counts an operation and how long it takes. */
async function counted<T>(operation: 'connect' | 'search', work: Promise<T>): Promise<T> {
  const fromMs = performance.now()
  try {
    const result = await work
    operations.of(operation, 'ok').add()
    return result
  } catch (error) {
    operations.of(operation, 'failed').add()
    throw error
  } finally {
    operationSeconds.of(operation).observeMs(performance.now() - fromMs)
  }
}

function bare(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new LdapFailure('untrusted', `${file} cannot be read: ${errorText(error)}`, error)
  }
}

/** What OpenSSL and Node call what is wrong with a certificate or a handshake. */
function isTlsError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(ERR_TLS|ERR_SSL|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME)/.test(code)
}

/** What the result codes mean that an operator meets (RFC 4511 appendix A.2); the server's own words follow. */
const MEANINGS: ReadonlyMap<number, string> = new Map([
  [3, 'the server gave up: its time limit'],
  [4, 'the server found more than it may show'],
  [8, 'the server wants a stronger authentication'],
  [11, 'a limit of the server was met'],
  [13, 'the server wants TLS'],
  [32, 'there is no such entry'],
  [48, 'the server does not take this kind of authentication'],
  [49, 'the server does not take name and password'],
  [50, 'the server does not allow it'],
  [51, 'the server is busy'],
  [52, 'the server is unavailable'],
  [53, 'the server will not do it'],
])

function failureText(error: unknown, code: number | undefined): string {
  const said = errorText(error)
    .replaceAll(/\s+/g, ' ')
    .replace(/\s*Code: 0x[0-9a-f]+$/, '')
    .trim()
  if (code === undefined) return said
  const meaning = MEANINGS.get(code) ?? 'the server refused'
  return `${meaning} (LDAP result ${code}${said === '' ? '' : `: ${said}`})`
}

/** Any error of the client as one of ours. */
export function failureOf(error: unknown): LdapFailure {
  if (error instanceof LdapFailure) return error
  const code = resultCode(error)
  const text = failureText(error, code)
  if (code === undefined) return new LdapFailure(isTlsError(error) ? 'untrusted' : 'unreachable', text, error)
  if (INVALID_CREDENTIALS.has(code)) return new LdapFailure('credentials', text, error)
  return new LdapFailure(NOT_NOW.has(code) ? 'unreachable' : 'refused', text, error)
}

function entryOf(entry: { readonly dn: string; readonly [name: string]: unknown }): LdapEntry {
  const attributes = new Map<string, readonly string[]>()
  for (const [name, given] of Object.entries(entry)) {
    if (name === 'dn') continue
    const values: unknown[] = Array.isArray(given) ? given : [given]
    const texts = values.filter((value) => typeof value === 'string')
    if (texts.length > 0) attributes.set(name, texts)
  }
  return { dn: entry.dn, attributes }
}
