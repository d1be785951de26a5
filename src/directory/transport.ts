import { isIP } from 'node:net'

/** By which way mail for an address goes. */
export type Transport =
  /** `lmtp:host:port`. */
  | { readonly kind: 'lmtp'; readonly host: string; readonly port: number }
  /** No transport is set: where the box sends mail by default. */
  | { readonly kind: 'default' }
  /** `error:text` of Postfix: mail for it goes back. */
  | { readonly kind: 'error'; readonly text: string }
  /** A transport that Postern does not know. */
  | { readonly kind: 'invalid'; readonly text: string }
  | { readonly kind: 'unavailable'; readonly reason: string }

/** LMTP's port in a Zimbra mailbox server. */
const LMTP_PORT = 7025

/** Reads a zimbraMailTransport as Zimbra writes it, `lmtp:mailbox.example.com:7025`, or with an address in brackets. */
export function parseTransport(text: string): Transport {
  const value = text.trim()
  if (value === '') return { kind: 'default' }
  const error = /^error:(?:\d\.\d{1,3}\.\d{1,3} )?(.*)$/s.exec(value)
  if (error !== null) return { kind: 'error', text: error[1] ?? '' }
  const match = /^lmtp:(?:inet:)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,255}))(?::(\d{1,5}))?$/.exec(value)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? LMTP_PORT : Number(match[3])
  if (host === undefined || port < 1 || port > 65_535) return { kind: 'invalid', text: value }
  if (match?.[1] !== undefined && isIP(host) === 0) return { kind: 'invalid', text: value }
  return { kind: 'lmtp', host, port }
}
