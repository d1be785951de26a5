import { PresenceFilter } from 'ldapts'
import { LdapFailure } from '#src/directory/ldap/connection.ts'
import type { ServerChoice } from '#src/directory/ldap/servers.ts'

/** The first value of an attribute that is kept in no mirror; '' where there is none. Throws LdapFailure. */
export async function readSecret(
  choice: ServerChoice,
  { dn, attribute }: { readonly dn: string; readonly attribute: string },
  signal: AbortSignal,
): Promise<string> {
  const connection = await choice.open(signal)
  if (connection === undefined) throw new LdapFailure('unreachable', 'no directory server can be used')
  try {
    const filter = new PresenceFilter({ attribute: 'objectClass' })
    const [entry] = await connection.search(dn, { scope: 'base', filter, attributes: [attribute] })
    return entry?.attributes.get(attribute)?.[0] ?? ''
  } finally {
    connection.close()
  }
}
