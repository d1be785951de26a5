import type { BareNewline } from '#src/match/types.ts'
import type { Mechanism } from './sasl.ts'

/** What a session is run by. A session keeps the settings that it began with. */
export interface SmtpSettings {
  /** First word of the greeting, of the EHLO reply and of Received (Postfix `myhostname`). */
  readonly hostname: string
  /** What follows the host name in the greeting (the rest of Postfix `smtpd_banner`). */
  readonly banner: string
  /** Where mail to `<postmaster>` without a domain goes (RFC 5321 section 4.5.1). */
  readonly postmaster: string
  /** `smtpd_helo_required`: MAIL only behind HELO or EHLO. */
  readonly heloRequired: boolean
  /** `message_size_limit`, `zimbraMtaMaxMessageSize`, in octets; 0 for none. */
  readonly messageBytesMax: number
  /** header_size_limit: as much of a header is looked at field by field. */
  readonly headerBytesMax: number
  /** `smtpd_recipient_limit`. RFC 5321 section 4.5.3.1.8 wants at least 100. */
  readonly recipientsMax: number
  /** `smtpd_soft_error_limit`: from then on each reply waits for `errorDelayMs`. */
  readonly softErrorLimit: number
  /** `smtpd_hard_error_limit`: at so many errors the client is cut. */
  readonly hardErrorLimit: number
  /** `smtpd_error_sleep_time`. */
  readonly errorDelayMs: number
  /** `smtpd_junk_command_limit`: HELO, NOOP, RSET, VRFY, ETRN beyond it count as errors. */
  readonly junkCommandLimit: number
  /** `smtpd_timeout`: silence of the client, in any state. */
  readonly timeoutMs: number
  /**
   * `smtpd_per_request_deadline`: also bounds a whole command line by `timeoutMs`, and content by `timeoutMs`
   * and `dataRateMin`, so that one octet a minute does not keep a session for ever.
   */
  readonly requestDeadline: boolean
  /** `smtpd_min_data_rate`, octets a second; used with `requestDeadline`. */
  readonly dataRateMin: number
  /** Sessions of one process; more are sent away with 421 4.3.2. */
  readonly connectionsMax: number
  /**
   * Octets of a command line without CRLF. RFC 5321 section 4.5.3.1.4 asks for 512, each extension adds to it;
   * `line_length_limit` is 2048.
   */
  readonly lineBytesMax: number
  /** `smtpd_forbid_bare_newline`: what a bare CR or LF in the content becomes. */
  readonly bareNewline: BareNewline
  /** `message_reject_characters`, of which only NUL is known: whether content with one is refused. */
  readonly rejectNul: boolean
  /** `hopcount_limit`, `zimbraMtaHopcountLimit`: Received lines that a message may have. */
  readonly hopsMax: number
  /** `always_add_missing_headers`: Date, Message-Id, From and To. */
  readonly addMissingHeaders: boolean
  /** `smtpd_tls_loglevel` from 1 on: whether each handshake has a line in the log. */
  readonly logsTls: boolean
  /** `smtpd_client_port_logging`. */
  readonly logsClientPort: boolean
  /** `smtpd_tls_received_header`: the comment on TLS in Received. */
  readonly tlsReceivedHeader: boolean
  /** `smtpd_forbid_unauth_pipelining`: RFC 2920 section 3.1 is enforced. */
  readonly forbidUnauthPipelining: boolean
  /** `smtpd_forbidden_commands`, upper case: words of other protocols; whoever says one is cut. */
  readonly forbiddenCommands: readonly string[]
  /** `smtpd_sasl_auth_enable`, `zimbraMtaSaslAuthEnable`: whether there is AUTH at all. */
  readonly authEnabled: boolean
  /** `zimbraMtaSaslSmtpdMechList`. */
  readonly mechanisms: readonly Mechanism[]
  /** `smtpd_tls_auth_only`, `zimbraMtaTlsAuthOnly`: AUTH only within TLS. */
  readonly tlsAuthOnly: boolean
  /** `broken_sasl_auth_clients`: EHLO also shows `AUTH=…`, for clients of before RFC 2554. */
  readonly brokenSaslAuthClients: boolean
  /** `smtpd_sasl_security_options`: what a mechanism must not do, or has to do, outside TLS. */
  readonly saslOptions: readonly string[]
  /** `smtpd_sasl_tls_security_options`: the same within TLS. */
  readonly saslTlsOptions: readonly string[]
  /** `smtpd_sasl_authenticated_header`: the comment on the user in Received. */
  readonly authenticatedHeader: boolean
  /** `smtpd_tls_security_level = encrypt`: nothing but EHLO, NOOP, STARTTLS and QUIT before TLS, on every listener. */
  readonly tlsRequired: boolean
  /** How long sessions in a transaction may go on after a stop. */
  readonly stopGraceMs: number
  /** Generation of the settings, for the trace of a message. */
  readonly generation: number
}

/** Postfix's and Zimbra's defaults. */
export const DEFAULT_SETTINGS: SmtpSettings = {
  hostname: 'localhost',
  banner: 'ESMTP Postern',
  postmaster: 'postmaster@localhost',
  heloRequired: true,
  messageBytesMax: 10_240_000,
  headerBytesMax: 102_400,
  recipientsMax: 1000,
  softErrorLimit: 10,
  hardErrorLimit: 20,
  errorDelayMs: 1000,
  junkCommandLimit: 100,
  timeoutMs: 300_000,
  requestDeadline: false,
  dataRateMin: 500,
  connectionsMax: 1000,
  lineBytesMax: 2048,
  bareNewline: 'normalize',
  rejectNul: true,
  hopsMax: 50,
  addMissingHeaders: true,
  logsTls: true,
  logsClientPort: false,
  tlsReceivedHeader: true,
  forbidUnauthPipelining: true,
  forbiddenCommands: ['CONNECT', 'GET', 'POST'],
  authEnabled: true,
  mechanisms: ['PLAIN', 'LOGIN'],
  tlsAuthOnly: true,
  brokenSaslAuthClients: true,
  saslOptions: ['noanonymous'],
  saslTlsOptions: ['noanonymous'],
  authenticatedHeader: false,
  tlsRequired: false,
  stopGraceMs: 10_000,
  generation: 0,
}
