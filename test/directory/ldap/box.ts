import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '#src/base/clock.ts'
import type { Log } from '#src/base/log.ts'
import { Directory } from '#src/directory/directory.ts'
import { Live } from '#src/directory/ldap/live.ts'
import { openMirror } from '#src/directory/ldap/mirror.ts'
import { LdapSource } from '#src/directory/ldap/source.ts'
import { MAIL_KIND, wantedKinds } from '#src/directory/ldap/wanted.ts'
import { ADMIN_DN, ADMIN_PASSWORD, Slapd } from '#test/support/slapd.ts'
import type { SlapdOptions } from '#test/support/slapd.ts'
import { tempFolder } from '#test/support/temp.ts'
import { accountEntry, domainEntry, domainParents, tree } from '#test/support/zimbra-ldif.ts'

/** The domain a.test with user0 to user19. */
export const LDIF = [
  tree({ zimbraMtaMyNetworks: '127.0.0.0/8' }),
  domainParents(['a.test']),
  domainEntry('a.test'),
  ...Array.from({ length: 20 }, (_, n) => accountEntry(`user${n}@a.test`)),
].join('')

/** Entries as records that add them. */
export function adding(ldif: string): string {
  return ldif.replaceAll(/^(dn: .*)$/gm, '$1\nchangetype: add')
}

/** What was logged: `event code url`. */
function notedLog(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = []
  return {
    lines,
    write: (_level, event, facts) => {
      lines.push([event, facts['code'], facts['url']].filter((word) => word !== undefined).join(' '))
    },
    flush: () => {},
  }
}

/** The directory process without its socket: source, mirror, live questions, and a reader. */
export class Box {
  readonly folder = tempFolder('ldap-source')
  readonly log = notedLog()
  readonly mirror = openMirror(join(this.folder.path, 'mirror.db'))
  readonly directory = new Directory({
    path: join(this.folder.path, 'mirror.db'),
    recipientDelimiter: '+',
    expansionLimit: 10_000,
  })
  readonly passwordFile = join(this.folder.path, 'password')
  #source: LdapSource | undefined
  #live: Live | undefined

  constructor() {
    writeFileSync(this.passwordFile, `${ADMIN_PASSWORD}\n`, { mode: 0o600 })
  }

  async slapd(name: string, options: Partial<SlapdOptions> = {}): Promise<Slapd> {
    const folder = join(this.folder.path, name)
    mkdirSync(folder)
    return await Slapd.start({ folder, ...options })
  }

  start(urls: readonly string[], searchTimeoutMs = 60_000): void {
    const source = new LdapSource({
      servers: {
        urls,
        startTls: false,
        caFile: '',
        bindDn: ADMIN_DN,
        passwordFile: this.passwordFile,
        connectTimeoutMs: searchTimeoutMs,
        searchTimeoutMs,
      },
      base: '',
      pollMs: 120_000,
      kinds: wantedKinds(['zimbraMtaMyNetworks']),
      mirror: this.mirror,
      clock: systemClock,
      log: this.log,
      onChange: () => {},
    })
    this.#source = source
    this.#live = new Live({
      mirror: this.mirror,
      directory: () => this.directory,
      choice: source.choice,
      kind: MAIL_KIND,
      base: '',
      recipientDelimiter: '+',
      clock: systemClock,
      url: () => source.url,
      onTrouble: () => source.doubt(),
    })
    source.start()
  }

  get source(): LdapSource {
    if (this.#source === undefined) throw new Error('not started')
    return this.#source
  }

  get live(): Live {
    if (this.#live === undefined) throw new Error('not started')
    return this.#live
  }

  knows(address: string): boolean {
    return this.directory.recipient(address).kind === 'found'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#live?.close()
    await this.#source?.close()
    this.directory[Symbol.dispose]()
    this.mirror[Symbol.dispose]()
    this.folder[Symbol.dispose]()
  }
}
