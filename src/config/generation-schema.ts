/** generations.db. A migration only adds (store/migrate.ts). */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE generation (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    settings TEXT NOT NULL,
    origins TEXT NOT NULL
  ) STRICT;
  CREATE TABLE hold (
    setting TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    fingerprint TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // Who made it; of those that are there already nobody knows.
  `ALTER TABLE generation ADD COLUMN author TEXT NOT NULL DEFAULT ''`,
]
