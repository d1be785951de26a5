import type { Becomes } from '#src/delivery/generic.ts'
import type { Directory } from '#src/directory/directory.ts'
import { NetworkList } from '#src/net/addresses.ts'
import type { QueuedMessage } from '#src/queue/ports.ts'

export interface CanonicalRules {
  /** canonical_maps is not empty. */
  readonly isOn: boolean
  readonly myNetworks: readonly string[]
}

/** RFC 3848: the protocol of a client that has authenticated ends so. */
const AUTHENTICATED = /A$/

/**
 * Whose header addresses become canonical: of mail from our own users and hosts, as Postfix's
 * local_header_rewrite_clients has it. What strangers wrote stays as they wrote it.
 */
export function canonicalHeaders(
  directory: Pick<Directory, 'hasCanonical' | 'canonical'>,
  rulesNow: () => CanonicalRules,
): (message: QueuedMessage) => Becomes | undefined {
  let rules: CanonicalRules | undefined
  let networks = new NetworkList([])
  return ({ origin }) => {
    const now = rulesNow()
    if (now !== rules) {
      rules = now
      networks = new NetworkList(now.myNetworks)
    }
    if (!rules.isOn || !directory.hasCanonical) return undefined
    if (!AUTHENTICATED.test(origin.protocol) && !networks.has(origin.clientAddress)) return undefined
    return (address) => {
      const found = directory.canonical(address)
      return found.kind === 'found' ? found.address : undefined
    }
  }
}
