import { counter, gauge, histogram } from '#src/base/metrics.ts'
import type { Reply } from '#src/base/reply.ts'
import type { Received } from './reception.ts'

/** What sessions count: resolved once, so that a session pays for additions only. */
export const COUNTS = {
  connections: counter('postern_smtpd_connections_total'),
  refusedConnections: counter('postern_smtpd_refused_connections_total'),
  sessions: gauge('postern_smtpd_sessions'),
  lost: counter('postern_smtpd_lost_total').of(),
  errors: counter('postern_smtpd_errors_total').of(),
  tls: counter('postern_smtpd_tls_sessions_total'),
  tlsFailures: counter('postern_smtpd_tls_failures_total'),
  auth: counter('postern_smtpd_auth_total'),
  commands: counter('postern_smtpd_commands_total'),
  refusals: counter('postern_smtpd_refusals_total'),
  messages: counter('postern_smtpd_messages_total'),
  messageBytes: counter('postern_smtpd_message_bytes_total').of(),
  messageRecipients: counter('postern_smtpd_message_recipients_total').of(),
  greetingSeconds: histogram('postern_smtpd_greeting_seconds').of(),
  commandSeconds: histogram('postern_smtpd_command_seconds'),
  transferSeconds: histogram('postern_smtpd_transfer_seconds').of(),
  scanSeconds: histogram('postern_smtpd_scan_seconds').of(),
  commitSeconds: histogram('postern_smtpd_commit_seconds').of(),
  rechecks: counter('postern_smtpd_rechecks_total').of(),
} as const

/** Why something was refused, as `postern_smtpd_refusals_total` tells it. */
export type RefusalReason =
  | 'address'
  | 'auth'
  | 'busy'
  | 'content'
  | 'internal'
  | 'limit'
  | 'loop'
  | 'policy'
  | 'protocol'
  | 'rate'
  | 'size'
  | 'storage'
  | 'timeout'

/** By the enhanced status code (RFC 3463) where it says all; else by its middle number. */
const REASONS: ReadonlyMap<string, RefusalReason> = new Map([
  ['5.3.4', 'size'],
  ['4.3.1', 'storage'],
  ['4.3.2', 'busy'],
  ['4.4.2', 'timeout'],
  ['5.4.0', 'loop'],
  ['4.5.3', 'limit'],
  ['5.7.8', 'auth'],
  ['5.7.11', 'auth'],
])
const SUBJECTS: ReadonlyMap<string, RefusalReason> = new Map([
  ['1', 'address'],
  ['3', 'internal'],
  ['5', 'protocol'],
  ['6', 'content'],
  ['7', 'policy'],
])
/** RFC 4954 section 6: whoever has yet to authenticate, or cannot now. */
const AUTH_CODES: ReadonlySet<number> = new Set([454, 530, 535, 538])

/** Why a reply of 4xx or 5xx was given; `command` is 'message' for what follows the last octet of one. Pure. */
export function reasonOf(command: string, { code, dsn }: Reply): RefusalReason {
  const known = REASONS.get(dsn)
  if (known !== undefined) return known
  if (AUTH_CODES.has(code)) return 'auth'
  // Too many connections, errors or attempts: all that ends a session for its pace.
  if (dsn === '4.7.0' || dsn === '4.7.1') return 'rate'
  const reason = SUBJECTS.get(dsn.split('.')[1] ?? '') ?? 'protocol'
  // What the judge refuses is refused for what is in it, and so are bare newlines and NUL.
  return command === 'message' && (reason === 'policy' || reason === 'protocol') ? 'content' : reason
}

/** Counts a refusal. */
export function countRefusal(command: string, reply: Reply): void {
  COUNTS.refusals.of(command, reply.code < 500 ? '4' : '5', reasonOf(command, reply)).add()
}

/** Counts a message that came in whole. */
export function countReceived(received: Received, service: string): void {
  if (received.kind === 'refused') {
    COUNTS.messages.of(service, 'refused').add()
    return
  }
  if (received.kind === 'discarded') {
    COUNTS.messages.of(service, 'discarded').add()
    return
  }
  COUNTS.messages.of(service, 'accepted').add()
  COUNTS.messageBytes.add(received.bytes)
  COUNTS.messageRecipients.add(received.message.recipients.length)
}
