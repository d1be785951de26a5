import { readFileSync } from 'node:fs'
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
}

/** Reads the files of a generation, and decides by them for each address. */
export function securityOf(boot: PeersBoot, dns: NameLookup, sts: StsPolicies): Secure {
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

function tlsRules({ policyFile, caFile, ...rest }: TlsBoot): TlsRules {
  const known = { ...rest, policies: readTable(policyFile), ca: undefined, caProblem: '' }
  if (caFile === '') return known
  try {
    return { ...known, ca: readFileSync(caFile, 'utf8') }
  } catch (error) {
    return { ...known, caProblem: errorText(error) }
  }
}
