import { systemClock } from '#src/base/clock.ts'
import { elapsed } from '#src/base/clock.ts'
import type { Facts } from '#src/base/fault.ts'
import type { Log } from '#src/base/log.ts'
import type { LdapConfig } from '#src/config/directory-source.ts'
import { LoginDirectory } from '#src/directory/auth/accounts.ts'
import { AttemptStore } from '#src/directory/auth/attempt-store.ts'
import { Authenticator } from '#src/directory/auth/authenticator.ts'
import type { Lockout, OwnLdap } from '#src/directory/auth/authenticator.ts'
import { readSecret } from '#src/directory/auth/secret.ts'
import { Directory } from '#src/directory/directory.ts'
import { Live } from '#src/directory/ldap/live.ts'
import type { Mirror } from '#src/directory/ldap/mirror.ts'
import { openMirror } from '#src/directory/ldap/mirror.ts'
import { LdapSource } from '#src/directory/ldap/source.ts'
import { MAIL_KIND, wantedKinds } from '#src/directory/ldap/wanted.ts'
import type { DirectoryHandlers, ShownLockout } from '#src/directory/service.ts'
import { EVERYBODY } from '#src/directory/service.ts'
import type { DirectoryBoot } from './directory-boot.ts'
import type { FromChild } from './ipc.ts'

/** The part that exists only where the directory is reached over LDAP. */
interface Ldap {
  readonly key: string
  readonly config: LdapConfig
  readonly mirror: Mirror
  readonly source: LdapSource
  readonly live: Live
}

/** The first look at a server may take so long before everything else starts; a directory of 100,000 takes longer. */
const FIRST_LOOK_MS = 10_000

/** What the `directory` process works with, made of master's message, and in parts anew when a generation comes. */
export class DirectoryWorks {
  readonly #log: Log
  readonly #tell: (message: FromChild) => void
  readonly #stop = new AbortController()
  readonly #logins: LoginDirectory
  readonly #attempts: AttemptStore
  readonly #authenticator: Authenticator
  #directory: Directory
  #ldap: Ldap | undefined
  #told = ''

  constructor(boot: DirectoryBoot, log: Log, tell: (message: FromChild) => void) {
    this.#log = log
    this.#tell = tell
    this.#directory = directoryOf(boot)
    this.#logins = new LoginDirectory(boot.directoryFile)
    this.#attempts = new AttemptStore(boot.attemptsFile, systemClock, log)
    this.#authenticator = new Authenticator({
      directory: this.#logins,
      clock: systemClock,
      settings: boot.auth,
      ldap: () => this.#ownLdap(),
      keeper: this.#attempts,
      onLock: (lockout) => this.#tellLockout(lockout),
    })
    this.#ldap = this.#ldapOf(boot)
    this.#ldap?.source.start()
  }

  get handlers(): DirectoryHandlers {
    return {
      recipient: ({ address }) => this.#ldap?.live.recipient(address) ?? this.#directory.recipient(address),
      domain: ({ name }) => this.#ldap?.live.domain(name) ?? this.#directory.domain(name),
      authenticate: (request, signal) => this.#authenticator.authenticate(request, signal),
      poll: () => this.#ldap?.source.poll() ?? { kind: 'ok', changed: 0 },
      accept: () => this.#ldap?.source.accept() ?? { kind: 'ok', changed: 0 },
      status: () => this.facts,
      lockouts: () => ({ kind: 'ok', lockouts: this.#authenticator.lockouts.map(shown) }),
      forgive: ({ who }) => ({
        kind: 'ok',
        forgiven: this.#authenticator.forgive(who === EVERYBODY ? 'all' : { name: who }),
      }),
    }
  }

  /** What `postern status` shows. */
  get facts(): Facts {
    return this.#ldap?.source.status ?? { source: 'embedded' }
  }

  /** Resolves when the directory server has been looked at once, or after FIRST_LOOK_MS. */
  async firstLook(): Promise<void> {
    if (this.#ldap === undefined) return
    const over = new AbortController()
    const late = elapsed(systemClock, FIRST_LOOK_MS, AbortSignal.any([over.signal, this.#stop.signal]))
    await Promise.race([this.#ldap.source.poll(), late])
    over.abort()
  }

  /** A new generation: who is spoken to, and what is read, may be another. */
  adopt(boot: DirectoryBoot): void {
    this.#authenticator.adopt(boot.auth)
    const before = this.#directory
    this.#directory = directoryOf(boot)
    before[Symbol.dispose]()
    if (this.#ldap?.key === keyOf(boot)) return
    const old = this.#ldap
    old?.live.close()
    const closed = old?.source.close() ?? Promise.resolve()
    // One writer of the mirror at a time.
    void closed.then(() => {
      old?.mirror[Symbol.dispose]()
      if (this.#stop.signal.aborted) return undefined
      this.#ldap = this.#ldapOf(boot)
      this.#ldap?.source.start()
      return undefined
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#ldap?.live.close()
    await this.#ldap?.source.close()
    this.#ldap?.mirror[Symbol.dispose]()
    this.#directory[Symbol.dispose]()
    this.#logins[Symbol.dispose]()
    this.#attempts[Symbol.dispose]()
  }

  #tellLockout({ kind, key, failures, untilMs }: Lockout): void {
    const until = untilMs === Infinity ? 'forgiven' : new Date(untilMs).toISOString()
    this.#log.write('warn', 'directory.lockout', { kind, who: key, failures, until })
  }

  /** What passwords are checked with where the directory is reached over LDAP. */
  #ownLdap(): OwnLdap | undefined {
    const ldap = this.#ldap
    if (ldap === undefined) return undefined
    const { config, live, source } = ldap
    return {
      urls: config.urls,
      reach: config,
      confirm: async (address) => {
        const found = await live.recipient(address)
        return found.kind === 'unavailable' ? 'unavailable' : 'done'
      },
      readSecret: (dn, attribute) => readSecret(source.choice, { dn, attribute }, this.#stop.signal),
    }
  }

  #ldapOf(boot: DirectoryBoot): Ldap | undefined {
    const { ldap } = boot
    if (ldap === undefined) return undefined
    const mirror = openMirror(boot.directoryFile)
    const source = new LdapSource({
      servers: ldap,
      base: ldap.base,
      pollMs: ldap.pollMs,
      kinds: wantedKinds(boot.settingNames),
      mirror,
      clock: systemClock,
      log: this.#log,
      onChange: (changed) => this.#changed(changed),
    })
    const live = new Live({
      mirror,
      directory: () => this.#directory,
      choice: source.choice,
      kind: MAIL_KIND,
      base: ldap.base,
      recipientDelimiter: boot.recipientDelimiter,
      clock: systemClock,
      url: () => source.url,
      onTrouble: () => source.doubt(),
    })
    return { key: keyOf(boot), config: ldap, mirror, source, live }
  }

  /** master makes a generation of it at once, and `postern status` shows it. */
  #changed(changed: number): void {
    const facts = this.facts
    // The age of the snapshot is new each time and says nothing by itself.
    const text = JSON.stringify({ ...facts, snapshotAgeS: 0 })
    if (changed === 0 && text === this.#told) return
    this.#told = text
    this.#tell({ kind: 'directory', changed })
  }
}

/** JSON has no Infinity. */
function shown({ kind, key, failures, untilMs }: Lockout): ShownLockout {
  return { kind, who: key, failures, untilMs: untilMs === Infinity ? null : Math.round(untilMs) }
}

function keyOf(boot: DirectoryBoot): string {
  const { ldap, settingNames, directoryFile, recipientDelimiter } = boot
  return JSON.stringify([ldap, settingNames, directoryFile, recipientDelimiter])
}

function directoryOf(boot: DirectoryBoot): Directory {
  return new Directory({
    path: boot.directoryFile,
    recipientDelimiter: boot.recipientDelimiter,
    expansionLimit: boot.expansionLimit,
    canonical: boot.canonical,
  })
}
