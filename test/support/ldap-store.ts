import { LdapStore } from '#src/directory/admin/ldap.ts'
import { ADMIN_DN, ADMIN_PASSWORD, type Slapd } from './slapd.ts'

/** The directory of a slapd for whoever administers it; with times that a busy machine does not reach. */
export function openStoreAt(slapd: Slapd): Promise<LdapStore> {
  const server = {
    url: slapd.url,
    startTls: false,
    caFile: '',
    connectTimeoutMs: 60_000,
    searchTimeoutMs: 60_000,
  }
  const who = { dn: ADMIN_DN, password: ADMIN_PASSWORD }
  return LdapStore.open({ servers: [server], who, base: '' }, new AbortController().signal)
}
