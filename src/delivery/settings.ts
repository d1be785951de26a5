/**
 * What delivery is told. Each value has the Postfix parameter or the Zimbra attribute that it stands for, with
 * the same default; a test hands in shorter times.
 */

/** How long each part of a dialogue may take, milliseconds (RFC 5321 section 4.5.3.2; Postfix `lmtp_*_timeout`). */
export interface DeliveryTimeouts {
  /** lmtp_connect_timeout: to the end of the TCP handshake, for each address. */
  readonly connectMs: number
  /** The 220 (RFC 5321 section 4.5.3.2.1) and the reply to LHLO, EHLO or HELO: lmtp_lhlo_timeout. */
  readonly helloMs: number
  /** lmtp_starttls_timeout: the reply to STARTTLS, and the handshake. */
  readonly startTlsMs: number
  /** lmtp_mail_timeout. */
  readonly mailMs: number
  /** lmtp_rcpt_timeout, for each reply. */
  readonly rcptMs: number
  /** lmtp_data_init_timeout: the reply to DATA. */
  readonly dataInitMs: number
  /** lmtp_data_xfer_timeout: until the peer has taken one block of the body. */
  readonly dataXferMs: number
  /** lmtp_data_done_timeout: each reply after the final dot. */
  readonly dataDoneMs: number
  /** lmtp_rset_timeout. */
  readonly rsetMs: number
  /** lmtp_quit_timeout: how long the peer may keep a socket open after our QUIT. */
  readonly quitMs: number
}

/**
 * lmtp_tls_security_level. 'may' uses TLS where it is offered, verifies nothing, and falls back to plaintext;
 * 'encrypt' never falls back.
 */
export type TlsLevel = 'none' | 'may' | 'encrypt'

export interface DeliverySettings {
  /** What we call ourselves in LHLO and EHLO (lmtp_lhlo_name, myhostname). */
  readonly helloName: string
  /** Deliveries at once to one destination: zimbraLmtpNumThreads, default_destination_concurrency_limit. */
  readonly concurrencyMax: number
  /** Deliveries at once to all destinations (default_process_limit). */
  readonly connectionsMax: number
  /** Recipients in one transaction (lmtp_destination_recipient_limit). */
  readonly recipientsMax: number
  /** Addresses of one host that are tried in one attempt (lmtp_mx_address_limit). */
  readonly addressesMax: number
  /** How long an unused connection is kept (zimbraMtaLmtpConnectionCacheTimeLimit). */
  readonly idleMs: number
  /** How long one connection is used in all (lmtp_connection_reuse_time_limit). */
  readonly reuseMs: number
  /** Transactions over one connection (lmtp_connection_reuse_count_limit). */
  readonly usesMax: number
  /** Connection failures in a row after which a destination is rested (…_concurrency_failed_cohort_limit). */
  readonly failuresMax: number
  /** How long it is rested before one connection probes it: at most minimal_backoff_time, shorter is kinder. */
  readonly restMs: number
  /** How long no new delivery starts after a 421: the peer asked for less, not for nothing. */
  readonly pauseMs: number
  /** How long running deliveries may go on after close(). */
  readonly closeMs: number
  readonly tls: {
    readonly smtp: TlsLevel
    /** To a loopback address no TLS is used whatever this says. */
    readonly lmtp: TlsLevel
  }
  readonly timeouts: DeliveryTimeouts
}

const SECOND = 1000

export const DEFAULT_DELIVERY: Omit<DeliverySettings, 'helloName'> = {
  concurrencyMax: 20,
  connectionsMax: 500,
  recipientsMax: 50,
  addressesMax: 5,
  idleMs: 4 * SECOND,
  reuseMs: 300 * SECOND,
  usesMax: 1000,
  failuresMax: 5,
  restMs: 60 * SECOND,
  pauseMs: SECOND,
  closeMs: 10 * SECOND,
  tls: { smtp: 'may', lmtp: 'may' },
  timeouts: {
    connectMs: 30 * SECOND,
    helloMs: 300 * SECOND,
    startTlsMs: 300 * SECOND,
    mailMs: 300 * SECOND,
    rcptMs: 300 * SECOND,
    dataInitMs: 120 * SECOND,
    dataXferMs: 180 * SECOND,
    dataDoneMs: 600 * SECOND,
    rsetMs: 20 * SECOND,
    quitMs: 10 * SECOND,
  },
}
