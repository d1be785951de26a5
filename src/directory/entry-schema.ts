/**
 * An entry is a name (dn) with attributes, each of one or several values in their order. `value_key` is what a
 * value is searched by; see names.ts.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    dn TEXT NOT NULL,
    dn_key TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE attribute (
    entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    value TEXT NOT NULL,
    value_key TEXT NOT NULL,
    is_binary INTEGER NOT NULL,
    PRIMARY KEY (entry, n)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attribute_value ON attribute (value_key, name_key);
  `,
  // Nearly no directory has any, and where there are none nothing is looked up for them.
  `
  CREATE INDEX attribute_canonical ON attribute (name_key)
    WHERE name_key IN ('zimbramailcanonicaladdress', 'zimbramailcatchallcanonicaladdress');
  `,
]
