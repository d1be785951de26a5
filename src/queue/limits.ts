/**
 * The queue's limits, each with its reason. What an operator may want to change is in QueueSettings; the rest is
 * a property of the program.
 */

/**
 * A body up to so many octets lies in its row, a larger one in spool/. Measured by `test/bench/queue.ts`
 * (docs/queue.md has the table): a row costs one flush and is written twice (log, table), a file costs a second
 * flush and is written once.
 */
export const INLINE_BODY_MAX_BYTES = 32 * 1024

/** Page size of queue.db, measured likewise. */
export const PAGE_BYTES = 8192

/** Memory for pages in the writer: the hot right edge of every tree and the bodies of the last seconds. */
export const WRITER_CACHE_BYTES = 32 * 1024 * 1024

/** Connections of smtpd to one socket of qmgr: one for each smtpd, and some that are just being replaced. */
export const SMTPD_CONNECTIONS_MAX = 256
/** Of those sockets: smtpd may be another user, whose group their folder has. */
export const SMTPD_SOCKET_MODE = 0o660

/** Recipients in one submission: smtpd allows 1000 by default (smtpd_recipient_limit); this is a sanity bound. */
export const RECIPIENTS_MAX = 10_000

/** The JSON head of a submission: 1000 recipients of 1.2 KB (address, original, ORCPT) and as much again. */
export const HEAD_BYTES_MAX = 8 * 1024 * 1024

/** The tail of a submission. More than INLINE_BODY_MAX_BYTES so that the threshold can be set differently by a test or a bench. */
export const TAIL_BYTES_MAX = 1024 * 1024

/** A group is committed at once when it has grown so large, to bound memory and the wait of the first in it. */
export const GROUP_MESSAGES_MAX = 1000
export const GROUP_BYTES_MAX = 16 * 1024 * 1024

/** Outcomes without a new message wait so long for one to ride along with; a kill -9 meanwhile delivers them twice. */
export const OUTCOME_WAIT_MS = 25

/** Outcomes that wait while the disk is full. Beyond it delivery stops until they are written. */
export const CHANGES_WAITING_MAX = 50_000

/**
 * The write-ahead log is copied back when it has grown by so much: two flushes then, spread over about 800
 * messages of 10 KiB. Larger saves nothing more and costs disk and start-up time.
 */
export const WAL_CHECKPOINT_BYTES = 16 * 1024 * 1024
/** Or when nothing was written for so long. */
export const WAL_QUIET_MS = 1000
/** A log that a burst left longer than this is cut when it is quiet. */
export const WAL_KEEP_BYTES = 64 * 1024 * 1024

/** Postfix's qmgr_message_active_limit. */
export const ACTIVE_RECIPIENTS_MAX = 20_000
/** Bodies that wait in memory for their delivery; what comes beyond is read back from its row. */
export const ACTIVE_BODY_BYTES_MAX = 64 * 1024 * 1024

/** Due recipients read in one step: about 2 ms of the main thread. */
export const DUE_PAGE = 200
/** The whole due index is looked over again so often, should anything have been missed (queue_run_delay). */
export const RESCAN_MS = 300_000

/** How often it is looked whether what is due is tried. */
export const PROGRESS_LOOK_MS = 30_000
/** Due recipients that are looked over for one that is not being tried: 1000 deliveries run at once at most. */
export const PROGRESS_PAGES_MAX = 10
/** What has been due for so long and was not tried is no usual wait: longer than the rest of a destination and two rescans. */
export const PROGRESS_STALLED_MS = 1_800_000

/** How often the ages of messages are looked at, and how many at once: 12,000 an hour, some milliseconds each time. */
export const EXPIRY_LOOK_MS = 60_000
export const EXPIRY_PAGE = 200
/** How long the last attempt of a message that is too old may wait for its place at its destination. */
export const LAST_CHANCE_MS = 3_600_000

/** Messages changed in one transaction by `ALL`, so that submissions wait for milliseconds at most. */
export const ACTION_STEP = 500
/** Ids in one request of a tool; a tool splits more. */
export const ACTION_IDS_MAX = 5000
/** Messages read for a listing between two turns of the event loop. */
export const LIST_PAGE = 100
/** Messages in one answer to "page", which is a single line: about 2 MiB, unless they are for thousands. */
export const PAGE_MESSAGES_MAX = 500

/** Trace rows kept where nobody says otherwise: 30 days, and 2 million rows (about 400 MB). */
export const TRACE_KEEP_MS = 30 * 86_400_000
export const TRACE_ROWS_MAX = 2_000_000
/** Rows pruned in one step: about 3 ms. */
export const TRACE_PRUNE_STEP = 500

/** Spool files made ahead of need, with this much zero-filled room: most large mail fits. */
export const SPOOL_AHEAD = 4
export const SPOOL_PREALLOCATE_BYTES = 256 * 1024
/** Files kept for recycling, and what they may hold together; one larger than the last is not kept. */
export const SPOOL_FREE_FILES_MAX = 64
export const SPOOL_FREE_BYTES_MAX = 256 * 1024 * 1024
export const SPOOL_FREE_FILE_BYTES_MAX = 16 * 1024 * 1024
/** A larger file is not kept open between messages: should it be unlinked meanwhile, its blocks stay taken. */
export const SPOOL_KEEP_OPEN_BYTES_MAX = 4 * 1024 * 1024
/** Files leased to one connection and not yet submitted: sessions that receive a large body at once, and spares. */
export const LEASES_MAX = 2000
/** Files that a client asks for in one request. */
export const LEASE_COUNT_MAX = 64
/** Spare leases that a client keeps. */
export const LEASE_SPARES = 8
/** How long a large message waits for a spool file. */
export const LEASE_WAIT_MS = 10_000

/** A submission that has no answer after this is answered 451 and the connection to qmgr is made anew. */
export const SUBMIT_WAIT_MS = 60_000
/** Reconnecting: at once, then doubling. */
export const RECONNECT = { minMs: 20, maxMs: 500 }

/** How often free space is looked at: while mail is taken, and while it is not. */
export const SPACE_POLL_OPEN_MS = 2000
export const SPACE_POLL_CLOSED_MS = 1000
/** Fewer free inodes than this is a full disk too. */
export const INODES_MIN = 64

/** Blocks in which a spool file is read for delivery. */
export const READ_BLOCK_BYTES = 128 * 1024

/** A due time farther ahead than the longest backoff and this is damage or a clock that was wrong: tried now. */
export const DUE_SLACK_MS = 3_600_000

/** A destination that has finished nothing for so long gives its place in a full active set to others. */
export const STALLED_MS = 30_000
