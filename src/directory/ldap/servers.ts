import type { Clock } from '#src/base/clock.ts'
import type { LdapAlarms } from './alarms.ts'
import { codeOf } from './alarms.ts'
import type { LdapFailureKind, LdapServer } from './connection.ts'
import { failureOf, LdapConnection, readPassword } from './connection.ts'

/** The servers of one directory, and who we are there. */
export interface LdapServers {
  /** In the order in which they are tried. */
  readonly urls: readonly string[]
  readonly startTls: boolean
  readonly caFile: string
  readonly bindDn: string
  readonly passwordFile: string
  readonly connectTimeoutMs: number
  readonly searchTimeoutMs: number
}

/** A server that failed is left alone for a while, twice as long each time. */
const REST_MIN_MS = 1000
const REST_MAX_MS = 30_000

interface Rest {
  readonly untilMs: number
  readonly ms: number
  readonly reason: string
}

/** Which server is spoken to: the first that can be. */
export class ServerChoice {
  readonly #servers: LdapServers
  readonly #clock: Clock
  readonly #alarms: LdapAlarms
  readonly #resting = new Map<string, Rest>()

  constructor(servers: LdapServers, clock: Clock, alarms: LdapAlarms) {
    this.#servers = servers
    this.#clock = clock
    this.#alarms = alarms
  }

  /**
   * Connects to the first server that can be used; of those before `better`, if given. undefined where none can; then
   * LDAP_DOWN is raised, unless it was only looked for a better one.
   */
  async open(signal: AbortSignal, better?: string): Promise<LdapConnection | undefined> {
    const { urls } = this.#servers
    const before = better === undefined ? urls.length : urls.indexOf(better)
    for (const url of urls.slice(0, Math.max(0, before))) {
      if ((this.#resting.get(url)?.untilMs ?? 0) > this.#clock.monotonicMs()) continue
      try {
        return await this.connect(url, signal)
      } catch (error) {
        if (signal.aborted) return undefined
        this.failed(url, error)
      }
    }
    if (better === undefined) this.#alarms.raise('LDAP_DOWN', '', this.#whyDown())
    return undefined
  }

  /** A connection to one server, bound as ourselves. Throws LdapFailure. */
  async connect(url: string, signal: AbortSignal): Promise<LdapConnection> {
    const { bindDn, passwordFile } = this.#servers
    // Read each time: it may be changed while we run.
    const password = passwordFile === '' ? '' : readPassword(passwordFile)
    return await LdapConnection.open(this.serverOf(url), { dn: bindDn, password }, signal)
  }

  serverOf(url: string): LdapServer {
    const { startTls, caFile, connectTimeoutMs, searchTimeoutMs } = this.#servers
    return { url, startTls, caFile, connectTimeoutMs, searchTimeoutMs }
  }

  /** A server could not be used: it rests, and somebody is told. */
  failed(url: string, error: unknown): void {
    const failure = failureOf(error)
    const ms = Math.min((this.#resting.get(url)?.ms ?? REST_MIN_MS / 2) * 2, REST_MAX_MS)
    this.#resting.set(url, { untilMs: this.#clock.monotonicMs() + ms, ms, reason: failure.message })
    this.#alarms.raise(codeOf(failure.kind), url, failure.message)
  }

  /** A server served: whatever was wrong with it is over, but for what it shows, unless all of that is sound. */
  served(url: string, isSound: boolean): void {
    this.#resting.delete(url)
    for (const kind of KINDS) if (isSound || kind !== 'nonsense') this.#alarms.clear(codeOf(kind), url)
    this.#alarms.clear('LDAP_DOWN')
  }

  /** A server that does not serve could: it is there, and where it knows as much as we do it is not behind. */
  standsBy(url: string, isUpToDate: boolean): void {
    this.#resting.delete(url)
    this.#alarms.clear(codeOf('unreachable'), url)
    if (isUpToDate) this.#alarms.clear(codeOf('behind'), url)
  }

  /** All may be tried again at once: an operator asks. */
  forgive(): void {
    for (const [url, rest] of this.#resting) this.#resting.set(url, { ...rest, untilMs: 0 })
  }

  isFirst(url: string): boolean {
    return this.#servers.urls[0] === url
  }

  #whyDown(): string {
    const reasons = this.#servers.urls.map(
      (url) => `${url}: ${this.#resting.get(url)?.reason ?? 'not tried'}`,
    )
    return `no directory server can be used: ${reasons.join('; ')}`
  }
}

const KINDS: readonly LdapFailureKind[] = ['unreachable', 'behind', 'nonsense']
