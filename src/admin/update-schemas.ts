import { MIGRATIONS as SETTINGS } from '#src/config/generation-schema.ts'
import { MIGRATIONS as DIRECTORY } from '#src/directory/entry-schema.ts'
import { MIGRATIONS as QUEUE } from '#src/queue/schema.ts'
import { schemaRange } from '#src/store/migrate.ts'
import type { Manifest, StoreSchema } from './update-manifest.ts'

type Schemas = Pick<Manifest, 'queueSchema' | 'directorySchema' | 'settingsSchema'>

/** What this release does with the stores that both the old and the new release must be able to read. */
export const OWN_SCHEMAS: Schemas = {
  queueSchema: schemaRange(QUEUE),
  directorySchema: schemaRange(DIRECTORY),
  settingsSchema: schemaRange(SETTINGS),
}

/**
 * Why an update would lose data or come to nothing: after a fallback we have to read what the new release has
 * written, and it has to read what we write. undefined where both can.
 */
export function schemaTrouble(theirs: Schemas, ours: Schemas = OWN_SCHEMAS): string | undefined {
  const stores: readonly (readonly [string, StoreSchema, StoreSchema])[] = [
    ['queue', theirs.queueSchema, ours.queueSchema],
    ['directory', theirs.directorySchema, ours.directorySchema],
    ['history of settings', theirs.settingsSchema, ours.settingsSchema],
  ]
  for (const [name, their, our] of stores) {
    if (their.reader > our.writes)
      return `this release could not read the ${name} any more after the new one had run; update to a release in between first`
    if (our.reader > their.writes) return `the release is too old to read the ${name} of this one`
  }
  return undefined
}
