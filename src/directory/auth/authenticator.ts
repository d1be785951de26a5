import { isIP } from 'node:net'
import type { Clock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import { errorText } from '#src/base/fault.ts'
import { addressBytes, NetworkList, plainAddress } from '#src/net/addresses.ts'
import { fold } from '#src/directory/names.ts'
import type { AuthenticateAnswer, AuthenticateRequest } from '#src/directory/service.ts'
import type { Login, LoginAccount, LoginDirectory, LoginDomain } from './accounts.ts'
import type { Check } from './check.ts'
import { RIGHT, WRONG_PASSWORD } from './check.ts'
import { checkHash, checkNothing } from './hashes.ts'
import { Servers } from './in-turn.ts'
import { checkByBind, checkExternal } from './ldap-bind.ts'
import type { LdapReach } from './ldap-bind.ts'
import { AttemptRate, FailureCounts } from './limits.ts'
import type { CountKeeper, Locked, LockoutRule } from './limits.ts'
import { checkBySoap, soapUrls } from './soap.ts'

/** What decides who comes in; plain data, from postern.toml and the settings in force. */
export interface AuthSettings {
  /** Of names that are given without one. */
  readonly defaultDomain: string
  /** 'auto': Zimbra's servers over SOAP where some are named, else the directory. */
  readonly method: 'auto' | 'soap' | 'directory'
  /** zimbraMtaAuthURL, zimbraMtaAuthHost, zimbraMtaAuthPort; servers with zimbraMtaAuthTarget come from the directory. */
  readonly soapUrls: readonly string[]
  readonly soapHosts: readonly string[]
  readonly soapPort: number
  /** PEM file of authorities for servers that passwords go to; '' for the machine's own. */
  readonly caFile: string
  /** mynetworks: its clients are not limited by address. */
  readonly myNetworks: readonly string[]
  /** smtpd_client_auth_rate_limit. */
  readonly rateLimit: number
  /** The same for each name; 0 is no limit. */
  readonly accountRateLimit: number
  readonly accountLockout: LockoutRule
  readonly addressLockout: LockoutRule
}

/** The directory server that a mirror comes from: accounts of Zimbra's own mechanism bind there. */
export interface OwnLdap {
  readonly urls: readonly string[]
  readonly reach: Omit<LdapReach, 'servers'>
  /** Asks the server itself for an address that the mirror does not know; 'unavailable' if it cannot be asked. */
  readonly confirm: (address: string) => Promise<'done' | 'unavailable'>
  /** The one value of an attribute that no mirror keeps; '' if it has none. Rejects if it cannot be asked. */
  readonly readSecret: (dn: string, attribute: string) => Promise<string>
}

export interface AuthenticatorParts {
  readonly directory: LoginDirectory
  readonly clock: Clock
  readonly settings: AuthSettings
  /** undefined: the embedded directory, which holds the passwords itself. Asked each time: servers may change. */
  readonly ldap: () => OwnLdap | undefined
  /** Where counts outlive this process; without it they do not. */
  readonly keeper?: CountKeeper
  /** An account or an address has just been locked out. */
  readonly onLock?: (lockout: Lockout) => void
}

/** Who is locked out. */
export interface Lockout extends Locked {
  readonly kind: 'account' | 'address'
}

/**
 * A refusal takes at least so long, whatever was looked at for it: longer than a lookup, a hash and a bind, so that time
 * does not tell a name that is there from one that is not, and short enough for somebody who has mistyped.
 */
const REFUSAL_MS = 1500
/** One server of Zimbra's, or of a domain. */
const SERVER_MS = 8000
/** Names and addresses for counting: no more than an address has. */
const KEY_CHARS_MAX = 320
/** As many as are told at once. */
const LOCKOUTS_MAX = 10_000

/** Checks passwords: who may try, against what, and what the account's state makes of it. */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  #settings: AuthSettings
  #networks: NetworkList
  readonly #accounts: FailureCounts
  readonly #addresses: FailureCounts
  readonly #addressRate: AttemptRate
  readonly #accountRate: AttemptRate
  readonly #servers: Servers

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
    this.#settings = parts.settings
    this.#networks = new NetworkList(parts.settings.myNetworks)
    const { clock, keeper } = parts
    this.#accounts = this.#countsOf('account')
    this.#addresses = this.#countsOf('address')
    this.#addressRate = new AttemptRate(clock, 'address-rate', keeper)
    this.#accountRate = new AttemptRate(clock, 'account-rate', keeper)
    this.#servers = new Servers(clock)
  }

  #countsOf(kind: Lockout['kind']): FailureCounts {
    const { clock, keeper, onLock } = this.#parts
    return new FailureCounts(clock, {
      scope: kind,
      keeper,
      onLock: (locked) => onLock?.({ kind, ...locked }),
    })
  }

  /** Who is locked out now. */
  get lockouts(): readonly Lockout[] {
    return [
      ...this.#accounts.locked.map((locked) => ({ kind: 'account' as const, ...locked })),
      ...this.#addresses.locked.map((locked) => ({ kind: 'address' as const, ...locked })),
    ].slice(0, LOCKOUTS_MAX)
  }

  /** Forgets the failures of an account, by any of its names, or of an address; of all of them. How many were locked. */
  forgive(who: { readonly name: string } | 'all'): number {
    if (who === 'all') return this.#accounts.forgive() + this.#addresses.forgive()
    const name = who.name.trim()
    if (isIP(name) !== 0) return this.#addresses.forgive(networkKey(name))
    // As it is listed.
    if (name.endsWith('/64')) return this.#addresses.forgive(name.toLowerCase())
    const login = this.#parts.directory.find(name, this.#settings.defaultDomain)
    return this.#accounts.forgive(accountKey(login, name))
  }

  /** A new generation; what was counted stays. */
  adopt(settings: AuthSettings): void {
    this.#settings = settings
    this.#networks = new NetworkList(settings.myNetworks)
  }

  /** Never rejects. The password in `request` is base64. */
  async authenticate(request: AuthenticateRequest, signal: AbortSignal): Promise<AuthenticateAnswer> {
    const beganMs = this.#parts.clock.monotonicMs()
    const from = networkKey(request.clientAddress)
    const trusted = this.#networks.has(request.clientAddress)
    const { addressLockout } = this.#settings
    if (!trusted && !this.#isSlowEnough(from, request.user)) return { kind: 'too-fast' }
    const rule = trusted ? { ...addressLockout, failuresMax: 0 } : addressLockout
    if (!this.#addresses.begin(from, rule)) return await this.#late({ kind: 'blocked' }, beganMs, signal)
    const password = Buffer.from(request.password, 'base64')
    let answer: AuthenticateAnswer
    try {
      answer = await this.#decide(request.user, password, signal)
    } catch (error) {
      answer = { kind: 'unavailable', reason: errorText(error) }
    } finally {
      password.fill(0)
    }
    this.#addresses.end(from, rule, answer.kind === 'refused' ? 'failed' : 'undecided')
    return answer.kind === 'refused' ? await this.#late(answer, beganMs, signal) : answer
  }

  /** By the name as it was given: an alias must not tell by its rate whose it is. */
  #isSlowEnough(from: string, user: string): boolean {
    const { rateLimit, accountRateLimit, defaultDomain } = this.#settings
    const name = user.includes('@') ? user : `${user}@${defaultDomain}`
    const key = fold(name).slice(0, KEY_CHARS_MAX)
    return this.#addressRate.admit(from, rateLimit) && this.#accountRate.admit(key, accountRateLimit)
  }

  async #decide(user: string, password: Uint8Array, signal: AbortSignal): Promise<AuthenticateAnswer> {
    const login = await this.#find(user)
    if (login === 'unavailable') return { kind: 'unavailable', reason: 'the directory cannot be asked' }
    const key = accountKey(login, user)
    const rule = login?.account?.lockout ?? this.#settings.accountLockout
    if (!this.#accounts.begin(key, rule)) {
      await checkNothing(password)
      return { kind: 'refused', reason: 'locked after too many failures' }
    }
    let check: Check = { kind: 'unknown', reason: '' }
    try {
      check = await this.#check({ login, password }, signal)
    } finally {
      const ends = { right: 'forgive', wrong: 'failed', unknown: 'undecided' } as const
      this.#accounts.end(key, rule, ends[check.kind])
    }
    switch (check.kind) {
      case 'right':
        return this.#admitted(login)
      case 'wrong':
        return { kind: 'refused', reason: check.reason }
      case 'unknown':
        return { kind: 'unavailable', reason: check.reason }
    }
  }

  async #find(user: string): Promise<Login | undefined | 'unavailable'> {
    const { directory } = this.#parts
    const ldap = this.#parts.ldap()
    const { defaultDomain } = this.#settings
    const found = directory.find(user, defaultDomain)
    if (found === undefined || found.account !== undefined || ldap === undefined) return found
    // The mirror may be a little behind: somebody new is not somebody unknown.
    if ((await ldap.confirm(found.name)) === 'unavailable') return 'unavailable'
    return directory.find(user, defaultDomain)
  }

  async #check(
    { login, password }: { readonly login: Login | undefined; readonly password: Uint8Array },
    signal: AbortSignal,
  ): Promise<Check> {
    // An empty password never reaches a backend: LDAP would take it for no wish to prove anything (RFC 4513 5.1.2).
    if (login === undefined || password.length === 0) {
      await checkNothing(password)
      return login === undefined ? { kind: 'wrong', reason: 'no such name' } : WRONG_PASSWORD
    }
    const urls = this.#soap()
    if (urls.length > 0) {
      const reach = { servers: this.#servers, caFile: this.#settings.caFile, timeoutMs: SERVER_MS }
      const name = login.account?.name ?? login.name
      return await checkBySoap(urls, reach, { name, password }, signal)
    }
    if (this.#settings.method === 'soap') return { kind: 'unknown', reason: 'no server for SOAP is named' }
    if (login.account === undefined || login.domain === undefined) {
      await checkNothing(password)
      return { kind: 'wrong', reason: 'no such account' }
    }
    return await this.#byDirectory({ login, account: login.account, domain: login.domain, password }, signal)
  }

  async #byDirectory(who: Who, signal: AbortSignal): Promise<Check> {
    const { domain } = who
    if (domain.mechanism === 'zimbra') return await this.#local(who, signal)
    const check: Check =
      domain.mechanism === 'ldap' || domain.mechanism === 'ad'
        ? await this.#external(who, signal)
        : { kind: 'unknown', reason: `zimbraAuthMech ${domain.mechanism} is not known here` }
    if (check.kind === 'right' || !domain.fallbackToLocal) return check
    // zimbraAuthFallbackToLocal: what Zimbra's own password does not open stays as the other directory left it.
    const local = await this.#local(who, signal)
    return local.kind === 'right' ? local : check
  }

  async #local({ account, password }: Who, signal: AbortSignal): Promise<Check> {
    const ldap = this.#parts.ldap()
    if (ldap !== undefined)
      return await checkByBind(
        ldap.urls,
        { ...ldap.reach, servers: this.#servers },
        { dn: account.dn, password },
        signal,
      )
    let readable = false
    for (const stored of account.passwords) {
      const verdict = await checkHash(stored, password)
      if (verdict === 'right') return RIGHT
      readable ||= verdict === 'wrong'
    }
    if (readable) return WRONG_PASSWORD
    await checkNothing(password)
    const none = account.passwords.length === 0
    return {
      kind: 'wrong',
      reason: none ? 'the account has no password' : 'its userPassword is of no known kind',
    }
  }

  async #external({ account, domain, password }: Who, signal: AbortSignal): Promise<Check> {
    const { external, mechanism } = domain
    const at = account.name.lastIndexOf('@')
    return await checkExternal(
      {
        external,
        mechanism,
        who: { local: account.name.slice(0, at), domain: account.name.slice(at + 1) },
        externalDn: account.externalDn,
        password,
        reach: {
          servers: this.#servers,
          caFile: this.#settings.caFile,
          connectTimeoutMs: SERVER_MS,
          searchTimeoutMs: SERVER_MS,
        },
        searchBindPassword: async () => {
          const ldap = this.#parts.ldap()
          if (external.searchBindPassword !== undefined || ldap === undefined)
            return external.searchBindPassword ?? ''
          return await ldap.readSecret(external.dn, 'zimbraAuthLdapSearchBindPassword')
        },
      },
      signal,
    )
  }

  #soap(): readonly string[] {
    const { method, soapUrls: urls, soapHosts: hosts, soapPort } = this.#settings
    if (method === 'directory') return []
    return soapUrls(urls, hosts, this.#parts.directory.authTargets(soapPort), soapPort)
  }

  /** The password is right; whether that is enough depends on the account. */
  #admitted(login: Login | undefined): AuthenticateAnswer {
    const account = login?.account
    // Zimbra's servers know somebody whom the directory here does not know yet.
    if (account === undefined) {
      const user = login?.name ?? ''
      return { kind: 'ok', user, addresses: [fold(user)] }
    }
    const status = statusOf(account, login?.domain)
    switch (status) {
      case 'active':
        break
      case 'maintenance':
        return { kind: 'unavailable', reason: 'the account or its domain is in maintenance' }
      case 'lockout':
        if (this.#isLockoutOver(account)) break
        return { kind: 'refused', reason: 'the account is locked out' }
      default:
        return {
          kind: 'refused',
          reason: `the account or its domain is ${status === '' ? 'without status' : status}`,
        }
    }
    if (account.mustChange) return { kind: 'refused', reason: 'the password must be changed' }
    return { kind: 'ok', user: account.name, addresses: account.sendsAs }
  }

  /** Zimbra leaves the status when the time is over and nobody has logged in since. */
  #isLockoutOver({ lockedAtMs, lockout }: LoginAccount): boolean {
    if (lockedAtMs === undefined || lockout === undefined || lockout.lockMs === 0) return false
    return this.#parts.clock.nowMs() - lockedAtMs > lockout.lockMs
  }

  async #late(answer: AuthenticateAnswer, beganMs: number, signal: AbortSignal): Promise<AuthenticateAnswer> {
    const { clock } = this.#parts
    await elapsed(clock, Math.max(0, beganMs + REFUSAL_MS - clock.monotonicMs()), signal)
    return answer
  }
}

interface Who {
  readonly login: Login
  readonly account: LoginAccount
  readonly domain: LoginDomain
  readonly password: Uint8Array
}

/**
 * Zimbra's Account.getAccountStatus: the state of a domain stands above that of its accounts, but does not open what is
 * closed.
 */
function statusOf(account: LoginAccount, domain: LoginDomain | undefined): string {
  switch (domain?.status ?? '') {
    case 'maintenance':
      return account.status === 'closed' ? 'closed' : 'maintenance'
    case 'locked':
    case 'suspended':
      return account.status === 'closed' || account.status === 'pending' ? account.status : 'locked'
    case 'closed':
    case 'shutdown':
      return 'closed'
    default:
      return account.status
  }
}

/** Failures count for the account, whatever name was given for it. */
function accountKey(login: Login | undefined, given: string): string {
  return fold(login?.account?.name ?? login?.name ?? given).slice(0, KEY_CHARS_MAX)
}

/** Whom an address stands for: an IPv6 client has a whole /64 to choose from (RFC 6177). */
function networkKey(address: string): string {
  const plain = plainAddress(address)
  if (!plain.includes(':')) return plain
  const bytes = Buffer.from(addressBytes(plain).subarray(0, 8))
  const groups = [0, 2, 4, 6].map((at) => bytes.readUInt16BE(at).toString(16))
  return `${groups.join(':')}::/64`
}
