import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorText, Fault } from '#src/base/fault.ts'
import { isSharedFolder } from '#src/base/shared-folder.ts'

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
 * not there is made for `hostname` and signed by itself. The key is ECDSA P-256, readable by this user only, and by the
 * group of a folder that is meant for two (base/shared-folder.ts). Rejects
 * with a Fault TLS_FILES.
 */
export async function ensureCertificate(
  files: CertificateFiles,
  hostname: string,
  nowMs: number,
): Promise<EnsuredCertificate> {
  try {
    // The key first: a crash in between leaves a key without a certificate, for which one is made at the next start.
    const madeKey = !existsSync(files.keyFile)
    if (madeKey && existsSync(files.certificateFile)) {
      throw new Error(`${files.certificateFile} is there, but its key ${files.keyFile} is not`)
    }
    if (madeKey) {
      makeFolder(files.keyFile)
      writeOnce(files.keyFile, newKeyPem(), isSharedFolder(dirname(files.keyFile)) ? 0o640 : 0o600)
    }
    const key = createPrivateKey(readFileSync(files.keyFile))
    const madeCertificate = !existsSync(files.certificateFile)
    if (madeCertificate) {
      writeOnce(files.certificateFile, await selfSigned(key, hostname, nowMs), 0o644)
    }
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

function makeFolder(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
}

/** Never overwrites, and is on the disk when it returns. */
function writeOnce(path: string, text: string, mode: number): void {
  makeFolder(path)
  const fd = openSync(path, 'wx', mode)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * A certificate of X.509 version 3 (RFC 5280 section 4.1) for one host name, in PEM. The package that makes it is
 * loaded only when one is made: once in the life of a box.
 */
export async function selfSigned(key: KeyObject, hostname: string, nowMs: number): Promise<string> {
  // What @peculiar/x509 builds on asks for it before anything else.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = {
    privateKey: await webKey(key, algorithm, 'sign'),
    publicKey: await webKey(createPublicKey(key), algorithm, 'verify'),
  }
  const serial = randomBytes(16)
  // Positive, and not 0 (RFC 5280 section 4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    // RFC 5280 appendix A.1: a common name has 64 characters at most; the whole name stands in subjectAltName.
    name: [{ CN: [hostname.slice(0, 64)] }],
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + VALID_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: hostname }]),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

async function webKey(
  key: KeyObject,
  algorithm: { readonly name: string; readonly namedCurve: string },
  use: 'sign' | 'verify',
): Promise<CryptoKey> {
  return use === 'sign'
    ? await crypto.subtle.importKey('pkcs8', der(key, 'pkcs8'), algorithm, true, [use])
    : await crypto.subtle.importKey('spki', der(key, 'spki'), algorithm, true, [use])
}

function der(key: KeyObject, type: 'pkcs8' | 'spki'): Buffer<ArrayBuffer> {
  return Buffer.from(
    type === 'pkcs8' ? key.export({ type, format: 'der' }) : key.export({ type, format: 'der' }),
  )
}
