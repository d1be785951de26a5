import { resolve } from 'node:path'
import { LdapStore } from '#src/directory/admin/ldap.ts'
import type { AdminEntry } from '#src/directory/admin/store.ts'
import { readPassword } from '#src/directory/ldap/connection.ts'
import { parseLdapUrl } from '#src/config/directory-source.ts'
import { UsageError } from '#src/cli/usage.ts'
import type { Options } from '#src/cli/options.ts'

/** A running Zimbra answers at once, or is too far away to be read. */
const CONNECT_MS = 10_000
/** For one page of entries. */
const SEARCH_MS = 60_000

/** All entries of a directory, page by page. */
export async function* ldapEntries(options: Options): AsyncGenerator<AdminEntry> {
  const value = (name: string) => options.values.get(name) ?? ''
  const passwordFile = value('password-file')
  const target = {
    servers: [
      {
        url: ldapUrlOf(value('ldap')),
        startTls: !options.flags.has('no-starttls'),
        caFile: value('ca') === '' ? '' : resolve(value('ca')),
        connectTimeoutMs: CONNECT_MS,
        searchTimeoutMs: SEARCH_MS,
      },
    ],
    who: { dn: value('bind-dn'), password: passwordFile === '' ? '' : readPassword(resolve(passwordFile)) },
    base: value('base'),
  }
  await using store = await LdapStore.open(target, new AbortController().signal)
  yield* store.find('', { kind: 'present', name: 'objectClass' })
}

function ldapUrlOf(text: string): string {
  const url = parseLdapUrl(text)
  if (url === undefined)
    throw new UsageError(`--ldap wants an address such as ldap://ldap.example.com:389, not ${text}`)
  return url
}
