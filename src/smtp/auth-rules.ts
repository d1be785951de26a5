import type { ClientInfo } from './ports.ts'
import type { Mechanism } from './sasl.ts'
import type { SmtpSettings } from './settings.ts'

/** What may be said and has to be said on a listener, as far as TLS and AUTH go. */
export interface AccessRules {
  /** Before TLS there is nothing but EHLO, HELO, NOOP, STARTTLS and QUIT. */
  readonly tlsFirst: boolean
  /** MAIL only for those who have authenticated. */
  readonly authFirst: boolean
  /** What EHLO shows now; empty where AUTH is not offered. */
  readonly mechanisms: readonly Mechanism[]
  /** AUTH is not offered because there is no TLS yet. */
  readonly hiddenByTls: boolean
}

/**
 * Of Cyrus SASL's security options PLAIN and LOGIN only satisfy `noanonymous`: they send the password as it is, so
 * an active or passive listener has it, and they do not prove who the server is.
 */
const SATISFIED: ReadonlySet<string> = new Set(['noanonymous'])

/**
 * Port 25 takes AUTH where it is switched on, and needs it for nothing but relaying. Submission (RFC 6409, RFC 8314)
 * wants TLS before anything and AUTH before MAIL, from clients of mynetworks too, as Zimbra's master.cf has it
 * (`smtpd_relay_restrictions=permit_sasl_authenticated,reject`).
 */
export function accessRules(
  settings: SmtpSettings,
  service: ClientInfo['service'],
  tls: boolean,
): AccessRules {
  const submission = service !== 'smtp'
  const tlsFirst = !tls && (submission || settings.tlsRequired)
  const usable = settings.authEnabled && offers(settings, tls)
  const hiddenByTls = !tls && settings.authEnabled && (tlsFirst || settings.tlsAuthOnly)
  return {
    tlsFirst,
    authFirst: submission,
    mechanisms: usable && !hiddenByTls ? settings.mechanisms : [],
    hiddenByTls,
  }
}

function offers({ saslOptions, saslTlsOptions }: SmtpSettings, tls: boolean): boolean {
  return (tls ? saslTlsOptions : saslOptions).every((option) => SATISFIED.has(option))
}
