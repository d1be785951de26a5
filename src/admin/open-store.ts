import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '#src/config/config.ts'
import { pathsOf } from '#src/config/paths.ts'
import { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import type { AdminStore } from '#src/directory/admin/store.ts'

/** The directory of the configuration, to be changed: the embedded one, or the first LDAP server that answers. */
export async function openAdminStore(config: Config, signal: AbortSignal): Promise<AdminStore> {
  const { ldap } = config.directory
  if (ldap !== undefined) {
    // LDAP is loaded where there is LDAP.
    const { openLdapStore } = await import('./open-ldap.ts')
    return await openLdapStore(ldap, signal)
  }
  const path = pathsOf(config.dataFolder).embeddedDirectory
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return EmbeddedStore.open(path)
}
