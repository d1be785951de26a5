import { createHash } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions, SecureVersion, TLSSocket } from 'node:tls'
import type { Facts } from '#src/base/fault.ts'

/** A key and its certificate chain, PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** How handshakes are made. */
export interface TlsProfile {
  readonly minVersion: SecureVersion
  readonly maxVersion: SecureVersion
  /** OpenSSL's SSL_OP_NO_…, where a protocol between two others is left out. */
  readonly secureOptions: number
  /** In OpenSSL's words; undefined: those of Node.js. */
  readonly ciphers: string | undefined
}

/** Whether clients are asked for a certificate (smtpd_tls_ask_ccert), and who is believed. */
export interface ClientCertificates {
  readonly ask: boolean
  /** PEM of the authorities (smtpd_tls_CAfile); undefined: none. */
  readonly ca: string | undefined
  /** smtpd_tls_ccert_verifydepth. */
  readonly depthMax: number
}

export interface ServerTls {
  readonly certificate: Certificate
  /** For clients that name a host (SNI, RFC 6066 section 3): lower-case A-labels; `*.` at the front is one whole label. */
  readonly byName: ReadonlyMap<string, Certificate>
  readonly profile: TlsProfile
  readonly clients: ClientCertificates
}

/** TLS 1.2 and 1.3, OpenSSL's ciphers as Node.js has them. */
export const USUAL_PROFILE: TlsProfile = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  secureOptions: 0,
  ciphers: undefined,
}

/**
 * The TLS contexts of one listener, made when they are first asked for: of a thousand domains a few are called by name in
 * an hour. Listeners share none, so that no session of one is resumed on another.
 */
export class TlsContexts {
  readonly #tls: ServerTls
  readonly #service: string
  readonly #made = new Map<Certificate, SecureContext>()

  constructor(tls: ServerTls, service: string) {
    this.#tls = tls
    this.#service = service
  }

  get default(): SecureContext {
    return this.#contextOf(this.#tls.certificate)
  }

  /** For the name that a client wants; the default where that is none of ours. */
  named(servername: string): SecureContext {
    const name = servername.toLowerCase().replace(/\.$/, '')
    const { byName } = this.#tls
    const parent = name.slice(name.indexOf('.') + 1)
    return this.#contextOf(byName.get(name) ?? byName.get(`*.${parent}`) ?? this.#tls.certificate)
  }

  #contextOf(certificate: Certificate): SecureContext {
    const held = this.#made.get(certificate)
    if (held !== undefined) return held
    const made = createSecureContext(contextOptions(this.#tls, certificate, this.#service))
    this.#made.set(certificate, made)
    return made
  }
}

/** What a context is made of; throws in createSecureContext where it cannot be. */
export function contextOptions(
  { profile, clients }: Pick<ServerTls, 'profile' | 'clients'>,
  { key, cert }: Certificate,
  service: string,
): SecureContextOptions {
  const { ciphers, ...versions } = profile
  return {
    key,
    cert,
    ...versions,
    honorCipherOrder: true,
    sessionIdContext: service,
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(clients.ask && clients.ca !== undefined ? { ca: clients.ca } : {}),
  }
}

/** What a handshake has told of the client. */
export interface ShownCertificate {
  /** For the log. */
  readonly facts: Facts
  /** SHA-256 of the certificate and of its public key, as `relay_clientcerts` has them; [] where none was shown. */
  readonly fingerprints: readonly string[]
}

export const NOBODY_ASKED: ShownCertificate = { facts: {}, fingerprints: [] }

/** The certificate of a client that was asked for one. It has proven to hold its key, whoever has signed it. */
export function shownCertificate(socket: TLSSocket, depthMax: number): ShownCertificate {
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) return { facts: { clientCertificate: 'none' }, fingerprints: [] }
  let depth = 0
  for (let at = leaf.issuerCertificate; at !== undefined && depth <= depthMax; at = at.issuerCertificate) {
    depth += 1
    if (at.issuerCertificate?.fingerprint256 === at.fingerprint256) break
  }
  const facts = {
    clientCertificate: leaf.subject.replaceAll('\n', ', '),
    fingerprint: leaf.fingerprint256,
    trusted: socket.authorized && depth <= depthMax,
  }
  const publicKey = leaf.publicKey.export({ type: 'spki', format: 'der' })
  return { facts, fingerprints: [leaf.raw, publicKey].map(sha256) }
}

function sha256(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex')
}
