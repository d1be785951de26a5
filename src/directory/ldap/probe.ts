import { PresenceFilter } from 'ldapts'
import { errorText } from '#src/base/fault.ts'
import { LdapConnection, readPassword } from './connection.ts'
import type { LdapServer } from './connection.ts'

/** Zimbra's globalConfig: who sees it sees settings too. */
const CONFIG_DN = 'cn=config,cn=zimbra'

/** Whether a directory server is reached, trusted, and takes name and password: a clause for a person. Never rejects. */
export async function probeLdap(
  server: LdapServer,
  who: { readonly dn: string; readonly passwordFile: string },
  signal: AbortSignal,
): Promise<string> {
  try {
    const password = who.passwordFile === '' ? '' : readPassword(who.passwordFile)
    const connection = await LdapConnection.open(server, { dn: who.dn, password }, signal)
    try {
      const options = { filter: new PresenceFilter({ attribute: 'objectClass' }), attributes: ['1.1'] }
      const found = await connection.search(CONFIG_DN, { ...options, scope: 'base' })
      const seen = found.length > 0 ? 'is seen' : 'is NOT seen'
      return `right: connected and bound; ${CONFIG_DN} ${seen}`
    } finally {
      connection.close()
    }
  } catch (error) {
    return `WRONG: ${errorText(error)}`
  }
}
