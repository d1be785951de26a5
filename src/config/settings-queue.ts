import type { Setting } from './setting.ts'

const SIZE_MOST = 1_099_511_627_776
const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS

/** What the queue manager goes by. */
export const QUEUE_SETTINGS = {
  queueMinfreeBytes: {
    postfix: 'queue_minfree',
    zimbra: '',
    type: 'bytes',
    default: 0,
    least: 0,
    most: SIZE_MOST,
    takesHold: 'next start',
    text: 'Free space that the disk of the queue must have before MAIL is answered 250; below it, 452 4.3.1. 0 means one and a half times `message_size_limit`.',
  },
  minimalBackoffTimeMs: {
    postfix: 'minimal_backoff_time',
    zimbra: 'zimbraMtaMinimalBackoffTime',
    type: 'duration',
    default: '300s',
    unit: 's',
    leastMs: 1000,
    mostMs: 7 * DAY_MS,
    takesHold: 'next attempt',
    text: 'The shortest time between two attempts to deliver a message.',
  },
  maximalBackoffTimeMs: {
    postfix: 'maximal_backoff_time',
    zimbra: 'zimbraMtaMaximalBackoffTime',
    type: 'duration',
    default: '4000s',
    unit: 's',
    leastMs: 1000,
    mostMs: 7 * DAY_MS,
    takesHold: 'next attempt',
    text: 'The longest time between two attempts to deliver a message.',
  },
  maximalQueueLifetimeMs: {
    postfix: 'maximal_queue_lifetime',
    zimbra: 'zimbraMtaMaximalQueueLifetime',
    type: 'duration',
    default: '5d',
    unit: 'd',
    leastMs: 0,
    mostMs: YEAR_MS,
    takesHold: 'next attempt',
    text: 'A message that cannot be delivered for this long goes back to its sender. A bare number is in days. 0 means one attempt.',
  },
  bounceQueueLifetimeMs: {
    postfix: 'bounce_queue_lifetime',
    zimbra: 'zimbraMtaBounceQueueLifetime',
    type: 'duration',
    default: '5d',
    unit: 'd',
    leastMs: 0,
    mostMs: YEAR_MS,
    takesHold: 'next attempt',
    text: 'A bounce (a message from the null sender) that cannot be delivered for this long is dropped. A bare number is in days.',
  },
  bounceSizeLimitBytes: {
    postfix: 'bounce_size_limit',
    zimbra: '',
    type: 'bytes',
    default: 50_000,
    least: 1,
    most: SIZE_MOST,
    takesHold: 'next message',
    text: 'Octets of the undelivered message that a bounce carries at most; a longer message is returned with its headers only.',
  },
  activeLimit: {
    postfix: 'qmgr_message_active_limit',
    zimbra: '',
    type: 'integer',
    default: 20_000,
    least: 1,
    most: 1_000_000,
    takesHold: 'next start',
    text: 'Messages that are held in memory for delivery; the others wait on disk.',
  },
} as const satisfies Readonly<Record<string, Setting>>

function lmtpTimeout(postfix: string, seconds: number, text: string) {
  return {
    postfix,
    zimbra: '',
    type: 'duration',
    default: `${seconds}s`,
    unit: 's',
    leastMs: 1000,
    mostMs: DAY_MS,
    takesHold: 'next attempt',
    text,
  } as const satisfies Setting
}

/** What delivery over LMTP goes by. */
export const DELIVERY_SETTINGS = {
  lmtpDestinationConcurrencyLimit: {
    postfix: 'lmtp_destination_concurrency_limit',
    zimbra: '',
    type: 'integer',
    default: 20,
    least: 1,
    most: 1000,
    takesHold: 'next attempt',
    text: 'Deliveries to one mailbox server at once. Zimbra serves 20 (`zimbraLmtpNumThreads`).',
  },
  lmtpDestinationRecipientLimit: {
    postfix: 'lmtp_destination_recipient_limit',
    zimbra: '',
    type: 'integer',
    default: 50,
    least: 1,
    most: 10_000,
    takesHold: 'next attempt',
    text: 'Recipients in one LMTP transaction; a message for more goes in several.',
  },
  lmtpConnectionCacheTimeLimitMs: {
    postfix: 'lmtp_connection_cache_time_limit',
    zimbra: 'zimbraMtaLmtpConnectionCacheTimeLimit',
    type: 'duration',
    default: '4s',
    unit: 's',
    leastMs: 0,
    mostMs: 3_600_000,
    takesHold: 'next attempt',
    text: 'How long an idle connection to a mailbox server is kept for the next message.',
  },
  lmtpDiscardLhloKeywords: {
    postfix: 'lmtp_discard_lhlo_keywords',
    zimbra: '',
    type: 'list',
    items: 'words',
    default: [],
    takesHold: 'next attempt',
    text: 'What mailbox servers offer in their answer to LHLO and Postern is not to use, as `smtp_discard_ehlo_keywords`.',
  },
  lmtpConnectTimeoutMs: lmtpTimeout(
    'lmtp_connect_timeout',
    30,
    'The longest wait for a connection to a mailbox server.',
  ),
  lmtpLhloTimeoutMs: lmtpTimeout(
    'lmtp_lhlo_timeout',
    300,
    'The longest wait for the greeting, and for the answer to LHLO.',
  ),
  lmtpMailTimeoutMs: lmtpTimeout('lmtp_mail_timeout', 300, 'The longest wait for the answer to MAIL.'),
  lmtpRcptTimeoutMs: lmtpTimeout('lmtp_rcpt_timeout', 300, 'The longest wait for the answer to RCPT.'),
  lmtpDataInitTimeoutMs: lmtpTimeout(
    'lmtp_data_init_timeout',
    120,
    'The longest wait for the answer to DATA.',
  ),
  lmtpDataXferTimeoutMs: lmtpTimeout(
    'lmtp_data_xfer_timeout',
    180,
    'The longest standstill while the message is sent.',
  ),
  lmtpDataDoneTimeoutMs: lmtpTimeout(
    'lmtp_data_done_timeout',
    600,
    'The longest wait for each answer after the final dot.',
  ),
  lmtpRsetTimeoutMs: lmtpTimeout('lmtp_rset_timeout', 20, 'The longest wait for the answer to RSET.'),
  lmtpQuitTimeoutMs: lmtpTimeout(
    'lmtp_quit_timeout',
    10,
    'How long a mailbox server may keep the connection open after QUIT. Postfix waits 300s.',
  ),
  lmtpStarttlsTimeoutMs: lmtpTimeout(
    'lmtp_starttls_timeout',
    300,
    'The longest wait for the answer to STARTTLS, and for the handshake.',
  ),
} as const satisfies Readonly<Record<string, Setting>>
