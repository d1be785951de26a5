import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '#src/config/config.ts'
import { LOCALCONFIG_KEYS } from '#src/config/localconfig-keys.ts'
import type { Localconfig } from '#src/base/localconfig-xml.ts'
import { formatLocalconfig, readLocalconfig } from '#src/config/localconfig.ts'
import type { EmbeddedStore } from '#src/directory/admin/embedded.ts'
import type { Staging } from '#src/directory/moving/staging.ts'
import { CommandError } from '#src/cli/usage.ts'

export interface Applied {
  readonly added: number
  readonly replaced: number
  /** Entries that were there before and went, because they were to be replaced. */
  readonly removed: number
  /** Entries that were there before and are not among those that came. */
  readonly left: number
}

/** Takes all entries over in one transaction; an entry that is there already is replaced as a whole. */
export async function applyEntries(
  store: EmbeddedStore,
  staging: Staging,
  isReplacing: boolean,
): Promise<Applied> {
  return await store.together(async () => {
    const before = store.size
    const removed = isReplacing ? store.clear() : 0
    let added = 0
    let replaced = 0
    for (const id of staging.table.ids()) {
      const dn = staging.table.dnOf(id)
      const attributes = staging.table.read(id)
      if (dn === undefined || attributes.length === 0) continue
      if ((await store.add({ dn, attributes })) === 'done') {
        added += 1
        continue
      }
      store.replace({ dn, attributes })
      replaced += 1
    }
    return { added, replaced, removed, left: before - removed - replaced }
  })
}

/** Puts the keys of the MTA among those of the localconfig.xml that counts; it may hold passwords: mode 0600. */
export function applyLocalconfig(
  config: Config,
  given: Localconfig,
): { readonly taken: number; readonly left: number } {
  const file = config.localconfigFile
  const parsed = readLocalconfig(file)
  if (parsed.kind === 'wrong') throw new CommandError(`${file}:${parsed.line}: ${parsed.reason}`)
  // Its directory has been taken over: where that was, and the password to it, have no business here.
  const ours = [...given].filter(
    ([key]) => Object.hasOwn(LOCALCONFIG_KEYS, key) && !/^(?:zimbra_)?ldap_/.test(key),
  )
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const fresh = `${file}.${process.pid}.new`
  const text = formatLocalconfig(new Map([...parsed.keys, ...ours]))
  writeFileSync(fresh, text, { mode: 0o600, flush: true })
  renameSync(fresh, file)
  return { taken: ours.length, left: given.size - ours.length }
}
