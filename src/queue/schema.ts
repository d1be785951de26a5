/**
 * queue.db. Every table is STRICT; numbers of time are wall clock in milliseconds. A migration only adds (see
 * store/migrate.ts). `row_crc` is the CRC-32 of the row's other columns that never change (rows.ts).
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    arrived_ms INTEGER NOT NULL,
    sender TEXT NOT NULL,
    envelope TEXT NOT NULL,
    prefix TEXT NOT NULL,
    verdict TEXT NOT NULL,
    generation INTEGER NOT NULL,
    spool TEXT,
    body_bytes INTEGER NOT NULL,
    body_crc INTEGER NOT NULL,
    row_crc INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX message_spool ON message (spool) WHERE spool IS NOT NULL;

  CREATE TABLE body (
    seq INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
  ) STRICT;

  CREATE TABLE recipient (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    address TEXT NOT NULL,
    original TEXT NOT NULL,
    orcpt TEXT NOT NULL,
    notify TEXT NOT NULL,
    state TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_reply TEXT NOT NULL,
    last_dsn TEXT NOT NULL,
    row_crc INTEGER NOT NULL,
    PRIMARY KEY (seq, n)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX recipient_due ON recipient (due_ms, seq, n) WHERE state IN ('incoming', 'deferred');

  CREATE TABLE trace (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    facts TEXT NOT NULL
  ) STRICT;
  CREATE INDEX trace_id ON trace (id);

  CREATE TABLE generation (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  `,
]
