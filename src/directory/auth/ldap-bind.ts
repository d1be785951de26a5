import { FilterParser } from 'ldapts'
import type { Filter } from 'ldapts'
import { errorText } from '#src/base/fault.ts'
import type { LdapServer } from '#src/directory/ldap/connection.ts'
import { LdapConnection, resultCode } from '#src/directory/ldap/connection.ts'
import type { ExternalAuth } from './accounts.ts'
import type { Check } from './check.ts'
import { passwordText, RIGHT, WRONG_PASSWORD } from './check.ts'
import type { Servers } from './in-turn.ts'
import type { Principal } from './templates.ts'
import { bindName, searchBase, searchFilter } from './templates.ts'

/** How directory servers are reached, beside their names. */
export interface LdapReach {
  readonly servers: Servers
  readonly startTls: boolean
  readonly caFile: string
  readonly connectTimeoutMs: number
  readonly searchTimeoutMs: number
}

/**
 * RFC 4511 appendix A: what a server says to a bind that is no fault of its own. 49 invalidCredentials (Active Directory
 * says all with it: locked, expired, no such user), 32 noSuchObject, 34 invalidDNSyntax, 48 inappropriateAuthentication
 * (the entry has no password), 19 constraintViolation and 53 unwillingToPerform (the server has locked the account).
 */
const REFUSED: ReadonlySet<number> = new Set([19, 32, 34, 48, 49, 53])

/** Whether the server lets `dn` in with the password. The first server that answers decides. */
export async function checkByBind(
  urls: readonly string[],
  reach: LdapReach,
  who: { readonly dn: string; readonly password: Uint8Array },
  signal: AbortSignal,
): Promise<Check> {
  const password = passwordText(who.password)
  if (password === undefined || who.dn === '') return WRONG_PASSWORD
  const bind = (url: string): Promise<Check> => bindAt({ url, ...reach }, who.dn, password, signal)
  return await reach.servers.ask<Check>(urls, bind, signal)
}

// oxlint-disable-next-line max-params -- where, who, what, and for how long
async function bindAt(server: LdapServer, dn: string, password: string, signal: AbortSignal): Promise<Check> {
  try {
    const connection = await LdapConnection.open(server, { dn, password }, signal)
    connection.close()
    return RIGHT
  } catch (error) {
    const code = resultCode(error)
    if (code !== undefined && REFUSED.has(code)) return WRONG_PASSWORD
    return { kind: 'unknown', reason: `${server.url}: ${errorText(error)}` }
  }
}

/** What a domain's own directory is asked with. */
export interface ExternalQuestion {
  readonly external: ExternalAuth
  readonly mechanism: string
  readonly who: Principal
  /** zimbraAuthLdapExternalDn of the account; '' if there is none. */
  readonly externalDn: string
  readonly password: Uint8Array
  readonly reach: Omit<LdapReach, 'startTls'>
  readonly searchBindPassword: () => Promise<string>
}

/**
 * zimbraAuthMech ldap and ad, in Zimbra's order: the account's own external name, else search-then-bind (ldap only), else
 * a name made of the template.
 */
export async function checkExternal(question: ExternalQuestion, signal: AbortSignal): Promise<Check> {
  const { external, mechanism, who, externalDn, password } = question
  const reach = { ...question.reach, startTls: external.startTls }
  const urls = external.urls.flatMap((url) => serverUrl(url) ?? [])
  if (urls.length === 0) return { kind: 'unknown', reason: 'zimbraAuthLdapURL of the domain names no server' }
  if (externalDn !== '') return await checkByBind(urls, reach, { dn: externalDn, password }, signal)
  if (external.searchFilter !== '' && mechanism !== 'ad') {
    const found = await searchedDn(question, urls, reach, signal)
    if (found.kind !== 'dn') return found
    return await checkByBind(urls, reach, { dn: found.dn, password }, signal)
  }
  if (external.bindDn === '')
    return {
      kind: 'unknown',
      reason: 'the domain has neither zimbraAuthLdapBindDn nor zimbraAuthLdapSearchFilter',
    }
  return await checkByBind(urls, reach, { dn: bindName(external.bindDn, who), password }, signal)
}

/** RFC 4511 appendix A.1. */
const SIZE_LIMIT_EXCEEDED = 4
const SEVERAL = { kind: 'wrong', reason: 'several entries match the name' } as const

type SearchedDn = { readonly kind: 'dn'; readonly dn: string } | Exclude<Check, { kind: 'right' }>

// oxlint-disable-next-line max-params -- the question, where, how, and for how long
async function searchedDn(
  question: ExternalQuestion,
  urls: readonly string[],
  reach: LdapReach,
  signal: AbortSignal,
): Promise<SearchedDn> {
  const { external, who } = question
  let filter: Filter
  try {
    filter = FilterParser.parseString(bracketed(searchFilter(external.searchFilter, who)))
  } catch (error) {
    return { kind: 'unknown', reason: `zimbraAuthLdapSearchFilter is no filter: ${errorText(error)}` }
  }
  const dn = external.searchBindDn
  const password = dn === '' ? '' : await question.searchBindPassword()
  // It would search as nobody, and not find what is there (RFC 4513 section 5.1.2).
  if (dn !== '' && password === '')
    return { kind: 'unknown', reason: 'zimbraAuthLdapSearchBindPassword of the domain is empty' }
  const base = searchBase(external.searchBase, who)
  const find = async (url: string): Promise<SearchedDn> => {
    try {
      const found = await search({ url, ...reach }, { dn, password }, { base, filter }, signal)
      if (found.length > 1) return SEVERAL
      const [only] = found
      return only === undefined ? { kind: 'wrong', reason: 'no such user' } : { kind: 'dn', dn: only }
    } catch (error) {
      if (resultCode(error) === SIZE_LIMIT_EXCEEDED) return SEVERAL
      throw error
    }
  }
  return await reach.servers.ask<SearchedDn>(urls, find, signal)
}

// oxlint-disable-next-line max-params -- where, as whom, what, and for how long
async function search(
  server: LdapServer,
  who: { readonly dn: string; readonly password: string },
  { base, filter }: { readonly base: string; readonly filter: Filter },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const connection = await LdapConnection.open(server, who, signal)
  try {
    // Two are as wrong as two thousand.
    const found = await connection.search(base, { scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 })
    return found.map((entry) => entry.dn)
  } finally {
    connection.close()
  }
}

/** Administrators leave the outer brackets of a simple filter away. */
function bracketed(filter: string): string {
  return filter.startsWith('(') ? filter : `(${filter})`
}

/** `ldap[s]://host[:port]`, whatever stands behind it; undefined for what names no server. */
export function serverUrl(text: string): string | undefined {
  const match = /^(ldaps?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,255})(?::(\d{1,5}))?(?:\/.*)?$/i.exec(text)
  if (match === null) return undefined
  const [, scheme = '', host = '', given] = match
  const port = given === undefined ? (scheme.toLowerCase() === 'ldaps' ? 636 : 389) : Number(given)
  return port >= 1 && port <= 65_535 ? `${scheme}://${host}:${port}`.toLowerCase() : undefined
}
