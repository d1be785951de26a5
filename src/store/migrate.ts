import { Fault } from '#src/base/fault.ts'
import type { Store } from './sqlite.ts'

/**
 * Brings a database to the newest schema: migration i leads from `user_version` i to i + 1, each in a transaction
 * of its own, so that a crash between two is nothing. A migration only adds, so that the release before can still
 * read what this one has written (one step back is allowed, more is STORE_TOO_NEW).
 */
export function migrate(store: Store, migrations: readonly string[]): void {
  const version = schemaVersion(store)
  if (version > migrations.length + 1) {
    throw new Fault('STORE_TOO_NEW', { file: store.name, version, known: migrations.length })
  }
  for (const [i, sql] of migrations.entries()) {
    if (i < version) continue
    store
      .transaction(() => {
        store.exec(sql)
        store.pragma(`user_version = ${i + 1}`)
      })
      .immediate()
  }
}

export function schemaVersion(store: Store): number {
  return Number(store.pragma('user_version', { simple: true }))
}

/** What a release with these migrations does: the version that it writes, and the oldest release that can read that. */
export function schemaRange(migrations: readonly string[]): {
  readonly writes: number
  readonly reader: number
} {
  return { writes: migrations.length, reader: Math.max(0, migrations.length - 1) }
}
