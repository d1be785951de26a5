import { clearAlarm, raiseAlarm } from '#src/base/alarms.ts'
import type { Log } from '#src/base/log.ts'
import type { LdapFailureKind } from './connection.ts'

/**
 * What can be wrong with the directory server, as docs/directory.md explains it. DOWN: none of the servers can be used.
 * SERVER: one of them cannot, and another serves. SLOW: answers take long. BEHIND: a server knows less than we do.
 * NONSENSE: what it shows cannot be so, and was not taken over.
 */
export type AlarmCode = 'LDAP_DOWN' | 'LDAP_SERVER' | 'LDAP_SLOW' | 'LDAP_BEHIND' | 'LDAP_NONSENSE'

/** Each alarm is told when it begins and when it is over; `postern status` shows its newest reason. */
export class LdapAlarms {
  readonly #log: Log
  readonly #raised = new Map<
    string,
    { readonly code: AlarmCode; readonly url: string; readonly reason: string }
  >()

  constructor(log: Log) {
    this.#log = log
  }

  /** `url`: the server that it is about, '' for all of them. */
  raise(code: AlarmCode, url: string, reason: string): void {
    const key = `${code} ${url}`
    const isNew = !this.#raised.has(key)
    this.#raised.set(key, { code, url, reason })
    raiseAlarm(code, url, reason)
    if (isNew)
      this.#log.write('error', 'directory.alarm', { code, url: url === '' ? undefined : url, reason })
  }

  clear(code: AlarmCode, url = ''): void {
    if (!this.#raised.delete(`${code} ${url}`)) return
    clearAlarm(code, url)
    this.#log.write('info', 'directory.cleared', { code, url: url === '' ? undefined : url })
  }

  /** What is raised now, for `postern status`: `LDAP_DOWN: …`. */
  get list(): readonly string[] {
    return [...this.#raised.values()].map(
      ({ code, url, reason }) => `${code}${url === '' ? '' : ` ${url}`}: ${reason}`,
    )
  }
}

/** Which alarm a failure of one server is. */
export function codeOf(kind: LdapFailureKind): AlarmCode {
  switch (kind) {
    case 'unreachable':
    case 'untrusted':
    case 'credentials':
    case 'refused':
      return 'LDAP_SERVER'
    case 'behind':
      return 'LDAP_BEHIND'
    case 'nonsense':
      return 'LDAP_NONSENSE'
  }
}
