import type { LdapConfig } from '#src/config/directory-source.ts'
import { LdapStore } from '#src/directory/admin/ldap.ts'
import { readPassword } from '#src/directory/ldap/connection.ts'

/** Connects as the one who may change the directory. */
export async function openLdapStore(ldap: LdapConfig, signal: AbortSignal): Promise<LdapStore> {
  const { startTls, caFile, connectTimeoutMs, searchTimeoutMs, base, admin } = ldap
  const password = admin.passwordFile === '' ? '' : readPassword(admin.passwordFile)
  const servers = admin.urls.map((url) => ({ url, startTls, caFile, connectTimeoutMs, searchTimeoutMs }))
  return await LdapStore.open({ servers, who: { dn: admin.bindDn, password }, base }, signal)
}
