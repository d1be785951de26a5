import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureCertificate } from '#src/net/certificate.ts'
import { USUAL_PROFILE } from '#src/smtp/server-tls.ts'
import type { Certificate, ServerTls } from '#src/smtp/server-tls.ts'

/** A pair of our own, made afresh. */
export async function newCertificate(): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-certificate-'))
  try {
    const files = { certificateFile: join(folder, 'smtpd.crt'), keyFile: join(folder, 'smtpd.key') }
    await ensureCertificate(files, 'mx.example.test', Date.now())
    return { cert: readFileSync(files.certificateFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** One certificate for everybody, and no more than that. */
export function plainTls(certificate: Certificate | undefined): ServerTls | undefined {
  if (certificate === undefined) return undefined
  return {
    certificate,
    byName: new Map(),
    profile: USUAL_PROFILE,
    clients: { ask: false, ca: undefined, depthMax: 9 },
  }
}
