import { constants } from 'node:crypto'
import { DEFAULT_CIPHERS, createSecureContext } from 'node:tls'
import { errorText } from '#src/base/fault.ts'
import { allowedProtocols } from '#src/net/tls-protocols.ts'

/** How a TLS handshake is made beyond who must answer; undefined fields as Node and OpenSSL have them. */
export interface TlsSession {
  /** From the first octet, without STARTTLS (RFC 8314 section 3). */
  readonly wrapped: boolean
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL's SSL_OP_NO_TLSv1_2, where a protocol between two others is left out. */
  readonly secureOptions: number
  /** In OpenSSL's words. */
  readonly ciphers: string | undefined
  /** The name in SNI (RFC 6066 section 3) in place of the host's. */
  readonly servername: string | undefined
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** smtp_tls_ciphers and smtp_tls_mandatory_ciphers. */
export type CipherGrade = 'export' | 'low' | 'medium' | 'high' | 'null'

/** What the settings or an entry of the policy table say of it. */
export interface SessionWish {
  /** `>=TLSv1.2`, `!SSLv2 !SSLv3`, `TLSv1.2:TLSv1.3`; '' for no wish. */
  readonly protocols: string
  readonly grade: CipherGrade
  /** OpenSSL's names of ciphers that are not used. */
  readonly exclude: readonly string[]
}

/** The usual: TLS 1.2 and 1.3, OpenSSL's ciphers as Node.js has them, the name of the host. */
export const USUAL_SESSION: TlsSession = {
  wrapped: false,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  secureOptions: 0,
  ciphers: undefined,
  servername: undefined,
}

/** RFC 8446 section B.4: the grade is about the older protocols; Postfix does not choose among these either. */
const SUITES_13 = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

const GRADES: ReadonlySet<string> = new Set<CipherGrade>(['export', 'low', 'medium', 'high', 'null'])

export function isGrade(word: string): word is CipherGrade {
  return GRADES.has(word)
}

/** A session as it is wished for; a sentence where nothing could come of it, for nobody guesses then. */
export function sessionOf(wish: SessionWish): TlsSession | string {
  const protocols = protocolsOf(wish.protocols)
  if (typeof protocols === 'string') return protocols
  const ciphers = ciphersOf(wish)
  if (ciphers !== undefined) {
    try {
      createSecureContext({ ciphers })
    } catch (error) {
      return `no such ciphers "${wish.exclude.join(' ')}": ${errorText(error)}`
    }
  }
  return { ...USUAL_SESSION, ...protocols, ciphers }
}

type Protocols = Pick<TlsSession, 'minVersion' | 'maxVersion' | 'secureOptions'>

/** smtp_tls_protocols. Those before TLS 1.2 are never used (RFC 8996). */
function protocolsOf(text: string): Protocols | string {
  const allowed = allowedProtocols(text)
  if (typeof allowed === 'string') return allowed
  const has12 = allowed.has('TLSv1.2')
  const has13 = allowed.has('TLSv1.3')
  if (!has12 && !has13) return `TLS protocols "${text.trim()}" leave neither TLSv1.2 nor TLSv1.3`
  return {
    minVersion: has12 ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: has13 ? 'TLSv1.3' : 'TLSv1.2',
    secureOptions: has12 ? 0 : constants.SSL_OP_NO_TLSv1_2,
  }
}

/** undefined: those of Node.js, which has nothing left that only `low` or `export` would allow. */
function ciphersOf({ grade, exclude }: SessionWish): string | undefined {
  const excluded = exclude.map((name) => `!${name}`)
  switch (grade) {
    case 'null':
      return ['eNULL', ...excluded].join(':')
    case 'high':
      return [SUITES_13, 'HIGH', '!aNULL', ...excluded].join(':')
    case 'export':
    case 'low':
    case 'medium':
      return excluded.length === 0 ? undefined : [DEFAULT_CIPHERS, ...excluded].join(':')
  }
}
