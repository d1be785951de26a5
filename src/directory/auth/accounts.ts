import { Buffer } from 'node:buffer'
import { parseAddress } from '#src/mail/address.ts'
import { openStore } from '#src/store/sqlite.ts'
import type { Store } from '#src/store/sqlite.ts'
import { EntryTable } from '#src/directory/entry-table.ts'
import type { LdifAttribute } from '#src/directory/ldif.ts'
import { addressKey, fold } from '#src/directory/names.ts'

/** How the accounts of a domain are authenticated beyond Zimbra's own passwords. */
export interface ExternalAuth {
  /** Entry of the domain: its secrets are asked for by it. */
  readonly dn: string
  readonly urls: readonly string[]
  readonly startTls: boolean
  /** zimbraAuthLdapBindDn, a template; '' if there is none. */
  readonly bindDn: string
  /** zimbraAuthLdapSearchFilter, a template; '' if there is none. */
  readonly searchFilter: string
  readonly searchBase: string
  readonly searchBindDn: string
  /** Where it stands in the directory that is read; a mirror does not hold it. */
  readonly searchBindPassword: string | undefined
}

export interface LoginDomain {
  readonly name: string
  /** zimbraDomainStatus, lower case. */
  readonly status: string
  /** zimbraAuthMech: `zimbra`, `ldap`, `ad`, or what we do not know; lower case. */
  readonly mechanism: string
  readonly fallbackToLocal: boolean
  readonly external: ExternalAuth
}

/** zimbraPasswordLockout* of an account or its class of service; undefined where that is not switched on. */
export interface AccountLockout {
  readonly failuresMax: number
  readonly windowMs: number
  readonly lockMs: number
}

export interface LoginAccount {
  readonly dn: string
  /** Its address, as the directory has it. */
  readonly name: string
  /** zimbraAccountStatus, lower case. */
  readonly status: string
  /** zimbraPasswordLockoutLockedTime, milliseconds since 1970; undefined if it does not stand there. */
  readonly lockedAtMs: number | undefined
  readonly mustChange: boolean
  /** userPassword; a mirror holds none. */
  readonly passwords: readonly string[]
  /** zimbraAuthLdapExternalDn: its name in the directory of its domain; '' if it has none of its own. */
  readonly externalDn: string
  readonly lockout: AccountLockout | undefined
  /** What it may send as, in lower case; `@domain` is all of a domain, `*` anybody. */
  readonly sendsAs: readonly string[]
}

export interface Login {
  /** Whole, with the domain of those who give none; as the client said it otherwise. */
  readonly name: string
  /** undefined: no domain of ours. */
  readonly domain: LoginDomain | undefined
  readonly account: LoginAccount | undefined
}

/** Addresses of one account: far above any real one. */
const ADDRESSES_MAX = 10_000
/** zimbraAllowAnyFromAddress. */
const ANYBODY = '*'
/** Zimbra's defaults of a class of service. */
const LOCKOUT_FAILURES = 10
const LOCKOUT_MS = 3_600_000

const ACCOUNT_CLASSES: ReadonlySet<string> = new Set(['zimbraaccount', 'zimbracalendarresource'])

/** The attributes of one entry by name; names are told apart without regard to case. */
class Entry {
  readonly dn: string
  readonly #values = new Map<string, string[]>()

  constructor(dn: string, attributes: readonly LdifAttribute[]) {
    this.dn = dn
    for (const { name, value } of attributes) {
      const key = name.toLowerCase()
      const text = value.binary ? Buffer.from(value.text, 'base64').toString('latin1') : value.text
      const values = this.#values.get(key)
      if (values === undefined) this.#values.set(key, [text])
      else values.push(text)
    }
  }

  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? []
  }

  one(name: string): string {
    return this.all(name)[0]?.trim() ?? ''
  }

  flag(name: string): boolean {
    return this.one(name).toUpperCase() === 'TRUE'
  }

  isA(classes: ReadonlySet<string>): boolean {
    return this.all('objectClass').some((name) => classes.has(name.toLowerCase()))
  }
}

/** Who somebody is that wants to be let in, from the file that all lookups read. */
export class LoginDirectory implements Disposable {
  readonly #path: string
  #open: { readonly store: Store; readonly table: EntryTable } | undefined

  constructor(path: string) {
    this.#path = path
  }

  /**
   * Finds an account by one of its own addresses, an alias, or either in an alias domain. undefined: such a name cannot
   * be one. Throws where the file cannot be read, which is opened afresh next time.
   */
  find(given: string, defaultDomain: string): Login | undefined {
    const whole = given.includes('@') ? given.trim() : `${given.trim()}@${defaultDomain}`
    const address = parseAddress(whole)
    if (address === undefined || address.domain === '' || address.local === '') return undefined
    try {
      const table = this.#table()
      const entry = this.#domainEntry(table, address.domain)
      const target = entry === undefined ? undefined : this.#target(table, entry)
      const account =
        this.#account(table, address.text) ??
        (target === undefined
          ? undefined
          : this.#account(table, `${address.local}@${target.one('zimbraDomainName')}`))
      const domain = target ?? entry
      return {
        name: address.text,
        domain: domain === undefined ? undefined : domainOf(domain),
        account: account === undefined ? undefined : this.#accountOf(table, account),
      }
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** `https://…` of each server with zimbraMtaAuthTarget, as Zimbra's getAllMtaAuthURLs lists them. */
  authTargets(defaultPort: number): readonly string[] {
    try {
      const table = this.#table()
      return table
        .idsWith('zimbraMtaAuthTarget', 'TRUE')
        .map((id) => this.#entry(table, id))
        .filter((entry) => entry.isA(new Set(['zimbraserver'])))
        .map((entry) => {
          const host = entry.one('zimbraServiceHostname') || entry.one('cn')
          const port = entry.one('zimbraMtaAuthPort') || String(defaultPort)
          return `https://${host}:${port}/service/admin/soap/`
        })
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#open?.store.close()
    this.#open = undefined
  }

  #table(): EntryTable {
    if (this.#open === undefined) {
      const store = openStore(this.#path, { readonly: true })
      this.#open = { store, table: new EntryTable(store) }
    }
    return this.#open.table
  }

  #entry(table: EntryTable, id: number): Entry {
    return new Entry(table.dnOf(id) ?? '', table.read(id))
  }

  #domainEntry(table: EntryTable, name: string): Entry | undefined {
    const [id] = table.idsWith('zimbraDomainName', name)
    return id === undefined ? undefined : this.#entry(table, id)
  }

  /** The domain that an alias domain stands for. */
  #target(table: EntryTable, domain: Entry): Entry | undefined {
    const id = domain.one('zimbraDomainAliasTargetId')
    if (domain.one('zimbraDomainType').toLowerCase() !== 'alias' || id === '') return undefined
    const [found] = table.idsWith('zimbraId', id)
    return found === undefined ? undefined : this.#entry(table, found)
  }

  #account(table: EntryTable, address: string): Entry | undefined {
    for (const name of ['zimbraMailDeliveryAddress', 'zimbraMailAlias', 'mail']) {
      for (const id of table.idsWith(name, address)) {
        const entry = this.#entry(table, id)
        if (entry.isA(ACCOUNT_CLASSES)) return entry
      }
    }
    return undefined
  }

  #accountOf(table: EntryTable, entry: Entry): LoginAccount {
    return {
      dn: entry.dn,
      name: entry.one('zimbraMailDeliveryAddress') || entry.one('mail'),
      status: entry.one('zimbraAccountStatus').toLowerCase(),
      lockedAtMs: generalizedTime(entry.one('zimbraPasswordLockoutLockedTime')),
      mustChange: entry.flag('zimbraPasswordMustChange'),
      passwords: entry.all('userPassword'),
      externalDn: entry.one('zimbraAuthLdapExternalDn'),
      lockout: this.#lockout(table, entry),
      sendsAs: this.#sendsAs(table, entry),
    }
  }

  /** Of the account, else of its class of service, else of the class `default`, each attribute for itself. */
  #lockout(table: EntryTable, account: Entry): AccountLockout | undefined {
    const classes = new Set(['zimbracos'])
    const byId = table.idsWith('zimbraId', account.one('zimbraCOSId') || '-')
    const byName = byId.length > 0 ? byId : table.idsWith('cn', 'default')
    const cos = byName.map((id) => this.#entry(table, id)).find((entry) => entry.isA(classes))
    const value = (name: string): string => account.one(name) || (cos?.one(name) ?? '')
    if (value('zimbraPasswordLockoutEnabled').toUpperCase() !== 'TRUE') return undefined
    const failures = value('zimbraPasswordLockoutMaxFailures')
    return {
      failuresMax: /^[0-9]{1,6}$/.test(failures) ? Number(failures) : LOCKOUT_FAILURES,
      windowMs: durationMs(value('zimbraPasswordLockoutFailureLifetime')) ?? LOCKOUT_MS,
      lockMs: durationMs(value('zimbraPasswordLockoutDuration')) ?? LOCKOUT_MS,
    }
  }

  /** ldap-slm.cf of Zimbra, turned round, and its own addresses in alias domains, where its mail arrives too. */
  #sendsAs(table: EntryTable, account: Entry): readonly string[] {
    const own = ['zimbraMailDeliveryAddress', 'mail', 'zimbraMailAlias', 'zimbraAllowFromAddress'].flatMap(
      (name) => account.all(name).flatMap((value) => addressKey(value) ?? []),
    )
    const allOf = account.all('zimbraMailCatchAllAddress').map((value) => fold(value.trim()))
    const aliased = own.flatMap((address) => {
      const at = address.lastIndexOf('@')
      return this.#aliasesOf(table, address.slice(at + 1)).map((domain) => address.slice(0, at + 1) + domain)
    })
    const any = account.flag('zimbraAllowAnyFromAddress') ? [ANYBODY] : []
    return [...new Set([...any, ...own, ...allOf, ...aliased])].slice(0, ADDRESSES_MAX)
  }

  #aliasesOf(table: EntryTable, domain: string): readonly string[] {
    const id = this.#domainEntry(table, domain)?.one('zimbraId') ?? ''
    if (id === '') return []
    return table
      .idsWith('zimbraDomainAliasTargetId', id)
      .map((alias) => fold(this.#entry(table, alias).one('zimbraDomainName')))
      .filter((name) => name !== '')
  }
}

function domainOf(entry: Entry): LoginDomain {
  return {
    name: entry.one('zimbraDomainName'),
    status: entry.one('zimbraDomainStatus').toLowerCase(),
    mechanism: entry.one('zimbraAuthMech').toLowerCase() || 'zimbra',
    fallbackToLocal: entry.flag('zimbraAuthFallbackToLocal'),
    external: {
      dn: entry.dn,
      urls: entry.all('zimbraAuthLdapURL').flatMap((value) => value.split(/\s+/).filter((url) => url !== '')),
      startTls: entry.flag('zimbraAuthLdapStartTlsEnabled'),
      bindDn: entry.one('zimbraAuthLdapBindDn'),
      searchFilter: entry.one('zimbraAuthLdapSearchFilter'),
      searchBase: entry.one('zimbraAuthLdapSearchBase'),
      searchBindDn: entry.one('zimbraAuthLdapSearchBindDn'),
      searchBindPassword: entry.all('zimbraAuthLdapSearchBindPassword')[0],
    },
  }
}

/** LDAP's generalized time (RFC 4517 section 3.3.13) as Zimbra writes it, in UTC. */
function generalizedTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?Z$/.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match.map(Number)
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0)
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** A duration as Zimbra writes it; seconds where no unit stands. */
function durationMs(text: string): number | undefined {
  const [, digits, unit = 's'] = /^(\d{1,9})(ms|[smhdw])?$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * (UNITS_MS[unit] ?? 1000)
}
