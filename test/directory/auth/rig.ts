import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type { Clock } from '#src/base/clock.ts'
import { memoryLog } from '#src/base/log.ts'
import { hashPassword } from '#src/directory/admin/password.ts'
import { LoginDirectory } from '#src/directory/auth/accounts.ts'
import type { Lockout } from '#src/directory/auth/authenticator.ts'
import { AttemptStore } from '#src/directory/auth/attempt-store.ts'
import { Authenticator } from '#src/directory/auth/authenticator.ts'
import type { AuthSettings, OwnLdap } from '#src/directory/auth/authenticator.ts'
import { openEntries } from '#src/directory/entries.ts'
import { parseLdif } from '#src/directory/ldif.ts'
import type { AuthenticateAnswer } from '#src/directory/service.ts'
import { tempFolder } from '#test/support/temp.ts'

export const SETTINGS: AuthSettings = {
  defaultDomain: 'example.test',
  method: 'auto',
  soapUrls: [],
  soapHosts: [],
  soapPort: 7073,
  caFile: '',
  myNetworks: ['10.0.0.0/8'],
  rateLimit: 0,
  accountRateLimit: 0,
  accountLockout: { failuresMax: 5, windowMs: 60_000, lockMs: 60_000 },
  addressLockout: { failuresMax: 0, windowMs: 60_000, lockMs: 60_000 },
}

/** Time passes only when somebody waits, and then at once. */
export interface FakeClock extends Clock {
  readonly waited: number[]
  pass(ms: number): void
}

export function fakeClock(): FakeClock {
  let ms = 1_000_000
  const waited: number[] = []
  return {
    waited,
    nowMs: () => Date.UTC(2026, 10, 22) + ms,
    monotonicMs: () => ms,
    sleep: (duration) => {
      waited.push(duration)
      ms += duration
      return Promise.resolve()
    },
    pass: (duration) => {
      ms += duration
    },
  }
}

/** One domain with an account for each case. The password of everybody is `secret`. */
export function domainLdif(more: readonly string[] = []): string {
  return [
    'dn: cn=config,cn=zimbra\nobjectClass: zimbraGlobalConfig\ncn: config',
    'dn: cn=default,cn=cos,cn=zimbra\nobjectClass: zimbraCOS\ncn: default\nzimbraId: cos-default',
    'dn: dc=example,dc=test\nobjectClass: zimbraDomain\nzimbraDomainName: example.test\nzimbraDomainType: local\nzimbraId: dom-1\nzimbraMailStatus: enabled',
    'dn: dc=alias,dc=test\nobjectClass: zimbraDomain\nzimbraDomainName: alias.test\nzimbraDomainType: alias\nzimbraDomainAliasTargetId: dom-1\nzimbraId: dom-2\nzimbraMailStatus: enabled',
    account('alice', [
      'zimbraMailAlias: a.lice@example.test',
      'zimbraAllowFromAddress: news@elsewhere.test',
      'zimbraMailCatchAllAddress: @catch.test',
    ]),
    ...more,
  ].join('\n\n')
}

export function account(
  user: string,
  more: readonly string[] = [],
  password = hashPassword('secret'),
): string {
  return [
    `dn: uid=${user},ou=people,dc=example,dc=test`,
    'objectClass: inetOrgPerson',
    'objectClass: zimbraAccount',
    `uid: ${user}`,
    `mail: ${user}@example.test`,
    `zimbraMailDeliveryAddress: ${user}@example.test`,
    'zimbraMailStatus: enabled',
    ...(more.some((line) => line.startsWith('zimbraAccountStatus:')) ? [] : ['zimbraAccountStatus: active']),
    ...(password === '' ? [] : [`userPassword: ${password}`]),
    ...more,
  ].join('\n')
}

export interface AuthRig extends Disposable {
  readonly clock: FakeClock
  readonly directoryFile: string
  readonly folder: string
  readonly authenticator: Authenticator
  /** Who has been locked out, in turn. */
  readonly told: readonly Lockout[]
  /** As after kill -9: another authenticator, over what the one before had written; after `ms`. */
  startAgain(ms?: number): void
  login(user: string, password: string, clientAddress?: string): Promise<AuthenticateAnswer>
}

/** An authenticator over a directory of its own. */
export function authRig(
  given: { readonly ldif?: string; readonly settings?: Partial<AuthSettings>; readonly ldap?: OwnLdap } = {},
): AuthRig {
  const folder = tempFolder('auth')
  const directoryFile = join(folder.path, 'directory.db')
  fill(directoryFile, given.ldif ?? domainLdif())
  const clock = fakeClock()
  const directory = new LoginDirectory(directoryFile)
  const settings = { ...SETTINGS, ...given.settings }
  const told: Lockout[] = []
  // That it is written takes no time.
  const patient: Clock = { ...clock, sleep: () => Promise.resolve() }
  const onLock = (lockout: Lockout): void => void told.push(lockout)
  const open = () => {
    const keeper = new AttemptStore(join(folder.path, 'attempts.db'), patient, memoryLog())
    const parts = { directory, clock, settings, keeper, onLock, ldap: () => given.ldap }
    return { keeper, authenticator: new Authenticator(parts) }
  }
  let held = open()
  return {
    clock,
    directoryFile,
    folder: folder.path,
    told,
    get authenticator() {
      return held.authenticator
    },
    startAgain: (ms = 0) => {
      const before = held
      clock.pass(ms)
      held = open()
      // Closed only now: what it had not written is not written for the next one to see.
      before.keeper[Symbol.dispose]()
    },
    login: (user, password, clientAddress = '192.0.2.1') =>
      held.authenticator.authenticate(
        {
          kind: 'authenticate',
          user,
          password: Buffer.from(password).toString('base64'),
          clientAddress,
          service: 'submission',
          mechanism: 'PLAIN',
        },
        new AbortController().signal,
      ),
    [Symbol.dispose]: () => {
      held.keeper[Symbol.dispose]()
      directory[Symbol.dispose]()
      folder[Symbol.dispose]()
    },
  }
}

/** Adds records to a directory. */
export function fill(directoryFile: string, ldif: string): void {
  using entries = openEntries(directoryFile)
  const parsed = parseLdif(ldif)
  if (parsed.kind === 'wrong') throw new Error(`line ${parsed.line}: ${parsed.reason}`)
  entries.import(parsed.records)
}
