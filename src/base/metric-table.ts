/** What is counted: `docs/health.md` says the same to people, and a test holds the two together. */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds; of a histogram only. */
  readonly buckets?: readonly number[]
  /**
   * What becomes of the values of several processes. Usually they are added up; 'each' has a label `process` of its own
   * for each; 'max' is for what all of them should tell alike.
   */
  readonly across?: 'each' | 'max'
}

/** From half a millisecond (a look-up in memory, a flush of a disk that says so) to five minutes (a time-out). */
const SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
] as const
/** A delivery may come days after its message: to five days. */
const DELAY_SECONDS = [
  0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 432_000,
] as const
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] as const

function counter(help: string, labels: readonly string[] = []) {
  return { kind: 'counter', help, labels } as const
}

function gauge(help: string, labels: readonly string[] = []) {
  return { kind: 'gauge', help, labels } as const
}

function seconds(help: string, labels: readonly string[] = []) {
  return { kind: 'histogram', help, labels, buckets: SECONDS } as const
}

/** Names, units and kinds as Prometheus wants them: base units, `_total` on what only grows. */
export const METRICS = {
  postern_smtpd_connections_total: counter('Connections that clients have opened.', ['service']),
  postern_smtpd_refused_connections_total: counter('Connections that were refused instead of greeted.', [
    'service',
  ]),
  postern_smtpd_sessions: { ...gauge('Connections that are open.', ['service']), across: 'each' },
  postern_smtpd_lost_total: counter('Connections that a client left in the middle of a message.'),
  postern_smtpd_errors_total: counter('Faults of ours in a session, and errors of sockets.'),
  postern_smtpd_tls_sessions_total: counter('Sessions in which TLS was set up.', ['service', 'protocol']),
  postern_smtpd_tls_failures_total: counter('Handshakes that clients began and did not finish.', ['service']),
  postern_smtpd_auth_total: counter('Attempts to authenticate.', ['mechanism', 'outcome']),
  postern_smtpd_commands_total: counter('Commands, by whether they were refused.', ['command', 'outcome']),
  postern_smtpd_refusals_total: counter(
    'Replies of 4xx and 5xx, by command (connect: instead of a greeting; message: behind the last octet).',
    ['command', 'class', 'reason'],
  ),
  postern_smtpd_messages_total: counter('Messages that came in whole.', ['service', 'outcome']),
  postern_smtpd_message_bytes_total: counter('Octets of accepted messages, as they are stored.'),
  postern_smtpd_message_recipients_total: counter('Recipients of accepted messages, aliases expanded.'),
  postern_smtpd_greeting_seconds: seconds('From a connection to its greeting, policy and look-ups included.'),
  postern_smtpd_command_seconds: seconds(
    'From a command to its answer (data and bdat: from the last octet of the message); what was answered without waiting for anything counts as 0.',
    ['command'],
  ),
  postern_smtpd_transfer_seconds: seconds('From DATA or the first BDAT to the last octet of the message.'),
  postern_smtpd_scan_seconds: seconds(
    'Time of the scanner and the judge for one message, second look included.',
  ),
  postern_smtpd_commit_seconds: seconds(
    'From handing a message to the queue manager to its place on the disk.',
  ),
  postern_smtpd_rechecks_total: counter('Messages that the scanner had to look at a second time.'),

  postern_queue_recipients: gauge('Recipients in the queue, by their state on the disk.', ['state']),
  postern_queue_messages: gauge('Messages in the queue.'),
  postern_queue_active_messages: gauge('Messages in memory, for their delivery.'),
  postern_queue_oldest_message_seconds: gauge('Age of the oldest message in the queue; 0 where it is empty.'),
  postern_queue_oldest_due_seconds: gauge(
    'For how long the oldest recipient that is due and not being tried has been due; 0 where none waits.',
  ),
  postern_queue_stalled: gauge('1 while what is due is not tried (qmgr.progress), else 0.'),
  postern_queue_open: gauge('1 while the disk has room for new mail, else 0.'),
  postern_queue_disk_free_bytes: gauge('Free octets of the file system of the queue.'),
  postern_queue_disk_size_bytes: gauge('Size of the file system of the queue.'),
  postern_queue_commits_total: counter('Commits of the queue.', ['kind']),
  postern_queue_commit_seconds: seconds('One commit of the queue, with its flush where it has one.', [
    'kind',
  ]),
  postern_queue_commit_messages: {
    kind: 'histogram',
    help: 'New messages in one flushed commit.',
    labels: [],
    buckets: COUNTS,
  },
  postern_queue_removed_total: counter('Messages that left the queue.'),
  postern_queue_bounced_total: counter('Messages of which a recipient failed for good.'),
  postern_queue_reports_total: counter('Reports to senders and postmasters.', ['kind']),
  postern_queue_corrupt_total: counter('Messages that were set aside as corrupt.'),

  postern_delivery_recipients_total: counter('Outcomes of recipients, for each attempt.', [
    'nexthop',
    'status',
  ]),
  postern_delivery_messages_total: counter(
    'Messages that next hops took; one that goes in several transactions counts for each.',
    ['nexthop'],
  ),
  postern_delivery_message_bytes_total: counter('Octets of the messages that next hops took.', ['nexthop']),
  postern_delivery_sessions: gauge('Connections to next hops that are open.', ['protocol']),
  postern_delivery_attempt_seconds: seconds('One attempt: connection where one was made, and transaction.', [
    'protocol',
  ]),
  postern_delivery_delay_seconds: {
    kind: 'histogram',
    help: 'Age of a message at an outcome, by stage, as Postfix tells it in delays=.',
    labels: ['stage'],
    buckets: DELAY_SECONDS,
  },
  postern_delivery_connections_total: counter('Connections to next hops.', ['outcome']),

  postern_dns_lookups_total: counter('Questions to the resolver.', ['type', 'outcome']),
  postern_dns_lookup_seconds: seconds('One question to the resolver, retries included.'),

  postern_directory_lookups_total: counter('Questions that smtpd asks the directory process.', [
    'kind',
    'outcome',
  ]),
  postern_ldap_operations_total: counter('Operations of LDAP.', ['operation', 'outcome']),
  postern_ldap_operation_seconds: seconds('One operation of LDAP.', ['operation']),

  postern_mailbox_messages_total: counter('Messages that the embedded store was offered.', ['outcome']),

  postern_certificate_expiry_timestamp_seconds: {
    ...gauge('When a certificate that listeners show ends, seconds since 1970.', ['name']),
    across: 'max',
  },
  postern_signatures: { ...gauge('Signatures of the scanner.', ['engine']), across: 'max' },
  postern_signatures_timestamp_seconds: {
    ...gauge('When the newest file of signatures was written, seconds since 1970; 0 where there is none.'),
    across: 'max',
  },

  postern_process_up: { ...gauge('1 while the process is ready, else 0.'), across: 'each' },
  postern_process_restarts_total: { ...counter('How often master has started it again.'), across: 'each' },
  postern_process_uptime_seconds: { ...gauge('Since its start.'), across: 'each' },
  postern_process_silent: { ...gauge('1 where it did not answer master in time, else 0.'), across: 'each' },
  postern_process_resident_memory_bytes: { ...gauge('Resident memory.'), across: 'each' },
  postern_process_heap_bytes: { ...gauge('Heap of JavaScript in use in the main thread.'), across: 'each' },
  postern_process_cpu_seconds_total: {
    ...counter('CPU time, user and system, all threads.'),
    across: 'each',
  },
  postern_process_event_loop_delay_seconds: {
    ...seconds(
      'How much later than it should a timer of the main thread went off: time in which nothing else ran.',
    ),
    across: 'each',
  },

  postern_info: gauge('Always 1; which release runs.', ['version']),
  postern_start_time_seconds: gauge('When master was started, seconds since 1970.'),
  postern_settings_generation: gauge('Number of the settings in force.'),
  postern_clients: gauge('Client addresses with connections that are counted.'),
  postern_alarm: gauge('1 for each alarm that is raised; how many things it is about does not count.', [
    'code',
    'severity',
  ]),
} as const satisfies Readonly<Record<string, MetricSpec>>

export type MetricName = keyof typeof METRICS
