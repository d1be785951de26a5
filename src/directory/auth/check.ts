import { Buffer, isUtf8 } from 'node:buffer'

/** What one backend says of a password. */
export type Check =
  | { readonly kind: 'right' }
  /** `reason` is for the log. */
  | { readonly kind: 'wrong'; readonly reason: string }
  /** The backend cannot be asked, or does not know: nobody is refused for it. */
  | { readonly kind: 'unknown'; readonly reason: string }

export const RIGHT: Check = { kind: 'right' }
export const WRONG_PASSWORD: Check = { kind: 'wrong', reason: 'wrong password' }

/**
 * A password as text, for backends that take nothing else. undefined where it is none, or empty: LDAP would take a bind
 * with a name and no password for one of nobody, and say that it succeeded (RFC 4513 section 5.1.2).
 */
export function passwordText(password: Uint8Array): string | undefined {
  const octets = Buffer.from(password.buffer, password.byteOffset, password.length)
  return octets.length > 0 && isUtf8(octets) ? octets.toString('utf8') : undefined
}
