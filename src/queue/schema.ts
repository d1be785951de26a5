/**
 * queue.db. Every table is STRICT; numbers of time are wall clock in milliseconds. A migration only adds (see
 * store/migrate.ts). `row_crc` is the CRC-32 of the row's other columns that never change (rows.ts).
 */
/**
 * The domain of a recipient's address: what follows the last '@' (a quoted local part may hold others), or all of it
 * where there is none.
 */
export function domainOf(column: string): string {
  return `replace(${column}, rtrim(${column}, replace(${column}, '@', '')), '')`
}

const leaves = `
    UPDATE backlog SET recipients = recipients - 1
      WHERE domain = ${domainOf('old.address')} AND state = old.state;
    DELETE FROM backlog WHERE domain = ${domainOf('old.address')} AND state = old.state AND recipients <= 0;`
const enters = `
    INSERT INTO backlog (domain, state, recipients)
      SELECT ${domainOf('new.address')}, new.state, 1 WHERE new.state <> 'incoming'
      ON CONFLICT (domain, state) DO UPDATE SET recipients = recipients + 1;`

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
  // What waits, by domain: for the tools. New mail that is sent at its first attempt never touches it.
  `
  ALTER TABLE message ADD COLUMN expire INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX recipient_domain ON recipient (${domainOf('address')}, state) WHERE state IN ('deferred', 'hold', 'corrupt');

  CREATE TABLE backlog (
    domain TEXT NOT NULL,
    state TEXT NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (domain, state)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO backlog (domain, state, recipients)
    SELECT ${domainOf('address')}, state, count(*) FROM recipient WHERE state <> 'incoming' GROUP BY 1, 2;
  CREATE TRIGGER backlog_entered AFTER INSERT ON recipient WHEN new.state <> 'incoming' BEGIN ${enters}
  END;
  CREATE TRIGGER backlog_moved AFTER UPDATE OF state ON recipient WHEN new.state <> old.state BEGIN ${leaves} ${enters}
  END;
  CREATE TRIGGER backlog_left AFTER DELETE ON recipient WHEN old.state <> 'incoming' BEGIN ${leaves}
  END;
  `,
  // A delay is told once; and age is what the one predicate of expiry asks for, of all messages (expiry.ts).
  `
  ALTER TABLE recipient ADD COLUMN delay_told_ms INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX message_age ON message ((sender = ''), arrived_ms, seq);
  `,
  // MT-PRIORITY (RFC 6710). Only what is urgent has an index of its own, so that other mail pays nothing for it.
  `
  ALTER TABLE recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX recipient_urgent ON recipient (due_ms, seq, n) WHERE priority > 0 AND state IN ('incoming', 'deferred');
  `,
]
