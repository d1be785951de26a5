import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { errorText } from '#src/base/fault.ts'

/** A key with its certificate chain, both PEM, as far as they were looked at. */
export type PairVerdict =
  | {
      readonly kind: 'pair'
      readonly fingerprint: string
      readonly notAfterMs: number
      /** Host names of the certificate: lower case, `*.` at the front of some. */
      readonly names: readonly string[]
    }
  | { readonly kind: 'unusable'; readonly reason: string }

/** Names of one certificate that are looked at; authorities allow a hundred. */
const NAMES_MAX = 1000

/** Whether a server could show this certificate. */
export function checkPair(cert: string, key: string): PairVerdict {
  try {
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      return { kind: 'unusable', reason: 'the certificate is for another key' }
    // What OpenSSL does not take (a key that is too short) is better found out now.
    createSecureContext({ cert, key })
    return {
      kind: 'pair',
      fingerprint: certificate.fingerprint256,
      notAfterMs: Date.parse(certificate.validTo),
      names: namesOf(certificate),
    }
  } catch (error) {
    return { kind: 'unusable', reason: errorText(error) }
  }
}

/** RFC 6125 section 6.4: what stands in subjectAltName, and in the common name only where nothing stands there. */
function namesOf({ subject, subjectAltName }: X509Certificate): readonly string[] {
  const names = [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^,\s"]+)/g)].map((match) => match[1] ?? '')
  const common = /(?:^|\n)CN=([^\n]+)/.exec(subject)?.[1] ?? ''
  return (names.length > 0 ? names : [common])
    .filter((name) => /^(?:\*\.)?[A-Za-z0-9._-]+$/.test(name))
    .slice(0, NAMES_MAX)
    .map((name) => name.toLowerCase())
}
