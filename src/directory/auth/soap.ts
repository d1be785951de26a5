import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { readFileSync } from 'node:fs'
import type { Check } from './check.ts'
import { passwordText, RIGHT, WRONG_PASSWORD } from './check.ts'
import type { Servers } from './in-turn.ts'

/** How Zimbra's servers are asked. */
export interface SoapReach {
  readonly servers: Servers
  /** PEM file of the authorities of the servers' certificates; '' for those that Node.js brings. */
  readonly caFile: string
  /** One server, from the connection to the end of its answer. */
  readonly timeoutMs: number
}

/** An answer has two KiB, a fault with its trace some more. */
const ANSWER_BYTES_MAX = 262_144

/**
 * Codes of Zimbra's AccountServiceException that say that this user does not come in; all else says something of the
 * server. Two-factor codes: the client has sent no second factor, and SMTP has no way to.
 */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['account.AUTH_FAILED', 'wrong password'],
  ['account.NO_SUCH_ACCOUNT', 'no such account'],
  ['account.NO_SUCH_DOMAIN', 'no such domain'],
  ['account.ACCOUNT_INACTIVE', 'the account is not active'],
  ['account.CHANGE_PASSWORD', 'the password must be changed'],
  ['account.PASSWORD_LOCKED', 'the password is locked'],
  ['account.INVALID_PASSWORD', 'wrong password'],
  ['account.TWO_FACTOR_AUTH_FAILED', 'the second factor is missing'],
  ['account.TWO_FACTOR_AUTH_REQUIRED', 'the second factor is missing'],
  ['account.TWO_FACTOR_SETUP_REQUIRED', 'the second factor is missing'],
])

/**
 * AuthRequest (urn:zimbraAccount) to the first of the servers that answers it. The only backend that knows passwords of
 * single applications and Zimbra's own lock-out.
 */
export async function checkBySoap(
  urls: readonly string[],
  reach: SoapReach,
  who: { readonly name: string; readonly password: Uint8Array },
  signal: AbortSignal,
): Promise<Check> {
  const password = passwordText(who.password)
  if (password === undefined) return WRONG_PASSWORD
  // XML 1.0 section 2.2 has no way to write these, not even as references.
  if (NOT_XML.test(password) || NOT_XML.test(who.name)) return WRONG_PASSWORD
  const body = authRequest(who.name, password)
  const post = async (url: string): Promise<Check> => {
    const check = readAnswer(await send(url, reach, body, signal))
    return check.kind === 'unknown' ? { ...check, reason: `${url}: ${check.reason}` } : check
  }
  return await reach.servers.ask<Check>(urls, post, signal)
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/

function authRequest(name: string, password: string): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?>' +
    '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope">' +
    '<soap:Header><context xmlns="urn:zimbra"><userAgent name="Postern"/><nosession/></context></soap:Header>' +
    '<soap:Body><AuthRequest xmlns="urn:zimbraAccount">' +
    `<account by="name">${escaped(name)}</account><password>${escaped(password)}</password>` +
    '</AuthRequest></soap:Body></soap:Envelope>'
  )
}

/** As content of an element; CR would otherwise be read as LF (XML 1.0 section 2.11). */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"'\r]/g, (char) => `&#${char.charCodeAt(0)};`)
}

/** The text of the answer, whatever its status: Zimbra sends faults with 500. */
// oxlint-disable-next-line max-params -- where, how, what, and for how long
function send(
  url: string,
  { caFile, timeoutMs }: SoapReach,
  body: string,
  signal: AbortSignal,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const over = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  const options = {
    method: 'POST',
    headers: {
      'content-type': 'application/soap+xml; charset=utf-8',
      'content-length': Buffer.byteLength(body),
    },
    // A connection of its own for each: an answer that comes late must not be taken for the next one.
    agent: false,
    signal: over,
  } as const
  const target = new URL(url)
  const request =
    target.protocol === 'https:'
      ? requestHttps(target, {
          ...options,
          minVersion: 'TLSv1.2',
          ...(caFile === '' ? {} : { ca: readFileSync(caFile, 'utf8') }),
        })
      : requestHttp(target, options)
  request.on('error', reject)
  request.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      if (text.length > ANSWER_BYTES_MAX) request.destroy(new Error('the answer is too long'))
    })
    response.on('error', reject)
    response.on('end', () => resolve(text))
  })
  request.end(body)
  return promise
}

/**
 * What an answer says. It is only believed where it is one of the two that Zimbra gives: an AuthResponse with a token, or
 * a fault with a code. Anything else (a page of a proxy, half an answer) is no answer.
 */
function readAnswer(text: string): Check {
  // No document type: entities that expand without end have no business in it.
  if (!/<(?:\w+:)?Envelope[\s>]/.test(text) || text.includes('<!DOCTYPE')) {
    return { kind: 'unknown', reason: 'the answer is no SOAP' }
  }
  const fault = inside(text, 'Fault')
  if (fault === undefined) {
    const response = inside(text, 'AuthResponse') ?? ''
    // Then the token is only good for sending the code, and SMTP has no way to ask for one: an application's own password.
    const wantsCode = inside(response, 'twoFactorAuthRequired')?.trim() ?? ''
    if (wantsCode === 'true' || wantsCode === '1')
      return { kind: 'wrong', reason: 'the second factor is missing' }
    const token = inside(response, 'authToken')
    return token === undefined || token.trim() === ''
      ? { kind: 'unknown', reason: 'the answer holds neither a token nor a fault' }
      : RIGHT
  }
  // soap:Code stands round the whole and holds soap:Value; the one that is meant is urn:zimbra's, without any element in it.
  const code = /<(?:\w+:)?Code(?:\s[^<>]*)?>\s*([A-Za-z]+\.[A-Z_]+)\s*</.exec(fault)?.[1] ?? ''
  const refusal = REFUSALS.get(code)
  if (refusal !== undefined) return { kind: 'wrong', reason: refusal }
  return { kind: 'unknown', reason: code === '' ? 'a fault without a code' : code }
}

/** What stands within the first element of that name, whatever its prefix; undefined where there is none. */
function inside(text: string, name: string): string | undefined {
  const open = new RegExp(`<(?:\\w+:)?${name}(?:\\s[^<>]*)?>`).exec(text)
  if (open === null) return undefined
  const start = open.index + open[0].length
  const close = text.lastIndexOf('</', text.lastIndexOf(`${name}>`))
  return close < start ? undefined : text.slice(start, close)
}

/**
 * The addresses in use: zimbraMtaAuthURL, zimbraMtaAuthHost, servers with zimbraMtaAuthTarget. Passwords go to TLS alone,
 * or to this machine.
 */
export function soapUrls(
  urls: readonly string[],
  hosts: readonly string[],
  targets: readonly string[],
  port: number,
): readonly string[] {
  const ofHosts = hosts.map(
    (host) => `https://${/:\d+$/.test(host) ? host : `${host}:${port}`}/service/admin/soap/`,
  )
  return [...new Set([...urls, ...ofHosts, ...targets])].filter(isSafe)
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

function isSafe(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username } = new URL(text)
  return username === '' && (protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname)))
}
