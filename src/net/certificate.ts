import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorText, Fault } from '#src/base/fault.ts'
import {
  bitString,
  boolean,
  context,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts'

export interface CertificateFiles {
  readonly certificateFile: string
  readonly keyFile: string
}

export type EnsuredCertificate = 'kept' | 'made'

const DAY_MS = 86_400_000
/** Nobody verifies a certificate that signs itself; it should merely not end while the box is in use. */
const VALID_DAYS = 3650

/**
 * Sees to it that there is a certificate with its key: what is there is kept, and checked for being a pair; what is
 * not there is made for `hostname` and signed by itself. The key is ECDSA P-256, readable by this user only. Throws
 * a Fault TLS_FILES.
 */
export function ensureCertificate(
  files: CertificateFiles,
  hostname: string,
  nowMs: number,
): EnsuredCertificate {
  try {
    // The key first: a crash in between leaves a key without a certificate, for which one is made at the next start.
    const madeKey = !existsSync(files.keyFile)
    if (madeKey && existsSync(files.certificateFile)) {
      throw new Error(`${files.certificateFile} is there, but its key ${files.keyFile} is not`)
    }
    if (madeKey) writeOnce(files.keyFile, newKeyPem(), 0o600)
    const key = createPrivateKey(readFileSync(files.keyFile))
    const madeCertificate = !existsSync(files.certificateFile)
    if (madeCertificate) writeOnce(files.certificateFile, selfSigned(key, hostname, nowMs), 0o644)
    checkPair(files, key)
    return madeCertificate ? 'made' : 'kept'
  } catch (error) {
    throw new Fault(
      'TLS_FILES',
      { certificate: files.certificateFile, key: files.keyFile, reason: errorText(error) },
      error,
    )
  }
}

function checkPair(files: CertificateFiles, key: KeyObject): void {
  const certificate = new X509Certificate(readFileSync(files.certificateFile))
  if (!certificate.checkPrivateKey(key)) throw new Error('the certificate is for another key')
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' })
}

/** Never overwrites, and is on the disk when it returns. */
function writeOnce(path: string, text: string, mode: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const fd = openSync(path, 'wx', mode)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

/** A certificate of X.509 version 3 (RFC 5280 section 4.1) for one host name, in PEM. */
export function selfSigned(key: KeyObject, hostname: string, nowMs: number): string {
  // RFC 5280 appendix A.1: a common name has 64 characters at most; the whole name stands in subjectAltName.
  const name = sequence(set(sequence(oid('2.5.4.3'), utf8String(hostname.slice(0, 64)))))
  const serial = randomBytes(16)
  // Positive, and not 0 (section 4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const body = sequence(
    context(0, integer(Buffer.of(2)), 'explicit'),
    integer(serial),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(new Date(nowMs - DAY_MS)), time(new Date(nowMs + VALID_DAYS * DAY_MS))),
    name,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    context(3, extensions(hostname), 'explicit'),
  )
  const der = sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, key)))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function extensions(hostname: string): Buffer {
  const critical = boolean(true)
  return sequence(
    // basicConstraints: no authority.
    sequence(oid('2.5.29.19'), critical, octetString(sequence())),
    // keyUsage: digitalSignature, the first of its bits.
    sequence(oid('2.5.29.15'), critical, octetString(bitString(Buffer.of(0x80), 7))),
    // extKeyUsage: serverAuth.
    sequence(oid('2.5.29.37'), octetString(sequence(oid('1.3.6.1.5.5.7.3.1')))),
    // subjectAltName: dNSName.
    sequence(oid('2.5.29.17'), octetString(sequence(context(2, Buffer.from(hostname), 'implicit')))),
  )
}
