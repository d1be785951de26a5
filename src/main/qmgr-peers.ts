import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { errorText } from '#src/base/fault.ts'
import type { Secure } from '#src/delivery/approach.ts'
import { credentialsFor } from '#src/delivery/credentials.ts'
import type { AuthRules } from '#src/delivery/credentials.ts'
import type { StsPolicies } from '#src/delivery/mta-sts.ts'
import { readTable } from '#src/delivery/table.ts'
import { asksSts, tlsDecision, withSts } from '#src/delivery/tls-policy.ts'
import type { TlsRules } from '#src/delivery/tls-policy.ts'
import type { NameLookup } from '#src/dns/records.ts'

/** What master tells of TLS and AUTH towards next hops: names of files, not what is in them. Plain data. */
export interface PeersBoot {
  readonly smtp: TlsBoot
  readonly lmtp: TlsBoot
  /** Whether the MTA-STS policies of domains are asked for (RFC 8461). */
  readonly mtaSts: boolean
  readonly auth: Omit<AuthRules, 'passwords'> & { readonly passwordFile: string }
}

export interface TlsBoot extends Omit<TlsRules, 'policies' | 'ca' | 'caProblem'> {
  readonly policyFile: string
  readonly caFile: string
  /** A folder of further files. */
  readonly caPath: string
  /** Whether the CAs that Node brings are trusted as well. */
  readonly appendDefaultCa: boolean
}

/** Reads the files of a generation, and decides by them for each address. */
export function securityOf(boot: PeersBoot, dns: NameLookup, sts: Pick<StsPolicies, 'policyOf'>): Secure {
  const rules = { smtp: tlsRules(boot.smtp), lmtp: tlsRules(boot.lmtp) }
  const auth: AuthRules = {
    ...boot.auth,
    passwords: readTable(boot.auth.enabled ? boot.auth.passwordFile : ''),
  }
  return async (target, protocol, signal) => {
    let decision = await tlsDecision(target, rules[protocol], dns, signal)
    if (boot.mtaSts && protocol === 'smtp' && asksSts(decision, target, rules.smtp)) {
      const policy = await sts.policyOf(target.hop.hop.host, signal)
      if (policy !== undefined) decision = withSts(decision, target, policy)
    }
    if (decision.kind === 'deferred') return decision
    const credentials = protocol === 'smtp' ? credentialsFor(target, auth) : undefined
    if (typeof credentials === 'string') return { kind: 'deferred', dsn: '4.3.0', reason: credentials }
    return { ...decision, credentials }
  }
}

function tlsRules({ policyFile, caFile, caPath, appendDefaultCa, ...rest }: TlsBoot): TlsRules {
  const known = { ...rest, policies: readTable(policyFile), ca: undefined, caProblem: '' }
  if (caFile === '' && caPath === '') return known
  try {
    const own = [...(caFile === '' ? [] : [readFileSync(caFile, 'utf8')]), ...certificatesIn(caPath)]
    return { ...known, ca: [...own, ...(appendDefaultCa ? rootCertificates : [])].join('\n') }
  } catch (error) {
    return { ...known, caProblem: errorText(error) }
  }
}

/** Certificates of CAs in one folder: the whole Mozilla list has 140. */
const CA_FILES_MAX = 1000
/** A larger file is no certificate. */
const CA_FILE_BYTES_MAX = 1_048_576

/** The texts of all files in a folder that hold certificates; '' is no folder. Throws where it cannot be read. */
function certificatesIn(folder: string): readonly string[] {
  if (folder === '') return []
  const files = readdirSync(folder).toSorted().slice(0, CA_FILES_MAX)
  return files.flatMap((file) => {
    const path = join(folder, file)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined || !found.isFile() || found.size > CA_FILE_BYTES_MAX) return []
    const text = readFileSync(path, 'utf8')
    return text.includes('-----BEGIN CERTIFICATE-----') ? [text] : []
  })
}
