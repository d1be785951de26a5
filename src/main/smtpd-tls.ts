import { constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, DEFAULT_CIPHERS } from 'node:tls'
import type { SecureVersion } from 'node:tls'
import { errorText } from '#src/base/fault.ts'
import type { Service } from '#src/config/listeners.ts'
import type { Settings } from '#src/config/settings.ts'
import { allowedProtocols } from '#src/net/tls-protocols.ts'
import type { ClientCertificates, TlsProfile } from '#src/smtp/server-tls.ts'

/** A profile, or why the settings allow none. */
export type MadeProfile =
  | { readonly kind: 'profile'; readonly profile: TlsProfile }
  | { readonly kind: 'wrong'; readonly reason: string }

/** RFC 8996: below these nothing is used, unless an operator says so aloud in postern.toml. */
const MODERN = ['TLSv1.2', 'TLSv1.3'] as const
const LEGACY = ['TLSv1', 'TLSv1.1', ...MODERN] as const

/** A protocol between two others is left out by one of these. */
const LEAVE_OUT: Readonly<Partial<Record<SecureVersion, number>>> = {
  'TLSv1.1': constants.SSL_OP_NO_TLSv1_1,
  'TLSv1.2': constants.SSL_OP_NO_TLSv1_2,
}

/** TLS 1.3 has suites of its own (RFC 8446 section B.4). */
const SUITES_13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']

/**
 * Protocols and ciphers of a listener: the mandatory ones where TLS is demanded (submission, smtpd_tls_security_level =
 * encrypt), the others where it is offered.
 */
export function profileOf(settings: Settings, service: Service, legacy: boolean): MadeProfile {
  const mandatory = service !== 'smtp' || settings.tlsSecurityLevel === 'encrypt'
  const text = mandatory ? settings.tlsMandatoryProtocols : settings.tlsProtocols
  const grade = mandatory ? settings.tlsMandatoryCiphers : settings.tlsCiphers
  const allowed = allowedProtocols(text)
  if (typeof allowed === 'string') return { kind: 'wrong', reason: allowed }
  const floor: readonly SecureVersion[] = legacy ? LEGACY : MODERN
  const used = floor.filter((version) => allowed.has(version))
  const [first] = used
  const last = used.at(-1)
  if (first === undefined || last === undefined)
    return { kind: 'wrong', reason: `the protocols "${text}" leave none of ${floor.join(', ')}` }
  const between = floor.slice(floor.indexOf(first), floor.indexOf(last)).filter((one) => !used.includes(one))
  const profile = {
    minVersion: first,
    maxVersion: last,
    secureOptions: between.reduce((all, version) => all | (LEAVE_OUT[version] ?? 0), 0),
    ciphers: cipherList(grade, settings.tlsExcludeCiphers, legacy),
  }
  try {
    createSecureContext(profile.ciphers === undefined ? {} : { ciphers: profile.ciphers })
    return { kind: 'profile', profile }
  } catch (error) {
    return { kind: 'wrong', reason: `no cipher is left: ${errorText(error)}` }
  }
}

/** As Postfix's tls_high_cipherlist and tls_medium_cipherlist; `export` and `low` have nothing more in today's OpenSSL. */
function cipherList(grade: string, exclude: readonly string[], legacy: boolean): string | undefined {
  const excluded = new Set(exclude.map((name) => name.toUpperCase()))
  const words = exclude.map((name) => `!${name}`)
  const suites = SUITES_13.filter((suite) => !excluded.has(suite.toUpperCase()))
  if (grade !== 'high' && words.length === 0 && !legacy) return undefined
  const older = grade === 'high' ? 'HIGH:!aNULL' : legacy ? 'DEFAULT:!aNULL' : withoutSuites(DEFAULT_CIPHERS)
  // OpenSSL 3 uses the protocols before TLS 1.2 at its lowest level only.
  return [...suites, older, ...words, ...(legacy ? ['@SECLEVEL=0'] : [])].join(':')
}

function withoutSuites(ciphers: string): string {
  return ciphers
    .split(':')
    .filter((name) => !name.startsWith('TLS_'))
    .join(':')
}

/** smtpd_tls_ask_ccert and the authorities. A file that cannot be read believes nobody, and is told by the caller. */
export function clientCertificates(settings: Settings): {
  readonly clients: ClientCertificates
  readonly problem: string
} {
  const { tlsAskCcert: ask, tlsCcertVerifydepth: depthMax, tlsCaFile } = settings
  if (!ask || tlsCaFile === '') return { clients: { ask, ca: undefined, depthMax }, problem: '' }
  try {
    const ca = readFileSync(tlsCaFile, 'utf8')
    createSecureContext({ ca })
    return { clients: { ask, ca, depthMax }, problem: '' }
  } catch (error) {
    return {
      clients: { ask, ca: undefined, depthMax },
      problem: `smtpd_tls_CAfile ${tlsCaFile}: ${errorText(error)}`,
    }
  }
}
