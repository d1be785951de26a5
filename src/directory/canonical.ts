import { addressText, parseAddress } from '#src/mail/address.ts'
import type { CanonicalLookup } from './directory.ts'
import { mailboxKeys } from './keys.ts'
import { ATTR, fold } from './names.ts'
import type { Queries } from './queries.ts'
import { enabledEntries, valueOf } from './queries.ts'

/** Postfix follows a canonical address that has one of its own so often (MAX_RECURSION of cleanup). */
const STEPS_MAX = 10

/**
 * The canonical address of an address, as Postfix finds it with Zimbra's ldap-canonical.cf: by the whole address,
 * without its extension (which the result gets: propagate_unmatched_extensions = canonical), then by `@domain`; again
 * until nothing changes.
 */
export function canonicalOf(queries: Queries, address: string, delimiters: string): CanonicalLookup {
  let current = address
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const next = oneStep(queries, current, delimiters)
    if (next === undefined || fold(next) === fold(current)) break
    current = next
  }
  return fold(current) === fold(address) ? { kind: 'none' } : { kind: 'found', address: current }
}

function oneStep(queries: Queries, address: string, delimiters: string): string | undefined {
  const parsed = parseAddress(address)
  if (parsed === undefined || parsed.domain === '') return undefined
  const { local, domain } = parsed
  for (const { key, extension } of mailboxKeys(local, domain, delimiters)) {
    const found = resultFor(queries, key, [ATTR.deliveryAddress, ATTR.alias])
    if (found !== undefined) return withUser(found, local, extension)
  }
  const found = resultFor(queries, `@${domain}`, [ATTR.catchAll])
  return found === undefined ? undefined : withUser(found, local, '')
}

/** The first result; Postfix warns of more and takes the first, too. */
function resultFor(queries: Queries, key: string, names: readonly string[]): string | undefined {
  for (const name of names) {
    for (const rows of enabledEntries(queries, name, key)) {
      const found = valueOf(rows, ATTR.canonical) ?? valueOf(rows, ATTR.catchAllCanonical)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** `@domain` keeps the user (canonical(5)); an extension that was left out for the lookup comes back. */
function withUser(result: string, local: string, extension: string): string | undefined {
  if (result.startsWith('@')) return addressText(local, result.slice(1))
  const parsed = parseAddress(result)
  if (parsed === undefined) return undefined
  return addressText(`${parsed.local}${extension}`, parsed.domain)
}
