import { X509Certificate, createHash, createPublicKey } from 'node:crypto'
import { isIP } from 'node:net'
import { errorText } from '#src/base/fault.ts'
import { USUAL_SESSION } from './tls-session.ts'
import type { KeyObject } from 'node:crypto'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { TlsaRecord } from '#src/dns/records.ts'
import type { TlsFailure } from './tls-outcome.ts'
import type { TlsSession } from './tls-session.ts'

/** What one connection has to do about TLS. */
export type TlsPolicy = TlsDemand & { readonly session: TlsSession }

/** A level of smtp_tls_security_level, with all that it needs. */
export type TlsDemand =
  | { readonly level: 'none' }
  /** Used where it is offered, with whoever answers; without it, or where it fails, in plaintext (RFC 7435). */
  | { readonly level: 'may' }
  /** Never in plaintext, with whoever answers. */
  | { readonly level: 'encrypt' }
  /** A certificate from a CA that we trust, for one of these names. A leading dot: any name below. */
  | {
      readonly level: 'verify' | 'secure'
      readonly names: readonly string[]
      /** PEM; undefined: the CAs that Node brings. */
      readonly ca: string | undefined
    }
  /** A certificate, or a public key, with one of these SHA-256 digests: hexadecimal, lower case, no colons. */
  | { readonly level: 'fingerprint'; readonly digests: readonly string[] }
  /** RFC 7672: proven by DNSSEC. `records` are usable; `base` is what TLSA was found for. */
  | {
      readonly level: 'dane'
      readonly records: readonly TlsaRecord[]
      readonly base: string
      readonly names: readonly string[]
    }

/** Certificates of one chain that are looked at: real ones have four. */
const CHAIN_MAX = 10

/** How the handshake is made. Node verifies nothing for us: `certificateProblem` says what it thinks afterwards. */
export function tlsOptions(policy: TlsPolicy, host: string): ConnectionOptions {
  const name = policy.session.servername ?? (policy.level === 'dane' ? policy.base : host)
  const { session } = policy
  const known = policy.level === 'verify' || policy.level === 'secure' ? policy.ca : undefined
  return {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: session.minVersion,
    maxVersion: session.maxVersion,
    ...(session.secureOptions === 0 ? {} : { secureOptions: session.secureOptions }),
    ...(session.ciphers === undefined ? {} : { ciphers: session.ciphers }),
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(known === undefined ? {} : { ca: known }),
  }
}

/** No TLS at all. */
export const NO_TLS: TlsPolicy = { level: 'none', session: USUAL_SESSION }

/** Why the peer is not who it has to be, in Postfix's words; undefined where it is, or may be anybody. */
export function certificateProblem(policy: TlsPolicy, socket: TLSSocket): TlsFailure | undefined {
  switch (policy.level) {
    case 'none':
    case 'may':
    case 'encrypt':
      return undefined
    case 'verify':
    case 'secure': {
      if (!socket.authorized) return notTrusted(errorText(socket.authorizationError))
      const leaf = socket.getPeerX509Certificate()
      return leaf !== undefined && bears(leaf, policy.names)
        ? undefined
        : { type: 'certificate-host-mismatch', reason: NOT_VERIFIED }
    }
    case 'fingerprint': {
      const leaf = socket.getPeerX509Certificate()
      return leaf !== undefined && policy.digests.some((digest) => hasDigest(leaf, digest))
        ? undefined
        : { type: 'certificate-not-trusted', reason: NOT_VERIFIED }
    }
    case 'dane': {
      const leaf = socket.getPeerX509Certificate()
      return leaf !== undefined && isProven(chainOf(leaf), policy)
        ? undefined
        : { type: 'validation-failure', reason: 'Server certificate not trusted: no TLSA record matches' }
    }
  }
}

const NOT_VERIFIED = 'Server certificate not verified'

/** `why` is a code of OpenSSL's verification. */
function notTrusted(why: string): TlsFailure {
  const type = why.includes('EXPIRED') ? 'certificate-expired' : 'certificate-not-trusted'
  return { type, reason: `Server certificate not trusted: ${why}` }
}

/** RFC 6125: names of the certificate's subjectAltName only, wildcards for one whole label. */
function bears(leaf: X509Certificate, names: readonly string[]): boolean {
  return names.some((name) =>
    isIP(name) === 0
      ? leaf.checkHost(name, { subject: 'default', partialWildcards: false }) !== undefined
      : leaf.checkIP(name) !== undefined,
  )
}

function hasDigest(leaf: X509Certificate, digest: string): boolean {
  return sha256(leaf.raw) === digest || sha256(spki(leaf.publicKey)) === digest
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

/** As the peer sent it, each certificate behind the one that it has issued. */
function chainOf(leaf: X509Certificate): readonly X509Certificate[] {
  const chain = [leaf]
  let at = leaf
  while (chain.length < CHAIN_MAX) {
    const next = at.issuerCertificate
    if (next === undefined || next.fingerprint256 === at.fingerprint256) break
    chain.push(next)
    at = next
  }
  return chain
}

/** What a chain is worth under TLSA records, at this moment. */
function isProven(
  chain: readonly X509Certificate[],
  policy: { readonly records: readonly TlsaRecord[]; readonly names: readonly string[] },
): boolean {
  const [leaf] = chain
  if (leaf === undefined) return false
  return policy.records.some((record) => {
    // DANE-EE(3): neither name nor date matter (RFC 7672 section 3.1.1).
    if (record.usage === 3) return matches(leaf, record)
    if (record.usage !== 2) return false
    // DANE-TA(2): the chain up to it, its dates, and the name (section 3.1.2).
    return bears(leaf, policy.names) && isBelow(chain, record)
  })
}

/** Whether the chain leads to a trust anchor that the record names, or holds. */
function isBelow(chain: readonly X509Certificate[], record: TlsaRecord): boolean {
  const anchor = anchorKey(record)
  for (const [depth, certificate] of chain.entries()) {
    if (!isCurrent(certificate)) return false
    if (depth > 0) {
      const below = chain[depth - 1]
      if (below === undefined || !certificate.ca || !isIssued(below, certificate)) return false
      if (matches(certificate, record)) return true
    }
    // A record that brings the whole key (matching type 0) may stand for a certificate that was not sent.
    if (anchor !== undefined && certificate.verify(anchor)) return true
  }
  return false
}

function isIssued(below: X509Certificate, above: X509Certificate): boolean {
  return below.checkIssued(above) && below.verify(above.publicKey)
}

function isCurrent(certificate: X509Certificate): boolean {
  const now = Date.now()
  return certificate.validFromDate.getTime() <= now && now <= certificate.validToDate.getTime()
}

function anchorKey({ selector, matchingType, data }: TlsaRecord): KeyObject | undefined {
  if (matchingType !== 0) return undefined
  try {
    if (selector === 0) return new X509Certificate(data).publicKey
    return createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' })
  } catch {
    // Not a certificate or key at all: it matches nothing.
    return undefined
  }
}

function matches(certificate: X509Certificate, { selector, matchingType, data }: TlsaRecord): boolean {
  const chosen = selector === 0 ? certificate.raw : spki(certificate.publicKey)
  const digest = DIGESTS.get(matchingType)
  const bytes = digest === undefined ? chosen : createHash(digest).update(chosen).digest()
  return Buffer.compare(bytes, data) === 0
}

/** RFC 6698 section 2.1.3. */
const DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, 'sha256'],
  [2, 'sha512'],
])

/** Octets of a record's data by matching type. */
const DATA_LENGTH: ReadonlyMap<number, number> = new Map([
  [1, 32],
  [2, 64],
])

/** Whether SMTP can go by a record: RFC 7672 section 3.1.3 leaves the PKIX usages out. */
export function isUsable({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if ((usage !== 2 && usage !== 3) || selector > 1 || matchingType > 2 || data.length === 0) return false
  const length = DATA_LENGTH.get(matchingType)
  return length === undefined || data.length === length
}
